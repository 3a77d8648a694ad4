"""Devices scan at the door."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Create the table, and add the columns."""
    op.execute(read_revision(__file__))
