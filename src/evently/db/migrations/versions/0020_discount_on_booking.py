"""A promo code may take an amount off the whole booking; no discount exceeds the price of its ticket."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the kind and the constraint."""
    op.execute(read_revision(__file__))
