"""Tickets have names of attendees, where organizers ask for them."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the setting of events, and the names on tickets."""
    op.execute(read_revision(__file__))
