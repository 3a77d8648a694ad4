"""Choosing seats from a list: sections, then rows of check boxes, page by page; or the best available ones.

Works without script and by keyboard. The chosen seats stand in the address, so they survive another section,
Back and the log-in. Nothing is held before the next page but one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, show_id
from evently.kit.money import Money
from evently.sales.commands.bookings import UNITS_MAX
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import SeatBoard
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.events import EventOnPage, TypeOnPage, recent_event
from evently.web.pages.forms import Form, parse_form
from evently.web.pages.rendering import render, see_other, show
from evently.web.pages.seat_map import encode_zones, layout_address, zones_of
from evently.web.services import Request

_AVAILABLE: Final = "0"
_DIGITS_MAX: Final = 4  # of the number of a page, and of a quantity
_NOTES: Final = {
    "accessible": "wheelchair place",
    "companion": "companion seat",
    "restricted_view": "restricted view",
    "standard": "",
}
SEATS_ON_PAGE_MAX: Final = 400  # 100 KB, before it is compressed to 5; twenty thousand would be 4.7 MB
# A page with so many seats and links is made at once, 30 us for each; larger ones, of halls with hundreds of
# sections, aside and one at a time.
_AT_ONCE_MAX: Final = 1_000
_aside: Final = ThreadPoolExecutor(1, "pages")
Section = Annotated[str, QueryParameter(max_length=100)]


class SeatOnPage(NamedTuple):
    """A seat. `value` is what a form sends; `types` are the ticket types that sell it, its own first."""

    value: str
    name: str  # such as "Stalls, row C, seat 12"
    label: str
    note: str
    available: bool
    chosen: bool
    types: list[TypeOnPage]

    @property
    def id(self) -> str:
        """The id of the seat on the map."""
        return self.value.partition(":")[2]


class RowOnPage(NamedTuple):
    """A row of a section, or a part of a very long one."""

    label: str
    seats: list[SeatOnPage]


class RowPart(NamedTuple):
    """The seats of a row that are on one page."""

    row: int
    first: int
    end: int


class Rows(NamedTuple):
    """The rows of a section that one page shows, and how the way to it is labelled."""

    parts: list[RowPart]
    label: str  # such as "Rows A to F"
    free: int


class SectionOnPage(NamedTuple):
    """A section: its free seats, the lowest price of them, and its address while no seat is chosen."""

    name: str
    free: int
    price: Money | None
    address: str


class Others(NamedTuple):
    """What was chosen besides seats, on the page of the event; it stays chosen. `pairs`: as a form sends it.

    `lines`: names with their quantities, such as `2 × Standing`.
    """

    pairs: list[tuple[str, str]]
    lines: list[str]
    units: int
    total: Money


@show("/events/{event_id}/seats", **policy(PUBLIC))
async def show_seats(
    request: Request, event_id: FromPath[EventId], section: Section = ""
) -> Response[str] | Response[None]:
    """Return the sections of a hall, and the first rows of one."""
    return await _show(request, event_id, section, 1)


@show("/events/{event_id}/seats/rows/{number}", **policy(PUBLIC))
async def show_rows(
    request: Request, event_id: FromPath[EventId], number: FromPath[str], section: Section = ""
) -> Response[str] | Response[None]:
    """Return further rows of a section: `number` counts the pages that it takes."""
    if not (number.isdecimal() and number.isascii() and len(number) <= _DIGITS_MAX):
        raise Refused(CommonRefusal.NOT_FOUND)
    return await _show(request, event_id, section, int(number))


async def _show(
    request: Request, event_id: UUID, section: str, number: int
) -> Response[str] | Response[None]:
    page = await recent_event(request, event_id)
    if page.event.for_members:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    if not page.seated:
        return see_other(page.address)
    board = await request.context.boards.get_board(event_id)
    form = parse_form(request.scope["query_string"].decode("latin-1"))
    chosen = _known(board, form.all("seat"))
    plan = board.hall.plan
    place = plan.sections.index(section) if section in plan.sections else None
    pages = [] if place is None else _paged(board, place)
    if not 0 < number <= max(1, len(pages)):
        raise Refused(CommonRefusal.NOT_FOUND)
    rows = pages[number - 1].parts if pages else []
    draw = partial(_draw, request, page, board, place, pages, number, chosen, _read_others(page, form))
    if sum(part.end - part.first for part in rows) + len(plan.sections) <= _AT_ONCE_MAX:
        return draw()
    return await asyncio.get_running_loop().run_in_executor(_aside, draw)


def _read_others(page: EventOnPage, form: Form) -> Others:
    """Return the tickets without a seat and the add-ons in an address, as many as there may be, and the code.

    What cannot be read is left out: the next page says what is wrong with a choice.
    """
    pairs, lines, units, total = list[tuple[str, str]](), list[str](), 0, 0
    for each in page.types:
        text = form.text(each.id)
        count = int(text) if text.isdecimal() and text.isascii() and len(text) <= _DIGITS_MAX else 0
        count = min(count, each.per_booking_max, UNITS_MAX)
        if each.zone is None and count:
            pairs.append((each.id, str(count)))
            lines.append(f"{count} × {each.name}")
            units, total = units + count, total + count * each.price.amount
    if code := form.text("code")[:PROMO_CODE_CHARACTERS_MAX]:
        pairs.append(("code", code))
    return Others(pairs, lines, units, Money(total, page.sale.currency))


def _known(board: SeatBoard, given: Sequence[str]) -> list[str]:
    """Return the seats in an address that the hall has, as many as one booking may have."""
    numbers = board.hall.plan.numbers
    return [seat for seat in dict.fromkeys(given) if seat.partition(":")[2] in numbers][:UNITS_MAX]


def _paged(board: SeatBoard, section: int) -> list[Rows]:
    """Return the rows of a section, page by page. A row that is longer than a page is cut."""
    plan, states = board.hall.plan, board.states()
    parts = [
        RowPart(row, start, min(start + SEATS_ON_PAGE_MAX, end))
        for row in range(*plan.section_rows[section])
        for first, end in [plan.row_ends[row]]
        for start in range(first, end, SEATS_ON_PAGE_MAX)
    ]
    pages: list[list[RowPart]] = []
    for part in parts:
        if not pages or part.end - pages[-1][0].first > SEATS_ON_PAGE_MAX:
            pages.append([])
        pages[-1].append(part)
    return [
        Rows(each, _label(board, each), states.count(_AVAILABLE, each[0].first, each[-1].end))
        for each in pages
    ]


def _label(board: SeatBoard, parts: list[RowPart]) -> str:
    plan, first, last = board.hall.plan, parts[0], parts[-1]
    if first.row != last.row:
        return f"Rows {plan.row_labels[first.row]} to {plan.row_labels[last.row]}"
    row = f"Row {plan.row_labels[first.row]}"
    if (first.first, last.end) == plan.row_ends[first.row]:
        return row
    return f"{row}, seats {plan.seat_labels[first.first]} to {plan.seat_labels[last.end - 1]}"


def _draw(  # what a page of a hall is made of
    request: Request,
    page: EventOnPage,
    board: SeatBoard,
    section: int | None,
    pages: list[Rows],
    number: int,
    chosen: list[str],
    others: Others,
) -> Response[str]:
    plan, by_zone = board.hall.plan, _types_by_zone(page)
    address = f"/events/{show_id('evt', page.event.event_id)}"
    states = board.states()
    sections = [_show_section(board, states, each, by_zone, address) for each in range(len(plan.sections))]
    rows = None if section is None else _rows(board, pages[number - 1], by_zone, set(chosen))
    here = {seat.value for row in rows or [] for seat in row.seats}
    return render(
        request,
        "seats.html",
        page=page,
        address=address,
        sections=sections,
        section=None if section is None else plan.sections[section],
        rows=rows,
        pages=pages,
        number=number,
        here=here,
        orphans_forbidden=page.sale.conditions_now()[1].orphans_forbidden,
        chosen=_named(board, chosen, by_zone),
        others=others,
        layout=layout_address(page.event.event_id, board.digest),
        zones=sorted(zones := zones_of(page, board, words.money), key=lambda zone: zone.letter),
        zones_encoded=encode_zones(zones),
        kinds=set(board.hall.plan.kinds),
        sold_out={each.state for each in page.types if each.zone is not None} == {"sold_out"},
        signed_in=request.actor.kind == "person",
        zero=words.sum_of(Money(0, page.sale.currency)),
        types=[each for each in page.types if each.zone is not None and each.state == "on_sale"],
    )


async def seats_of(request: Request, page: EventOnPage, chosen: Sequence[str]) -> list[SeatOnPage]:
    """Return chosen seats, each with the ticket types that it can be booked as, its own first."""
    board = await request.context.boards.get_board(page.event.event_id)
    return _named(board, chosen, _types_by_zone(page))


def _types_by_zone(page: EventOnPage) -> dict[str, list[TypeOnPage]]:
    found: dict[str, list[TypeOnPage]] = {}
    for each in page.types:
        if each.zone is not None and each.state == "on_sale":
            found.setdefault(each.zone, []).append(each)
    return found


def _show_section(
    board: SeatBoard, states: str, number: int, by_zone: dict[str, list[TypeOnPage]], address: str
) -> SectionOnPage:
    plan, hall = board.hall.plan, board.hall
    first, end = plan.section_ends[number]
    free = states.count(_AVAILABLE, first, end)
    zones = set(hall.zone_of[first:end])
    prices = [
        each.price
        for index, zone in enumerate(hall.zones)
        if index in zones
        for each in by_zone.get(zone, ())
    ]
    name = plan.sections[number]
    return SectionOnPage(
        name,
        free if prices else 0,
        min(prices, key=lambda price: price.amount, default=None),
        f"{address}/seats?{urlencode({'section': name})}#rows",
    )


def _rows(
    board: SeatBoard, shown: Rows, by_zone: dict[str, list[TypeOnPage]], chosen: set[str]
) -> list[RowOnPage]:
    plan, states = board.hall.plan, board.states()
    ids = {seat.partition(":")[2]: seat for seat in chosen}
    return [
        RowOnPage(
            plan.row_labels[row],
            [_seat(board, number, states, by_zone, ids) for number in range(first, end)],
        )
        for row, first, end in shown.parts
    ]


def _named(board: SeatBoard, chosen: Sequence[str], by_zone: dict[str, list[TypeOnPage]]) -> list[SeatOnPage]:
    numbers, states = board.hall.plan.numbers, board.states()
    ids = {seat.partition(":")[2]: seat for seat in chosen}
    return [_seat(board, numbers[seat_id], states, by_zone, ids) for seat_id in ids if seat_id in numbers]


def _seat(
    board: SeatBoard, number: int, states: str, by_zone: dict[str, list[TypeOnPage]], chosen: dict[str, str]
) -> SeatOnPage:
    plan, zone = board.hall.plan, board.hall.zone_of_seat(number)
    types = by_zone.get(zone, []) if zone is not None else []
    seat_id = plan.ids[number]
    own = chosen.get(seat_id, "").partition(":")[0]
    types = sorted(types, key=lambda each: each.id != own)
    return SeatOnPage(
        f"{types[0].id}:{seat_id}" if types else "",
        plan.label(number),
        plan.seat_labels[number],
        _NOTES[plan.kinds[number]],
        states[number] == _AVAILABLE and bool(types),
        seat_id in chosen,
        types,
    )


routes: Final = [show_seats, show_rows]
