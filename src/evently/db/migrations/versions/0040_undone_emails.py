"""The owner of an old address can undo a change of the e-mail."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Add codes that undo a change of the address."""
    op.execute(read_revision(__file__))
