"""Lists of events read the tables of sales without a view."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Drop the view."""
    op.execute(read_revision(__file__))
