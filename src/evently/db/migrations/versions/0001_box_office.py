"""The first schema: people, organizers, events, sales, the journal, figures."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables; see the `.sql` file of the same name."""
    op.execute(read_revision(__file__))
