"""Refunds by another hand have rows, and reading back what the gateways did has a place to continue from."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
