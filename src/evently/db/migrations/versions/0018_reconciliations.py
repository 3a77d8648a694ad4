"""Reading back the notices of gateways has a place to continue from."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Create the table."""
    op.execute(read_revision(__file__))
