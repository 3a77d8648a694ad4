"""Notifications reach the devices of people by web push."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Create the tables, and widen the channels."""
    op.execute(read_revision(__file__))
