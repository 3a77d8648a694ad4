"""People log in with passkeys, and change their e-mail address."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Add passkeys, and whose address a code changes."""
    op.execute(read_revision(__file__))
