"""Organizers start rehearsals from the desk; sandbox events are removed afterwards."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
