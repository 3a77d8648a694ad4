"""The door on a phone: scan, look, let in; also by hand without script, and without a network.

A device is enrolled by a code from the desk: its browser keeps the key in a cookie that reaches the pages of
this door alone. Members of the organizer use the same page when they are logged in. The page decides nothing:
the engine does, or without a network the signed list (static/door.js).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID, uuid4

import msgspec

from evently import catalogue, checkin
from evently.catalogue import Event
from evently.checkin import CheckinRefusal, VoidCode
from evently.kit.complaints import Complaints
from evently.kit.errors import Refused
from evently.kit.ids import EventId, TicketId, find_id, find_uuid, show_id
from evently.kit.shapes import Instant, copy_fields, items, text
from evently.sales.nouns import Scan
from evently.sales.outcomes import SalesRefusal, Scanned
from evently.sales.states import Direction, ScanResult
from evently.web.door import counts_of, find_answers, forget_counts, list_of
from evently.web.edge.auth import PUBLIC, organizer, policy
from evently.web.edge.conditional import NO_STORE, not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.cookies import keep_device
from evently.web.edge.memory import Kept
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, Route, post
from evently.web.pages import words
from evently.web.pages.forms import read_form
from evently.web.pages.rendering import POLICY, act, render, see_other, show
from evently.web.services import Request

_DOOR: Final = organizer("door", "checkin:write")
# The reader of codes is a WebAssembly program; no other page runs one
_POLICY: Final = POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
_KEPT: Final = "evently-door"  # the service worker keeps a page with this header
_NOW: Final = "evently-now"  # the server's clock, in milliseconds: that of a phone may be wrong
_SIGNS: Final = {"good": "✓", "warn": "!", "bad": "✕"}
_WORDS: Final = {"good": "In", "warn": "Look", "bad": "Stop"}
_ON_PAGE_MAX: Final = 5
Words = Annotated[str, QueryParameter(max_length=100)]
Code = Annotated[str, QueryParameter(max_length=80)]
GateQuery = Annotated[str, QueryParameter(max_length=80)]


class Saying(NamedTuple):
    """What a result is to people at a door: its colour, and why."""

    colour: str
    why: str


# `unlisted` is what a device without a network says of a code that may have been sold after its list
SAYINGS: Final[dict[str, Saying]] = {
    "accepted": Saying("good", ""),
    "unknown": Saying("bad", "This is no ticket of this event. If it was typed, look at each letter again."),
    "forged": Saying("bad", "This code was never issued. If it was typed, look at each letter again."),
    "passed_on": Saying("bad", "This code is old: its ticket has got another code since{now}."),
    "cancelled": Saying("bad", "This ticket was cancelled."),
    "unpaid": Saying("bad", "This ticket was never paid."),
    "wrong_gate": Saying("warn", "Another gate admits this kind of ticket."),
    "too_early": Saying("warn", "The door opens at {opens}."),
    "too_late": Saying("warn", "The door closed at {closes}."),
    "inside": Saying("bad", "Used {before}."),
    "no_reentry": Saying("bad", "Its holder left {before}, and nobody comes back at this event."),
    "outside": Saying("warn", "Its holder is not inside."),
    "unlisted": Saying(
        "warn", "Not on the list of {list}. It may have been sold after it: look at the ticket."
    ),
}


# Of codes that are void: what happened to their tickets
VOID_CODES: Final[dict[checkin.VoidCodeReason, str]] = {
    "passed_on": "This code is old: the ticket was passed on. The ticket of its new holder counts.",
    "moved": "This code is old: the ticket was moved to {seat}. The new ticket counts.",
    "changed": SAYINGS["passed_on"].why,
}


class DoorScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scan as the page sends it."""

    id: UUID
    scanned_at: Instant
    code: Annotated[str, text(checkin.CODE_CHARACTERS_MAX, "01M7Y4EF72EV2SXMCNXFSE27ZP")] | None = None
    ticket_id: TicketId | None = None
    direction: Direction = "in"
    gate: Annotated[str, text(80, "West gate", blank=True)] = ""
    offline: bool = False


