"""The seat maps of venues."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.execute(read_revision(__file__))
