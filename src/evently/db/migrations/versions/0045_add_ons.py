"""Ticket types that are sold only together with others."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """Add what an add-on needs to ticket types."""
    op.execute(read_revision(__file__))
