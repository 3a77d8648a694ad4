"""Figures by minute, of holds and of sources."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
