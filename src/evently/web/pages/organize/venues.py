"""Venues at the desk: list, make, change; what another time zone moves is said before."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, NamedTuple
from uuid import UUID
from zoneinfo import available_timezones

from evently import catalogue, organizing, seating
from evently.catalogue import CatalogueRefusal, Venue, VenueChanges, VenueTerms
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import OrganizerId, VenueId, show_id
from evently.organizing import VenueMove
from evently.web.edge.auth import policy
from evently.web.edge.conditional import etag_of
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import (
    MANAGERS,
    MEMBERS,
    event_address,
    open_desk,
    organizer_address,
    render_desk,
)
from evently.web.pages.organize.saving import Version, show_versions
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_SHOWN_MAX: Final = 50  # venues on a page
_MAPS_MAX: Final = 100  # of a venue: nobody has more
_LABELS: Final = {
    "name": "Name",
    "address": "Street and number, postal code",
    "city": "City",
    "country": "Country",
    "time_zone": "Time zone",
}
_FIELDS: Final = {f"/{name}": name for name in _LABELS}
After = Annotated[str, QueryParameter(max_length=500)]
Done = Annotated[str, QueryParameter(max_length=20)]


class MoveRow(NamedTuple):
    """An event that another time zone moves: its start now and then, in UTC."""

    title: str
    address: str
    before: datetime
    after: datetime


class MapRow(NamedTuple):
    """A seat map of the venue."""

    name: str
    address: str
    seats: int
    version: int


def venue_address(venue_id: UUID) -> str:
    """Return the address of a venue at the desk."""
    return f"/organize/venues/{show_id('ven', venue_id)}"


@show("/organize/{organizer_id}/venues", **policy(MEMBERS))
async def show_venues(
    request: Request, organizer_id: FromPath[OrganizerId], after: After = ""
) -> Response[str]:
    """Return the venues of an organizer, newest first, and the form for another one."""
    return await _list(request, organizer_id, Form([]), [], after=after)


@act("/organize/{organizer_id}/venues", **policy(MANAGERS))
async def add_venue(request: Request, organizer_id: FromPath[OrganizerId]) -> Response[str] | Response[None]:
    """Make a venue."""
    form = await read_form(request)
    terms = VenueTerms(**_typed(form))
    try:
        async with request.context.database.transaction() as tx:
            made = await catalogue.create_venue(tx, organizer_id, terms, request.context.clock())
    except Invalid as exc:
        return await _list(request, organizer_id, form, errors_of(exc, _FIELDS), status=422)
    return see_other(f"{venue_address(made.venue_id)}?done=made")


@show("/organize/venues/{venue_id}", **policy(MEMBERS))
async def show_venue(request: Request, venue_id: FromPath[VenueId], done: Done = "") -> Response[str]:
    """Return a venue with its seat maps, and the form to change it."""
    venue = await catalogue.get_venue(request.context.database, venue_id)
    return await _show(request, venue, _form_of(venue), [], done=done)


@act("/organize/venues/{venue_id}", **policy(MANAGERS))
async def change_venue(request: Request, venue_id: FromPath[VenueId]) -> Response[str] | Response[None]:
    """Change a venue. Another time zone that moves events shows them first, and asks."""
    form, context = await read_form(request), request.context
    venue = await catalogue.get_venue(context.database, venue_id)
    changes = VenueChanges(**_typed(form))
    seen = partial(_check_version, form)
    agreed = form.text("moves") == "agreed"
    try:
        async with context.database.transaction() as tx:
            changed = await organizing.change_venue(
                tx,
                venue_id,
                changes,
                context.clock(),
                seen,
                dry_run=False if agreed else None,
                editor_id=request.actor.id,
            )
    except Refused as exc:
        if exc.refusal == CatalogueRefusal.VENUE_IN_USE and exc.reason == "moves":
            async with context.database.transaction() as tx:
                _, moved = await organizing.change_venue(
                    tx, venue_id, changes, context.clock(), seen, dry_run=True
                )
            moves = [_move_row(each) for each in moved]
            return await _show(request, venue, form, [], moves=moves, status=409)
        if isinstance(exc, Invalid):
            return await _show(request, venue, form, errors_of(exc, _FIELDS), status=422)
        if exc.refusal == CommonRefusal.STALE:
            return await _show_versions(request, venue_id, form)
        return await _show(request, venue, form, [FormError("time_zone", sentence_of(exc))], status=409)
    for move in changed.moves:
        context.memory.forget(move.event.event_id)
    return see_other(f"{venue_address(venue_id)}?done=changed")


async def _list(
    request: Request,
    organizer_id: UUID,
    form: Form,
    errors: list[FormError],
    *,
    after: str = "",
    status: int = 200,
) -> Response[str]:
    desk = await open_desk(request, organizer_id)
    page = await catalogue.list_venues(request.context.database, organizer_id, _SHOWN_MAX, after or None)
    return render_desk(
        request,
        desk,
        "venues.html",
        status=status,
        venues=[(each, venue_address(each.venue_id)) for each in page.data],
        next_page=page.next_cursor,
        here_address=f"{organizer_address(organizer_id)}/venues",
        form=form,
        errors=errors,
        countries=_countries(),
        time_zones=_time_zones(),
    )


async def _show(
    request: Request,
    venue: Venue,
    form: Form,
    errors: list[FormError],
    *,
    moves: list[MoveRow] | None = None,
    done: str = "",
    status: int = 200,
) -> Response[str]:
    desk = await open_desk(request, venue.organizer_id)
    maps = await seating.list_seat_maps(request.context.database, venue.venue_id, _MAPS_MAX, None)
    return render_desk(
        request,
        desk,
        "venue.html",
        status=status,
        venue=venue,
        address=venue_address(venue.venue_id),
        list_address=f"{organizer_address(venue.organizer_id)}/venues",
        form=form,
        errors=errors,
        moves=moves,
        done={"made": "The venue is made.", "changed": "The venue was changed."}.get(done, ""),
        maps=[
            MapRow(
                each.name, f"/organize/seat-maps/{show_id('smp', each.seat_map_id)}", each.seats, each.version
            )
            for each in maps.data
        ],
        countries=_countries(),
        time_zones=_time_zones(),
    )


async def _show_versions(request: Request, venue_id: UUID, form: Form) -> Response[str]:
    """Return what was typed beside what another editor has saved."""
    database = request.context.database
    venue = await catalogue.get_venue(database, venue_id)
    mine = _typed(form)
    return await show_versions(
        request,
        await open_desk(request, venue.organizer_id),
        form,
        venue.version,
        [Version(label, mine[name], getattr(venue, name)) for name, label in _LABELS.items()],
        await catalogue.find_last_edit_of_venue(database, venue_id),
        venue_address(venue_id),
        (venue.name, venue.place.zone),
    )


def _move_row(move: VenueMove) -> MoveRow:
    return MoveRow(
        move.event.title,
        event_address(move.event.event_id),
        move.event.starts_at.astimezone(UTC),
        move.starts_at.astimezone(UTC),
    )


def _form_of(venue: Venue) -> Form:
    return Form([("version", str(venue.version)), *((name, getattr(venue, name)) for name in _LABELS)])


def _typed(form: Form) -> dict[str, str]:
    typed = {name: form.text(name) for name in _LABELS}
    return typed | {"country": typed["country"].upper()}


def _check_version(form: Form, version: int) -> None:
    if form.text("version") != str(version):
        raise Refused(
            CommonRefusal.STALE, "other_version", given=form.text("version"), current_etag=etag_of(version)
        )


def _countries() -> list[tuple[str, str]]:
    """Return the countries to choose from, by name."""
    return [("", "Choose"), *sorted(catalogue.countries().items(), key=lambda each: each[1])]


def _time_zones() -> dict[str, str]:
    """Return the time zones of places to choose from."""
    zones = sorted(each for each in available_timezones() if "/" in each and not each.startswith("Etc/"))
    return {"": "Choose"} | {zone: zone.replace("_", " ") for zone in zones}


routes: Final = [show_venues, add_venue, show_venue, change_venue]
