"""Series: one title, many dates. Each date is an event of its own; a series is what they have in common.

A date is added as a copy of another. What is done to all dates is done to one after the other, each in a
transaction of its own, so that no sale waits for another; doing it again completes what was cut off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Annotated, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently import catalogue
from evently.catalogue import (
    SERIES_DATES_MAX,
    AttendeeNames,
    Category,
    Description,
    Event,
    ImageUrl,
    NamesHoursBefore,
    Tags,
    Title,
    instant_of,
)
from evently.db import Connection, Database
from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import CommonRefusal, Refusal, Refused
from evently.kit.ids import NO_ID, new_id
from evently.kit.shapes import WallTime, fields_set, items, text
from evently.organizing.copies import EventCopy, copy_event
from evently.organizing.edits import Edited, lock_for_edit, write_version
from evently.organizing.events import EventChanges, cancel_event, change_event, publish_event, terms_of
from evently.organizing.recurrence import DATES_MAX, BadRuleError, dates_by

# Seats that one request copies: a second of work
SEATS_MAX: Final = 200_000

Rule = Annotated[
    str,
    text(
        300,
        "FREQ=WEEKLY;BYDAY=FR,SA;COUNT=12",
    ),
]


class NewDates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Further dates of an event: by a rule, or their starts on the clocks at the venue.

    `rule`: as in RFC 5545, with COUNT or UNTIL; the event is its first date. Times of the day come from it.
    """

    rule: Rule | None = None
    starts_at_local: Annotated[tuple[WallTime, ...], items(DATES_MAX, [["2027-05-21T20:00:00"]])] = ()


class SeriesChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of all dates of a series that are ahead."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    attendee_names: AttendeeNames | UnsetType = UNSET
    names_hours_before: NamesHoursBefore | UnsetType = UNSET


class EditedDate(NamedTuple):
    """What became of one date: the event as it is now, and why it was refused, if it was."""

    event: Event
    refusal: Refusal | None


Edit: TypeAlias = Callable[[Connection, UUID], Awaitable[Edited]]


