"""Unique indexes of event tables contain the event."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    """Replace the three unique indexes that do not."""
    op.execute(read_revision(__file__))
