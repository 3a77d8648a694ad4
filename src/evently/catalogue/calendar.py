"""An event as a calendar entry (RFC 5545).

Importing it again updates the entry: its UID stays, its SEQUENCE grows with the version. It has no METHOD:
that would make it a message of RFC 5546, which needs an ORGANIZER and attendees' answers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import icalendar

from evently.catalogue.local_time import is_plain
from evently.catalogue.nouns import Event, Venue
from evently.kit.ids import show_id

_PRODUCT: Final = "-//Evently//Events//EN"
# The calendar lists the rules of the time zone from so long before the start: more than a year, so that it
# contains the rule in force then, and the one before
_BEFORE: Final = timedelta(days=400)
# Of the UID. The id alone is unique in the world; the domain must not change with the address of the server
_DOMAIN: Final = "evently"
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)


def calendar_file(event: Event, venue: Venue, base_url: str) -> bytes:
    """Return the calendar file of an event: the same UID wherever it is given out.

    Links begin with `base_url`; empty: none.
    """
    shown = show_id("evt", event.event_id)
    address = ", ".join([venue.name, *venue.address.splitlines(), venue.city])
    return calendar_of(
        event, f"{shown}@{_DOMAIN}", address, f"{base_url}/events/{shown}" if base_url else None
    )


def calendar_of(event: Event, uid: str, address: str, url: str | None = None) -> bytes:
    """Return the iCalendar object of an event.

    `uid` is unique in the world and never changes; `address` is that of the venue.
    """
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add_component(
        _zone(event.place.zone, (event.starts_at - _BEFORE).replace(second=0, microsecond=0), event.ends_at)
    )
    calendar.add_component(_entry(event, uid, address, url))
    made: bytes = calendar.to_ical()
    return made


def _entry(event: Event, uid: str, address: str, url: str | None) -> icalendar.Event:
    zone = event.place.zone
    entry = icalendar.Event()
    entry.add("uid", uid)
    entry.add("sequence", event.version - 1)
    entry.add("dtstamp", event.changed_at.replace(microsecond=0))
    entry.add("created", event.created_at.replace(microsecond=0))
    entry.add("last-modified", event.changed_at.replace(microsecond=0))
    entry.add("dtstart", _moment(event.starts_at, zone))
    entry.add("dtend", _moment(event.ends_at, zone))
    entry.add("summary", event.title)
    # One kind of line break: strict readers take a single CR for the end of the property
    entry.add("description", "\n".join(event.description.splitlines()))
    entry.add("location", address)
    entry.add("categories", [event.category.value, *event.tags])
    if url is not None:
        entry.add("url", url)
    entry.add("status", "CANCELLED" if event.state == "cancelled" else "CONFIRMED")
    return entry


def _moment(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return an instant in local time, or in UTC if its local time means the first of two equal hours."""
    return instant.astimezone(zone if is_plain(instant, zone) else UTC)


def _zone(zone: ZoneInfo, first: datetime, last: datetime) -> icalendar.Timezone:
    """Return the zone's rules between two instants: the rule at the first, and each change until the last.

    The library's own function places the change to summer time an hour late (icalendar 7.3).
    """
    component = icalendar.Timezone()
    component.add("tzid", zone.key)
    changes: list[icalendar.TimezoneStandard | icalendar.TimezoneDaylight] = []
    day = first
    while day < last:
        if _offset(day, zone) != _offset(day + _DAY, zone):
            changes.append(_rule(_change_within(day, zone), _offset(day, zone), _offset(day + _DAY, zone)))
        day += _DAY
    # What holds at the first instant is summer time if the clocks go back next
    summer = bool(changes) and isinstance(changes[0], icalendar.TimezoneStandard)
    holds = _rule(first, _offset(first, zone), _offset(first, zone), summer=summer)
    for rule in (holds, *changes):
        component.add_component(rule)
    return component


def _rule(
    since: datetime, before: timedelta, after: timedelta, *, summer: bool = False
) -> icalendar.TimezoneStandard | icalendar.TimezoneDaylight:
    """Return a rule: from this instant on the offset is `after`. DTSTART is local time at `before`."""
    rule = icalendar.TimezoneDaylight() if summer or after > before else icalendar.TimezoneStandard()
    rule.add("dtstart", (since + before).replace(tzinfo=None))
    rule.add("tzoffsetfrom", before)
    rule.add("tzoffsetto", after)
    return rule


def _change_within(day: datetime, zone: ZoneInfo) -> datetime:
    """Return when, to the minute, the offset changes within the day after an instant."""
    early, late = 0, _DAY // _MINUTE
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(day + middle * _MINUTE, zone) == _offset(day, zone):
            early = middle
        else:
            late = middle
    return day + late * _MINUTE


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
