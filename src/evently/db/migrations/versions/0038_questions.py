"""Organizers ask buyers questions."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
