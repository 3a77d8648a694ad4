"""Pictures of events, for the API and for pages: their addresses, and what an upload does."""

from __future__ import annotations

from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET

from evently import catalogue, organizing, pictures
from evently.catalogue import Seen
from evently.organizing import Edited
from evently.web.services import Request

PICTURE_BYTES_MAX: Final = 8 * 1024 * 1024  # a photograph of a phone has 3 to 6 MB
FORM_BYTES_MAX: Final = PICTURE_BYTES_MAX + 64 * 1024  # with what a form has around it
PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})

Terms = TypeVar("Terms", bound=msgspec.Struct)


def whole_address(public_url: str, image_url: str | None) -> str | None:
    """Return the address of a picture for other programs: that of one that was uploaded has our host."""
    return image_url if pictures.digest_in(image_url) is None else f"{public_url}{image_url}"


def naming_here(public_url: str, terms: Terms) -> Terms:
    """Return what a client sent, with a picture of ours named as events keep it, without our host."""
    sent: Any = getattr(terms, "image_url", UNSET)
    if not isinstance(sent, str) or not public_url or not sent.startswith(f"{public_url}/pictures/"):
        return terms
    path = sent.removeprefix(public_url)
    return terms if pictures.digest_in(path) is None else msgspec.structs.replace(terms, image_url=path)


async def upload_picture(
    request: Request, event_id: UUID, sent: bytes, media_type: str, seen: Seen
) -> Edited:
    """Make a picture of a file, and give it to an event. `media_type`: what it is said to be, or empty.

    Refuses `unusable-picture` and what `organizing.put_picture` does.
    """
    context = request.context
    made = await pictures.make_picture(sent, media_type)
    async with context.database.transaction() as tx:
        edited = await organizing.put_picture(tx, event_id, made, now := context.clock(), seen)
        if edited.event.changed_at == now:
            await catalogue.note_editor(tx, event_id, request.actor.id)
    context.memory.forget(event_id)
    return edited


async def remove_picture(request: Request, event_id: UUID, seen: Seen) -> Edited:
    """Take the picture from an event. Refuses what `organizing.remove_picture` does."""
    context = request.context
    async with context.database.transaction() as tx:
        edited = await organizing.remove_picture(tx, event_id, now := context.clock(), seen)
        if edited.event.changed_at == now:
            await catalogue.note_editor(tx, event_id, request.actor.id)
    context.memory.forget(event_id)
    return edited
