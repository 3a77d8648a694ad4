"""The picture of an event: one that was uploaded, or none; and which uploaded pictures nothing shows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from evently import catalogue, pictures
from evently.catalogue import Seen, whichever_version
from evently.db import Connection, Database
from evently.organizing.edits import Edited, lock_for_edit, write_version
from evently.pictures import MadePicture

# How long a picture stays that nothing shows: other sites may still load what they have read of an event
KEPT: Final = timedelta(days=1)


async def put_picture(
    tx: Connection, event_id: UUID, made: MadePicture, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Give an event a picture that was uploaded. Safe to repeat.

    Refuses `not-found`, `event-cancelled` and `too-many-pictures`.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    await pictures.store(tx, event.organizer_id, made, now)
    address = pictures.address_of(made.digest)
    if event.image_url == address:
        return Edited(event, sale)
    await catalogue.set_picture(tx, event_id, address)
    return await write_version(tx, sale, now)


async def remove_picture(
    tx: Connection, event_id: UUID, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Take the picture from an event, wherever it is: a poster is drawn then. Safe to repeat.

    Refuses `not-found` and `event-cancelled`.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    if event.image_url is None:
        return Edited(event, sale)
    await catalogue.set_picture(tx, event_id, None)
    return await write_version(tx, sale, now)


async def is_there(tx: Connection, image_url: str | None, now: datetime) -> bool:
    """Return whether a picture can be named: one that was uploaded must be there, and stays from now on."""
    digest = pictures.digest_in(image_url)
    return digest is None or await pictures.keep(tx, digest, now)


async def forget_unshown_pictures(database: Database, now: datetime) -> bool:
    """Delete some pictures that no event has shown for a while; return whether there may be more.

    An event that names a picture meanwhile has said so in the row of the picture: that one is not deleted.
    """
    before = now - KEPT
    digests = await pictures.list_unchecked(database, before)
    if not digests:
        return False
    shown = await catalogue.list_shown(database, [pictures.address_of(each) for each in digests])
    found = {pictures.digest_in(each) for each in shown}
    async with database.transaction() as tx:
        await pictures.forget(
            tx,
            [each for each in digests if each in found],
            [each for each in digests if each not in found],
            before,
            now,
        )
    return len(digests) == pictures.FORGOTTEN_MAX
