"""Payments and refunds, in progress and final."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
