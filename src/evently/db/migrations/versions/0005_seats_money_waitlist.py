"""Seats, holds, money and the waitlist of an event."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the new tables, and widen existing ones."""
    op.execute(read_revision(__file__))
