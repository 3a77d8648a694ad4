"""Organizers find bookings by what a caller says."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Create the indexes and the table."""
    op.execute(read_revision(__file__))
