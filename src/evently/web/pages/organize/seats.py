"""The seats of an event at the desk: zones painted on the map, seats blocked and unblocked, who has what.

The page works without script: sections and rows are check boxes, seats are named by their ids. A script adds
the map, where a lasso chooses; what it sends is the same form.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from evently import organizing, sales, seating
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import EventId, SeatBlockId, find_id, show_id
from evently.kit.money import Money
from evently.organizing import (
    SeatBlockChanges,
    SeatBlockDraft,
    SeatChoice,
    SeatingDraft,
    ZoneDraft,
    ZonePainting,
)
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import (
    Sale,
    SeatBlock,
    list_held_seats,
    picture_digest,
    read_sale,
    show_states,
)
from evently.sales.terms import NOT_FOR_SALE
from evently.seating import Hall, SeatMapVersion, SeatState
from evently.web.edge.auth import policy
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, errors_of, parse_form, read_form
from evently.web.pages.organize.desk import (
    MANAGERS,
    MEMBERS,
    Desk,
    event_address,
    open_event,
    render_desk,
)
from evently.web.pages.rendering import act, see_other, show
from evently.web.pages.seat_map import COLOURS, LETTERS
from evently.web.services import Request

SEATS_BYTES_MAX: Final = 16 * 1024 * 1024  # a form may name every seat of the largest map
_FOR_EVER: Final = "private, max-age=31536000, immutable"
_MAPS_MAX: Final = 100  # of a venue, in the list of choices
_ROWS_LISTED_MAX: Final = 1_500  # as check boxes: 200 KB; larger halls are chosen by section or on the map
_FIELDS: Final = {"/name": "name", "/until": "until", "/zone": "zone", "/seats/0": "seats", "": "choice"}
_encode: Final = msgspec.json.Encoder().encode
_DONE: Final = {
    "painted": "The seats are in their zone.",
    "blocked": "The seats are blocked: buyers cannot choose them.",
    "unblocked": "The seats are for sale again.",
    "changed": "The block was changed.",
    "seated": "The event has its seats.",
}


class ZoneRow(NamedTuple):
    """A zone: who sells it, and its seats by state. Its letter and colour are those on the map."""

    letter: str
    colour: str
    name: str
    types: list[str]
    price: str
    counts: dict[str, int]


class RowOfSeats(NamedTuple):
    """A row as a check box. `value`: as a form sends it."""

    value: str
    label: str
    seats: int


class SectionOfSeats(NamedTuple):
    """A section as a check box, with its rows."""

    name: str
    seats: int
    available: int
    rows: list[RowOfSeats]


class BlockRow(NamedTuple):
    """A block of seats with its name, and what it has."""

    id: str
    name: str
    until: datetime | None  # on the clocks at the venue
    seats: int
    where: str


class HallPage(NamedTuple):
    """What the page shows of a hall."""

    zones: list[ZoneRow]
    sections: list[SectionOfSeats]
    blocks: list[BlockRow]
    totals: dict[str, int]
    unnamed: int  # seats that are blocked without a name
    layout: str


@show("/organize/events/{event_id}/seats", **policy(MEMBERS))
async def show_seats(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return the seats of an event: the zones, the blocks, and the map."""
    done = _DONE.get(parse_form(request.scope["query_string"].decode("latin-1")).text("done"), "")
    return await _page(request, await open_event(request, event_id), Form([]), [], done=done)


@show("/organize/events/{event_id}/seats/layout/{digest}", **policy(MEMBERS))
async def show_layout(
    request: Request, event_id: FromPath[EventId], digest: FromPath[str]
) -> Response[bytes] | Response[None]:
    """Return the compact layout of an event, of a draft too: see `seating.compact`."""
    if (unchanged := not_modified(request, etag_of(digest), _FOR_EVER)) is not None:
        return unchanged
    async with request.context.database.snapshot() as snapshot:
        found = await sales.reads.read_seating(snapshot, event_id)
    if found is None or picture_digest(found.digest, found.zones, found.zone_of) != digest:
        raise Refused(CommonRefusal.NOT_FOUND, "layout")
    body = await asyncio.to_thread(seating.compact, found.layout, digest, found.zones, found.zone_of)
    return Response(body, headers={"cache-control": _FOR_EVER, "etag": etag_of(digest)}, media_type=JSON)


