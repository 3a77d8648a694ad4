"""Webhooks: organizers' programs get signed messages about facts."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    """Add webhooks, their secrets, their deliveries and what came back."""
    op.execute(read_revision(__file__))
