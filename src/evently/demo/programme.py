"""The demo's organizers, venues and events, read from the `.toml` files beside this module."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from importlib.resources import files
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from evently.catalogue import Category

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HostSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organizer."""

    key: str
    name: str
    email: str


class VenueSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A venue. `currency` is that of its events."""

    key: str
    organizer: str
    name: str
    address: str
    city: str
    country: str
    time_zone: str
    currency: str


class TypeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket type. Its sale ends `until_days` days before the start of the event."""

    name: str
    price: int = 0
    note: str = ""
    pools: tuple[str, ...] = ()
    per_booking: int = 10
    per_buyer: int | None = None
    until_days: int | None = None


class EventSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event. `sold` units are sold, or all if `sold_out`; the sale opens in `opens_days` days."""

    title: str
    venue: str
    category: Category
    tags: tuple[str, ...]
    week: int
    day: Day
    at: str
    hours: float
    text: str
    types: tuple[TypeSpec, ...]
    capacity: int | None = None
    pools: dict[str, int] = {}
    sold: int = 0
    sold_out: bool = False
    opens_days: int | None = None
    cancelled: bool = False

    def starts_on(self, today: date, *, past: bool) -> date:
        """Return the day of the start; never today, so that the event is clearly past or upcoming."""
        toward = -1 if past else 1
        first = today + toward * timedelta(days=1 + 7 * self.week)
        return first + toward * timedelta(days=toward * (_DAYS.index(self.day) - first.weekday()) % 7)

    def starts_at(self, now: datetime, zone: ZoneInfo, *, past: bool) -> datetime:
        """Return the start in the local time of the venue, without an offset."""
        day = self.starts_on(now.astimezone(zone).date(), past=past)
        return datetime.combine(day, time.fromisoformat(self.at))


class Programme(msgspec.Struct, frozen=True):
    """All organizers, venues and events of the demo."""

    organizers: tuple[HostSpec, ...]
    venues: dict[str, VenueSpec]
    past: tuple[EventSpec, ...]
    upcoming: tuple[EventSpec, ...]


class _Places(msgspec.Struct, forbid_unknown_fields=True):
    organizer: tuple[HostSpec, ...]
    venue: tuple[VenueSpec, ...]


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    event: tuple[EventSpec, ...]


def read_programme() -> Programme:
    """Return the programme of the demo."""
    places = msgspec.toml.decode(_file("programme.toml"), type=_Places)
    past, upcoming = (
        msgspec.toml.decode(_file(name), type=_Events).event for name in ("past.toml", "upcoming.toml")
    )
    return Programme(places.organizer, {venue.key: venue for venue in places.venue}, past, upcoming)


def _file(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()
