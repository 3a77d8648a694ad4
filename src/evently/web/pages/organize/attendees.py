"""The attendees of an event on paper: by name, with ticket type, seat, answers and a box to tick.

For a door whose phones are flat. The list is as true as the moment in which it was made, which stands on it.
It has what people at the door may see: the answers to other questions are in the CSV of the attendees.
"""

from __future__ import annotations

import asyncio
import math
import unicodedata
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from evently import attendees, checkin
from evently.attendees import Attendee
from evently.checkin import Holder
from evently.kit.ids import EventId, reference_of
from evently.web.door import find_answers
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.organize.desk import event_address, open_event, render_desk
from evently.web.pages.rendering import show
from evently.web.services import Request

READS: Final = organizer("manager", "bookings:read")
ON_PAGE_MAX: Final = 1_000  # 40 sheets of paper, and 50 ms to render
ANSWERED_AT_ONCE: Final = 200
PARTS_MAX: Final = 10_000
Part = Annotated[int, QueryParameter(ge=1, le=PARTS_MAX)]


class AttendeeRow(NamedTuple):
    """An attendee on the list. `booked_by`: the buyer, where the name is another one."""

    ticket_id: UUID
    name: str
    booked_by: str
    type: str
    seat: str
    reference: str
    is_used: bool


@show("/organize/events/{event_id}/attendees", **policy(READS, rate="heavy"))
async def list_attendees(request: Request, event_id: FromPath[EventId], part: Part = 1) -> Response[str]:
    """Return the attendees of an event by name, to be printed; long lists in parts."""
    desk = await open_event(request, event_id)
    now = request.context.clock().astimezone(desk.zone)
    rows = await _read(request, event_id)
    parts = max(1, math.ceil(len(rows) / ON_PAGE_MAX))
    part = min(part, parts)
    shown = rows[(part - 1) * ON_PAGE_MAX : part * ON_PAGE_MAX]
    answers: dict[UUID, list[str]] = {}
    for start in range(0, len(shown), ANSWERED_AT_ONCE):
        ids = [each.ticket_id for each in shown[start : start + ANSWERED_AT_ONCE]]
        answers |= await find_answers(request.context, event_id, ids)
    # Rendering a long list must not keep the requests of others waiting
    return await asyncio.to_thread(
        render_desk,
        request,
        desk,
        "attendees.html",
        rows=shown,
        answers=answers,
        seated=any(each.seat for each in shown),
        answered=any(answers.values()),
        count=len(rows),
        used=sum(each.is_used for each in rows),
        part=part,
        parts=_named_parts(rows, parts),
        here=event_address(event_id, "attendees"),
        list_address=event_address(event_id, "bookings"),
        now=now,
    )


async def _read(request: Request, event_id: UUID) -> list[AttendeeRow]:
    """Return all attendees, by name; those without one come last."""
    database, rows = request.context.database, []
    async with aclosing(attendees.export_attendees(database, event_id)) as lists:
        async for found in lists:
            holders = await checkin.find_holders(database, event_id, [each.ticket_id for each in found])
            rows += [_row(each, holders.get(each.ticket_id)) for each in found]
    return sorted(rows, key=_order)


def _row(attendee: Attendee, holder: Holder | None) -> AttendeeRow:
    """Return a row. Who got a ticket passed on comes with it, not its buyer."""
    held_by = (holder.holder_name if holder is not None else None) or attendee.buyer_name or ""
    name = attendee.name or held_by
    buyer = attendee.buyer_name or ""
    return AttendeeRow(
        attendee.ticket_id,
        name,
        buyer if buyer != name else "",
        attendee.type_name,
        attendee.seat_label or "",
        reference_of(attendee.booking_id),
        attendee.state == "used",
    )


def _order(row: AttendeeRow) -> tuple[bool, str, str, str, bytes]:
    return not row.name, plain(row.name), plain(row.type), plain(row.seat), row.ticket_id.bytes


def plain(text: str) -> str:
    """Return a text as people look it up: without accents, and upper case is lower case."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each))


def _named_parts(rows: Sequence[AttendeeRow], parts: int) -> list[tuple[str, str]]:
    """Return the first and the last name of each part."""
    if not rows:
        return [("", "")]
    last = len(rows) - 1
    return [
        (rows[number * ON_PAGE_MAX].name, rows[min(last, (number + 1) * ON_PAGE_MAX - 1)].name)
        for number in range(parts)
    ]


routes: Final = [list_attendees]
