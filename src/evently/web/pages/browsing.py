"""The pages that list events: the home page, and the search with its filters, which stay in the address.

The search shows a list, or a month. A price is what buyers pay, with every fee and tax: lists in the API
filter by the price without them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlencode
from uuid import UUID

from evently import catalogue
from evently.catalogue import Category, EventCard, EventSearch, Search, Sort, search_for, slug_of
from evently.kit.cursors import Page
from evently.kit.ids import find_id, show_id
from evently.kit.money import AMOUNT_MINOR_MAX, CURRENCIES, Money, exponent_of
from evently.sales.reads import list_sale_summaries, list_totals_from
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import QueryParameter
from evently.web.pages import words
from evently.web.pages.month import month_of, next_month, read_month
from evently.web.pages.rendering import render_kept, show
from evently.web.services import Request

_SHOWN: Final = 24  # a grid of two, three or four columns ends evenly
_TYPED_MAX: Final = 200
_MONTH_MAX: Final = 200  # events of a month; a list shows those after them
_AMOUNT: Final = re.compile(r"([0-9]{1,10})(?:[.,]([0-9]{1,3}))?")
# Clocks differ by at most fourteen hours from UTC: a day somewhere lies within these bounds
_ZONES: Final = timedelta(hours=14)
_SATURDAY: Final = 5

Typed: TypeAlias = Annotated[str, QueryParameter(name="q", max_length=_TYPED_MAX)]
Day: TypeAlias = Annotated[str, QueryParameter(max_length=20)]
FromDay: TypeAlias = Annotated[str, QueryParameter(name="from", max_length=20)]
ToDay: TypeAlias = Annotated[str, QueryParameter(name="to", max_length=20)]
City: TypeAlias = Annotated[str, QueryParameter(max_length=catalogue.CITY_CHARACTERS_MAX)]
Kind: TypeAlias = Annotated[str, QueryParameter(name="category", max_length=40)]
Tag: TypeAlias = Annotated[str, QueryParameter(max_length=100)]
Flag: TypeAlias = Annotated[str, QueryParameter(max_length=4)]
Free: TypeAlias = Annotated[str, QueryParameter(name="free", max_length=4)]
Seats: TypeAlias = Annotated[str, QueryParameter(name="seated", max_length=4)]
PriceMax: TypeAlias = Annotated[str, QueryParameter(name="price_max", max_length=20)]
InCurrency: TypeAlias = Annotated[str, QueryParameter(name="currency", max_length=3)]
OfSeries: TypeAlias = Annotated[str, QueryParameter(name="series", max_length=40)]
View: TypeAlias = Annotated[str, QueryParameter(name="view", max_length=10)]
OfMonth: TypeAlias = Annotated[str, QueryParameter(name="month", max_length=10)]
Cursor: TypeAlias = Annotated[str, QueryParameter(name="after", max_length=1000)]


class Card(NamedTuple):
    """An event in a list. `price_minor`: what a buyer pays at least for a ticket."""

    event: catalogue.Event
    price_minor: int | None
    available: bool
    note: str  # why no ticket can be booked
    address: str


class Filter(NamedTuple):
    """A filter that is on: its words, and the address of the same list without it."""

    text: str
    without: str


class Wanted(NamedTuple):
    """What a reader looks for, as the address says it. Days are those at the venue.

    `month`: the first day of the month that is shown, instead of a list.
    """

    typed: str = ""
    first: date | None = None
    last: date | None = None
    city: str = ""
    category: Category | None = None
    tag: str = ""
    without_price: bool = False
    available: bool = False
    seated: bool = False
    price_max: Money | None = None
    series: UUID | None = None
    month: date | None = None

    def query(self, **changes: Any) -> str:
        """Return the address of the list with some filters changed."""
        wanted = self._replace(**changes)
        pairs = {
            "q": wanted.typed,
            "from": wanted.first and wanted.first.isoformat(),
            "to": wanted.last and wanted.last.isoformat(),
            "city": wanted.city,
            "category": wanted.category and wanted.category.value,
            "tag": wanted.tag,
            "free": "on" if wanted.without_price else "",
            "available": "on" if wanted.available else "",
            "seated": "on" if wanted.seated else "",
            "price_max": wanted.price_max and words.figures(wanted.price_max),
            "currency": wanted.price_max and wanted.price_max.currency,
            "series": wanted.series and show_id("ser", wanted.series),
            "view": wanted.month and "month",
            "month": wanted.month and f"{wanted.month:%Y-%m}",
        }
        encoded = urlencode({name: value for name, value in pairs.items() if value})
        return f"/events?{encoded}" if encoded else "/events"


@show("/", **policy(PUBLIC))
async def home(request: Request) -> Response[bytes] | Response[None]:
    """Return the home page: what is on, soonest first."""

    async def read() -> dict[str, Any]:
        now = request.context.clock()
        page = await _browse(request, EventSearch(), None)
        cards = await _show_cards(request, page.data, now)
        events = [card.event for card in cards]
        return {
            "cards": cards,
            "more": page.next_cursor is not None,
            "weekend": _weekend(now),
            "categories": _distinct([event.category for event in events])[:6],
            "cities": _distinct([event.city for event in events])[:6],
            "wanted": Wanted(),
        }

    return await render_kept(request, "home", "home.html", read)


@show("/events", **policy(PUBLIC))
async def list_events(
    request: Request,
    typed: Typed = "",
    from_day: FromDay = "",
    to_day: ToDay = "",
    city: City = "",
    category: Kind = "",
    tag: Tag = "",
    without_price: Free = "",
    available: Flag = "",
    seated: Seats = "",
    price_max: PriceMax = "",
    currency: InCurrency = "",
    series: OfSeries = "",
    view: View = "",
    month: OfMonth = "",
    after: Cursor = "",
) -> Response[bytes] | Response[None]:
    """Return the events that match; what cannot be read in the address is left out."""
    wanted = Wanted(
        typed.strip(),
        _day(from_day),
        _day(to_day),
        city.strip(),
        Category(category) if category in set(Category) else None,
        tag.strip(),
        without_price=bool(without_price),
        available=bool(available),
        seated=bool(seated),
        price_max=_price(price_max, currency),
        series=find_id("ser", series),
        month=read_month(month, request.context.clock()) if view == "month" else None,
    )
    if wanted.month is not None:
        return await _show_month(request, wanted._replace(first=None, last=None))

    async def read() -> dict[str, Any]:
        now = request.context.clock()
        page = await _browse(request, _search(wanted), after or None)
        found = [card for card in page.data if _takes_place(card, wanted)]
        cards = [card for card in await _show_cards(request, found, now) if _is_within(card, wanted)]
        values = await _form_values(request, wanted, found, now)
        return values | {"cards": cards, "next": _next(wanted, page)}

    return await render_kept(request, (wanted, after), "events.html", read)


async def _show_month(request: Request, wanted: Wanted) -> Response[bytes] | Response[None]:
    """Return the calendar of a month, with the events that match."""
    first = wanted.month
    assert first is not None, "the view is that of a month"

    async def read() -> dict[str, Any]:
        now, last = request.context.clock(), next_month(first) - timedelta(days=1)
        page = await _browse(request, _search(wanted._replace(first=first, last=last)), None, _MONTH_MAX)
        found = page.data
        if wanted.price_max is not None:
            shown = await _show_cards(request, found, now)
            found = [card for card, each in zip(found, shown, strict=True) if _is_within(each, wanted)]
        rest = None
        if page.next_cursor is not None:
            reached = page.data[-1].event.starts_at_local.date() if page.data else first
            rest = wanted.query(month=None, first=reached, last=last)
        return await _form_values(request, wanted, found, now) | {
            "month": month_of(first, found, now),
            "rest": rest,
            "event_address": event_address,
        }

    return await render_kept(request, wanted, "month.html", read)


async def _form_values(
    request: Request, wanted: Wanted, found: Sequence[EventCard], now: datetime
) -> dict[str, Any]:
    """Return what the form of the search and the chips under it show."""
    currencies = await catalogue.list_currencies(request.context.database)
    chosen = wanted.price_max.currency if wanted.price_max is not None else None
    # Most readers look for an event near them, as the soonest one often is
    usual = chosen or (found[0].event.currency if found else None)
    return {
        "usual": usual,
        "wanted": wanted,
        "filters": _filters(wanted),
        "weekend": _weekend(now),
        "categories": list(Category),
        "currencies": currencies if chosen is None or chosen in currencies else [*currencies, chosen],
        "price_max": words.figures(wanted.price_max) if wanted.price_max is not None else "",
        "as_list": wanted.query(month=None),
        "as_month": wanted.query(
            month=wanted.month or read_month(f"{wanted.first:%Y-%m}" if wanted.first else "", now),
            first=None,
            last=None,
        ),
    }


async def _show_cards(request: Request, cards: Sequence[EventCard], now: datetime) -> list[Card]:
    """Return events in a list, with what a buyer pays at least: every fee and tax is inside."""
    event_ids = [card.event.event_id for card in cards]
    if not event_ids:
        return []
    async with request.context.database.snapshot() as snapshot:
        totals = await list_totals_from(snapshot, event_ids, now)
    return [_show_card(card, totals.get(card.event.event_id), now) for card in cards]


def _show_card(card: EventCard, total_minor: int | None, now: datetime) -> Card:
    event = card.event
    if event.state == "cancelled":
        note = "Cancelled"
    elif event.ends_at <= now:
        note = "Over"
    elif total_minor is None:
        note = "No tickets yet"
    else:
        note = "No tickets at the moment"
    return Card(event, total_minor, card.available, note, event_address(event))


def event_address(event: catalogue.Event) -> str:
    """Return the address of an event's page: its id finds it, its title is for people."""
    address = f"/events/{show_id('evt', event.event_id)}"
    slug = slug_of(event.title)
    return f"{address}/{slug}" if slug else address


