"""Browsing: pages of published events by date, publication or relevance, with filters; an organizer's events.

A page is found in two steps: read the next candidates along an index, then ask sales for their summaries, by
which the remaining filters choose. A page checks `CANDIDATES_MAX` events at most, so that no filter makes it
slow; it may then hold fewer events than the limit and still have a next page.

Every order is a keyset over columns that do not change while a client turns pages: no page repeats or skips
an event because events were added.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.catalogue.events import find_events
from evently.catalogue.local_time import EARLIEST, LATEST, is_within_reach
from evently.catalogue.nouns import EVENT_ELAPSED_MAX, Event, EventCard, ListSaleSummaries, SaleSummary
from evently.catalogue.words import Search, tsqueries_by_relevance, tsquery_of
from evently.db import Connection, Database, Query, load_queries, placement
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import NO_ID
from evently.kit.money import CURRENCIES, Money

sql: Final = load_queries(__name__)

# Events that one page may check: 30 ms for any search in 50,000 events (measured)
CANDIDATES_MAX: Final = 500
# When a filter leaves too few events, the next step reads this many times as many candidates
_STEP_FACTOR: Final = 5
_HIGHEST_ID: Final = UUID(int=2**128 - 1)
# An event without a ticket type that everybody sees
_NOTHING_TO_SELL: Final = SaleSummary(None, available=False)


class Sort(StrEnum):
    """The order of a list.

    Relevance: events with every word in the title, then with some, then with none; each group by start.
    """

    SOONEST = "starts_at"
    LATEST = "-starts_at"
    NEWEST = "-published_at"
    RELEVANCE = "relevance"


class EventSearch(msgspec.Struct, frozen=True):
    """A search with its filters.

    The range finds events that take place in it, if only in part: they end after `ends_after` (without it:
    they have not ended) and start before `starts_before`.
    """

    search: Search = Search()
    sort: Sort = Sort.SOONEST
    ends_after: datetime | None = None
    starts_before: datetime | None = None
    price_max: Money | None = None
    available: bool | None = None
    without_price: bool = False  # in every currency
    seated: bool | None = None  # seats can be chosen


class Position(NamedTuple):
    """The last event of a page: the order, the tier of relevance, the instant it is sorted by, its id."""

    sort: str
    tier: int
    at: datetime
    event_id: UUID


async def browse(
    database: Database,
    list_sale_summaries: ListSaleSummaries,
    search: EventSearch,
    now: datetime,
    limit: int,
    after: str | None = None,
) -> Page[EventCard]:
    """Return a page of published events. It may hold fewer than `limit` and still have a next page."""
    position = _start_of(search) if after is None else _read_position(after, search)
    async with database.snapshot() as snapshot:
        await snapshot.execute(*sql.plan_for_these_values())
        finder = _Finder(snapshot, search, list_sale_summaries, now)
        found, end = await finder.list_matches(position, limit)
        cards = await _list_cards(snapshot, found)
    return Page(cards, None if end is None else write_cursor(tuple(end)))


async def list_events_of_organizer(
    database: Database,
    list_sale_summaries: ListSaleSummaries,
    organizer_id: UUID | None,
    state: str | None,
    now: datetime,
    limit: int,
    after: str | None = None,
) -> Page[EventCard]:
    """Return a page of an organizer's events, newest first. None for all organizers, None for every state."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(
            *sql.list_of_organizer(organizer_id=organizer_id, state=state, after=position, limit=limit + 1)
        )
        event_ids = [row["event_id"] for row in rows[:limit]]
        sales = await list_sale_summaries(snapshot, event_ids, now) if event_ids else {}
        cards = await _list_cards(
            snapshot, [(event_id, sales.get(event_id, _NOTHING_TO_SELL)) for event_id in event_ids]
        )
    return Page(cards, write_cursor((event_ids[-1],)) if len(rows) > limit else None)


async def list_events_ahead(
    database: Database, organizer_id: UUID, now: datetime, limit: int, after: str | None = None
) -> Page[Event]:
    """Return a page of an organizer's drafts and published events that have not ended, the soonest first."""
    at, event_id = (EARLIEST, NO_ID) if after is None else read_cursor(after, tuple[datetime, UUID])
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(
            *sql.list_ahead_of_organizer(
                organizer_id=organizer_id, now=now, after_at=at, after_id=event_id, limit=limit + 1
            )
        )
        event_ids = [row["event_id"] for row in rows[:limit]]
        found = await find_events(snapshot, event_ids) if event_ids else {}
    events = [found[event_id] for event_id in event_ids]
    last = (events[-1].starts_at, events[-1].event_id) if len(rows) > limit else None
    return Page(events, None if last is None else write_cursor(last))


async def list_currencies(database: Database) -> list[str]:
    """Return the currencies of published events, in the order of their codes."""
    query = sql.list_currencies_spread if placement.is_spread else sql.list_currencies
    rows = await database.fetch(*query(currencies=list(CURRENCIES)))
    return [row["currency"] for row in rows]


