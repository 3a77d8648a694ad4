"""Jobs: the tables and functions of procrastinate 3.10, as the library itself makes them."""

from alembic import op
from procrastinate.schema import SchemaManager

from evently.db.migrations.runner import read_revision

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the library's schema; our changes are in the `.sql` file.

    A release with another schema gets a revision of its own.
    """
    # On the driver's own connection: SQLAlchemy would take the percent signs in it for parameters.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "a migration has a connection"
    driver.execute(SchemaManager.get_schema())
    op.execute(read_revision(__file__))
