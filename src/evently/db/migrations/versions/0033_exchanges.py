"""Tickets get other seats."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Allow the notification."""
    op.execute(read_revision(__file__))
