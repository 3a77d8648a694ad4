"""Browsing: pages of published events, by date, by publication or by relevance, with every filter; and an organizer's own events.

A page is found in two steps: the next candidates along an index, then what the till says of them, by which
the other filters choose. It looks at `CANDIDATES_MAX` events at most, so that no filter makes it slow; it may
then hold fewer than were asked for and still have a next one.

Every order is a keyset over things that do not change while somebody turns pages: no page repeats or skips an
event because others came.
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
from evently.catalogue.nouns import EVENT_DURATION_MAX, EventCard
from evently.catalogue.words import Search, tsqueries_by_relevance, tsquery_of
from evently.db import Connection, Database, Query, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import FieldError, Invalid
from evently.kit.money import Money

sql: Final = load_queries(__name__)

CANDIDATES_MAX: Final = 500  # of one page: 30 ms, whatever is asked of 50,000 events (measured)
_STEP: Final = 5  # times as many candidates as before, where a filter left too few
_NEVER: Final = UUID(int=0)
_ALWAYS: Final = UUID(int=2**128 - 1)


class Sort(StrEnum):
    """The order of a list. Relevance: every word in the title, then some, then none; each by start."""

    SOONEST = "starts_at"
    LATEST = "-starts_at"
    NEWEST = "-published_at"
    RELEVANCE = "relevance"


class EventSearch(msgspec.Struct, frozen=True):
    """What somebody browses for.

    Without `starts_from`, events that have not ended; `starts_before` is excluded.
    """

    search: Search = Search()
    sort: Sort = Sort.SOONEST
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    price_max: Money | None = None
    available: bool | None = None


class Position(NamedTuple):
    """Where a page ended: by which order, how relevant, at which instant, which event."""

    sort: str
    tier: int
    at: datetime
    event_id: UUID


class Till(NamedTuple):
    """What the till says of an event in a list."""

    price_from_minor: int | None
    available: bool


async def browse(
    database: Database, wish: EventSearch, now: datetime, limit: int, after: str | None = None
) -> Page[EventCard]:
    """Return a page of published events. It may hold fewer than `limit` and still have a next one."""
    position = _first(wish) if after is None else _read_position(after, wish)
    async with database.snapshot() as snapshot:
        await snapshot.execute(*sql.plan_for_these_values())
        found, end = await _list_wished(snapshot, wish, now, position, limit)
        cards = await _list_cards(snapshot, [(candidate.event_id, till) for candidate, till in found])
    return Page(cards, None if end is None else write_cursor(tuple(end)))


async def list_events_of_organizer(
    database: Database,
    organizer_id: UUID | None,
    state: str | None,
    now: datetime,
    limit: int,
    after: str | None = None,
) -> Page[EventCard]:
    """Return a page of an organizer's events (None: of everybody's) in one state or every, newest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(
            *sql.list_of_organizer(organizer_id=organizer_id, state=state, after=position, limit=limit + 1)
        )
        event_ids = [row["event_id"] for row in rows[:limit]]
        tills = await _look_at_till(snapshot, event_ids, now)
        cards = await _list_cards(snapshot, [(event_id, tills[event_id]) for event_id in event_ids])
    return Page(cards, write_cursor((event_ids[-1],)) if len(rows) > limit else None)


async def _list_wished(
    snapshot: Connection, wish: EventSearch, now: datetime, position: Position, limit: int
) -> tuple[list[tuple[Position, Till]], Position | None]:
    """Return the next events that are as wished, and where the page ends; None where there are no more."""
    found: list[tuple[Position, Till]] = []
    left, size = CANDIDATES_MAX, limit + 1
    while left > 0:
        candidates = await _list_candidates(snapshot, wish, now, position, size)
        tills = await _look_at_till(snapshot, [candidate.event_id for candidate in candidates], now)
        found += [
            (each, tills[each.event_id]) for each in candidates if _is_wished(wish, tills[each.event_id])
        ]
        if len(found) > limit:
            return found[:limit], found[limit - 1][0]
        if len(candidates) < size:
            return found, None
        position = candidates[-1]
        left -= size
        size = min(size * _STEP, left)
    return found, position


async def _look_at_till(snapshot: Connection, event_ids: Sequence[UUID], now: datetime) -> dict[UUID, Till]:
    rows = await snapshot.fetch(*sql.look_at_till(event_ids=event_ids, now=now)) if event_ids else []
    return {event_id: Till(*till) for event_id, *till in rows}


async def _list_cards(snapshot: Connection, chosen: Sequence[tuple[UUID, Till]]) -> list[EventCard]:
    events = await find_events(snapshot, [event_id for event_id, _ in chosen]) if chosen else {}
    return [EventCard(events[event_id], *till) for event_id, till in chosen]


async def _list_candidates(
    snapshot: Connection, wish: EventSearch, now: datetime, position: Position, limit: int
) -> list[Position]:
    """Return the next events that everything but the till lets pass."""
    query, found_query = _QUERIES[wish.sort]
    searches: list[str | None] = [tsquery_of(wish.search)]
    if wish.sort is Sort.RELEVANCE:
        searches = [*tsqueries_by_relevance(wish.search)]
    candidates: list[Position] = []
    for tier in range(position.tier, len(searches)):
        start = position if tier == position.tier else _first(wish, tier)
        arguments = _arguments(wish, now, start, limit - len(candidates))
        search = searches[tier]
        rows = await snapshot.fetch(
            *(query(**arguments) if search is None else found_query(search=search, **arguments))
        )
        candidates += [Position(wish.sort, tier, row["at"], row["event_id"]) for row in rows]
        if len(candidates) == limit:
            break
    return candidates


def _arguments(wish: EventSearch, now: datetime, start: Position, limit: int) -> dict[str, object]:
    return {
        # What has not ended began no longer ago than the longest event lasts: this bounds the stretch of the
        # index.
        "starts_from": wish.starts_from or now - EVENT_DURATION_MAX,
        "starts_before": wish.starts_before or LATEST,
        "ends_after": EARLIEST if wish.starts_from else now,
        "price_max": None if wish.price_max is None else wish.price_max.amount,
        "currency": None if wish.price_max is None else wish.price_max.currency,
        "after_at": start.at,
        "after_id": start.event_id,
        "limit": limit,
    }


def _is_wished(wish: EventSearch, till: Till) -> bool:
    if wish.available is not None and till.available != wish.available:
        return False
    return wish.price_max is None or (
        till.price_from_minor is not None and till.price_from_minor <= wish.price_max.amount
    )


def _first(wish: EventSearch, tier: int = 0) -> Position:
    if wish.sort in (Sort.SOONEST, Sort.RELEVANCE):
        return Position(wish.sort, tier, EARLIEST, _NEVER)
    return Position(wish.sort, tier, LATEST, _ALWAYS)


def _read_position(after: str, wish: EventSearch) -> Position:
    position = Position(*read_cursor(after, tuple[str, int, datetime, UUID]))
    tiers = 3 if wish.sort is Sort.RELEVANCE else 1
    if (
        position.sort != wish.sort
        or not 0 <= position.tier < tiers
        or position.at.tzinfo is None
        or not is_within_reach(position.at)
    ):
        raise Invalid([FieldError("?after", "This is a cursor of a list in another order.")])
    return position


_QUERIES: Final[dict[Sort, tuple[Query, Query]]] = {
    Sort.SOONEST: (sql.soonest, sql.soonest_found),
    Sort.LATEST: (sql.latest, sql.latest_found),
    Sort.NEWEST: (sql.newest, sql.newest_found),
    Sort.RELEVANCE: (sql.soonest, sql.soonest_found),
}
