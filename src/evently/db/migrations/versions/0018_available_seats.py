"""The seating of an event records how many seats each zone has left."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column and count."""
    op.execute(read_revision(__file__))
