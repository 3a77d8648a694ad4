"""The secret of an installation, kept in its database: all processes sign and verify with it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from evently.db import Database, load_queries

sql: Final = load_queries(__name__)

SECRET_BYTES: Final = 32


async def read_secret(database: Database, now: datetime) -> bytes:
    """Return the secret. The first call creates it."""
    async with database.transaction() as tx:
        await tx.execute(*sql.create_secret(secret=secrets.token_bytes(SECRET_BYTES), now=now))
        secret: bytes = await tx.fetchval(*sql.read_secret())
        return secret
