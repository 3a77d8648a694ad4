"""Cancelled sales say whether their organizer keeps what was paid at the door."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Set the bit."""
    op.execute(read_revision(__file__))
