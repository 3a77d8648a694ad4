"""The page of an event: what it is, when and where, what a ticket costs with everything, and the form.

The page is the same for everybody and kept. For a reader who has logged in, an idempotency key is put into
its form, so that a double click books once; such a page no cache stores. Without a key, the form leads to the
page of the choice (`choosing.py`), which has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import markupsafe

from evently import catalogue
from evently.accounts.organizers import get_organizer
from evently.catalogue import Event, Venue
from evently.kit.errors import Refused
from evently.kit.ids import EventId, show_id
from evently.kit.money import Money, exponent_of
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import (
    OnSaleState,
    Sale,
    price_to_buyers,
    public_types,
    read_sale,
    read_types_for,
    state_of_sale,
    states_of,
)
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX, PromoTerms, TicketTypeTerms
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.admitting import is_admitted_here
from evently.web.pages.browsing import event_address
from evently.web.pages.forms import FormError, parse_form
from evently.web.pages.poster_picture import HEIGHT, WIDTH, poster_address
from evently.web.pages.rendering import (
    manage_link,
    new_key,
    render,
    render_kept,
    render_with_key,
    see_other,
    show,
)
from evently.web.pages.sources import Via, forbid_storing, keep_source
from evently.web.pictures import whole_address
from evently.web.services import Request
from evently.web.unlocking import REFUSALS, count_guess

_SCHEMA: Final = "https://schema.org"
_DIGITS_MAX: Final = 4
Code = Annotated[str, QueryParameter(max_length=PROMO_CODE_CHARACTERS_MAX)]


class TypeOnPage(NamedTuple):
    """A ticket type as the page offers it. `price` is what a buyer pays, with every fee and tax.

    `before`: the price without the promo code that lowers it; else None.
    `needed`: of an add-on, the names of what it needs, by id; `per_needed`: at most so many for each.
    """

    id: str
    name: str
    description: str
    price: Money
    before: Money | None
    has_fee: bool
    state: OnSaleState
    available: int
    few: bool
    few_below: int
    most: int
    per_booking_max: int
    opens: datetime | None  # at the venue
    zone: str | None
    needed: dict[str, str]
    per_needed: int | None

    def most_with(self, units: Mapping[str, int]) -> int:
        """Return how many may be chosen together with so many tickets, by id."""
        if not self.needed:
            return self.most
        tickets = sum(units.get(type_id, 0) for type_id in self.needed)
        if self.per_needed is None:
            return self.most if tickets else 0
        return min(self.most, tickets * self.per_needed)


class EventOnPage(NamedTuple):
    """Everything that the page of an event shows."""

    event: Event
    venue: Venue
    host: str
    host_email: str
    sale: Sale
    state: OnSaleState
    types: list[TypeOnPage]
    opens: datetime  # at the venue
    closes: datetime
    address: str
    refunds: list[str]
    seated: bool
    over: bool
    hold_minutes: int  # 0 when nothing is paid online, so that nothing is held
    promo: PromoTerms | None  # of the code that the reader gave

    @property
    def promo_terms(self) -> list[str]:
        """What the promo code does, in sentences."""
        return [] if self.promo is None else words.promo_terms(self.promo, self.sale.currency)

    @property
    def paragraphs(self) -> list[str]:
        """The description, in paragraphs."""
        return words.paragraphs(self.event.description)

    @property
    def tickets(self) -> list[TypeOnPage]:
        """The ticket types that are sold by themselves."""
        return [each for each in self.types if not each.needed]

    @property
    def add_ons(self) -> list[TypeOnPage]:
        """The ticket types that are sold only together with others."""
        return [each for each in self.types if each.needed]

    def most_of(self, add_on: TypeOnPage) -> int:
        """Return how many of an add-on may go with as many tickets as can be chosen on the event's page."""
        tickets = self.unseated if self.seated else self.tickets
        return add_on.most_with({each.id: each.most for each in tickets if each.state == "on_sale"})

    @property
    def seats_on_sale(self) -> bool:
        """Whether a ticket with a seat can be booked now."""
        return any(each.zone is not None and each.state == "on_sale" for each in self.tickets)

    @property
    def unseated(self) -> list[TypeOnPage]:
        """Of an event with seats: the ticket types without one that can be booked now."""
        if not self.seated:
            return []
        return [each for each in self.tickets if each.zone is None and each.state == "on_sale"]

    def goes_unseated(self, add_on: TypeOnPage) -> bool:
        """Return whether an add-on can be booked with a ticket that has no seat."""
        return any(each.id in add_on.needed for each in self.unseated)

    @property
    def cheapest(self) -> Money | None:
        """The lowest price of the ticket types that can be booked now, add-ons apart."""
        prices = [each.price for each in self.tickets if each.state == "on_sale"]
        return min(prices, key=lambda price: price.amount, default=None)

    @property
    def bookable(self) -> bool:
        """Whether a ticket of some type can be booked now."""
        return self.state == "on_sale"


