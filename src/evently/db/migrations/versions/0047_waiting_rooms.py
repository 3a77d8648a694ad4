"""Waiting rooms before sales."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    """Add waiting rooms, their entries and paces."""
    op.execute(read_revision(__file__))
