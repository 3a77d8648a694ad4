"""The door at the desk: what happens there now, conflicts, the phones that scan, and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple, cast
from uuid import UUID

import markupsafe
import msgspec

from evently import checkin
from evently.checkin import CheckInTerms, Gate, NewScanner
from evently.kit.complaints import Complaints
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import EventId, ScannerId, TicketTypeId, parse_id, show_id
from evently.sales.reads import find_sale
from evently.tickets import qr_svg
from evently.web.door import counts_of, enrolment_address
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import Desk, event_address, open_event, render_desk
from evently.web.pages.organize.saving import Version, show_versions
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_DOOR: Final = organizer("door", "checkin:write")
_MANAGERS: Final = organizer("manager", "events:write")
_PEOPLE: Final = organizer("manager")  # only a person enrols phones, as in the API
_CONFLICTS_MAX: Final = 50  # newest first; the API has the others
_NAME_CHARACTERS_MAX: Final = 80
_MINUTES_SHOWN: Final = 60
Saved = Annotated[str, QueryParameter(max_length=10)]
_GATES_SHOWN: Final = 3  # empty rows for new gates


class GateRow(NamedTuple):
    """A gate as it stands in the form. `types`: those that are ticked, unless it admits `every` one."""

    name: str = ""
    every: bool = True
    types: frozenset[str] = frozenset()


class Typed(NamedTuple):
    """The form of what is allowed, as it was typed."""

    reentry: bool
    names_offline: bool
    opens_at: str
    closes_at: str
    gates: list[GateRow]
    version: str


@show("/organize/events/{event_id}/door", **policy(_DOOR))
async def show_door(request: Request, event_id: FromPath[EventId], saved: Saved = "") -> Response[str]:
    """Return the door of an event at the desk."""
    return await _page(request, event_id, saved=saved == "yes")


@act("/organize/events/{event_id}/door/scanners", **policy(_PEOPLE))
async def create_scanner(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Name a scanner; the page has its QR code, which is shown this once."""
    form, context = await read_form(request), request.context
    name, gate = form.text("scanner_name"), form.text("scanner_gate")[:_NAME_CHARACTERS_MAX]
    if not name or len(name) > _NAME_CHARACTERS_MAX:
        wrong = f"Give the phone a name of 1 to {_NAME_CHARACTERS_MAX} characters."
        errors = [FormError("scanner_name", wrong)]
        return await _page(request, event_id, errors=errors, scanner_name=name)
    desk = await open_event(request, event_id)
    try:
        async with context.database.transaction() as tx:
            made = await checkin.create_scanner(
                tx, desk.organizer.organizer_id, event_id, name, gate, request.actor.id, context.clock()
            )
    except Refused as exc:
        if exc.refusal is not checkin.CheckinRefusal.TOO_MANY_SCANNERS:
            raise
        return await _page(request, event_id, errors=[FormError("scanner_name", sentence_of(exc))])
    return await _page(request, event_id, made=made)


@act("/organize/events/{event_id}/door/scanners/{scanner_id}/revoke", **policy(_PEOPLE))
async def revoke_scanner(
    request: Request, event_id: FromPath[EventId], scanner_id: FromPath[ScannerId]
) -> Response[None]:
    """Remove a scanner."""
    context = request.context
    async with context.database.transaction() as tx:
        await checkin.revoke_scanner(tx, event_id, scanner_id, context.clock())
    context.accounts.keys.forget_all()
    return see_other(event_address(event_id, "door#scanners"))


