"""The devices of a person: browsers that accept pushes, each with an endpoint and the keys to write to it.

A device belongs to whom it was turned on by last, and to the session in which that was done: ending the
session ends its pushes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.ids import new_id

sql: Final = load_queries(__name__)

DEVICES_MAX: Final = 10  # of a person; a further one takes the place of the oldest
FORGOTTEN_MAX: Final = 5_000  # deleted at a time


class NewDevice(msgspec.Struct, frozen=True):
    """A device as the browser describes it, checked: its endpoint, its public key and its secret."""

    endpoint: str
    device_key: bytes
    auth: bytes


class Device(msgspec.Struct, frozen=True):
    """A device of a person."""

    device_id: UUID
    session_id: UUID
    endpoint: str
    created_at: datetime


async def add_device(
    tx: Connection, person_id: UUID, session_id: UUID, new: NewDevice, now: datetime
) -> None:
    """Store a device, in the place of what was stored for its endpoint. Harmless to repeat."""
    await tx.execute(*sql.lock_person(person_id=person_id))
    await tx.execute(
        *sql.add_device(
            device_id=new_id(),
            person_id=person_id,
            session_id=session_id,
            endpoint=new.endpoint,
            device_key=new.device_key,
            auth=new.auth,
            now=now,
        )
    )
    await tx.execute(*sql.crowd_out(person_id=person_id, kept=DEVICES_MAX, limit=DEVICES_MAX))


async def list_devices(database: Database, person_id: UUID) -> list[Device]:
    """Return the devices of a person, newest first."""
    rows = await database.fetch(*sql.list_devices(person_id=person_id, limit=DEVICES_MAX))
    return [Device(**row) for row in rows]


async def remove_device(tx: Connection, person_id: UUID, device_id: UUID) -> None:
    """Delete a device of a person. Harmless to repeat."""
    await tx.execute(*sql.remove_device(person_id=person_id, device_id=device_id))


async def forget_person(tx: Connection, person_id: UUID) -> None:
    """Delete the devices of a person who is being erased, and the messages to them."""
    await tx.execute(*sql.forget_person(person_id=person_id))


async def forget_ended(database: Database) -> None:
    """Delete some of the devices whose sessions were ended. Nothing is sent to them before that, either."""
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_ended(limit=FORGOTTEN_MAX))
