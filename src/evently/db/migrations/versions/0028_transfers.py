"""Tickets are passed on to other persons."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add the holders of tickets, their transfers and the void codes."""
    op.execute(read_revision(__file__))
