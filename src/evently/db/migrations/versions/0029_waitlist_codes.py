"""A waitlist entry knows the promo code that unlocked its ticket type."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add the column."""
    op.execute(read_revision(__file__))
