"""Notifications for people."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    op.execute(read_revision(__file__))
