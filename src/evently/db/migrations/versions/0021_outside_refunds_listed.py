"""Refunds at a gateway by another hand have rows."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create the table."""
    op.execute(read_revision(__file__))
