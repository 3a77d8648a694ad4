"""Events are the dates of a series."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Add the column and its index."""
    op.execute(read_revision(__file__))
