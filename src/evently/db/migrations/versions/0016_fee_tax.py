"""A ticket records the tax that is included in its fee."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column."""
    op.execute(read_revision(__file__))