async def add_dates(
    tx: Connection, event_id: UUID, new: NewDates, now: datetime, *, dry_run: bool = False
) -> list[Event]:
    """Make drafts like an event on further dates; return all dates of its series, the soonest first.

    A date that the series has already is not made again. `dry_run`: nothing is made, and the further dates
    have no id. Refuses `not-found`, `event-cancelled`, `invalid`.
    """
    event, sale = await lock_for_edit(tx, event_id)
    present = [event] if event.series_id is None else await catalogue.list_dates(tx, event.series_id)
    complaints = Complaints()
    complaints.check("", new)
    taken = {each.starts_at for each in present}
    starts = _starts(complaints, event, new)
    wanted = [start for start in starts if start not in taken]
    seats = 0 if sale.hall is None else sale.hall.plan.size
    if len(present) + len(wanted) > SERIES_DATES_MAX:
        complaints.about(_pointer(new), "too-many-dates", count_max=SERIES_DATES_MAX)
    elif seats * len(wanted) > SEATS_MAX:
        complaints.about(_pointer(new), "too-many-dates", count_max=SEATS_MAX // seats)
    _check_starts(complaints, new, wanted, now)
    complaints.refuse_if_any()
    if dry_run:
        length = event.ends_at - event.starts_at
        made = [
            msgspec.structs.replace(
                event, event_id=NO_ID, starts_at=start, ends_at=start + length, state="draft"
            )
            for start in wanted
        ]
        return sorted([*present, *made], key=lambda each: each.starts_at)
    series_id = event.series_id
    if series_id is None:
        series_id = new_id()
        await catalogue.join_series(tx, event, terms_of(event), series_id)
        await write_version(tx, sale, now)
    for start in wanted:
        await copy_event(tx, event_id, EventCopy(starts_at=start), now, series_id=series_id)
    return await catalogue.list_dates(tx, series_id)


async def change_series(
    database: Database, series_id: UUID, changes: SeriesChanges, now: datetime
) -> list[EditedDate]:
    """Change the texts of the dates of a series that have not begun and are not cancelled."""
    complaints = Complaints()
    complaints.check("", changes)
    complaints.refuse_if_any()
    said = EventChanges(**fields_set(changes))
    ahead = [
        event
        for event in await catalogue.list_dates(database, series_id)
        if event.starts_at > now and event.state != "cancelled"
    ]
    return await _edit_all(database, ahead, lambda tx, event_id: change_event(tx, event_id, said, now))


async def publish_series(
    database: Database,
    series_id: UUID,
    now: datetime,
    denominations: Denominations = iso_denomination,
    *,
    paid_online: bool = True,
) -> list[EditedDate]:
    """Publish the drafts of a series that have not begun, each as `publish_event` does."""
    drafts = [
        event
        for event in await catalogue.list_dates(database, series_id)
        if event.state == "draft" and event.starts_at > now
    ]
    return await _edit_all(
        database,
        drafts,
        lambda tx, event_id: publish_event(tx, event_id, now, denominations, paid_online=paid_online),
    )


async def cancel_series(
    database: Database, series_id: UUID, now: datetime, *, keeps_door: bool = False, reason: str = ""
) -> list[EditedDate]:
    """Cancel the published dates of a series that have not begun. Drafts stay."""
    ahead = [
        event
        for event in await catalogue.list_dates(database, series_id)
        if event.state == "published" and event.starts_at > now
    ]
    return await _edit_all(
        database,
        ahead,
        lambda tx, event_id: cancel_event(tx, event_id, now, keeps_door=keeps_door, reason=reason),
    )


async def _edit_all(database: Database, events: Iterable[Event], edit: Edit) -> list[EditedDate]:
    results = []
    for event in events:
        try:
            async with database.transaction() as tx:
                edited = await edit(tx, event.event_id)
        except Refused as refused:
            results.append(EditedDate(event, refused.refusal))
        else:
            results.append(EditedDate(edited.event, None))
    return results


def _starts(complaints: Complaints, event: Event, new: NewDates) -> list[datetime]:
    """Return the starts that are asked for as instants, each once; note those that cannot be."""
    if (new.rule is None) == (not new.starts_at_local):
        complaints.about("/rule", "rule-or-dates")
        return []
    walls = list(new.starts_at_local)
    if new.rule is not None:
        try:
            walls = dates_by(new.rule, event.starts_at_local)[1:]
        except BadRuleError:
            complaints.about("/rule", "not-a-rule")
            return []
        if len(walls) >= DATES_MAX:
            complaints.about("/rule", "too-many-dates", count_max=DATES_MAX)
            return []
    starts: dict[datetime, None] = {}
    for index, wall in enumerate(walls):
        pointer = "/rule" if new.rule is not None else f"/starts_at_local/{index}"
        if not catalogue.is_within_reach(wall):
            complaints.about(pointer, "too-far-away")
        elif (start := instant_of(wall, event.place.zone)) is None:
            complaints.about(pointer, "time-skipped", time_zone=event.time_zone)
        else:
            starts[start] = None
    return list(starts)


def _check_starts(complaints: Complaints, new: NewDates, starts: Iterable[datetime], now: datetime) -> None:
    """Note dates that are over or too far away: of a list, copying would name the wrong field."""
    for start in starts:
        if start <= now:
            complaints.about(_pointer(new), "not-in-the-future")
        elif start > now + catalogue.EVENT_AHEAD_MAX:
            complaints.about(_pointer(new), "too-far-away")
        else:
            continue
        return


def _pointer(new: NewDates) -> str:
    return "/rule" if new.rule is not None else "/starts_at_local"


async def get_series_owner(database: Database, series_id: UUID) -> UUID:
    """Return the organizer of a series. Refuses `not-found`."""
    found = await catalogue.list_dates(database, series_id)
    if not found:
        raise Refused(CommonRefusal.NOT_FOUND, "series")
    return found[0].organizer_id
