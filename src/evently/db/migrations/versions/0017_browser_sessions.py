"""Sessions in browsers have a secret instead of refresh tokens."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the hash of the secret."""
    op.execute(read_revision(__file__))
