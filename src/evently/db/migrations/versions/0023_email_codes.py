"""People sign in with a code that comes by e-mail, which verifies their address."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add the codes, and when an address was verified."""
    op.execute(read_revision(__file__))
