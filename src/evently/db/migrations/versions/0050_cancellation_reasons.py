"""Why organizers cancel."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    """Add the reasons of cancellations."""
    op.execute(read_revision(__file__))
