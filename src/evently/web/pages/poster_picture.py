"""The drawn poster of an event as PNG, which other sites show with a link to it (Open Graph).

A picture is 16 to 63 KB and takes 20 ms of processor time. typst draws outside of the interpreter's lock, in
one thread of the process. Pictures are kept; they depend on nothing but the event's id.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import UUID

import typst

from evently import catalogue
from evently.kit.errors import Busy, Refused
from evently.kit.ids import EventId, show_id
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import not_modified
from evently.web.edge.context import Response
from evently.web.edge.memory import Kept, kept
from evently.web.edge.routing import FromPath, get
from evently.web.pages.poster import draw_poster
from evently.web.services import Request

WIDTH: Final = 1_200
HEIGHT: Final = 630
_DAY: Final = "public, max-age=86400"
_KEPT_SECONDS: Final = 3_600.0
_WAITING_MAX: Final = 50  # for the thread: a second of work
_TEMPLATE: Final = Path(__file__).parent / "poster.typ"
_POINTS_PER_INCH: Final = 72  # a point is a pixel
_thread: Final = ThreadPoolExecutor(1, "posters")
_waiting: Final = set[UUID]()


@get("/events/{event_id}/poster.png", include_in_schema=False, **policy(PUBLIC))
async def show_poster(request: Request, event_id: FromPath[EventId]) -> Response[bytes] | Response[None]:
    """Return the drawn poster of a published event as a picture."""

    async def make() -> Kept:
        event = (await catalogue.find_events(request.context.database, [event_id])).get(event_id)
        if event is None or event.for_members:
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        return kept(await _picture(event_id), _DAY, seconds=_KEPT_SECONDS)

    found = await request.context.memory.get(("poster", event_id), make)
    if (unchanged := not_modified(request, found.etag, _DAY)) is not None:
        return unchanged
    return Response(found.body, headers=found.headers, media_type="image/png")


def poster_address(event_id: UUID) -> str:
    """Return where the poster of an event is as a picture."""
    return f"/events/{show_id('evt', event_id)}/poster.png"


async def _picture(event_id: UUID) -> bytes:
    if len(_waiting) >= _WAITING_MAX:
        raise Busy("pictures")
    _waiting.add(event_id)
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread, draw_picture, event_id)
    finally:
        _waiting.discard(event_id)


def draw_picture(event_id: UUID) -> bytes:
    """Return the poster of an event as PNG of 1200 by 630 points."""
    size = 'xmlns="http://www.w3.org/2000/svg" width="640" height="400"'
    drawing = draw_poster(event_id).replace("<svg ", f"<svg {size} ", 1)
    made = _compiler().compile(format="png", ppi=_POINTS_PER_INCH, sys_inputs={"drawing": drawing})
    assert isinstance(made, bytes), "a picture is one file"
    return made


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    return typst.Compiler(str(_TEMPLATE), root=str(_TEMPLATE.parent), ignore_system_fonts=True)


routes: Final = [show_poster]