@show("/events/{event_id}", **policy(PUBLIC))
async def show_event_by_id(
    request: Request, event_id: FromPath[EventId], code: Code = "", via: Via = ""
) -> Response[bytes] | Response[str] | Response[None]:
    """Return the page of an event."""
    return await _show_to_visitor(request, event_id, None, code.strip(), via)


@show("/events/{event_id}/{slug}", **policy(PUBLIC))
async def show_event(
    request: Request,
    event_id: FromPath[EventId],
    slug: FromPath[str],
    code: Code = "",
    via: Via = "",
) -> Response[bytes] | Response[str] | Response[None]:
    """Return the page of an event; an address with a title of before leads to that of now."""
    return await _show_to_visitor(request, event_id, slug, code.strip(), via)


async def _show_to_visitor(
    request: Request, event_id: UUID, slug: str | None, code: str, via: str
) -> Response[bytes] | Response[str] | Response[None]:
    """Return the page, and keep the source of a visitor who came by a campaign link."""
    response = await _show(request, event_id, slug, code)
    if via and keep_source(request, event_id, via):
        forbid_storing(response)
    return response


async def _show(
    request: Request, event_id: UUID, slug: str | None, code: str
) -> Response[bytes] | Response[str] | Response[None]:
    """Return the page, kept for everybody, or read for one reader: with a session or with a promo code."""
    actor = request.actor
    admitted = actor.kind == "person" and is_admitted_here(request, event_id)

    async def read() -> dict[str, Any]:
        found = await read_event(request, event_id)
        if found.event.for_members:
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        _check_slug(found, slug)
        return _values(found, request) | {"admitted": admitted}

    chosen = "tty_" in request.scope["query_string"].decode("latin-1")
    try:
        if actor.kind == "anonymous" and not code and not chosen:
            return await render_kept(request, (event_id, slug), "event.html", read)
        if not code and not chosen:
            try:
                return await render_with_key(request, (event_id, slug, admitted), "event.html", read)
            except Refused as exc:
                if exc.refusal is not SalesRefusal.EVENT_NOT_FOUND:
                    raise  # else it may be a draft of the reader's own organizer
        found, errors = await _read_for_one(request, event_id, code)
        _check_slug(found, slug)
    except _Moved as moved:
        # The reader keeps the code that the old address had
        return see_other(f"{moved.address}?{urlencode({'code': code})}" if code else moved.address)
    shown = {
        "key": new_key() if actor.kind == "person" else None,
        "code": code,
        "errors": errors,
        "chosen_units": _read_units(request, found) if chosen else {},
        "admitted": admitted,
        "manage": await manage_link(request, found.event.organizer_id, _desk_of(found)),
    }
    status = 422 if errors else 200
    return render(request, "event.html", status=status, **_values(found, request) | shown)


