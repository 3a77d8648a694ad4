"""A promo code may limit the units that one use has."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the limit."""
    op.execute(read_revision(__file__))
