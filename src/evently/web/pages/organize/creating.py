"""A new event in one form: title, time, place, and what a ticket costs. It becomes a draft."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from evently import catalogue, organizing
from evently.accounts.organizers import list_memberships, lock_organizer
from evently.catalogue import Category, Event, EventTerms, Venue, VenueTerms
from evently.db import Connection
from evently.kit.errors import Invalid
from evently.kit.ids import NO_ID, find_id, new_id, show_id
from evently.kit.money import CURRENCIES
from evently.organizing import ConditionsDraft, NewPool, NewTicketType, SaleTerms
from evently.sales.reads import list_sale_summaries
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import QueryParameter
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import MANAGERS, event_address, open_desk, render_desk
from evently.web.pages.organize.starting_points import STARTING_POINTS, StartingPoint
from evently.web.pages.organize.typed import Typed, after_start, errors_at
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

NEW_VENUE: Final = "new"
_ROWS: Final = 3  # of ticket types in the form at first
_ROWS_MAX: Final = 20  # more are added at the event's page of tickets
_VENUES_MAX: Final = 100
_EVENTS_OFFERED: Final = 5  # to use one of them again; the search of the desk has the others
_LASTS: Final = timedelta(hours=3)
_CURRENCY: Final = "EUR"
_VENUE_FIELDS: Final = ("name", "address", "city", "country", "time_zone")
_VENUE_MISSING: Final = {
    "name": "Enter the name of the venue.",
    "address": "Enter the address: buyers must find it.",
    "city": "Enter the city.",
    "country": "Choose the country.",
}
OfOrganizer = Annotated[str, QueryParameter(name="organizer", max_length=40)]
Begin = Annotated[str, QueryParameter(max_length=20)]


class Beginnings(NamedTuple):
    """What the form can begin with. `chosen`: the starting point that fills it; `events`: newest first."""

    chosen: str
    events: list[Event]

    @property
    def copies(self) -> list[tuple[Event, str]]:
        """The events with the addresses of the pages that use them again."""
        return [(event, event_address(event.event_id, "copy")) for event in self.events]


class TypeRow(NamedTuple):
    """A ticket type as it was typed: the number of its row, and its fields."""

    number: int
    draft: NewTicketType
    places: int


@show("/organize/events/new", **policy(SIGNED_IN))
async def show_new_event(
    request: Request, organizer: OfOrganizer = "", begin: Begin = ""
) -> Response[str] | Response[None]:
    """Return the form of a new event, for an organizer that the reader manages.

    `begin`: the starting point that fills it; an event that there is has a page of its own for that.
    """
    organizer_id = await _organizer_of(request, organizer)
    if organizer_id is None:
        return see_other("/organize?choose=yes")
    context = request.context
    newest = await catalogue.list_events_of_organizer(
        context.database, list_sale_summaries, organizer_id, None, context.clock(), _EVENTS_OFFERED
    )
    events = [card.event for card in newest.data]
    form = Form(await _defaults(request, events[0] if events else None, STARTING_POINTS.get(begin)))
    return await _page(request, organizer_id, form, [], Beginnings(begin, events))


@act("/organize/events/new", **policy(SIGNED_IN))
async def create_event(request: Request) -> Response[str] | Response[None]:
    """Make a draft, with its venue if that is new, and show what is missing."""
    form, context = await read_form(request), request.context
    organizer_id = await _organizer_of(request, form.text("organizer"))
    if organizer_id is None:
        return see_other("/organize?choose=yes")
    if form.text("more"):
        return await _page(request, organizer_id, form, [])
    typed = Typed(form)
    wanted = _read(typed)
    event_id = find_id("evt", form.text("key")) or new_id()
    try:
        async with context.database.transaction() as tx:
            await lock_organizer(tx, organizer_id)  # a form that is sent twice makes one draft
            if not await catalogue.find_events(tx, [event_id]):
                await _create(tx, request, organizer_id, event_id, typed, wanted)
    except _Wrong:
        return await _page(request, organizer_id, form, typed.errors)
    return see_other(f"{event_address(event_id)}?done=made")


class _Wrong(Exception):
    """Raised in a transaction that must not be committed: the form has errors."""


class _Wanted(NamedTuple):
    """What was typed about an event, as far as it could be read."""

    title: str
    description: str
    category: Category
    starts: datetime | None
    ends: datetime | None
    currency: str
    payment: str
    rows: list[TypeRow]

    def terms(self, venue_id: UUID) -> EventTerms:
        """Return the event at a venue."""
        return EventTerms(
            venue_id=venue_id,
            title=self.title,
            description=self.description,
            category=self.category,
            starts_at_local=self.starts,
            ends_at_local=self.ends,
        )

    def sale(self) -> SaleTerms:
        """Return how it is sold: each ticket type has a pool of its own."""
        return SaleTerms(
            currency=self.currency,
            pools=tuple(NewPool(row.draft.name, row.places) for row in self.rows),
            ticket_types=tuple(row.draft for row in self.rows),
            conditions=ConditionsDraft(payment="door" if self.payment == "door" else "online"),
        )


async def _create(
    tx: Connection, request: Request, organizer_id: UUID, event_id: UUID, typed: Typed, wanted: _Wanted
) -> None:
    """Create the venue, if it is new, and the draft; or note every wrong field and raise `_Wrong`."""
    now = request.context.clock()
    venue_id = await _venue_of(tx, organizer_id, typed, now)
    try:
        await organizing.create_event(
            tx,
            organizer_id,
            wanted.terms(venue_id or NO_ID),
            wanted.sale(),
            now,
            denominations=request.context.checkout.denominations,
            event_id=event_id,
        )
    except Invalid as exc:
        for error in errors_at(exc, _fields(wanted.rows)):
            if venue_id is not None or error.field != "venue":  # without one, it has errors of its own
                typed.wrong(*error)
    if typed.errors:
        raise _Wrong


async def _venue_of(tx: Connection, organizer_id: UUID, typed: Typed, now: datetime) -> UUID | None:
    """Return the venue that was chosen, or make the one that was described; None: it was wrong."""
    form = typed.form
    if form.text("venue") != NEW_VENUE:
        return find_id("ven", form.text("venue")) or NO_ID
    said = {name: form.text(f"venue_{name}") for name in _VENUE_FIELDS}
    for name, text in _VENUE_MISSING.items():
        if not said[name]:
            typed.wrong(f"venue_{name}", text)
    if said["country"] and not said["time_zone"]:
        zone = catalogue.zone_of_city(said["country"], said["city"], now)
        if zone is None:
            typed.wrong("venue_time_zone", "Choose the time zone: the country has several.")
        said["time_zone"] = zone or ""
    said["time_zone"] = said["time_zone"] or "UTC"  # what is missing was noted
    try:
        made = await catalogue.create_venue(tx, organizer_id, VenueTerms(**said), now)
    except Invalid as exc:
        for error in errors_at(exc, {f"/{name}": f"venue_{name}" for name in _VENUE_FIELDS}):
            typed.wrong(*error)
        return None
    return made.venue_id


async def _organizer_of(request: Request, text: str) -> UUID | None:
    """Return the organizer that is named, if the reader manages it; without a name, the only one."""
    if text:
        return await request.context.access.check_organizer(
            request.actor,
            {"organizer_id": text},
            MANAGERS,
            hides=True,
            writes=request.scope["method"] != "GET",
        )
    page = await list_memberships(request.context.database, request.actor.id, _VENUES_MAX, None)
    managed = [each for each in page.data if each.role != "door"]
    return managed[0].organizer.organizer_id if len(managed) == 1 else None


def _read(typed: Typed) -> _Wanted:
    """Return what was typed; note what cannot be read, or is missing."""
    form = typed.form
    if not form.text("title"):
        typed.wrong("title", "Enter a title.")
    starts = typed.moment("starts", required="Enter the day on which it starts.")
    ends_clock = typed.clock("ends_clock")
    ends = None
    if starts is not None:
        ends = starts + _LASTS if ends_clock is None else after_start(starts, ends_clock)
    currency = form.text("currency")
    if currency not in CURRENCIES:
        typed.wrong("currency", "Choose a currency.")
    category = form.text("category")
    return _Wanted(
        form.text("title"),
        form.text("description"),
        Category(category) if category in {each.value for each in Category} else Category.OTHER,
        starts,
        ends,
        currency,
        form.text("payment"),
        _read_rows(typed, currency if currency in CURRENCIES else _CURRENCY),
    )


def _read_rows(typed: Typed, currency: str) -> list[TypeRow]:
    """Return the ticket types that were typed; a row without a name, price and number does not count."""
    form, rows = typed.form, []
    for number in range(1, _ROWS_MAX + 1):
        name = form.text(f"type_{number}")
        price, places = typed.price(f"price_{number}", currency), typed.number(f"places_{number}")
        if not (name or form.text(f"price_{number}") or form.text(f"places_{number}")):
            continue
        if not name:
            typed.wrong(f"type_{number}", "Enter the name of this ticket type.")
        if not form.text(f"places_{number}"):
            typed.wrong(f"places_{number}", "Enter how many there are.")
        draft = NewTicketType(name=name or f"{number}", price=price, pools=(name or f"{number}",))
        rows.append(TypeRow(number, draft, places or 0))
    return rows


def _fields(rows: list[TypeRow]) -> Mapping[str, str]:
    """Return the id of the input for each pointer of a new event."""
    fields = {
        "/title": "title",
        "/description": "description",
        "/starts_at": "starts_day",
        "/starts_at_local": "starts_day",
        "/ends_at": "ends_clock",
        "/ends_at_local": "ends_clock",
        "/venue_id": "venue",
        "/currency": "currency",
        "/off_sale_at": "starts_day",
    }
    for index, row in enumerate(rows):
        fields |= {
            f"/ticket_types/{index}": f"type_{row.number}",
            f"/ticket_types/{index}/price": f"price_{row.number}",
            f"/pools/{index}": f"type_{row.number}",
            f"/pools/{index}/capacity": f"places_{row.number}",
        }
    return fields


async def _defaults(
    request: Request, event: Event | None, start: StartingPoint | None
) -> list[tuple[str, str]]:
    """Return what the form has before anything is typed: what the newest event had, else what is usual."""
    currency = event.currency if event else _CURRENCY
    usual = {
        "category": event.category.value if event else Category.OTHER.value,
        "starts_clock": "20:00",
        "type_1": "Regular",
    }
    filled = usual if start is None else dict(start.fields(currency))
    return [
        *filled.items(),
        ("venue", show_id("ven", event.venue_id) if event else ""),
        ("currency", currency),
        ("payment", "online" if await request.context.checkout.find_gateway() else "door"),
        ("key", show_id("evt", new_id())),
    ]


async def _page(
    request: Request,
    organizer_id: UUID,
    form: Form,
    errors: list[FormError],
    beginnings: Beginnings | None = None,
) -> Response[str]:
    context = request.context
    desk = await open_desk(request, organizer_id)
    venues = await catalogue.list_venues(context.database, organizer_id, _VENUES_MAX, None)
    shown = [number for number in range(1, _ROWS_MAX + 1) if form.text(f"type_{number}")]
    rows = max(_ROWS, *shown, 0) if not form.text("more") else max(_ROWS, *shown, 0) + _ROWS
    return render_desk(
        request,
        desk,
        "new_event.html",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        organizer_id=show_id("org", organizer_id),
        beginnings=beginnings,
        starting_points=STARTING_POINTS,
        venues=venues.data,
        venue=_chosen(form, venues.data),
        venue_options=[*venue_options(venues.data), (NEW_VENUE, "A new venue")],
        rows=range(1, min(rows, _ROWS_MAX) + 1),
        more=rows < _ROWS_MAX,
        category_options=category_options(),
        currency_options=[(code, code) for code in sorted(CURRENCIES)],
        country_options=[("", "Choose"), *sorted(catalogue.countries().items(), key=lambda each: each[1])],
        zone_options=[
            ("", "Of the city"),
            *((zone, zone.replace("_", " ")) for zone in _zones(form.text("venue_country"))),
        ],
        takes_payments=await context.checkout.find_gateway() is not None,
    )


def category_options() -> list[tuple[str, str]]:
    """Return the categories with their names."""
    return [(each.value, each.value.replace("-", " ").capitalize()) for each in Category]


def venue_options(venues: list[Venue]) -> list[tuple[str, str]]:
    """Return venues with their names, and the time zone of their clocks."""
    return [
        (show_id("ven", venue.venue_id), f"{venue.name}, {venue.city} ({venue.time_zone})")
        for venue in venues
    ]


def _zones(country: str) -> list[str]:
    """Return all time zones, those of a country first."""
    by_country = catalogue.zones_of_countries()
    own = by_country.get(country, ())
    return [*own, *sorted({zone for zones in by_country.values() for zone in zones}.difference(own))]


def _chosen(form: Form, venues: list[Venue]) -> str:
    """Return which venue is chosen in the form."""
    given = form.text("venue")
    if given or not venues:
        return given or NEW_VENUE
    return show_id("ven", venues[0].venue_id)


routes: Final = [show_new_event, create_event]
