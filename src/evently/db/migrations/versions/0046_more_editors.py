"""Venues, questions and the settings of a door know who changed them last."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    """Add who changed them, and when a venue was changed."""
    op.execute(read_revision(__file__))
