"""Pictures that organizers upload."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    """Add the table of pictures, and find the events that show one."""
    op.execute(read_revision(__file__))
