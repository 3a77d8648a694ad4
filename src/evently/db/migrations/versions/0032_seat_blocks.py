"""Blocked seats can have a name, and an end."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Create the table."""
    op.execute(read_revision(__file__))