class _Finder(NamedTuple):
    """One search at one instant."""

    snapshot: Connection
    search: EventSearch
    list_sale_summaries: ListSaleSummaries
    now: datetime

    async def list_matches(
        self, position: Position, limit: int
    ) -> tuple[list[tuple[UUID, SaleSummary]], Position | None]:
        """Return the next matching events, and the position after which the next page begins, if any."""
        found: list[tuple[Position, SaleSummary]] = []
        left, size = CANDIDATES_MAX, limit + 1
        while left > 0:
            candidates = await self._list_candidates(position, size)
            found += await self._choose(candidates)
            if len(found) > limit:
                return _with_ids(found[:limit]), found[limit - 1][0]
            if len(candidates) < size:
                return _with_ids(found), None
            position = candidates[-1]
            left -= size
            size = min(size * _STEP_FACTOR, left)
        return _with_ids(found), position

    async def _choose(self, candidates: Sequence[Position]) -> list[tuple[Position, SaleSummary]]:
        """Return the candidates that match the filters on price and availability."""
        event_ids = [candidate.event_id for candidate in candidates]
        sales = await self.list_sale_summaries(self.snapshot, event_ids, self.now) if event_ids else {}
        summaries = [sales.get(event_id, _NOTHING_TO_SELL) for event_id in event_ids]
        return [
            (candidate, summary)
            for candidate, summary in zip(candidates, summaries, strict=True)
            if _matches(self.search, summary)
        ]

    async def _list_candidates(self, position: Position, limit: int) -> list[Position]:
        """Return the next events that match everything but the filters on their sales."""
        searches: list[str | None] = [tsquery_of(self.search.search)]
        if self.search.sort is Sort.RELEVANCE:
            searches = [*tsqueries_by_relevance(self.search.search)]
        candidates: list[Position] = []
        for tier in range(position.tier, len(searches)):
            start = position if tier == position.tier else _start_of(self.search, tier)
            query = candidates_query(self.search, searches[tier], self.now, start, limit - len(candidates))
            rows = await self.snapshot.fetch(*query)
            candidates += [Position(self.search.sort, tier, row["at"], row["event_id"]) for row in rows]
            if len(candidates) == limit:
                break
        return candidates


def candidates_query(
    search: EventSearch, tsquery: str | None, now: datetime, start: Position, limit: int
) -> tuple[str, *tuple[object, ...]]:
    """Return the statement that finds the next candidates after a position, with its values."""
    ends_after = search.ends_after or now
    return _QUERIES[search.sort](
        search=tsquery,
        # An event that had not ended began no longer before than the longest event lasts: this bounds the
        # part of the index that is read.
        starts_from=ends_after - EVENT_ELAPSED_MAX,
        starts_before=search.starts_before or LATEST,
        ends_after=ends_after,
        price_max=None if search.price_max is None else search.price_max.amount,
        currency=None if search.price_max is None else search.price_max.currency,
        seated=search.seated,
        after_at=start.at,
        after_id=start.event_id,
        limit=limit,
    )


async def _list_cards(snapshot: Connection, found: Sequence[tuple[UUID, SaleSummary]]) -> list[EventCard]:
    events = await find_events(snapshot, [event_id for event_id, _ in found]) if found else {}
    return [EventCard(events[event_id], *summary) for event_id, summary in found]


def _with_ids(found: Sequence[tuple[Position, SaleSummary]]) -> list[tuple[UUID, SaleSummary]]:
    return [(position.event_id, summary) for position, summary in found]


def _matches(search: EventSearch, sale: SaleSummary) -> bool:
    """Return whether an event's sale matches the filters on price and availability."""
    if search.available is not None and sale.available != search.available:
        return False
    if search.without_price and sale.price_from_minor != 0:
        return False
    return search.price_max is None or (
        sale.price_from_minor is not None and sale.price_from_minor <= search.price_max.amount
    )


def _start_of(search: EventSearch, tier: int = 0) -> Position:
    """Return the position before the first event of a tier."""
    if search.sort in (Sort.SOONEST, Sort.RELEVANCE):
        return Position(search.sort, tier, EARLIEST, NO_ID)
    return Position(search.sort, tier, LATEST, _HIGHEST_ID)


def _read_position(after: str, search: EventSearch) -> Position:
    position = Position(*read_cursor(after, tuple[str, int, datetime, UUID]))
    tiers = 3 if search.sort is Sort.RELEVANCE else 1
    if (
        position.sort != search.sort
        or not 0 <= position.tier < tiers
        or position.at.tzinfo is None
        or not is_within_reach(position.at)
    ):
        raise Invalid([FieldError("?after", "cursor-of-another-order")])
    return position


_QUERIES: Final[dict[Sort, Query]] = {
    Sort.SOONEST: sql.list_soonest,
    Sort.LATEST: sql.list_latest,
    Sort.NEWEST: sql.list_newest,
    Sort.RELEVANCE: sql.list_soonest,
}
