"""The revision of a database, and the one that this code needs. Does not load Alembic."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import asyncpg

from evently.db.pool import Database
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)


def newest_revision() -> str:
    """Return the revision that this code needs. File names in `versions/` begin with their revision."""
    # The name of the package `migrations` would import it, and Alembic with it
    versions = files("evently.db").joinpath("migrations", "versions").iterdir()
    return max(file.name.partition("_")[0] for file in versions if file.name.endswith(".sql"))


async def stored_revision(database: Database) -> str | None:
    """Return the revision of a database; None when it was never migrated."""
    try:
        revision: str | None = await database.fetch_value(*sql.read_revision())
    except asyncpg.UndefinedTableError:
        return None
    return revision


async def measure_size(database: Database) -> int:
    """Return how many bytes the database takes on its disk."""
    size: int = await database.fetch_value(*sql.measure_size())
    return size
