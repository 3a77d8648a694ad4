"""A booking records what was paid back at the gateway by another hand."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column."""
    op.execute(read_revision(__file__))
