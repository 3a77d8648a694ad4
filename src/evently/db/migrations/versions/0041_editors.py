"""An event knows who changed it last; conflicts at the door are found at once."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """Add who changed an event, and an index of conflicts."""
    op.execute(read_revision(__file__))
