"""The first entries of the waitlist."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the index."""
    op.execute(read_revision(__file__))
