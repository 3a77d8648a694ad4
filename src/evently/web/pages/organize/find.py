"""Finding at the desk, from one field: a page, an event, a booking. Ctrl K opens it everywhere.

`static/palette.js` shows the part `#found` of this page in a dialog. Without script, it is a plain page.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple
from uuid import UUID

from evently import catalogue, finding
from evently.catalogue import Event
from evently.kit.ids import OrganizerId, find_id, reference_of, show_id
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.organize.bookings import booking_address
from evently.web.pages.organize.desk import (
    MEMBERS,
    Desk,
    event_address,
    open_desk,
    open_event,
    organizer_address,
    render_desk,
)
from evently.web.pages.rendering import show
from evently.web.services import Request

_SHOWN_MAX: Final = 6  # of each kind: what fits without scrolling
_CHARACTERS_MIN: Final = 2  # of what may name a booking
Typed = Annotated[str, QueryParameter(max_length=finding.TYPED_CHARACTERS_MAX)]
OfEvent = Annotated[str, QueryParameter(name="event", max_length=40)]


class Hit(NamedTuple):
    """Something that was found, and where it is."""

    text: str
    detail: str
    address: str


class Group(NamedTuple):
    """What was found of one kind."""

    name: str
    hits: list[Hit]


@show("/organize/{organizer_id}/find", **policy(MEMBERS))
async def find(
    request: Request, organizer_id: FromPath[OrganizerId], q: Typed = "", event: OfEvent = ""
) -> Response[str]:
    """Return pages, events and bookings that match what was typed."""
    desk = await _open(request, organizer_id, find_id("evt", event))
    typed = " ".join(q.split())
    groups = [
        Group("Pages", _pages(desk, typed)),
        Group("Events", await _events(request, organizer_id, typed)),
    ]
    if desk.manages and len(typed) >= _CHARACTERS_MIN:
        groups.append(Group("Bookings", await _bookings(request, desk, organizer_id, typed)))
    found = [group for group in groups if group.hits]
    return render_desk(
        request,
        desk,
        "find.html",
        q=typed,
        groups=found,
        counted=words.count(sum(len(group.hits) for group in found), "result"),
        address=f"{organizer_address(organizer_id)}/find",
        of_event="" if desk.event is None else show_id("evt", desk.event.event_id),
    )


async def _open(request: Request, organizer_id: UUID, event_id: UUID | None) -> Desk:
    """Return the frame: with the event from which the reader comes, if it is the organizer's."""
    if event_id is not None:
        found = (await catalogue.find_events(request.context.database, [event_id])).get(event_id)
        if found is not None and found.organizer_id == organizer_id:
            return await open_event(request, event_id)
    return await open_desk(request, organizer_id)


def _pages(desk: Desk, typed: str) -> list[Hit]:
    """Return the pages whose names, or addresses, have words that begin with all that was typed.

    Those of the event come first.
    """
    asked = typed.casefold().split()
    hits = []
    for menus, detail in (
        (desk.tabs or [], desk.event.title if desk.event else ""),
        (desk.places, desk.organizer.name),
    ):
        for link in [link for menu in menus for link in menu.links]:
            end = link.address.rpartition("/")[2]
            names = [*link.name.casefold().split(), *([] if "_" in end else end.split("-"))]
            if asked and all(any(name.startswith(word) for name in names) for word in asked):
                hits.append(Hit(link.name, detail, link.address))
    return hits[:_SHOWN_MAX]


async def _events(request: Request, organizer_id: UUID, typed: str) -> list[Hit]:
    context = request.context
    found = await catalogue.find_titled(
        context.database, organizer_id, typed.split(), context.clock(), _SHOWN_MAX
    )
    return [Hit(each.title, _when(each), event_address(each.event_id)) for each in found]


async def _bookings(request: Request, desk: Desk, organizer_id: UUID, typed: str) -> list[Hit]:
    """Return bookings: of the event from which the reader comes, or else of all."""
    database = request.context.database
    found: list[finding.FoundBooking] = []
    if desk.event is not None:
        page = (await finding.find_bookings(database, desk.event.event_id, typed, _SHOWN_MAX, None)).page
        found = page.data
    if not found:
        wide = await finding.find_bookings_of_organizer(database, organizer_id, typed, _SHOWN_MAX, None)
        found = wide.page.data
    titles = await catalogue.find_events(database, list({each.event_id for each in found}))
    return [
        Hit(
            each.buyer_name or "Account closed",
            f"{reference_of(each.booking_id)}, {titles[each.event_id].title}",
            booking_address(each.event_id, each.booking_id),
        )
        for each in found
    ]


def _when(event: Event) -> str:
    state = "" if event.state == "published" else f", {event.state}"
    return f"{words.day(event.starts_at_local)}, {event.city}{state}"


routes: Final = [find]
