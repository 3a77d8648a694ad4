"""PostgreSQL: the pool, the `.sql` files, the migrations, the embedded server.

`Database` is what everybody uses: reads in one call, writes in `transaction()`. It alone knows the driver's errors and turns them into
`Trouble` (kit/errors.py). No session state is kept on pooled connections, so a transaction pooler may stand in between.
"""

from evently.db.pool import Connection, Database, DatabaseOptions, Record, gone
from evently.db.queries import Queries, Query, load_queries

__all__ = ["Connection", "Database", "DatabaseOptions", "Queries", "Query", "Record", "gone", "load_queries"]
