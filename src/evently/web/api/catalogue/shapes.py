"""The bodies and views of venues, events, pools and ticket types.

What organizers send are the structs of `catalogue` and `organizing`, with their limits.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from evently.catalogue import (
    Address,
    AttendeeNames,
    Category,
    City,
    Country,
    NamesHoursBefore,
    TimeZone,
    VenueName,
    VenueTerms,
)
from evently.kit.money import Money
from evently.kit.shapes import WallTime
from evently.organizing import NewEvent
from evently.sales.reads import OnSaleState
from evently.sales.terms import CancellationReason
from evently.web.api.catalogue.sale_shapes import BuyersConditionsView, SeatingView, TaxView

OrganizerIdText = Annotated[str, msgspec.Meta(examples=["org_01m7y4ef72ev2sxmcnxfse27zp"])]
VenueIdText = Annotated[str, msgspec.Meta(examples=["ven_01m7y4ef72ev2sxmcnxfse27zp"])]
SeriesIdText = Annotated[
    str,
    msgspec.Meta(
        description="What the dates of a series have in common.", examples=["ser_01m7y4ef72ev2sxmcnxfse27zp"]
    ),
]
EventIdText = Annotated[str, msgspec.Meta(examples=["evt_01m7y4ef72ev2sxmcnxfse27zp"])]
PoolIdText = Annotated[str, msgspec.Meta(examples=["pol_01m7y4ef72ev2sxmcnxfse27zp"])]
TicketTypeIdText = Annotated[str, msgspec.Meta(examples=["tty_01m7y4ef72ev2sxmcnxfse27zp"])]
State: TypeAlias = Literal["draft", "published", "cancelled"]


# Venues -----------------------------------------------------------------------------------------------------


class VenueBody(VenueTerms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new venue of an organizer."""

    organizer_id: OrganizerIdText


class VenueView(msgspec.Struct, frozen=True):
    """A place."""

    id: VenueIdText
    organizer_id: OrganizerIdText
    name: VenueName
    address: Address
    city: City
    country: Country
    time_zone: TimeZone
    created_at: datetime


class VenueMoveView(msgspec.Struct, frozen=True):
    """An event that a change of its venue's time zone moves: its times before and after."""

    event_id: EventIdText
    title: str
    state: State
    starts_at: datetime
    starts_at_local: WallTime
    ends_at: datetime
    ends_at_local: WallTime
    new_starts_at: datetime
    new_starts_at_local: WallTime
    new_ends_at: datetime
    new_ends_at_local: WallTime


class ChangedVenueView(VenueView, frozen=True):
    """A place after a change. `moves`: the events ahead whose instants another time zone changes."""

    moves: list[VenueMoveView]


# Events -----------------------------------------------------------------------------------------------------


class EventBody(NewEvent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new event.

    Start and end are instants, or times on the clocks at the venue. `capacity` makes one pool for all
    ticket types.
    """

    organizer_id: OrganizerIdText


class TypeView(msgspec.Struct, frozen=True):
    """A ticket type, as buyers see it. `available`: how many could be booked, a moment ago.

    An add-on has `needed_ids`: it is sold only together with a ticket of one of these types, at most
    `per_needed_max` for each (null: no limit). It is on sale while one of these is.
    """

    id: TicketTypeIdText
    name: str
    description: str
    price: Money
    on_sale_at: datetime | None
    off_sale_at: datetime | None
    per_booking_max: int
    per_buyer_max: int | None
    zone: str | None
    tax: TaxView | None
    state: OnSaleState
    available: int
    needed_ids: Annotated[list[str], msgspec.Meta(examples=[[]])]
    per_needed_max: Annotated[int | None, msgspec.Meta(examples=[None])]


class HostView(msgspec.Struct, frozen=True):
    """The organizer of the event, and the address for questions."""

    id: OrganizerIdText
    name: str
    contact_email: str


class CancelEventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an event is cancelled: what buyers read, on its page, in their e-mail and in their bookings.

    Name no other people in it, because the journal keeps it.
    """

    reason: CancellationReason | None = None


WITHOUT_REASON: Final = CancelEventBody()


class EventView(msgspec.Struct, frozen=True):
    """An event. `price_from`: the lowest price of the ticket types that can be booked now.

    If none can be booked, the lowest price of those whose sale has not ended.
    `cancellation_reason`: why it was cancelled, in the organizer's words; null if nothing was said.
    Hidden ticket types are shown only with a promo code that unlocks them.
    """

    id: EventIdText
    organizer: HostView
    venue: VenueView
    title: str
    description: str
    category: Category
    tags: tuple[str, ...]
    image_url: str | None
    time_zone: str
    starts_at: datetime
    starts_at_local: WallTime
    ends_at: datetime
    ends_at_local: WallTime
    state: State
    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    sale_state: OnSaleState
    price_from: Money | None
    ticket_types: list[TypeView]
    conditions: BuyersConditionsView
    seating: SeatingView | None
    created_at: datetime
    changed_at: datetime
    published_at: datetime | None
    cancelled_at: datetime | None
    cancellation_reason: Annotated[str | None, msgspec.Meta(examples=["The heating of the hall has failed."])]
    attendee_names: AttendeeNames
    names_hours_before: NamesHoursBefore
    names_until: datetime | None
    series_id: SeriesIdText | None


class EventCardView(msgspec.Struct, frozen=True):
    """An event in a list.

    `available`: a ticket could be booked, a moment ago. `price_from`: the lowest price of the ticket types
    that could be booked then; if none could, of those whose sale has not ended. `seated`: buyers choose
    seats, for some of the tickets at least. `summary`: the beginning of the description.
    """

    id: EventIdText
    organizer_id: OrganizerIdText
    venue_id: VenueIdText
    title: str
    summary: str
    category: Category
    tags: tuple[str, ...]
    image_url: str | None
    venue_name: str
    city: str
    time_zone: str
    starts_at: datetime
    starts_at_local: WallTime
    ends_at: datetime
    ends_at_local: WallTime
    state: State
    price_from: Money | None
    available: bool
    seated: bool
    published_at: datetime | None
    series_id: SeriesIdText | None


class UpcomingEventView(msgspec.Struct, frozen=True):
    """An event ahead, and how full it is: held + sold + set_aside + available = capacity.

    A pool that only limits a part of another pool is not counted: 100 early birds in a hall of 500 are 500
    places.
    """

    id: EventIdText
    venue_id: VenueIdText
    title: str
    venue_name: str
    city: str
    time_zone: str
    starts_at: datetime
    starts_at_local: WallTime
    ends_at: datetime
    ends_at_local: WallTime
    state: State
    seated: bool
    capacity: int
    held: int
    sold: int
    set_aside: int
    available: int


# Pools and ticket types -------------------------------------------------------------------------------------


class PoolView(msgspec.Struct, frozen=True):
    """A pool and its counters, a moment ago: held + sold + set_aside + available = capacity."""

    id: PoolIdText
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int
    available: int


class OrganizersTypeView(TypeView, frozen=True, kw_only=True):
    """A ticket type, as its organizer sees it."""

    position: int
    pool_ids: list[str]
    hidden: bool
    retired: bool
