"""What clients send and get about venues and events.

Lengths and ranges stand in the schemas for readers; they are checked with all else that can be wrong, so that
everything is said at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from evently.catalogue import (
    ADDRESS_CHARACTERS_MAX,
    CITY_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
    URL_CHARACTERS_MAX,
    Category,
)
from evently.kit.money import Money
from evently.organizing import (
    PER_BUYER_MAX,
    POSITION_MAX,
    TICKET_TYPE_DESCRIPTION_MAX,
    TICKET_TYPES_AT_ONCE_MAX,
)
from evently.sales.commands import UNITS_MAX
from evently.sales.reads import SaleState
from evently.sales.terms import CAPACITY_MAX, POOLS_MAX
from evently.web.api.catalogue.sale_shapes import (
    BuyersConditionsView,
    ConditionsBody,
    SeatingBody,
    SeatingView,
    TaxBody,
    TaxView,
    ZoneName,
)
from evently.web.edge.validation import Instant

Shape = TypeVar("Shape")

PER_BOOKING_UNLESS_TOLD: Final = 10


def _text(longest: int, example: str, shortest: int = 1) -> Any:
    return msgspec.Meta(examples=[example], extra_json_schema={"minLength": shortest, "maxLength": longest})


def _number(smallest: int, largest: int, example: int) -> Any:
    return msgspec.Meta(examples=[example], extra_json_schema={"minimum": smallest, "maximum": largest})


def _items(most: int, examples: list[Any] | None = None) -> Any:
    return msgspec.Meta(examples=examples, extra_json_schema={"maxItems": most})


_START: Final = msgspec.Meta(examples=["2027-05-20T18:00:00Z"])
_END: Final = msgspec.Meta(examples=["2027-05-20T21:00:00Z"])
_TYPES: Final = [{"name": "Regular", "price": {"amount": 2500, "currency": "EUR"}}, {"name": "Child"}]

OrganizerId = Annotated[str, msgspec.Meta(examples=["org_01m7y4ef72ev2sxmcnxfse27zp"])]
VenueId = Annotated[str, msgspec.Meta(examples=["ven_01m7y4ef72ev2sxmcnxfse27zp"])]
EventId = Annotated[str, msgspec.Meta(examples=["evt_01m7y4ef72ev2sxmcnxfse27zp"])]
PoolId = Annotated[str, msgspec.Meta(examples=["pol_01m7y4ef72ev2sxmcnxfse27zp"])]
TicketTypeId = Annotated[str, msgspec.Meta(examples=["tty_01m7y4ef72ev2sxmcnxfse27zp"])]
VenueName = Annotated[str, _text(NAME_CHARACTERS_MAX, "Tempodrom")]
Address = Annotated[str, _text(ADDRESS_CHARACTERS_MAX, "Möckernstraße 10, 10963 Berlin")]
City = Annotated[str, _text(CITY_CHARACTERS_MAX, "Berlin")]
Country = Annotated[
    str,
    msgspec.Meta(
        description="ISO 3166-1 alpha-2.", examples=["DE"], extra_json_schema={"pattern": "^[A-Z]{2}$"}
    ),
]
TimeZone = Annotated[
    str, msgspec.Meta(description="A name of the IANA database.", examples=["Europe/Berlin"])
]
Title = Annotated[str, _text(NAME_CHARACTERS_MAX, "Jazz by night")]
Description = Annotated[str, _text(DESCRIPTION_CHARACTERS_MAX, "A quartet, two sets, one interval.", 0)]
TypeDescription = Annotated[str, _text(TICKET_TYPE_DESCRIPTION_MAX, "Standing, in front of the stage.", 0)]
Tags = Annotated[
    list[Annotated[str, _text(TAG_CHARACTERS_MAX, "jazz")]], _items(TAGS_MAX, [["jazz", "live"]])
]
ImageUrl = Annotated[
    str,
    msgspec.Meta(
        examples=["https://images.example/jazz.jpg"],
        extra_json_schema={"format": "uri", "maxLength": URL_CHARACTERS_MAX},
    ),
]
WallTime = Annotated[
    datetime,
    msgspec.Meta(
        tz=False,
        description=(
            "What the clocks at the venue show. A time that they skip when they go forward is refused; "
            "of one that they show twice, the first is meant (give the instant for the second)."
        ),
    ),
]
Currency = Annotated[
    str, msgspec.Meta(description="ISO 4217.", examples=["EUR"], extra_json_schema={"pattern": "^[A-Z]{3}$"})
]
Capacity = Annotated[int, _number(0, CAPACITY_MAX, 500)]
PartName = Annotated[str, _text(NAME_CHARACTERS_MAX, "Regular")]
PerBooking = Annotated[int, _number(1, UNITS_MAX, 10)]
PerBuyer = Annotated[int, _number(1, PER_BUYER_MAX, 4)]
Position = Annotated[int, _number(1, POSITION_MAX, 1)]
PoolIds = Annotated[list[str], _items(POOLS_MAX, [["pol_01m7y4ef72ev2sxmcnxfse27zp"]])]
State: TypeAlias = Literal["draft", "published", "cancelled"]


# Venues -----------------------------------------------------------------------------------------------------


class VenueBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new venue of an organizer."""

    organizer_id: OrganizerId
    name: VenueName
    address: Address
    city: City
    country: Country
    time_zone: TimeZone


class VenuePatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change. The time zone of a venue with events stays."""

    name: VenueName | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    city: City | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET


class VenueView(msgspec.Struct, frozen=True):
    """A place."""

    id: VenueId
    organizer_id: OrganizerId
    name: VenueName
    address: Address
    city: City
    country: Country
    time_zone: TimeZone
    created_at: datetime


# Events -----------------------------------------------------------------------------------------------------


class PoolBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new pool: a counted capacity."""

    name: PartName
    capacity: Capacity


class TypeTermsBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new ticket type. Without a price it is free; without a window of its own it is sold as long as the event is.

    `zone`: each ticket has a seat of this price zone. `hidden`: shown to nobody, and sold only with a promo code that names it.
    """

    name: PartName
    description: TypeDescription = ""
    price: Money | None = None
    on_sale_at: Instant | None = None
    off_sale_at: Instant | None = None
    per_booking_max: PerBooking = PER_BOOKING_UNLESS_TOLD
    per_buyer_max: PerBuyer | None = None
    zone: ZoneName | None = None
    tax: TaxBody | None = None
    hidden: bool = False


class NewTypeBody(TypeTermsBody, kw_only=True, forbid_unknown_fields=True):
    """A ticket type of a new event.

    `pools` names the pools of which each ticket takes a unit; with one pool there is nothing to name.

    With a zone neither: it has a pool of its name, with as many units as seats, made for it unless there is
    one.
    """

    pools: Annotated[list[str], _items(POOLS_MAX, [["Hall"]])] = []


class EventBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new event. Start and end are instants, or wall times at the venue; `capacity` makes one pool for all ticket types."""

    organizer_id: OrganizerId
    venue_id: VenueId
    title: Title
    description: Description = ""
    category: Category = Category.OTHER
    tags: Tags = []
    image_url: ImageUrl | None = None
    starts_at: Annotated[Instant | None, _START] = None
    starts_at_local: WallTime | None = None
    ends_at: Annotated[Instant | None, _END] = None
    ends_at_local: WallTime | None = None
    currency: Currency
    on_sale_at: Annotated[Instant | None, msgspec.Meta(description="From now on, unless told.")] = None
    off_sale_at: Annotated[Instant | None, msgspec.Meta(description="Until the start, unless told.")] = None
    capacity: Annotated[Capacity | None, msgspec.Meta(examples=[500])] = None
    pools: Annotated[list[PoolBody], _items(POOLS_MAX)] = []
    ticket_types: Annotated[list[NewTypeBody], _items(TICKET_TYPES_AT_ONCE_MAX, [_TYPES])] = []
    conditions: ConditionsBody = msgspec.field(default_factory=ConditionsBody)
    seating: SeatingBody | None = None


class EventPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change. A sale window of null is: from now on, or until the start."""

    venue_id: VenueId | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    starts_at: Annotated[Instant | UnsetType, _START] = UNSET
    starts_at_local: WallTime | UnsetType = UNSET
    ends_at: Annotated[Instant | UnsetType, _END] = UNSET
    ends_at_local: WallTime | UnsetType = UNSET
    on_sale_at: Instant | UnsetType | None = UNSET
    off_sale_at: Instant | UnsetType | None = UNSET


class TypeView(msgspec.Struct, frozen=True):
    """A ticket type, as buyers see it. `available`: how many could be booked, a moment ago."""

    id: TicketTypeId
    name: str
    description: str
    price: Money
    on_sale_at: datetime | None
    off_sale_at: datetime | None
    per_booking_max: int
    per_buyer_max: int | None
    zone: str | None
    tax: TaxView | None
    state: SaleState
    available: int


class HostView(msgspec.Struct, frozen=True):
    """Who runs the event, and whom to ask."""

    id: OrganizerId
    name: str
    contact_email: str


class EventView(msgspec.Struct, frozen=True):
    """An event. `price_from`: the cheapest ticket type whose sale has not ended.

    Hidden ticket types are shown to whoever names a promo code that unlocks them.
    """

    id: EventId
    organizer: HostView
    venue: VenueView
    title: str
    description: str
    category: Category
    tags: list[str]
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
    sale_state: SaleState
    price_from: Money | None
    ticket_types: list[TypeView]
    conditions: BuyersConditionsView
    seating: SeatingView | None
    created_at: datetime
    changed_at: datetime
    published_at: datetime | None
    cancelled_at: datetime | None


class EventCardView(msgspec.Struct, frozen=True):
    """An event in a list. `available`: a ticket could be booked, a moment ago; `summary` is how the description begins."""

    id: EventId
    organizer_id: OrganizerId
    venue_id: VenueId
    title: str
    summary: str
    category: Category
    tags: list[str]
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
    published_at: datetime | None


# Pools and ticket types -------------------------------------------------------------------------------------


class PoolPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change. A capacity goes no lower than what is taken."""

    name: PartName | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET


class PoolView(msgspec.Struct, frozen=True):
    """A pool and its counters, a moment ago: held + sold + set_aside + available = capacity."""

    id: PoolId
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int
    available: int


class TypeBody(TypeTermsBody, kw_only=True, forbid_unknown_fields=True):
    """A new ticket type. `pool_ids`: the pools of which each ticket takes a unit; with one pool there is nothing to name."""

    pool_ids: PoolIds = []


class TypePatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change. A price of null is none; it is that of later bookings.

    The pools of a published event's ticket type stay.
    """

    name: PartName | UnsetType = UNSET
    description: TypeDescription | UnsetType = UNSET
    price: Money | UnsetType | None = UNSET
    on_sale_at: Instant | UnsetType | None = UNSET
    off_sale_at: Instant | UnsetType | None = UNSET
    per_booking_max: PerBooking | UnsetType = UNSET
    per_buyer_max: PerBuyer | UnsetType | None = UNSET
    zone: ZoneName | UnsetType | None = UNSET
    tax: TaxBody | UnsetType | None = UNSET
    hidden: bool | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    pool_ids: PoolIds | UnsetType = UNSET


class OrganizersTypeView(TypeView, frozen=True, kw_only=True):
    """A ticket type, as its organizer sees it."""

    position: int
    pool_ids: list[str]
    hidden: bool
    retired: bool


def tax_said(tax: TaxBody | UnsetType | None) -> dict[str, Any]:
    """Return a tax as the domain's Structs have it; null is none, and what is unset stays unset."""
    if tax is UNSET:
        return {"tax_basis_points": UNSET, "tax_included": UNSET}
    if tax is None:
        return {"tax_basis_points": 0, "tax_included": True}
    return {"tax_basis_points": tax.basis_points, "tax_included": tax.included}


def taken(shape: type[Shape], body: msgspec.Struct, **more: Any) -> Shape:
    """Return what a body says as the domain's Struct: the fields of the same name, as they are, and some that take more."""
    names = [name for name in shape.__struct_fields__ if name not in more]  # type: ignore[attr-defined]  # every shape is a Struct
    return shape(**{name: getattr(body, name) for name in names}, **more)
