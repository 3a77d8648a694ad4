"""Tickets are checked in at the door."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