@show("/organize/events/{event_id}/seats/states", **policy(MEMBERS))
async def show_seat_states(request: Request, event_id: FromPath[EventId]) -> Response[bytes]:
    """Return the state of every seat, and the counts of each zone."""
    sale, held = await _read(request, event_id)
    if sale.hall is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    states, hall = show_states(sale.hall, held), sale.hall
    body = {
        "seq": sale.seq,
        "digest": picture_digest(hall.plan.digest, hall.zones, hall.zone_of),
        "seats": states,
        "zones": [_counts_of(counts) for counts in _count(hall, states)],
    }
    return Response(_encode(body), headers=NO_STORE, media_type=JSON)


@act("/organize/events/{event_id}/seats", **policy(MANAGERS, rate="heavy"))
async def seat_event(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Give the event the seats of a map of its venue, in one zone."""
    form = await read_form(request)
    map_id = find_id("smp", form.text("map"))
    draft = SeatingDraft(seat_map_id=map_id, zones=(ZoneDraft(name=form.text("zone") or "Seats"),))
    if map_id is None:
        errors = [FormError("map", "Choose a map.")]
        return await _page(request, await open_event(request, event_id), form, errors, status=422)

    async def put(tx: Any, now: datetime) -> None:
        await organizing.put_seating(tx, event_id, draft, now, partial(_check_version, form))

    return await _carry_out(request, event_id, form, put, "seated")


@act(
    "/organize/events/{event_id}/seats/paint",
    **policy(MANAGERS, rate="heavy", body_bytes_max=SEATS_BYTES_MAX),
)
async def paint(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Move the chosen seats to a zone, or out of all zones."""
    form = await read_form(request)
    named, outside = form.text("new_zone") or form.text("zone"), form.text("zone") == "-"
    zone = None if outside and not form.text("new_zone") else named
    painting = ZonePainting(zone=zone, **_choice(form))

    async def put(tx: Any, now: datetime) -> None:
        await organizing.paint_seats(tx, event_id, painting, now, partial(_check_version, form))

    return await _carry_out(request, event_id, form, put, "painted")


@act("/organize/events/{event_id}/seats/block", **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX))
async def block(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Block the chosen seats; with a name, as a block that may end by itself."""
    form = await read_form(request)
    desk = await open_event(request, event_id)
    until, wrong = _until(form, desk)
    if wrong:
        return await _page(request, desk, form, wrong, status=422)
    if until is not None and not form.text("name"):
        errors = [FormError("name", "Give the block a name: only named blocks end by themselves.")]
        return await _page(request, desk, form, errors, status=422)

    async def put(tx: Any, now: datetime) -> None:
        if form.text("name"):
            draft = SeatBlockDraft(name=form.text("name"), until=until, **_choice(form))
            await organizing.add_seat_block(tx, event_id, draft, now)
        else:
            await organizing.block_seats(tx, event_id, SeatChoice(**_choice(form)), now)

    return await _carry_out(request, event_id, form, put, "blocked")


@act("/organize/events/{event_id}/seats/unblock", **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX))
async def unblock(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Put the chosen seats back on sale."""
    form = await read_form(request)

    async def put(tx: Any, now: datetime) -> None:
        await organizing.unblock_seats(tx, event_id, SeatChoice(**_choice(form)), now)

    return await _carry_out(request, event_id, form, put, "unblocked")


@act("/organize/events/{event_id}/seats/blocks/{seat_block_id}", **policy(MANAGERS))
async def change_block(
    request: Request, event_id: FromPath[EventId], seat_block_id: FromPath[SeatBlockId]
) -> Response[str] | Response[None]:
    """Change the name and the end of a block."""
    form = await read_form(request)
    desk = await open_event(request, event_id)
    until, wrong = _until(form, desk)
    if wrong:
        return await _page(request, desk, form, wrong, status=422)

    async def put(tx: Any, now: datetime) -> None:
        changes = SeatBlockChanges(name=form.text("name"), until=until)
        await organizing.change_seat_block(tx, event_id, seat_block_id, changes, now)

    return await _carry_out(request, event_id, form, put, "changed")


@act("/organize/events/{event_id}/seats/blocks/{seat_block_id}/end", **policy(MANAGERS))
async def end_block(
    request: Request, event_id: FromPath[EventId], seat_block_id: FromPath[SeatBlockId]
) -> Response[str] | Response[None]:
    """Put all seats of a block back on sale."""
    form = await read_form(request)

    async def put(tx: Any, now: datetime) -> None:
        await organizing.remove_seat_block(tx, event_id, seat_block_id, now)

    return await _carry_out(request, event_id, form, put, "unblocked")


async def _carry_out(
    request: Request, event_id: UUID, form: Form, put: Any, done: str
) -> Response[str] | Response[None]:
    """Run a verb; on a refusal return the page with what was chosen, and why not."""
    context = request.context
    try:
        async with context.database.transaction() as tx:
            await put(tx, context.clock())
    except Refused as exc:
        desk = await open_event(request, event_id)
        errors = await _explain(request, exc, event_id)
        status = 422 if isinstance(exc, Invalid) else 412 if exc.refusal == CommonRefusal.STALE else 409
        return await _page(request, desk, form, errors, status=status)
    context.memory.forget(event_id)
    return see_other(f"{event_address(event_id, 'seats')}?done={done}")


async def _explain(request: Request, exc: Refused, event_id: UUID) -> list[FormError]:
    """Return what a refusal says at the desk, in the words of people."""
    if isinstance(exc, Invalid):
        if any(error.code == "no-seats-named" for error in exc.errors):
            return [FormError("choice", "Choose seats first: sections, rows, or seats on the map.")]
        return errors_of(exc, _FIELDS)
    if exc.refusal == CommonRefusal.STALE:
        text = "The event was changed meanwhile. What you chose is still marked: look at it, and press again."
        return [FormError("choice", text)]
    if exc.refusal == SalesRefusal.SEAT_TAKEN:
        sale, _ = await _read(request, event_id)
        assert sale.hall is not None, "a seat is taken"
        where = sale.hall.plan.label(sale.hall.plan.numbers[str(exc.data["seat_id"])])
        why = (
            "is blocked already. Unblock it first, or leave it out."
            if exc.reason == "blocked"
            else "is sold or held, so it cannot be blocked. Leave it out, or move its buyer first."
        )
        return [FormError("choice", f"{where} {why} Nothing was blocked.")]
    if exc.refusal == SalesRefusal.SEATS_IN_USE:
        text = {
            "zone": "Some of these seats are sold or held, and those keep their zone. Nothing was painted.",
            "map": "The map cannot change any more: seats may have been sold, or are blocked.",
            "zones_sold": "A ticket type sells a zone that would lose its last seat. Nothing was painted.",
        }[exc.reason]
        return [FormError("choice", text)]
    return [FormError("choice", sentence_of(exc))]


async def _page(
    request: Request,
    desk: Desk,
    form: Form,
    errors: Sequence[FormError],
    *,
    status: int = 200,
    done: str = "",
) -> Response[str]:
    assert desk.event is not None, "a page of an event"
    event_id = desk.event.event_id
    sale, held = await _read(request, event_id)
    maps = await seating.list_seat_maps(request.context.database, desk.event.venue_id, _MAPS_MAX, None)
    found = None if sale.hall is None else await asyncio.to_thread(_draw, sale, held, desk)
    return render_desk(
        request,
        desk,
        "seats.html",
        status=status,
        hall=found,
        maps=[_map_choice(each) for each in maps.data],
        errors=list(errors),
        form=form,
        chosen=set(form.all("section")) | {f"{each}/" for each in form.all("row")},
        done=done,
        zones_encoded="" if found is None else _encode([_on_map(zone) for zone in found.zones]).decode(),
        address=event_address(event_id, "seats"),
        live=desk.event.state == "published",
        venue=f"/organize/venues/{show_id('ven', desk.event.venue_id)}",
        changeable=sale.state == "closed" and not (sale.hall is not None and sale.hall.has_claims()),
    )


async def _read(request: Request, event_id: UUID) -> tuple[Sale, list[int]]:
    async with request.context.database.snapshot() as snapshot:
        return await read_sale(snapshot, event_id), await list_held_seats(snapshot, event_id)


def _draw(sale: Sale, held: list[int], desk: Desk) -> HallPage:
    """Return what the page shows: in a thread, for a hall may have 100,000 seats."""
    hall = sale.hall
    assert hall is not None, "an event with seats"
    states = show_states(hall, held)
    counts = _count(hall, states)
    digest = picture_digest(hall.plan.digest, hall.zones, hall.zone_of)
    assert desk.event is not None, "a page of an event"
    named = sum(len(each.seats) for each in sale.seat_blocks.values())
    return HallPage(
        _zones(sale, hall, counts),
        _sections(hall),
        [_block_row(hall, each, desk) for each in sale.seat_blocks.values()],
        _counts_of(Counter(states)),
        states.count("b") - named,
        f"{event_address(desk.event.event_id, 'seats')}/layout/{digest}",
    )


def _zones(sale: Sale, hall: Hall, counts: list[Counter[str]]) -> list[ZoneRow]:
    """Return the zones, lettered from the dearest, in the order of the layout."""
    types = [
        [each for each in sale.ticket_types.values() if each.zone == zone and not each.retired]
        for zone in hall.zones
    ]
    highest = [max((each.price_minor for each in found), default=-1) for found in types]
    rank = {index: place for place, index in enumerate(sorted(range(len(types)), key=lambda i: -highest[i]))}
    return [
        ZoneRow(
            LETTERS[rank[index] % len(LETTERS)],
            COLOURS[rank[index] % len(COLOURS)],
            zone,
            [each.name for each in types[index]],
            words.listed([words.money(Money(each.price_minor, sale.currency)) for each in types[index]]),
            _counts_of(counts[index]),
        )
        for index, zone in enumerate(hall.zones)
    ]


def _sections(hall: Hall) -> list[SectionOfSeats]:
    plan, states = hall.plan, hall.states()
    listed = len(plan.row_ends) <= _ROWS_LISTED_MAX
    rows_of: list[list[RowOfSeats]] = [[] for _ in plan.sections]
    for section, (start, stop) in enumerate(plan.section_rows if listed else ()):
        for row in range(start, stop):
            first, end = plan.row_ends[row]
            name = "/".join(plan.rows[row])
            rows_of[section].append(RowOfSeats(name, plan.row_labels[row], end - first))
    return [
        SectionOfSeats(
            name,
            end - first,
            states.count(SeatState.AVAILABLE, first, end),
            rows_of[number],
        )
        for number, (name, (first, end)) in enumerate(zip(plan.sections, plan.section_ends, strict=True))
    ]


def _block_row(hall: Hall, block: SeatBlock, desk: Desk) -> BlockRow:
    numbers = sorted(block.seats)
    first, last = hall.plan.label(numbers[0]), hall.plan.label(numbers[-1])
    until = block.terms.until
    return BlockRow(
        show_id("blk", block.terms.block_id),
        block.terms.name,
        None if until is None else until.astimezone(desk.zone),
        len(numbers),
        first if len(numbers) == 1 else f"{first} to {last}",
    )


def _count(hall: Hall, states: str) -> list[Counter[str]]:
    """Return the number of seats in each state, for each zone."""
    found = [Counter[str]() for _ in hall.zones]
    for (zone, state), number in Counter(zip(hall.zone_of, states, strict=True)).items():
        if zone != NOT_FOR_SALE and zone < len(found):
            found[zone][state] += number
    return found


def _counts_of(counts: Counter[str]) -> dict[str, int]:
    return {
        "free": counts["0"],
        "held": counts["h"],
        "sold": counts["s"],
        "blocked": counts["b"],
        "outside": counts["-"],
        "seats": sum(counts.values()),
    }


def _on_map(zone: ZoneRow) -> dict[str, Any]:
    return {
        "letter": zone.letter,
        "colour": zone.colour,
        "name": zone.name,
        "price": zone.price,
        "types": [],
    }


def _map_choice(known: SeatMapVersion) -> tuple[str, str, int]:
    return show_id("smp", known.seat_map_id), known.name, known.seats


def _choice(form: Form) -> dict[str, Any]:
    """Return the chosen seats: sections and rows by check box, seats one on a line."""
    return {
        "sections": tuple(form.all("section")),
        "rows": tuple(form.all("row")),
        "seats": tuple(
            dict.fromkeys(line.strip() for line in form.raw("seats").splitlines() if line.strip())
        ),
    }


def _check_version(form: Form, version: int) -> None:
    if form.text("version") != str(version):
        raise Refused(
            CommonRefusal.STALE, "other_version", given=form.text("version"), current_etag=etag_of(version)
        )


def _until(form: Form, desk: Desk) -> tuple[datetime | None, list[FormError]]:
    """Return when a block ends: what the clocks at the venue show, as an instant."""
    text = form.text("until")
    if not text:
        return None, []
    try:
        return datetime.fromisoformat(text).replace(tzinfo=desk.zone).astimezone(UTC), []
    except (ValueError, OverflowError):
        return None, [FormError("until", "Enter a day and a time, such as 2027-05-20 18:00.")]


routes: Final = [
    show_seats,
    show_layout,
    show_seat_states,
    seat_event,
    paint,
    block,
    unblock,
    change_block,
    end_block,
]
