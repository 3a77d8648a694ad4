"""Venues and events: what organizers say about them, and what is stored.

`VenueTerms`, `VenueChanges` and `EventTerms` are also the bodies of requests, with their limits in the
types of their fields. Ids are UUIDs, stored times are instants in UTC, texts are stored as the organizer
wrote them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from evently.catalogue.local_time import Moment, wall_time_of
from evently.db import Connection
from evently.kit.ids import VenueReference
from evently.kit.shapes import Instant, WallTime, items, number, text

NAME_CHARACTERS_MAX: Final = 200  # of a title, too: what a list can show
ADDRESS_CHARACTERS_MAX: Final = 500
CITY_CHARACTERS_MAX: Final = 100  # the longest name of a place has 85
DESCRIPTION_CHARACTERS_MAX: Final = 20_000  # ten printed pages
TAGS_MAX: Final = 20
TAG_CHARACTERS_MAX: Final = 50
URL_CHARACTERS_MAX: Final = 2_000  # what every browser takes
# On the clocks of the venue: a day has 25 hours when they go back. Anything longer is a series
EVENT_DURATION_MAX: Final = timedelta(days=31)
# In elapsed time, which the table's constraint allows, too: how far back browsing reads for events that have
# begun. No clocks go back by more than a day while an event lasts
EVENT_ELAPSED_MAX: Final = EVENT_DURATION_MAX + timedelta(days=1)
EVENT_AHEAD_MAX: Final = timedelta(days=3_660)  # ten years: a typing error is further away
NAMES_HOURS_BEFORE_MAX: Final = 8_784  # a year; refund windows reach as far

# Compares the version of a venue or an event with the one that its editor has seen; raises what is refused.
Seen: TypeAlias = Callable[[int], None]


class LastEdit(NamedTuple):
    """Who changed something last, a person or an API key, and when; None: it is not known."""

    editor_id: UUID | None
    edited_at: datetime | None


class Category(StrEnum):
    """The one category of an event; anything finer is a tag.

    Categories may be added; none is ever removed.
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


VenueName = Annotated[str, text(NAME_CHARACTERS_MAX, "Tempodrom")]
Address = Annotated[str, text(ADDRESS_CHARACTERS_MAX, "Möckernstraße 10, 10963 Berlin", lines=True)]
City = Annotated[str, text(CITY_CHARACTERS_MAX, "Berlin")]
Country = Annotated[
    str,
    msgspec.Meta(
        description="ISO 3166-1 alpha-2.", examples=["DE"], extra_json_schema={"pattern": "^[A-Z]{2}$"}
    ),
]
TimeZone = Annotated[
    str, msgspec.Meta(description="A name of the IANA database.", examples=["Europe/Berlin"])
]
VenueId = Annotated[VenueReference, msgspec.Meta(examples=["ven_01m7y4ef72ev2sxmcnxfse27zp"])]
Title = Annotated[str, text(NAME_CHARACTERS_MAX, "Jazz by night")]
Description = Annotated[
    str, text(DESCRIPTION_CHARACTERS_MAX, "A quartet, two sets, one interval.", blank=True, lines=True)
]
Tags = Annotated[
    tuple[Annotated[str, text(TAG_CHARACTERS_MAX, "jazz")], ...], items(TAGS_MAX, [["jazz", "live"]])
]
ImageUrl = Annotated[
    str,
    msgspec.Meta(
        examples=["https://images.example/jazz.jpg"],
        extra_json_schema={"format": "uri", "maxLength": URL_CHARACTERS_MAX},
    ),
]
StartsAt = Annotated[Instant, msgspec.Meta(examples=["2027-05-20T18:00:00Z"])]
EndsAt = Annotated[Instant, msgspec.Meta(examples=["2027-05-20T21:00:00Z"])]
AttendeeNames = Annotated[
    Literal["not_asked", "optional", "required"],
    msgspec.Meta(
        description=(
            "Whether buyers write the names of the attendees on the tickets. Required names are asked for "
            "until they are there; a ticket without one is valid, and the door decides."
        ),
        examples=["optional"],
    ),
]
NamesHoursBefore = Annotated[
    int,
    number(
        0,
        NAMES_HOURS_BEFORE_MAX,
        24,
        "Buyers cannot change names later than this before the start, unless `names_until` is set.",
    ),
]
NamesUntil = Annotated[
    Instant,
    msgspec.Meta(
        description=(
            "Until when buyers can change names. Null: until `names_hours_before`, which moves with the "
            "start. In either case not after the end of the event."
        ),
        examples=["2027-05-18T22:00:00Z"],
    ),
]


class VenueTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A venue as its organizer describes it."""

    name: VenueName
    address: Address
    city: City
    country: Country
    time_zone: TimeZone


class VenueChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a venue. Another time zone moves its events: what the clocks show stays."""

    name: VenueName | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    city: City | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET


class VenueCopy(msgspec.Struct, frozen=True):
    """What an event stores of its venue, so that browsing reads one table."""

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
        """What its events store of it."""
        return VenueCopy(self.venue_id, self.organizer_id, self.name, self.city, self.time_zone)


class EventTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event as its organizer describes it.

    Start and end are instants, or times on the clocks at the venue; each is given in one of the two ways.
    """

    venue_id: VenueId
    title: Title
    description: Description = ""
    category: Category = Category.OTHER
    tags: Tags = ()
    image_url: ImageUrl | None = None
    starts_at: StartsAt | None = None
    starts_at_local: WallTime | None = None
    ends_at: EndsAt | None = None
    ends_at_local: WallTime | None = None
    attendee_names: AttendeeNames = "optional"
    names_hours_before: NamesHoursBefore = 0
    names_until: NamesUntil | None = None

    @property
    def start(self) -> Moment | None:
        """The start, in the way that was chosen."""
        return self.starts_at or self.starts_at_local

    @property
    def end(self) -> Moment | None:
        """The end, in the way that was chosen."""
        return self.ends_at or self.ends_at_local


class Event(msgspec.Struct, frozen=True):
    """One gathering at one venue with one start. `state`: draft, published or cancelled.

    `seated`: a ticket type that everybody sees has seats to choose. `series_id`: what the dates of a series
    have in common. `cancellation_reason`: why it was cancelled, in the organizer's words.
    """

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
    attendee_names: AttendeeNames = "optional"
    names_hours_before: int = 0
    names_until: datetime | None = None
    seated: bool = False
    series_id: UUID | None = None
    cancellation_reason: str | None = None

    @property
    def for_members(self) -> bool:
        """Whether only the members of its organizer see its page: a draft, or the copy of a rehearsal."""
        return self.state == "draft" or self.sandbox

    @property
    def names_end_at(self) -> datetime:
        """From when on the names on its tickets stay as they are."""
        before = self.starts_at - timedelta(hours=self.names_hours_before)
        return min(self.names_until or before, self.ends_at)

    @property
    def place(self) -> VenueCopy:
        """The venue at which it takes place."""
        return VenueCopy(self.venue_id, self.organizer_id, self.venue_name, self.city, self.time_zone)

    @property
    def starts_at_local(self) -> datetime:
        """The start on the clocks at the venue."""
        return wall_time_of(self.starts_at, self.place.zone)

    @property
    def ends_at_local(self) -> datetime:
        """The end on the clocks at the venue."""
        return wall_time_of(self.ends_at, self.place.zone)


class SaleSummary(NamedTuple):
    """What a list shows of an event's sale.

    `price_from_minor`: the lowest price of the public ticket types that can be booked now; if none can, of
    those whose sale has not ended; None without ticket types. `available`: a ticket can be booked now.
    """

    price_from_minor: int | None
    available: bool


# The sales of some events at an instant; an event without a ticket type that everybody sees is absent. The
# sales domain answers this (`sales.reads.list_sale_summaries`); callers pass the function, because the
# catalogue is below sales.
ListSaleSummaries: TypeAlias = Callable[
    [Connection, Sequence[UUID], datetime], Awaitable[Mapping[UUID, SaleSummary]]
]


class EventCard(msgspec.Struct, frozen=True):
    """An event in a list, with what the list shows of its sale (as in `SaleSummary`)."""

    event: Event
    price_from_minor: int | None
    available: bool


def whichever_version(_version: int) -> None:
    """Accept every version: the `Seen` of tools, which edit without reading first."""
