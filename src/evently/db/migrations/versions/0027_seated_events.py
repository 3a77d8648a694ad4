"""Buyers browse events with seats to choose."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add whether an event has seats, and its index."""
    op.execute(read_revision(__file__))
