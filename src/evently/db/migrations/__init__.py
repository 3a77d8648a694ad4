"""The history of the schema: SQL files, forward only, run by Alembic. Only this package uses SQLAlchemy."""

from evently.db.migrations.runner import Refused, head_revision, migrate

__all__ = ["Refused", "head_revision", "migrate"]
