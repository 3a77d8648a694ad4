"""What the catalogue is about: venues and events.

Ids are UUIDs, times are instants in UTC, texts as the organizer wrote them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from evently.catalogue.local_time import Moment, wall_time_of
from evently.db import Connection

NAME_CHARACTERS_MAX: Final = 200  # of a title, too: what a list can show
ADDRESS_CHARACTERS_MAX: Final = 500
CITY_CHARACTERS_MAX: Final = 100  # the longest name of a place has 85
DESCRIPTION_CHARACTERS_MAX: Final = 20_000  # ten printed pages
TAGS_MAX: Final = 20
TAG_CHARACTERS_MAX: Final = 50
URL_CHARACTERS_MAX: Final = 2_000  # what every browser takes
# What lasts longer is a series; also how far back browsing looks for what has begun
EVENT_DURATION_MAX: Final = timedelta(days=31)
EVENT_AHEAD_MAX: Final = timedelta(days=3_660)  # ten years: a slip of the finger is further away

Seen: TypeAlias = Callable[
    [int], None
]  # refuses the version of a thing that is not the one its editor has seen


class Category(StrEnum):
    """The one shelf that an event stands on; everything finer is a tag.

    New ones may be added, none is ever taken away.
    """

    ART = "art"
    BUSINESS = "business"
    COMEDY = "comedy"
    COMMUNITY = "community"
    DANCE = "dance"
    EDUCATION = "education"
    FAMILY = "family"
    FILM = "film"
    FOOD_AND_DRINK = "food-and-drink"
    LITERATURE = "literature"
    MUSIC = "music"
    NIGHTLIFE = "nightlife"
    OUTDOORS = "outdoors"
    SCIENCE = "science"
    SPORT = "sport"
    TECHNOLOGY = "technology"
    THEATRE = "theatre"
    WELLBEING = "wellbeing"
    OTHER = "other"


class VenueTerms(msgspec.Struct, frozen=True):
    """What an organizer says about a venue. `country` is ISO 3166-1 alpha-2, `time_zone` an IANA name."""

    name: str
    address: str
    city: str
    country: str
    time_zone: str


class VenueChanges(msgspec.Struct, frozen=True):
    """What an organizer says anew; what is unset stays."""

    name: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET


class VenueCopy(msgspec.Struct, frozen=True):
    """What an event shows of its venue: copied, so that browsing needs nothing else."""

    venue_id: UUID
    organizer_id: UUID
    venue_name: str
    city: str
    time_zone: str

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)


class Venue(msgspec.Struct, frozen=True):
    """A place with a name, an address and a time zone."""

    venue_id: UUID
    organizer_id: UUID
    name: str
    address: str
    city: str
    country: str
    time_zone: str
    version: int
    created_at: datetime

    @property
    def place(self) -> VenueCopy:
        """What its events show of it."""
        return VenueCopy(self.venue_id, self.organizer_id, self.name, self.city, self.time_zone)


class EventTerms(msgspec.Struct, frozen=True):
    """What an organizer says about an event.

    `starts_at` and `ends_at` are instants; without an offset, wall times at the venue.
    """

    venue_id: UUID
    title: str
    description: str
    category: Category
    tags: tuple[str, ...]
    image_url: str | None
    starts_at: Moment | None  # None: it was not said, which is refused with all else that is wrong
    ends_at: Moment | None


class EventChanges(msgspec.Struct, frozen=True):
    """What an organizer says anew; what is unset stays.

    Wall times are those of the venue named here, if one is.
    """

    venue_id: UUID | UnsetType = UNSET
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    image_url: str | UnsetType | None = UNSET
    starts_at: Moment | UnsetType = UNSET
    ends_at: Moment | UnsetType = UNSET


class Event(msgspec.Struct, frozen=True):
    """One gathering at one venue with one start. `state`: draft, published or cancelled."""

    event_id: UUID
    organizer_id: UUID
    venue_id: UUID
    title: str
    description: str
    category: Category
    tags: tuple[str, ...]
    image_url: str | None
    venue_name: str
    city: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    state: str
    sandbox: bool
    currency: str
    version: int
    created_at: datetime
    changed_at: datetime
    published_at: datetime | None
    cancelled_at: datetime | None

    @property
    def place(self) -> VenueCopy:
        """Where it takes place."""
        return VenueCopy(self.venue_id, self.organizer_id, self.venue_name, self.city, self.time_zone)

    @property
    def starts_at_local(self) -> datetime:
        """What the clocks at the venue show when it starts."""
        return wall_time_of(self.starts_at, self.place.zone)

    @property
    def ends_at_local(self) -> datetime:
        """What the clocks at the venue show when it ends."""
        return wall_time_of(self.ends_at, self.place.zone)


class SaleSummary(NamedTuple):
    """What a list shows of an event's sale.

    `price_from_minor`: the price of the cheapest ticket type that everybody sees and whose sale has not ended; None
    without ticket types. `available`: a ticket can be booked now.
    """

    price_from_minor: int | None
    available: bool


# The sales of some events at an instant; events without a ticket type that everybody sees are left out. Sales answers
# this (`sales.reads.list_sale_summaries`), and the caller hands it in: the catalogue is below sales.
ListSaleSummaries: TypeAlias = Callable[
    [Connection, Sequence[UUID], datetime], Awaitable[Mapping[UUID, SaleSummary]]
]


class EventCard(msgspec.Struct, frozen=True):
    """An event in a list, with what the list shows of its sale (as in `SaleSummary`)."""

    event: Event
    price_from_minor: int | None
    available: bool


def whichever_version(_version: int) -> None:
    """The `Seen` of those who edit without having looked, such as tools."""
