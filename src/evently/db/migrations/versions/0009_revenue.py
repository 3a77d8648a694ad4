"""Revenue by event and quarter of an hour."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns and fill them."""
    op.execute(read_revision(__file__))
