"""Lists of events: what everybody browses, and an organizer's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

import msgspec

from evently import catalogue
from evently.catalogue import (
    CITY_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
    Category,
    EventCard,
    EventSearch,
    Sort,
    is_within_reach,
    search_for,
)
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import find_id, parse_id, show_id
from evently.kit.money import AMOUNT_MINOR_MAX, CURRENCIES, Money
from evently.sales.reads import list_sale_summaries
from evently.web.api.catalogue.answers import send
from evently.web.api.catalogue.events import FRESH
from evently.web.api.catalogue.shapes import EventCardView, State
from evently.web.api.catalogue.venues import MEMBERS
from evently.web.edge.auth import ADMIN, PUBLIC, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.memory import Kept, kept
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.edge.validation import Instant

_SUMMARY_CHARACTERS: Final = 280
_TYPED_CHARACTERS_MAX: Final = 200
_encode: Final = msgspec.json.Encoder().encode

Typed: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="q",
        max_length=_TYPED_CHARACTERS_MAX,
        description=(
            "Words of the title, the description, the venue, the city or the tags; all of them, without regard to case and accents, "
            "the last one perhaps unfinished."
        ),
    ),
]
From: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="from",
        max_length=40,
        description="Starting at this instant or later (RFC 3339), also what has ended. Without it, what has not ended.",
        schema_extra={"format": "date-time"},
    ),
]
To: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="to",
        max_length=40,
        description="Starting before this instant (RFC 3339).",
        schema_extra={"format": "date-time"},
    ),
]
InCity: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=CITY_CHARACTERS_MAX, description="In this city, without regard to case and accents."
    ),
]
Tagged: TypeAlias = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=TAG_CHARACTERS_MAX)]] | None,
    QueryParameter(
        name="tag", max_items=TAGS_MAX, description="With this tag; with each of them, if repeated."
    ),
]
InCategory: TypeAlias = Annotated[Category | None, QueryParameter(description="Of this category.")]
OfOrganizer: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=40, description="Of this organizer.")
]
PriceMax: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=AMOUNT_MINOR_MAX,
        description="With a ticket type, its sale not ended, at this price or less, in minor units of `currency`.",
    ),
]
InCurrency: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=3, description="The currency of `price_max` (ISO 4217).")
]
Available: TypeAlias = Annotated[
    bool | None, QueryParameter(description="true: a ticket can be booked now; false: none can.")
]
SortBy: TypeAlias = Annotated[
    Sort,
    QueryParameter(
        name="sort",
        description="By start, by start backwards, the newest first, or by relevance: first what has the words in its title.",
    ),
]
OfState: TypeAlias = Annotated[State | None, QueryParameter(name="state", description="In this state.")]


@get(
    "/v1/events",
    operation_id="listEvents",
    summary="Browse events",
    description=(
        "Published events, those that have not ended unless told. A page may hold fewer events than `limit`, even none, and still have a "
        "next one: only a `next_cursor` of null is the end. No page repeats or skips an event because others were added meanwhile."
    ),
    tags=["Events"],
    responses=problems(422),
    **policy(PUBLIC),
)
async def list_events(
    request: Request,
    typed: Typed = None,
    starts_from: From = None,
    starts_before: To = None,
    city: InCity = None,
    category: InCategory = None,
    tagged: Tagged = None,
    price_max: PriceMax = None,
    currency: InCurrency = None,
    available: Available = None,
    organizer_id: OfOrganizer = None,
    sort: SortBy = Sort.SOONEST,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[EventCardView]] | Response[None]:
    """Return a page of events, at most a quarter of a second old."""
    errors: list[FieldError] = []
    facets = _facets(errors, city=city, category=category, tags=tagged or (), organizer_id=organizer_id)
    search = search_for(typed or "", facets)
    if typed is not None and not search.words:
        errors.append(FieldError("?q", "Must have a letter or a digit."))
    if sort is Sort.RELEVANCE and typed is None:
        errors.append(FieldError("?sort", "What is relevant depends on `q`."))
    times = _instant(errors, "?from", starts_from), _instant(errors, "?to", starts_before)
    wish = EventSearch(search, sort, *times, _price(errors, price_max, currency), available)
    if errors:
        raise Invalid(errors)

    async def make() -> Kept:
        page = await catalogue.browse(
            request.context.database, list_sale_summaries, wish, request.context.clock(), limit, after
        )
        answer = paginated(request, page, show_card)
        links = {"link": answer.headers["link"]} if "link" in answer.headers else {}
        return kept(_encode(answer.content), FRESH, headers=links)

    found = await request.context.memory.get(request.scope["query_string"], make)
    return send(request, found)


@get(
    "/v1/organizers/{organizer_id:str}/events",
    operation_id="listOrganizerEvents",
    summary="The events of an organizer in every state, newest first",
    tags=["Organizer: events"],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_organizer_events(
    request: Request,
    organizer_id: FromPath[str],
    in_state: OfState = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[EventCardView]]:
    """List the events of an organizer for its members."""
    context = request.context
    page = await catalogue.list_events_of_organizer(
        context.database,
        list_sale_summaries,
        parse_id("org", organizer_id),
        in_state,
        context.clock(),
        limit,
        after,
    )
    return paginated(request, page, show_card)


@get(
    "/v1/admin/events",
    operation_id="listAllEvents",
    summary="Everybody's events in every state, newest first",
    tags=["Administration"],
    responses=problems(),
    **policy(ADMIN),
)
async def list_all_events(
    request: Request, in_state: OfState = None, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[EventCardView]]:
    """List all events, drafts and those of rehearsals too."""
    context = request.context
    page = await catalogue.list_events_of_organizer(
        context.database, list_sale_summaries, None, in_state, context.clock(), limit, after
    )
    return paginated(request, page, show_card)


def show_card(card: EventCard) -> EventCardView:
    """Return an event in a list as clients see it."""
    event = card.event
    return EventCardView(
        id=show_id("evt", event.event_id),
        organizer_id=show_id("org", event.organizer_id),
        venue_id=show_id("ven", event.venue_id),
        title=event.title,
        summary=_summary(event.description),
        category=event.category,
        tags=list(event.tags),
        image_url=event.image_url,
        venue_name=event.venue_name,
        city=event.city,
        time_zone=event.time_zone,
        starts_at=event.starts_at,
        starts_at_local=event.starts_at_local,
        ends_at=event.ends_at,
        ends_at_local=event.ends_at_local,
        state=event.state,  # type: ignore[arg-type]  # the schema knows no other
        price_from=None if card.price_from_minor is None else Money(card.price_from_minor, event.currency),
        available=card.available,
        published_at=event.published_at,
    )


def _summary(description: str) -> str:
    """Return how a description begins, cut between words."""
    text = " ".join(description[: 4 * _SUMMARY_CHARACTERS].split())
    if len(text) <= _SUMMARY_CHARACTERS:
        return text
    return text[: _SUMMARY_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"


def _facets(
    errors: list[FieldError],
    *,
    city: str | None,
    category: Category | None,
    tags: Sequence[str],
    organizer_id: str | None,
) -> list[tuple[str, str]]:
    facets = [] if category is None else [("category", category.value)]
    if city is not None:
        facets.append(("city", city))
    facets += [("tag", tag) for tag in tags]
    if organizer_id is not None:
        found = find_id("org", organizer_id)
        if found is None:
            errors.append(FieldError("?organizer_id", "Is not an id of the form org_…"))
        else:
            facets.append(("organizer", found.hex))
    return facets


def _instant(errors: list[FieldError], pointer: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at: datetime = msgspec.convert(text, Instant)
    except msgspec.ValidationError:
        errors.append(
            FieldError(
                pointer,
                "Is not an instant with an offset, such as 2027-05-20T18:00:00Z (a plus sign is sent as %2B).",
            )
        )
        return None
    if not is_within_reach(at):
        errors.append(FieldError(pointer, "Is too far away."))
        return None
    return at.astimezone(UTC)


def _price(errors: list[FieldError], price_max: int | None, currency: str | None) -> Money | None:
    if currency is not None and currency not in CURRENCIES:
        errors.append(FieldError("?currency", "Must be a currency code of ISO 4217, such as EUR."))
    if (price_max is None) != (currency is None):
        errors.append(
            FieldError(
                "?price_max" if price_max is None else "?currency", "Name a price and its currency together."
            )
        )
    return None if price_max is None or currency is None else Money(price_max, currency)


routes: Final = [list_events, list_organizer_events, list_all_events]
