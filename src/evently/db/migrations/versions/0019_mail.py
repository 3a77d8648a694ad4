"""E-mails wait in an outbox; people choose what they are told; the clock notifies, too."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the outbox, the bounced addresses and the choices."""
    op.execute(read_revision(__file__))
