"""Administrators lock accounts, run audits, and every act of theirs is written down."""

from alembic import op

from evently.db.migrations.runner import read_revision

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Create the tables."""
    op.execute(read_revision(__file__))
