"""Jobs: the tables and functions of procrastinate, as of its release 3.10."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create everything; see the `.sql` file of the same name."""
    op.execute(read_revision(__file__))