@act("/organize/events/{event_id}/door/settings", **policy(_MANAGERS))
async def put_settings(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Set what is allowed at the door."""
    form, context = await read_form(request), request.context
    desk = await open_event(request, event_id)
    typed = _typed(form)
    errors: list[FormError] = []
    before = (await checkin.find_settings(context.database, event_id)).terms
    terms = _terms(typed, before, desk, errors)
    if errors:
        return await _page(request, event_id, typed=typed, errors=errors)

    def seen(version: int) -> None:
        if str(version) != typed.version:
            raise Refused(CommonRefusal.STALE)

    try:
        async with context.database.transaction() as tx:
            await checkin.put_settings(tx, event_id, terms, context.clock(), seen, request.actor.id)
        context.door.forget_terms(event_id)
    except Invalid as exc:
        return await _page(request, event_id, typed=typed, errors=errors_of(exc, _FIELDS))
    except Refused as exc:
        if exc.refusal is not CommonRefusal.STALE:
            raise
        return await _show_versions(request, desk, form, typed)
    return see_other(event_address(event_id, "door?saved=yes#settings"))


async def _show_versions(request: Request, desk: Desk, form: Form, typed: Typed) -> Response[str]:
    """Return what was typed beside what another editor has saved."""
    assert desk.event is not None, "a page of an event"
    event_id, database = desk.event.event_id, request.context.database
    settings = await checkin.find_settings(database, event_id)
    sale = await find_sale(database, event_id)
    names = {show_id("tty", each.ticket_type_id): each.name for each in sale.ticket_types.values()}
    mine, theirs = _in_words(typed, names), _in_words(_stored(settings, desk), names)
    return await show_versions(
        request,
        desk,
        form,
        settings.version,
        [Version(label, mine[label], theirs[label]) for label in theirs],
        await checkin.find_last_edit(database, event_id),
        event_address(event_id, "door#settings"),
    )


def _in_words(typed: Typed, names: dict[str, str]) -> dict[str, str]:
    """Return what is allowed in words, by the label of its field. `names`: those of ticket types."""
    gates = [
        f"{gate.name}: " + ("every ticket type" if gate.every else ", ".join(_named(gate.types, names)))
        for gate in typed.gates
    ]
    return {
        "Holders may come back": "yes" if typed.reentry else "no",
        "Names on the list of phones": "yes" if typed.names_offline else "no",
        "Opens": typed.opens_at.replace("T", " ") or "at any time",
        "Closes": typed.closes_at.replace("T", " ") or "never",
        "Gates": "\n".join(gates) or "none",
    }


def _named(types: frozenset[str], names: dict[str, str]) -> list[str]:
    return sorted(names[each] for each in types if each in names)


_FIELDS: Final = {
    "/opens_at": "opens_at",
    "/closes_at": "closes_at",
    **{f"/gates/{number}/name": f"gate-{number}" for number in range(checkin.GATES_MAX)},
}


async def _page(
    request: Request,
    event_id: UUID,
    *,
    made: NewScanner | None = None,
    typed: Typed | None = None,
    errors: Sequence[FormError] = (),
    scanner_name: str = "",
    saved: bool = False,
) -> Response[str]:
    context = request.context
    desk = await open_event(request, event_id)
    settings = await checkin.find_settings(context.database, event_id)
    counts = msgspec.json.decode((await counts_of(request, event_id)).body, type=checkin.DoorCounts)
    conflicts = await checkin.list_scans(context.database, event_id, _CONFLICTS_MAX, None, conflicts=True)
    scans = [each.scan for each in conflicts.data]
    names = await checkin.find_scanned_by(
        context.database, [*scans, *(each.before for each in conflicts.data)]
    )
    tickets = [scan.ticket_id for scan in scans if scan.ticket_id is not None]
    holders = await checkin.find_holders(context.database, event_id, tickets)
    now = context.clock()
    scanners = await checkin.list_scanners(context.database, event_id, now) if desk.manages else []
    sale = await find_sale(context.database, event_id)
    types = [(show_id("tty", each.ticket_type_id), each.name) for each in sale.ticket_types.values()]
    address = None if made is None else enrolment_address(request, event_id, made.code)
    stored = _stored(settings, desk)
    shown = typed or stored
    return render_desk(
        request,
        desk,
        "door.html",
        status=422 if errors else 200,
        door=f"/door/{show_id('evt', event_id)}",
        here_address=event_address(event_id, "door"),
        counts=counts,
        conflicts=conflicts.data,
        more_conflicts=conflicts.next_cursor is not None,
        names=names,
        holders=holders,
        zone=desk.zone,
        now=now.astimezone(desk.zone),
        scanners=scanners,
        made=made,
        qr=None if address is None else markupsafe.Markup(qr_svg(address, "Code for the phone")),  # noqa: S704
        made_address=address,
        types=types,
        typed=shown._replace(
            gates=[*shown.gates, *[GateRow()] * _GATES_SHOWN][: checkin.GATES_MAX],
            version=str(settings.version),
        ),
        stored=stored,
        saved=saved,
        errors=errors,
        scanner_name=scanner_name,
        minutes=_minutes(counts, now),
    )


def _minutes(counts: checkin.DoorCounts, now: datetime) -> list[tuple[int, checkin.MinuteCount]]:
    """Return the minutes of the last hour in which something happened, with their place in it."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=_MINUTES_SHOWN - 1)
    return [
        (int((each.at - first).total_seconds() // 60), each) for each in counts.minutes if each.at >= first
    ]


def _typed(form: Form) -> Typed:
    gates = []
    for number in range(checkin.GATES_MAX):
        name = form.text(f"gate-{number}")
        if name:
            types = frozenset(form.all(f"types-{number}"))
            gates.append(GateRow(name, form.text(f"every-{number}") == "yes", types))
    return Typed(
        form.text("reentry") == "yes",
        form.text("names_offline") == "yes",
        form.text("opens_at"),
        form.text("closes_at"),
        gates,
        form.text("version"),
    )


def _stored(settings: checkin.CheckInSettings, desk: Desk) -> Typed:
    terms = settings.terms
    return Typed(
        terms.reentry,
        terms.names_offline,
        _local(terms.opens_at, desk),
        _local(terms.closes_at, desk),
        [
            GateRow(
                gate.name,
                gate.ticket_type_ids is None,
                frozenset(show_id("tty", each) for each in gate.ticket_type_ids or ()),
            )
            for gate in terms.gates
        ],
        str(settings.version),
    )


def _local(at: datetime | None, desk: Desk) -> str:
    return "" if at is None else at.astimezone(desk.zone).strftime("%Y-%m-%dT%H:%M")


def _terms(typed: Typed, before: CheckInTerms, desk: Desk, errors: list[FormError]) -> CheckInTerms:
    """Return what was typed; times that were not touched keep their seconds."""
    terms = CheckInTerms(
        typed.reentry,
        _instant("opens_at", typed.opens_at, before.opens_at, desk, errors),
        _instant("closes_at", typed.closes_at, before.closes_at, desk, errors),
        tuple([Gate(gate.name, None if gate.every else _types(gate)) for gate in typed.gates]),
        typed.names_offline,
    )
    complaints = Complaints()
    complaints.check("", terms)
    try:
        complaints.refuse_if_any()
    except Invalid as exc:
        errors += errors_of(exc, _FIELDS)
    return terms


def _types(gate: GateRow) -> tuple[TicketTypeId, ...]:
    return tuple([cast("TicketTypeId", parse_id("tty", each)) for each in sorted(gate.types)])


def _instant(
    field: str, text: str, before: datetime | None, desk: Desk, errors: list[FormError]
) -> datetime | None:
    if not text or text == _local(before, desk):
        return before if text else None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=desk.zone)
    except ValueError:
        errors.append(FormError(field, "Give a day and a time, such as 2027-05-18T19:00."))
        return None


routes: Final = [show_door, create_scanner, revoke_scanner, put_settings]
