"""Facts of old journals in files."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    """Add the table of files, and allow rows without facts."""
    op.execute(read_revision(__file__))