async def _browse(
    request: Request, search: EventSearch, after: str | None, limit: int = _SHOWN
) -> Page[EventCard]:
    context = request.context
    return await catalogue.browse(
        context.database, list_sale_summaries, search, context.clock(), limit, after
    )


def _search(wanted: Wanted) -> EventSearch:
    facets = []
    if wanted.tag:
        facets.append(("tag", wanted.tag))
    if wanted.category is not None:
        facets.append(("category", wanted.category.value))
    if wanted.city:
        facets.append(("city", wanted.city))
    if wanted.series is not None:
        facets.append(("series", wanted.series.hex))
    found = search_for(wanted.typed, facets) if wanted.typed or facets else Search()
    return EventSearch(
        found,
        Sort.RELEVANCE if found.words and wanted.month is None else Sort.SOONEST,
        None if wanted.first is None else _midnight(wanted.first) - _ZONES,
        None if wanted.last is None else _midnight(wanted.last) + timedelta(days=1) + _ZONES,
        wanted.price_max,
        True if wanted.available else None,
        without_price=wanted.without_price,
        seated=True if wanted.seated else None,
    )


def _takes_place(card: EventCard, wanted: Wanted) -> bool:
    """Return whether an event takes place between two days at its venue, if only in part."""
    event = card.event
    if wanted.first is not None and event.ends_at_local < datetime.combine(wanted.first, time()):
        return False
    return wanted.last is None or event.starts_at_local.date() <= wanted.last


