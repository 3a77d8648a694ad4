"""PostgreSQL: the connection pool, the `.sql` files, the migrations, the embedded server.

    Database                     reads in one call, writes in `transaction()`
    load_queries(__name__)       the named statements of the `.sql` file beside a module
    lock_by_event                locks of several events, on one server or on a cluster
    CheckedClock                 the clock of this process, compared with the database's
    Commits                      whether commits wait, for a standby or a disk
    Probe                        whether the database reads and writes, within a bound
    leases                       work for one process at a time
    migrations                   the schema, in forward-only revisions
    revision                     the revision that a database has, and the one that this code needs
    embedded                     a PostgreSQL server as a child process

Only this package knows the driver's errors: `Database` turns them into `Trouble` (kit/errors.py). It must
never keep session state on a pooled connection, so that a transaction pooler can be used.
"""

from evently.db.clusters import lock_by_event
from evently.db.commits import COMMIT_SECONDS_MAX, Commits
from evently.db.pool import (
    CONNECTION_ERRORS,
    REPORT_SECONDS_MAX,
    Connection,
    Database,
    DatabaseOptions,
    Record,
    unavailable,
)
from evently.db.probing import CheckedClock, Probe, write_something
from evently.db.queries import Queries, Query, load_queries, placement

__all__ = [
    "COMMIT_SECONDS_MAX",
    "CONNECTION_ERRORS",
    "REPORT_SECONDS_MAX",
    "CheckedClock",
    "Commits",
    "Connection",
    "Database",
    "DatabaseOptions",
    "Probe",
    "Queries",
    "Query",
    "Record",
    "load_queries",
    "lock_by_event",
    "placement",
    "unavailable",
    "write_something",
]
