"""The table of pictures. Who names a picture keeps it in the same transaction, so it is not deleted then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from evently.db import Connection, Database, load_queries
from evently.kit.errors import Refused
from evently.pictures.making import MadePicture, PicturesRefusal

sql: Final = load_queries(__name__)

Size: TypeAlias = Literal["shared", "wide", "small"]

STORED_MAX: Final = 200  # of one organizer in a day; the dates of a series share one
STORED_WITHIN: Final = timedelta(days=1)
FORGOTTEN_MAX: Final = 100  # looked at in one transaction
_ADDRESS: Final = re.compile(r"/pictures/([0-9a-f]{32})\.jpg")


def address_of(digest: str) -> str:
    """Return the address of a picture, which events keep."""
    return f"/pictures/{digest}.jpg"


def digest_in(address: str | None) -> str | None:
    """Return the digest in the address of a picture that was uploaded; None: it is elsewhere."""
    found = None if address is None else _ADDRESS.fullmatch(address)
    return None if found is None else found[1]


async def store(tx: Connection, organizer_id: UUID, made: MadePicture, now: datetime) -> None:
    """Store a picture of an organizer; one that is there already is kept. Refuses `too-many-pictures`."""
    if await keep(tx, made.digest, now):
        return
    count = await tx.fetchval(*sql.count_stored(organizer_id=organizer_id, since=now - STORED_WITHIN))
    if count >= STORED_MAX:
        raise Refused(PicturesRefusal.TOO_MANY, "in_a_day", count_max=STORED_MAX)
    await tx.execute(*sql.insert_picture(**made._asdict(), organizer_id=organizer_id, now=now))


async def keep(tx: Connection, digest: str, now: datetime) -> bool:
    """Return whether there is a picture; from now on it is shown, or it is soon."""
    return await tx.fetchval(*sql.keep_picture(digest=digest, now=now)) is not None


async def read_picture(database: Database, digest: str, size: Size) -> bytes | None:
    """Return a picture in one of its sizes."""
    found: bytes | None = await database.fetch_value(*sql.read_picture(digest=digest, size=size))
    return found


async def list_unchecked(database: Database, before: datetime) -> list[str]:
    """Return pictures that nobody has named or checked since an instant, the longest first."""
    rows = await database.fetch(*sql.list_unchecked(before=before, limit=FORGOTTEN_MAX))
    return [row["digest"] for row in rows]


async def forget(
    tx: Connection, shown: Sequence[str], unshown: Sequence[str], before: datetime, now: datetime
) -> None:
    """Note that some pictures are shown, and delete others, unless they were named since an instant."""
    await tx.execute(*sql.note_checked(digests=shown, now=now))
    await tx.execute(*sql.delete_unshown(digests=unshown, before=before))
