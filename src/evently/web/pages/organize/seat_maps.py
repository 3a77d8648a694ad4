"""Seat maps at the desk: import, generate, look at, change; each change is a new version.

A script adds the editor (static/map-editor.js). What it saves is the same form: the whole map, as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from evently import catalogue, sales, seating
from evently.catalogue import Venue
from evently.kit.complaints import Complaints
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import SeatMapId, VenueId, show_id
from evently.seating import MapDifference, SeatMap, SectionPattern, StoredSeatMap
from evently.seating.pretix import import_pretix
from evently.web.edge.auth import policy
from evently.web.edge.conditional import NO_STORE, etag_of
from evently.web.edge.context import JSON, Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, errors_of, parse_form, read_upload
from evently.web.pages.organize.desk import MANAGERS, MEMBERS, event_address, open_desk, render_desk
from evently.web.pages.organize.venues import venue_address
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

# The largest map as JSON, as a form encodes it: quotes and commas take three bytes each
FORM_BYTES_MAX: Final = 48 * 1024 * 1024
_FAULTS_SHOWN_MAX: Final = 10
_EVENTS_SHOWN_MAX: Final = 20
_PATTERN_FIELDS: Final = SectionPattern.__struct_fields__
_FIELDS: Final = {f"/{name}": name for name in _PATTERN_FIELDS}
_DEFAULTS: Final = {
    "name": "Stalls",
    "code": "ST",
    "rows": "12",
    "seats": "20",
    "rows_named": "letters",
    "first_row": "1",
    "skipped_letters": "IO",
    "numbered_from": "left",
    "first_seat": "1",
    "seat_step": "1",
    "aisles": "",
    "growth": "0",
    "radius": "0",
    "x": "0",
    "y": "3",
    "turned": "0",
}
_encode: Final = msgspec.json.Encoder().encode
Done = Annotated[str, QueryParameter(max_length=20)]


@show("/organize/venues/{venue_id}/seat-maps", **policy(MANAGERS))
async def show_new(request: Request, venue_id: FromPath[VenueId]) -> Response[str]:
    """Return the forms for a new seat map: by file, or from a few numbers."""
    venue = await catalogue.get_venue(request.context.database, venue_id)
    return await _show_new(request, venue, Form([]), [])


@act("/organize/venues/{venue_id}/seat-maps", **policy(MANAGERS, rate="heavy", body_bytes_max=FORM_BYTES_MAX))
async def add_map(request: Request, venue_id: FromPath[VenueId]) -> Response[str] | Response[None]:
    """Add a seat map to a venue: from a file, or its first section from a few numbers."""
    form, context = await read_upload(request), request.context
    venue = await catalogue.get_venue(context.database, venue_id)
    try:
        seat_map = await asyncio.to_thread(_read_map if form.raw("file").strip() else _first_section, form)
    except Invalid as exc:
        return await _show_new(
            request, venue, form, _errors(exc, "file" if form.raw("file").strip() else "name"), status=422
        )
    async with context.database.transaction() as tx:
        made = await seating.add_seat_map(tx, venue.organizer_id, venue_id, seat_map, context.clock())
    return see_other(f"{map_address(made.seat_map_id)}?done=made")


@show("/organize/seat-maps/{seat_map_id}", **policy(MEMBERS))
async def show_map(request: Request, seat_map_id: FromPath[SeatMapId], done: Done = "") -> Response[str]:
    """Return a seat map: its sections, and the forms and the editor that change it."""
    return await _show_map(request, seat_map_id, Form([]), [], done=done)


@show("/organize/seat-maps/{seat_map_id}/map.json", **policy(MEMBERS, rate="heavy"))
async def show_json(request: Request, seat_map_id: FromPath[SeatMapId]) -> Response[bytes]:
    """Return the latest version as a file, which can be imported again."""
    found = await seating.get_seat_map(request.context.database, seat_map_id)
    name = f'attachment; filename="seat-map-{found.version}.json"'
    headers = {"content-disposition": name, "etag": etag_of(found.version), **NO_STORE}
    return Response(found.layout, headers=headers, media_type=JSON)


@show("/organize/seat-maps/{seat_map_id}/section.json", **policy(MANAGERS))
async def show_section(request: Request, seat_map_id: FromPath[SeatMapId]) -> Response[bytes]:  # noqa: ARG001
    """Return a section made of a few numbers, for the preview; or what is wrong with them."""
    form = parse_form(request.scope["query_string"].decode("latin-1"))
    try:
        section = await asyncio.to_thread(lambda: seating.make_section(_pattern(form)))
    except Invalid as exc:
        wrong = [{"field": each.field, "text": each.text} for each in errors_of(exc, _FIELDS)]
        return Response(_encode({"errors": wrong}), status_code=422, headers=NO_STORE, media_type=JSON)
    return Response(_encode({"section": section}), headers=NO_STORE, media_type=JSON)


@act("/organize/seat-maps/{seat_map_id}", **policy(MANAGERS, rate="heavy", body_bytes_max=FORM_BYTES_MAX))
async def change_map(request: Request, seat_map_id: FromPath[SeatMapId]) -> Response[str] | Response[None]:
    """Save a map as the next version; first show what it changes, unless that was agreed to."""
    form = await read_upload(request)
    try:
        seat_map = await asyncio.to_thread(_read_map, form)
    except Invalid as exc:
        return await _show_map(request, seat_map_id, form, _errors(exc), status=422)
    return await _save(request, seat_map_id, form, seat_map, asks=form.text("agreed") != "yes")


@act("/organize/seat-maps/{seat_map_id}/sections", **policy(MANAGERS, rate="heavy"))
async def add_section(request: Request, seat_map_id: FromPath[SeatMapId]) -> Response[str] | Response[None]:
    """Add a section from a few numbers, as the next version."""
    form = await read_upload(request)
    latest = await seating.get_seat_map(request.context.database, seat_map_id)
    try:
        seat_map = await asyncio.to_thread(_with_section, latest, form)
    except Invalid as exc:
        return await _show_map(request, seat_map_id, form, _errors(exc, "name"), status=422)
    return await _save(request, seat_map_id, form, seat_map, asks=False)


@act("/organize/seat-maps/{seat_map_id}/sections/remove", **policy(MANAGERS, rate="heavy"))
async def remove_section(
    request: Request, seat_map_id: FromPath[SeatMapId]
) -> Response[str] | Response[None]:
    """Remove a section, as the next version; show first what it changes."""
    form = await read_upload(request)
    latest = await seating.get_seat_map(request.context.database, seat_map_id)
    seat_map = seating.decode_map(latest.layout)
    left = tuple(each for each in seat_map.sections if each.name != form.raw("section"))
    if not left:
        errors = [FormError("map", "A map needs a section: add another one first.")]
        return await _show_map(request, seat_map_id, form, errors, status=422)
    seat_map = msgspec.structs.replace(seat_map, sections=left)
    return await _save(request, seat_map_id, form, seat_map, asks=True)


def map_address(seat_map_id: UUID) -> str:
    """Return the address of a seat map at the desk."""
    return f"/organize/seat-maps/{show_id('smp', seat_map_id)}"


async def _save(
    request: Request, seat_map_id: UUID, form: Form, seat_map: SeatMap, *, asks: bool
) -> Response[str] | Response[None]:
    context = request.context
    latest = await seating.get_seat_map(context.database, seat_map_id)
    difference = await asyncio.to_thread(lambda: seating.compare(seating.decode_map(latest.layout), seat_map))
    if asks and difference and form.text("version") == str(latest.version):
        return await _show_map(request, seat_map_id, form, [], asked=(difference, seat_map))
    try:
        async with context.database.transaction() as tx:
            await seating.add_version(
                tx, seat_map_id, seat_map, context.clock(), partial(_check_version, form)
            )
    except Refused as exc:
        if exc.refusal != CommonRefusal.STALE:
            raise
        text = f"Version {latest.version} was saved meanwhile. Yours is kept below: compare, and save again."
        errors = [FormError("map", text)]
        return await _show_map(request, seat_map_id, form, errors, asked=(difference, seat_map), status=412)
    return see_other(f"{map_address(seat_map_id)}?done=saved")


async def _show_new(
    request: Request, venue: Venue, form: Form, errors: Sequence[FormError], *, status: int = 200
) -> Response[str]:
    desk = await open_desk(request, venue.organizer_id)
    return render_desk(
        request,
        desk,
        "seat_map_new.html",
        status=status,
        venue=venue,
        back=venue_address(venue.venue_id),
        form=_with_defaults(form),
        errors=list(errors),
    )


async def _show_map(
    request: Request,
    seat_map_id: UUID,
    form: Form,
    errors: Sequence[FormError],
    *,
    asked: tuple[MapDifference, SeatMap] | None = None,
    done: str = "",
    status: int = 200,
) -> Response[str]:
    database = request.context.database
    found = await seating.get_seat_map(database, seat_map_id)
    desk = await open_desk(request, found.organizer_id)
    venue = await catalogue.get_venue(database, found.venue_id)
    seat_map = await asyncio.to_thread(seating.decode_map, found.layout)
    events = await _events_with(request, found)
    return render_desk(
        request,
        desk,
        "seat_map.html",
        status=status,
        venue=venue,
        back=venue_address(venue.venue_id),
        address=map_address(seat_map_id),
        known=found,
        sections=[
            (each.name, len(each.rows), sum(len(row.seats) for row in each.rows))
            for each in seat_map.sections
        ],
        events=events,
        form=_with_defaults(form),
        errors=list(errors),
        difference=None if asked is None else asked[0],
        wanted="" if asked is None else seating.canonical(asked[1]).decode(),
        typed=form.raw("map") if errors else "",
        done={"made": "The seat map is made.", "saved": f"Saved as version {found.version}."}.get(done, ""),
    )


async def _events_with(request: Request, found: StoredSeatMap) -> list[tuple[str, str]]:
    """Return the events at the venue that have a copy of any version of the map."""
    async with request.context.database.snapshot() as snapshot:
        digests = await seating.list_digests(snapshot, found.seat_map_id)
        ids = await sales.reads.list_events_with_map(snapshot, digests, _EVENTS_SHOWN_MAX)
        events = await catalogue.find_events(snapshot, ids)
    now = request.context.clock()
    return [
        (each.title, event_address(each.event_id))
        for each in events.values()
        if each.venue_id == found.venue_id and each.ends_at > now and not each.sandbox
    ]


def _read_map(form: Form) -> SeatMap:
    """Return the map of a file or of the editor: ours, or a plan of pretix."""
    name = "file" if form.raw("file").strip() else "map"
    try:
        content: Any = msgspec.json.decode(form.raw(name))
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Invalid([FieldError(f"//{name}", "not-as-expected", {"message": "This is no JSON."})]) from exc
    if isinstance(content, dict) and isinstance(content.get("map"), dict):
        content = content["map"]  # as the API answers
    if isinstance(content, dict) and "zones" in content and "sections" not in content:
        return import_pretix(content)[0]
    return seating.parse(content)


def _first_section(form: Form) -> SeatMap:
    complaints = Complaints()
    if not form.text("map_name"):
        complaints.about("//map_name", "blank")
    try:
        pattern = _pattern(form)
    except Invalid as exc:
        raise Invalid([*complaints.errors, *exc.errors]) from exc
    complaints.refuse_if_any()
    return _checked(seating.make_map(form.text("map_name"), [pattern]))


def _with_section(latest: StoredSeatMap, form: Form) -> SeatMap:
    seat_map, section = seating.decode_map(latest.layout), seating.make_section(_pattern(form))
    return _checked(msgspec.structs.replace(seat_map, sections=(*seat_map.sections, section)))


def _checked(seat_map: SeatMap) -> SeatMap:
    if faults := seating.check(seat_map):
        raise Invalid(faults)
    return seat_map


def _pattern(form: Form) -> SectionPattern:
    """Return the section that the form describes. Refuses with all that is wrong."""
    complaints = Complaints()
    values: dict[str, Any] = {name: form.text(name) for name in ("name", "code", "skipped_letters")}
    values["rows_named"] = "numbers" if form.text("rows_named") == "numbers" else "letters"
    values["numbered_from"] = "right" if form.text("numbered_from") == "right" else "left"
    for name in ("rows", "seats", "first_row", "first_seat", "seat_step", "growth"):
        _read(complaints, values, form, name, int)
    for name in ("radius", "x", "y", "turned"):
        _read(complaints, values, form, name, float)
    try:
        values["aisles"] = tuple(int(each) for each in form.text("aisles").replace(",", " ").split())
    except ValueError:
        complaints.about("/aisles", "not-as-expected", message="Give numbers, such as 10, 20.")
    complaints.refuse_if_any()
    pattern = SectionPattern(**values)
    seating.check_pattern(complaints, "", pattern)
    complaints.refuse_if_any()
    return pattern


def _read(
    complaints: Complaints, values: dict[str, Any], form: Form, name: str, kind: Callable[[str], Any]
) -> None:
    text = form.text(name).replace(",", ".") or _DEFAULTS[name]
    try:
        values[name] = kind(text)
    except ValueError:
        complaints.about(f"/{name}", "not-as-expected", message="Give a number.")


def _with_defaults(form: Form) -> Form:
    given = {name for name, _ in form.pairs}
    return Form([*form.pairs, *((name, value) for name, value in _DEFAULTS.items() if name not in given)])


def _errors(exc: Invalid, elsewhere: str = "file") -> list[FormError]:
    """Return what is wrong: with a field of the form, or with a place in a map, at the field `elsewhere`."""
    fields = _FIELDS | {"//file": "file", "//map": "map", "//map_name": "map_name"}
    shown = exc.errors[:_FAULTS_SHOWN_MAX]
    found = [
        errors_of(Invalid([each]), fields)[0]
        if each.pointer in fields
        else FormError(elsewhere, f"{each.pointer or 'The map'}: {each.detail}")
        for each in shown
    ]
    if len(exc.errors) > len(shown):
        found.append(FormError(elsewhere, f"And {len(exc.errors) - len(shown)} more."))
    return found


def _check_version(form: Form, latest: int) -> None:
    if form.text("version") != str(latest):
        raise Refused(
            CommonRefusal.STALE, "other_version", given=form.text("version"), current_etag=etag_of(latest)
        )


routes: Final = [
    show_new,
    add_map,
    show_map,
    show_json,
    show_section,
    change_map,
    add_section,
    remove_section,
]
