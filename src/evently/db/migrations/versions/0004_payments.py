"""Payments: the demo gateway's own tables, and the inbox of notices from gateways."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
