"""A booking carries how it is paid."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column and fill it."""
    op.execute(read_revision(__file__))