class _Moved(Exception):
    """Raised for an address with a title of before."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


def _check_slug(found: EventOnPage, slug: str | None) -> None:
    if slug is not None and slug != found.address.rpartition("/")[2]:
        raise _Moved(found.address)


def _read_units(request: Request, found: EventOnPage) -> dict[str, int]:
    """Return how many tickets an address names, by ticket type, as far as so many can be chosen."""
    form, units = parse_form(request.scope["query_string"].decode("latin-1")), {}
    for each in found.types:
        text = form.text(each.id)
        if text.isdecimal() and text.isascii() and len(text) <= _DIGITS_MAX:
            units[each.id] = min(int(text), each.most)
    return units


async def read_with_code(request: Request, event_id: UUID, code: str) -> tuple[EventOnPage, list[FormError]]:
    """Return an event with what a promo code unlocks, and what is wrong with the code. Drafts too."""
    errors: list[FormError] = []
    if code:
        await count_guess(request)
    try:
        found = await read_event(request, event_id, code or None)
    except Refused as exc:
        if exc.refusal not in REFUSALS:
            raise
        errors.append(FormError("code", sentence_of(exc)))
        found = await read_event(request, event_id)
    return found, errors


async def _read_for_one(request: Request, event_id: UUID, code: str) -> tuple[EventOnPage, list[FormError]]:
    """Return the same; a draft only to the people of its organizer."""
    if code or request.actor.kind != "anonymous":
        found, errors = await read_with_code(request, event_id, code)
    else:
        found, errors = await recent_event(request, event_id), []
    if found.event.for_members and not await request.context.access.is_member(
        request.actor, found.event.organizer_id, "door", "events:read", certainly=True
    ):
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return found, errors


async def recent_event(request: Request, event_id: UUID) -> EventOnPage:
    """Return an event as `read_event` does without a code. It is as old as the kept page of it may be."""
    read = partial(read_event, request, event_id)
    found: EventOnPage = await request.context.recent.get(("event", event_id), read)
    return found


async def read_event(request: Request, event_id: UUID, promo_code: str | None = None) -> EventOnPage:
    """Return an event with its sale, as its page shows them; drafts too."""
    context = request.context
    buyer_id = None if request.actor.kind == "anonymous" else request.actor.id
    async with context.database.snapshot() as snapshot:
        event = (await catalogue.find_events(snapshot, [event_id])).get(event_id)
        if event is None:
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        sale, now = await read_sale(snapshot, event_id), context.clock()
        types = await read_types_for(snapshot, sale, buyer_id, promo_code, now)
    venue = await catalogue.get_venue(context.database, event.venue_id)
    host = await get_organizer(context.database, event.organizer_id)
    zone = event.place.zone
    public = [(terms, sale.available_at(terms, now)) for terms in public_types(sale)]
    states = states_of(sale, [(terms, sale.available_at(terms, now)) for terms in types], now)
    _, conditions = sale.conditions_now()
    promo = None if promo_code is None else sale.promos[promo_code.strip().upper()].terms
    return EventOnPage(
        event,
        venue,
        host.name,
        host.contact_email,
        sale,
        state_of_sale(sale, public, now),
        [
            _show_type(sale, terms, event, states[terms.ticket_type_id], now, promo)
            for terms in sorted(types, key=lambda each: each.position)
        ],
        sale.on_sale_at.astimezone(zone),
        sale.off_sale_at.astimezone(zone),
        event_address(event),
        words.refund_terms(conditions, event.starts_at, zone),
        sale.hall is not None,
        event.ends_at <= now,
        max(1, conditions.hold_seconds // 60) if conditions.payment == "online" else 0,
        promo,
    )


def _show_type(
    sale: Sale,
    terms: TicketTypeTerms,
    event: Event,
    state: OnSaleState,
    now: datetime,
    promo: PromoTerms | None,
) -> TypeOnPage:
    available = sale.available_at(terms, now)
    before, price = price_to_buyers(sale, terms), price_to_buyers(sale, terms, promo)
    capacity = min(sale.pools[pool_id].capacity for pool_id in terms.pool_ids)
    needed = [sale.ticket_types[type_id] for type_id in terms.needed_ids]
    needed = [each for each in needed if not each.retired]
    own = terms.on_sale_at or sale.on_sale_at
    # An add-on is on sale with the first of those that it needs
    opens = max(sale.on_sale_at, own, min([each.on_sale_at or own for each in needed], default=own))
    return TypeOnPage(
        show_id("tty", terms.ticket_type_id),
        terms.name,
        terms.description,
        Money(price, sale.currency),
        Money(before, sale.currency) if before != price else None,
        before != terms.price_minor and price != 0,
        state,
        available,
        words.few_left(available, capacity),
        words.few_below(capacity),
        min(terms.per_booking_max, max(available, 0)),
        terms.per_booking_max,
        opens.astimezone(event.place.zone),
        terms.zone,
        {show_id("tty", each.ticket_type_id): each.name for each in needed},
        terms.per_needed_max,
    )


def _values(found: EventOnPage, request: Request) -> dict[str, Any]:
    public_url = request.context.options.public_url
    return {
        "here": found.address,
        "page": found,
        "organizer_id": found.event.organizer_id,
        "desk": _desk_of(found),
        "manage": "",
        "key": None,
        "code": "",
        "chosen_units": {},
        "errors": [],
        "picture": _picture(found, public_url),
        "drawn_size": None if found.event.image_url else (WIDTH, HEIGHT),
        "jsonld": markupsafe.Markup(_json_ld(found, public_url)),  # noqa: S704  # escaped below
    }


def _desk_of(found: EventOnPage) -> str:
    return f"/organize/events/{show_id('evt', found.event.event_id)}"


def _picture(found: EventOnPage, public_url: str) -> str:
    """Return the picture that other sites show with a link to the event."""
    poster = f"{public_url}{poster_address(found.event.event_id)}"
    return whole_address(public_url, found.event.image_url) or poster


def _json_ld(found: EventOnPage, public_url: str) -> str:
    """Return the event as search engines read it (schema.org), safe inside a script element."""
    event, venue = found.event, found.venue
    zone = event.place.zone
    said: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": event.title,
        "startDate": event.starts_at.astimezone(zone).isoformat(),
        "endDate": event.ends_at.astimezone(zone).isoformat(),
        "eventStatus": f"{_SCHEMA}/Event{'Cancelled' if event.state == 'cancelled' else 'Scheduled'}",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "description": event.description,
        "location": {
            "@type": "Place",
            "name": venue.name,
            "address": {
                "@type": "PostalAddress",
                "streetAddress": venue.address,
                "addressLocality": venue.city,
                "addressCountry": venue.country,
            },
        },
        "organizer": {"@type": "Organization", "name": found.host},
        "url": f"{public_url}{found.address}",
        "image": [_picture(found, public_url)],
        "offers": [
            {
                "@type": "Offer",
                "name": each.name,
                "price": _decimal(each.before or each.price),
                "priceCurrency": each.price.currency,
                "availability": f"{_SCHEMA}/{'InStock' if each.state == 'on_sale' else 'SoldOut'}",
                "url": f"{public_url}{found.address}",
                "validFrom": (each.opens or found.opens).isoformat(),
            }
            for each in found.types
        ],
    }
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _decimal(price: Money) -> str:
    exponent = exponent_of(price.currency)
    whole, rest = divmod(price.amount, 10**exponent)
    return f"{whole}.{rest:0{exponent}d}" if exponent else str(whole)


routes: Final = [show_event_by_id, show_event]
