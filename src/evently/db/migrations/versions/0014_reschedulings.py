"""An event remembers its earlier times and places; a fact may notify each booking."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the table, and widen the key of notifications."""
    op.execute(read_revision(__file__))
