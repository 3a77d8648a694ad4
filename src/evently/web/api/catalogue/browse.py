"""Lists of events: published events for everybody, an organizer's events for its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec

from evently import catalogue
from evently.catalogue import (
    CITY_CHARACTERS_MAX,
    EARLIEST,
    LATEST,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
    Category,
    Event,
    EventCard,
    EventSearch,
    Sort,
    search_for,
)
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import OrganizerId, SeriesId, show_id
from evently.kit.money import AMOUNT_MINOR_MAX, CURRENCIES, Money
from evently.kit.shapes import copy_fields
from evently.sales.reads import Places, list_places, list_sale_summaries
from evently.web.api.catalogue.answers import send
from evently.web.api.catalogue.events import FRESH
from evently.web.api.catalogue.shapes import EventCardView, State, UpcomingEventView
from evently.web.api.catalogue.venues import MEMBERS
from evently.web.api.ranges import instant_parameter, parse_instant
from evently.web.edge.auth import ADMIN, PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.memory import Kept, kept
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.pictures import whole_address
from evently.web.services import Request

_SUMMARY_CHARACTERS: Final = 280
_TYPED_CHARACTERS_MAX: Final = 200
_encode: Final = msgspec.json.Encoder().encode
_parse_instant: Final = partial(parse_instant, earliest=EARLIEST, latest=LATEST)

Typed: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="q",
        max_length=_TYPED_CHARACTERS_MAX,
        description=(
            "Words of the title, the description, the venue, the city or the tags. All of them must match, "
            "without regard to case and accents; the last word may be unfinished. In scripts without spaces, "
            "such as Han, kana and Thai, and in Hangul, each word may stand in the middle of other text."
        ),
    ),
]
RangeFrom: TypeAlias = Annotated[
    str | None,
    instant_parameter(
        "from",
        "Only events that take place after this instant (RFC 3339): those that are running then, and those "
        "that start later. Default: now. With an instant in the past, ended events too.",
    ),
]
RangeTo: TypeAlias = Annotated[
    str | None,
    instant_parameter(
        "to",
        "Only events that start before this instant (RFC 3339). With `from`, these are the events that take "
        "place between the two, if only in part.",
    ),
]
InCity: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=CITY_CHARACTERS_MAX,
        description="Only events in this city, without regard to case and accents.",
    ),
]
Tagged: TypeAlias = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=TAG_CHARACTERS_MAX)]] | None,
    QueryParameter(
        name="tag",
        max_length=TAGS_MAX,
        description="Only events with this tag. Repeat it for events with all of several tags.",
    ),
]
InCategory: TypeAlias = Annotated[
    Category | None, QueryParameter(description="Only events of this category.")
]
OfOrganizer: TypeAlias = Annotated[
    OrganizerId | None, QueryParameter(description="Only events of this organizer.")
]
OfSeries: TypeAlias = Annotated[
    SeriesId | None, QueryParameter(name="series", description="Only the dates of this series.")
]
PriceMax: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=AMOUNT_MINOR_MAX,
        description=(
            "Only events whose `price_from` is this price or less: the cheapest ticket type that can be "
            "booked now or, if none can, the cheapest whose sale has not ended. In minor units of `currency`."
        ),
    ),
]
InCurrency: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=3, description="The currency of `price_max` (ISO 4217).")
]
Available: TypeAlias = Annotated[
    bool | None,
    QueryParameter(
        description="true: only events of which a ticket can be booked now; false: only the others."
    ),
]
Seated: TypeAlias = Annotated[
    bool | None,
    QueryParameter(
        description=(
            "true: only events at which buyers choose seats, for some of the tickets at least; false: only "
            "the others."
        )
    ),
]
SortBy: TypeAlias = Annotated[
    Sort,
    QueryParameter(
        name="sort",
        description=(
            "The order: by start, by start backwards, newest first, or by relevance (events with the words "
            "in their title first)."
        ),
    ),
]
OfState: TypeAlias = Annotated[
    State | None, QueryParameter(name="state", description="Only events in this state.")
]


@get(
    "/v1/events",
    operation_id="listEvents",
    summary="Browse events",
    description=(
        "Lists published events; by default, those that have not ended. A page may hold fewer events than "
        "`limit`, even none, and still have a next page: only a `next_cursor` of null is the end. No page "
        "repeats or skips an event because others were added in the meantime."
    ),
    tags=["Events"],
    responses=problems(422),
    **policy(PUBLIC),
)
async def list_events(
    request: Request,
    typed: Typed = None,
    range_from: RangeFrom = None,
    range_to: RangeTo = None,
    city: InCity = None,
    category: InCategory = None,
    tagged: Tagged = None,
    price_max: PriceMax = None,
    currency: InCurrency = None,
    available: Available = None,
    seated: Seated = None,
    organizer_id: OfOrganizer = None,
    series_id: OfSeries = None,
    sort: SortBy = Sort.SOONEST,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[EventCardView]] | Response[None]:
    """Return a page of events, at most a quarter of a second old."""
    errors: list[FieldError] = []
    facets = _facets(
        city=city,
        category=category,
        tags=tagged or (),
        organizer_id=organizer_id,
        series_id=series_id,
    )
    search = search_for(typed or "", facets)
    if typed is not None and not search.words:
        errors.append(FieldError("?q", "no-letter-or-digit"))
    if sort is Sort.RELEVANCE and typed is None:
        errors.append(FieldError("?sort", "relevance-needs-q"))
    times = _parse_instant("?from", range_from, errors), _parse_instant("?to", range_to, errors)
    if times[0] is not None and times[1] is not None and times[1] < times[0]:
        errors.append(FieldError("?to", "before-from"))
    price = _price(errors, price_max, currency)
    wanted = EventSearch(search, sort, *times, price, available, seated=seated)
    if errors:
        raise Invalid(errors)

    async def make() -> Kept:
        page = await catalogue.browse(
            request.context.database, list_sale_summaries, wanted, request.context.clock(), limit, after
        )
        answer = paginated(request, page, partial(show_card, request.context.options.public_url))
        links = {"link": answer.headers["link"]} if "link" in answer.headers else {}
        return kept(_encode(answer.content), FRESH, headers=links)

    found = await request.context.memory.get(request.scope["query_string"], make)
    return send(request, found)


@get(
    "/v1/organizers/{organizer_id}/events",
    operation_id="listOrganizerEvents",
    summary="List the events of an organizer",
    tags=["Organizer: events"],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_organizer_events(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    in_state: OfState = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[EventCardView]]:
    """List the events of an organizer in every state, newest first, for its members."""
    context = request.context
    page = await catalogue.list_events_of_organizer(
        context.database,
        list_sale_summaries,
        organizer_id,
        in_state,
        context.clock(),
        limit,
        after,
    )
    return paginated(request, page, partial(show_card, request.context.options.public_url))


@get(
    "/v1/organizers/{organizer_id}/upcoming-events",
    operation_id="listUpcomingEvents",
    summary="List the events ahead of an organizer",
    description="Drafts and published events that have not ended, the soonest first, and how full they are.",
    tags=["Organizer: events"],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_upcoming_events(
    request: Request, organizer_id: FromPath[OrganizerId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[UpcomingEventView]]:
    """List what the members of an organizer have before them."""
    context = request.context
    page = await catalogue.list_events_ahead(context.database, organizer_id, context.clock(), limit, after)
    places = await list_places(context.database, [event.event_id for event in page.data])
    return paginated(request, page, lambda event: _show_upcoming(event, places))


@get(
    "/v1/admin/events",
    operation_id="listAllEvents",
    summary="List all events",
    tags=["Administration"],
    responses=problems(),
    **policy(ADMIN),
)
async def list_all_events(
    request: Request, in_state: OfState = None, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[EventCardView]]:
    """List the events of all organizers in every state, sandbox events too, newest first."""
    context = request.context
    page = await catalogue.list_events_of_organizer(
        context.database, list_sale_summaries, None, in_state, context.clock(), limit, after
    )
    return paginated(request, page, partial(show_card, request.context.options.public_url))


def show_card(public_url: str, card: EventCard) -> EventCardView:
    """Return an event in a list as clients see it."""
    event = card.event
    price_minor = card.price_from_minor
    return copy_fields(
        EventCardView,
        event,
        id=show_id("evt", event.event_id),
        image_url=whole_address(public_url, event.image_url),
        organizer_id=show_id("org", event.organizer_id),
        venue_id=show_id("ven", event.venue_id),
        series_id=None if event.series_id is None else show_id("ser", event.series_id),
        summary=_summary(event.description),
        price_from=None if price_minor is None else Money(price_minor, event.currency),
        available=card.available,
    )


def _show_upcoming(event: Event, places: Mapping[UUID, Places]) -> UpcomingEventView:
    counted = places.get(event.event_id, Places())
    return copy_fields(
        UpcomingEventView,
        event,
        id=show_id("evt", event.event_id),
        venue_id=show_id("ven", event.venue_id),
        **counted._asdict(),
        available=counted.available,
    )


def _summary(description: str) -> str:
    """Return the beginning of a description, cut between words."""
    text = " ".join(description[: 4 * _SUMMARY_CHARACTERS].split())
    if len(text) <= _SUMMARY_CHARACTERS:
        return text
    return text[: _SUMMARY_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"


def _facets(
    *,
    city: str | None,
    category: Category | None,
    tags: Sequence[str],
    organizer_id: UUID | None,
    series_id: UUID | None,
) -> list[tuple[str, str]]:
    facets = [("tag", tag) for tag in tags]
    if category is not None:
        facets.append(("category", category.value))
    if city is not None:
        facets.append(("city", city))
    if organizer_id is not None:
        facets.append(("organizer", organizer_id.hex))
    if series_id is not None:
        facets.append(("series", series_id.hex))
    return facets


def _price(errors: list[FieldError], price_max: int | None, currency: str | None) -> Money | None:
    if currency is not None and currency not in CURRENCIES:
        errors.append(FieldError("?currency", "not-a-currency"))
    if (price_max is None) != (currency is None):
        errors.append(FieldError("?price_max" if price_max is None else "?currency", "price-needs-currency"))
    return None if price_max is None or currency is None else Money(price_max, currency)


routes: Final = [list_events, list_organizer_events, list_upcoming_events, list_all_events]
