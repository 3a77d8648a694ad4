"""Which revision a database is at, and which one this code needs: what a health check asks, without loading Alembic."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import asyncpg

from evently.db.pool import Database
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)


def newest_revision() -> str:
    """Return the revision that this code needs; the files in `versions/` begin with theirs."""
    versions = (
        files("evently.db").joinpath("migrations", "versions").iterdir()
    )  # naming that package here would load it, and Alembic
    return max(file.name.partition("_")[0] for file in versions if file.name.endswith(".sql"))


async def stored_revision(database: Database) -> str | None:
    """Return the revision of a database, None for one that was never migrated."""
    try:
        revision: str | None = await database.fetch_value(*sql.read_revision())
    except asyncpg.UndefinedTableError:
        return None
    return revision
