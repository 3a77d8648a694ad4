"""The schema's history: plain SQL files, forward only, run by Alembic (SQLAlchemy is used here and nowhere else)."""

from evently.db.migrations.runner import head_revision, migrate

__all__ = ["head_revision", "migrate"]
