"""Search words have a version, so that old ones are made again."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the version."""
    op.execute(read_revision(__file__))
