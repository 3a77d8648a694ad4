"""The first in line."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create what is new."""
    op.execute(read_revision(__file__))
