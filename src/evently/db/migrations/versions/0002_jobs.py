"""Jobs: the tables and functions of procrastinate 3.10, as the library itself makes them."""

from alembic import op
from procrastinate.schema import SchemaManager

from evently.db.migrations.runner import read_revision

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create everything; see the `.sql` file of the same name for what is ours. A release with another schema gets a revision of its own."""
    op.get_bind().exec_driver_sql(SchemaManager.get_schema())
    op.execute(read_revision(__file__))
