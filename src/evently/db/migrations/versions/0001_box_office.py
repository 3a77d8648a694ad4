"""The first schema: people, organizers, events, the till, the journal, the roll-ups."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything; see the `.sql` file of the same name."""
    op.execute(read_revision(__file__))