class DoorScans(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scans, in their order."""

    scans: Annotated[list[DoorScan], items(checkin.SCANS_MAX)]


class DoorUndo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a check-in was a mistake."""

    scan_id: UUID
    reason: Annotated[str, text(checkin.REASON_CHARACTERS_MAX, "The friend's ticket.")]


class Answer(msgspec.Struct, frozen=True):
    """What a person at the door sees and hears of a scan."""

    id: str
    result: ScanResult
    colour: str
    sign: str
    word: str
    why: str
    name: str | None
    type: str | None
    seat: str | None
    offline: bool
    answers: list[str]


class Answers(msgspec.Struct, frozen=True):
    """Answers, in the order of the scans. `counts`: the counters after an undo."""

    scans: list[Answer]
    counts: checkin.DoorCounts | None = None


class Own(msgspec.Struct, frozen=True):
    """A check-in that this device, or this person, has made. `at`: in milliseconds."""

    id: str
    at: int
    time: str
    name: str | None
    type: str | None
    seat: str | None
    undone: bool
    undoable: bool


class Owns(msgspec.Struct, frozen=True):
    """The newest check-ins of this device, or of this person, the newest first."""

    scans: list[Own]


class Explanation(msgspec.Struct, frozen=True):
    """What was wrong, as a sentence for a person."""

    sentence: str


@show("/door/{event_id}", **policy(_DOOR))
async def show_door(
    request: Request, event_id: FromPath[EventId], q: Words = "", gate: GateQuery = ""
) -> Response[str]:
    """Return the door of an event; with `q`, the tickets of a name, a seat or a reference.

    `gate`: where the person stands who searches.
    """
    return await _page(request, event_id, searched=q.strip(), gate=gate.strip() or None)


@act("/door/{event_id}", **policy(_DOOR))
async def scan_typed(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Scan a code that was typed, or a ticket that was found by a name; return the page."""
    form, context = await read_form(request), request.context
    code, gate = form.text("code"), form.text("gate")[:80]
    direction: Direction = "out" if form.text("direction") == "out" else "in"
    ticket_id = find_id("tkt", form.text("ticket_id"))
    if ticket_id is None and not code:
        return await _page(request, event_id, gate=gate, wrong="Type the code of a ticket.", status=422)
    if len(code) > checkin.CODE_CHARACTERS_MAX:
        return await _page(request, event_id, gate=gate, wrong="This is no code of a ticket.", status=422)
    attempt = checkin.Attempt(
        uuid4(), context.clock(), None if ticket_id else code, ticket_id, direction, gate
    )
    (answer,) = await _scan(request, event_id, [attempt])
    forget_counts(request, event_id)  # who types a code is slower than the counters
    typed = "" if answer.result == "accepted" else code
    return await _page(request, event_id, answer=answer, gate=gate, direction=direction, typed=typed)


@act("/door/{event_id}/undone", **policy(_DOOR))
async def undo_typed(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Undo a check-in with a reason; the answer is the page."""
    form = await read_form(request)
    scan_id, reason = find_uuid(form.text("scan_id")), form.text("reason")
    if scan_id is None or not reason or len(reason) > checkin.REASON_CHARACTERS_MAX:
        wrong = f"Say why, in 1 to {checkin.REASON_CHARACTERS_MAX} characters."
        return await _page(request, event_id, wrong=wrong, status=422)
    try:
        await checkin.undo_scan(request.context.engine, event_id, scan_id, request.actor.id, reason)
        forget_counts(request, event_id)
    except Refused as exc:
        if exc.refusal not in (SalesRefusal.SCAN_NOT_FOUND, SalesRefusal.NOT_UNDOABLE):
            raise
        status = PROBLEMS[exc.refusal].status
        return await _page(request, event_id, wrong=sentence_of(exc), status=status)
    return await _page(request, event_id, done="That check-in is undone. The ticket is valid again.")


# For the script of the page: the same verbs as JSON ---------------------------------------------------------


def _act_on_json(path: str) -> Callable[[Callable[..., Any]], Route]:
    return post(path, include_in_schema=False, is_page=True, status_code=200, **policy(_DOOR))


@_act_on_json("/door/{event_id}/scans")
async def scan(
    request: Request, event_id: FromPath[EventId], data: JSONBody[DoorScans]
) -> Response[Answers] | Response[Explanation]:
    """Record scans of this device, and return what its person sees."""
    if (wrong := _first_wrong(data)) is not None:
        return wrong
    attempts = [copy_fields(checkin.Attempt, each, scan_id=each.id) for each in data.scans]
    try:
        return _json(request, Answers(await _scan(request, event_id, attempts)))
    except Refused as exc:
        if exc.refusal is not SalesRefusal.KEY_REUSED:
            raise
        return _refuse(exc)


@_act_on_json("/door/{event_id}/undo")
async def undo(
    request: Request, event_id: FromPath[EventId], data: JSONBody[DoorUndo]
) -> Response[Answers] | Response[Explanation]:
    """Undo a check-in with a reason."""
    if (wrong := _first_wrong(data)) is not None:
        return wrong
    try:
        undone = await checkin.undo_scan(
            request.context.engine, event_id, data.scan_id, request.actor.id, data.reason
        )
    except Refused as exc:
        if exc.refusal not in (SalesRefusal.SCAN_NOT_FOUND, SalesRefusal.NOT_UNDOABLE):
            raise
        return _refuse(exc)
    forget_counts(request, event_id)
    counts = msgspec.json.decode((await counts_of(request, event_id)).body, type=checkin.DoorCounts)
    return _json(request, Answers(await _answers(request, event_id, [undone], {}), counts))


@show("/door/{event_id}/own", **policy(_DOOR))
async def get_own(request: Request, event_id: FromPath[EventId]) -> Response[Owns]:
    """Return what this device has let in, for the list of the page. It is not kept: it has names."""
    own = Owns(await _own(request, event_id))
    return Response(own, headers=NO_STORE | _clock_of(request), media_type=JSON)


@show("/door/{event_id}/list", **policy(_DOOR))
async def get_list(request: Request, event_id: FromPath[EventId]) -> Response[Any]:
    """Return the signed list, as the API does."""
    return _kept(request, await list_of(request, event_id))


@show("/door/{event_id}/counters", **policy(_DOOR))
async def get_counters(request: Request, event_id: FromPath[EventId]) -> Response[Any]:
    """Return the counters, as the API does."""
    return _kept(request, await counts_of(request, event_id))


# Enrolment --------------------------------------------------------------------------------------------------


@show("/door/{event_id}/enrol", **policy(PUBLIC))
async def show_enrolment(request: Request, event_id: FromPath[EventId], code: Code = "") -> Response[str]:
    """Ask whether this phone is to be a scanner: opening an address alone does nothing."""
    context = request.context
    scanner = await checkin.find_enrolment(context.database, code, context.clock())
    if scanner is None or scanner.event_id != event_id:
        return render(request, "door_enrol.html", status=410, scanner=None, event=None, code="")
    event = await catalogue.get_event(context.database, event_id)
    return render(request, "door_enrol.html", scanner=scanner, event=event, code=code)


@act("/door/{event_id}/enrol", **policy(PUBLIC, rate="login"))
async def enrol(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Make this phone a scanner: its browser keeps the key."""
    form, context = await read_form(request), request.context
    try:
        async with context.database.transaction() as tx:
            scanner, key = await checkin.enrol_scanner(tx, form.text("code"), context.clock())
            if scanner.event_id != event_id:
                raise Refused(CheckinRefusal.ENROLMENT_ENDED)
    except Refused as exc:
        if exc.refusal is not CheckinRefusal.ENROLMENT_ENDED:
            raise
        return render(request, "door_enrol.html", status=410, scanner=None, event=None, code="")
    door = f"/door/{show_id('evt', event_id)}"
    keep_device(request, key, door)
    return see_other(door)


# Pieces -----------------------------------------------------------------------------------------------------


async def _page(
    request: Request,
    event_id: UUID,
    *,
    answer: Answer | None = None,
    gate: str | None = None,
    direction: Direction = "in",
    typed: str = "",
    searched: str = "",
    wrong: str = "",
    done: str = "",
    status: int = 200,
) -> Response[str]:
    context, actor = request.context, request.actor
    event = await catalogue.get_event(context.database, event_id)
    terms = (await checkin.find_settings(context.database, event_id)).terms
    counts = msgspec.json.decode((await counts_of(request, event_id)).body, type=checkin.DoorCounts)
    enrolled = actor.kind == "api_key"
    scanner = await checkin.find_scanner(context.database, actor.id) if enrolled else None
    found = await checkin.find_tickets(context.database, event_id, searched) if len(searched) > 1 else []
    door = f"/door/{show_id('evt', event_id)}"
    is_kept = enrolled and not searched and answer is None
    return render(
        request,
        "door.html",
        status=status,
        headers={"content-security-policy": _POLICY} | ({_KEPT: "kept"} if is_kept else {}),
        own=await _own(request, event_id),
        with_names=terms.names_offline or not is_kept,
        door=door,
        event=event,
        terms=terms,
        gates=[each.name for each in terms.gates],
        gate=gate if gate is not None else (scanner.gate if scanner else ""),
        direction=direction,
        counts=counts,
        scanner=scanner,
        answer=answer,
        typed=typed,
        searched=searched,
        found=found,
        wrong=wrong,
        done=done,
        table=_table(),
    )


def _table() -> dict[str, dict[str, str]]:
    """Return the words of every result, for the script."""
    return {
        result: {
            "colour": saying.colour,
            "sign": _SIGNS[saying.colour],
            "word": _WORDS[saying.colour],
            "why": saying.why,
        }
        for result, saying in SAYINGS.items()
    }


async def _scan(request: Request, event_id: UUID, attempts: Sequence[checkin.Attempt]) -> list[Answer]:
    context = request.context
    terms = await context.door.find_terms(event_id)
    scanned = await checkin.scan_tickets(
        context.database, context.engine, event_id, terms, attempts, request.actor.id
    )
    void_codes = await checkin.find_void_codes(context.database, event_id, attempts, scanned)
    return await _answers(request, event_id, scanned, void_codes)


async def _own(request: Request, event_id: UUID) -> list[Own]:
    context, now = request.context, request.context.clock()
    found = await checkin.list_own_scans(context.database, event_id, request.actor.id)
    if not found:
        return []
    event = await catalogue.get_event(context.database, event_id)
    tickets = [each.scan.ticket_id for each in found if each.scan.ticket_id is not None]
    holders = await context.door.find_holders(event_id, tickets)
    own = []
    for scan, undoable in ((each.scan, each.undoable) for each in found):
        holder = None if scan.ticket_id is None else holders.get(scan.ticket_id)
        own.append(
            Own(
                str(scan.scan_id),
                int(scan.received_at.timestamp() * 1000),
                _moment(event, scan.received_at, now),
                None if holder is None else holder.attendee_name or holder.holder_name,
                None if holder is None else holder.type_name,
                None if holder is None else holder.seat_label,
                scan.undone_at is not None,
                undoable,
            )
        )
    return own


async def _answers(
    request: Request, event_id: UUID, scanned: Sequence[Scanned], void_codes: Mapping[UUID, VoidCode]
) -> list[Answer]:
    database = request.context.database
    tickets = [each.ticket.ticket_id for each in scanned if each.ticket is not None]
    holders = await request.context.door.find_holders(event_id, tickets)
    names = await checkin.find_scanned_by(database, [each.before for each in scanned])
    given = await find_answers(request.context, event_id, tickets)
    times: dict[str, str] = {}
    event, now = None, request.context.clock()
    if any(each.scan.result != "accepted" for each in scanned):
        event = await catalogue.get_event(database, event_id)
        terms = await request.context.door.find_terms(event_id)
        times = {"opens": _moment(event, terms.opens_at, now), "closes": _moment(event, terms.closes_at, now)}
    found = []
    for each in scanned:
        saying = SAYINGS[each.scan.result]
        before = "" if event is None else _before(event, each.before, names, now)
        holder = holders.get(each.ticket.ticket_id) if each.ticket is not None else None
        out = each.scan.result == "accepted" and each.scan.direction == "out"
        found.append(
            Answer(
                str(each.scan.scan_id),
                each.scan.result,
                saying.colour,
                _SIGNS[saying.colour],
                "Out" if out else _WORDS[saying.colour],
                _why(saying, void_codes.get(each.scan.scan_id)).format(before=before, **times),
                None if holder is None else holder.attendee_name or holder.holder_name,
                None if holder is None else holder.type_name,
                None if holder is None else holder.seat_label,
                each.scan.offline,
                [] if holder is None else given.get(holder.ticket_id, []),
            )
        )
    return found


def _why(saying: Saying, void_code: VoidCode | None) -> str:
    """Return why, with what happened to the ticket of a code that is void."""
    if void_code is None:
        return saying.why.replace("{now}", "")
    seat = void_code.seat_label
    now = f", and is for {seat} now" if seat else ""
    text = VOID_CODES[void_code.why].replace("{now}", now).replace("{seat}", seat or "another seat")
    return text.replace("{", "{{").replace("}", "}}")  # an organizer has named the seat


def _before(event: Event, before: Scan | None, names: dict[UUID, str], now: datetime) -> str:
    """Return when, by whom and where a ticket was used: "at 21:14 by Mina, west gate"."""
    if before is None:
        return "before"
    name = names.get(before.scanned_by)
    by = f" by {name}" if name else ""
    where = f", {before.gate}" if before.gate else ""
    return f"at {_moment(event, before.received_at, now)}{by}{where}"


def _moment(event: Event, at: datetime | None, now: datetime) -> str:
    zone = event.place.zone
    return "" if at is None else words.clock_near(at.astimezone(zone), now.astimezone(zone))


def _first_wrong(data: msgspec.Struct) -> Response[Explanation] | None:
    complaints = Complaints()
    complaints.check("", data)
    try:
        complaints.refuse_if_any()
    except Refused as exc:
        return _refuse(exc)
    return None


def _refuse(exc: Refused) -> Response[Explanation]:
    sentence = exc.errors[0].detail if hasattr(exc, "errors") else sentence_of(exc)
    return Response(
        Explanation(sentence), status_code=PROBLEMS[exc.refusal].status, headers=NO_STORE, media_type=JSON
    )


def _json(request: Request, content: Answers) -> Response[Answers]:
    return Response(content, headers=NO_STORE | _clock_of(request), media_type=JSON)


def _kept(request: Request, found: Kept) -> Response[Any]:
    unchanged = not_modified(request, found.etag, found.cache_control)
    answer: Response[Any] = unchanged or Response(found.body, headers=dict(found.headers), media_type=JSON)
    answer.headers |= _clock_of(request)
    return answer


def _clock_of(request: Request) -> dict[str, str]:
    return {_NOW: str(int(request.context.clock().timestamp() * 1000))}


routes: Final = [
    show_door, scan_typed, undo_typed, scan, undo, get_own, get_list, get_counters, show_enrolment, enrol,
]  # fmt: skip
