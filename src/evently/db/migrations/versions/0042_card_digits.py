"""The last digits of cards."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """Add the last digits of cards to payments."""
    op.execute(read_revision(__file__))