def _is_within(card: Card, wanted: Wanted) -> bool:
    """Return whether the lowest price of an event, with every fee and tax, is one that a reader would pay."""
    most = wanted.price_max
    return most is None or (card.price_minor is not None and card.price_minor <= most.amount)


def _filters(wanted: Wanted) -> list[Filter]:
    on = []
    if wanted.typed:
        on.append(Filter(f"“{wanted.typed}”", wanted.query(typed="")))
    if wanted.first is not None or wanted.last is not None:
        days = [f"{each.day} {each:%b}" for each in (wanted.first, wanted.last) if each is not None]
        text = " to ".join(days) if len(days) > 1 else ("from " if wanted.first else "until ") + days[0]
        on.append(Filter(text, wanted.query(first=None, last=None)))
    if wanted.city:
        on.append(Filter(wanted.city, wanted.query(city="")))
    if wanted.category is not None:
        on.append(Filter(wanted.category.value.replace("-", " "), wanted.query(category=None)))
    if wanted.tag:
        on.append(Filter(f"#{wanted.tag}", wanted.query(tag="")))
    if wanted.series is not None:
        on.append(Filter("the dates of one title", wanted.query(series=None)))
    if wanted.without_price:
        on.append(Filter("free", wanted.query(without_price=False)))
    if wanted.price_max is not None:
        on.append(Filter(f"up to {words.sum_of(wanted.price_max)}", wanted.query(price_max=None)))
    if wanted.seated:
        on.append(Filter("with seats", wanted.query(seated=False)))
    if wanted.available:
        on.append(Filter("with tickets", wanted.query(available=False)))
    return on


def _next(wanted: Wanted, page: Page[EventCard]) -> str | None:
    if page.next_cursor is None:
        return None
    address = wanted.query()
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'after': page.next_cursor})}"


def _weekend(now: datetime) -> str:
    """Return the address of what takes place on this weekend, or on the next one from Monday on."""
    today = now.date()
    saturday = today + timedelta(days=max(0, _SATURDAY - today.weekday()))
    first = max(today, saturday - timedelta(days=1))
    sunday = saturday + timedelta(days=1) if today.weekday() <= _SATURDAY else today
    return Wanted(first=first, last=sunday).query()


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if catalogue.is_within_reach(_midnight(found)) else None


def _price(text: str, currency: str) -> Money | None:
    """Return a price as people type it: `30`, `29.90` or `29,90`; None for what is no price."""
    found = _AMOUNT.fullmatch(text.strip())
    currency = currency.strip().upper()
    if found is None or currency not in CURRENCIES:
        return None
    amount = int(Decimal(f"{found[1]}.{found[2] or 0}").scaleb(exponent_of(currency)))
    return Money(amount, currency) if amount <= AMOUNT_MINOR_MAX else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _distinct(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


routes: Final = [home, list_events]
