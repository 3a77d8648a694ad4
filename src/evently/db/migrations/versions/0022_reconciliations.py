"""Reading back the notices of gateways has a place to continue from."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Create the table."""
    op.execute(read_revision(__file__))
