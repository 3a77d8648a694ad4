"""The key of an installation for push services, kept in its database unless the operator sets one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from evently.db import Database, load_queries
from evently.push.encrypting import load_key, new_key_bytes

sql: Final = load_queries(__name__)


async def read_stored_key(database: Database, now: datetime) -> EllipticCurvePrivateKey:
    """Return the key. The first call creates it."""
    async with database.transaction() as tx:
        stored = await tx.fetchval(*sql.read_key())
        if stored is None:
            await tx.execute(*sql.create_key(private_key=new_key_bytes(), now=now))
            stored = await tx.fetchval(*sql.read_key())
    return load_key(stored)
