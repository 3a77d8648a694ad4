"""What clients send and get about how an event is sold: conditions, tax, seats in zones."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from evently.catalogue import NAME_CHARACTERS_MAX
from evently.kit.ids import NO_ID, find_id
from evently.kit.money import Money
from evently.organizing import (
    HOURS_BEFORE_MAX,
    ConditionsChanges,
    FeesChanges,
    SeatChoice,
    SeatingDraft,
    ZoneDraft,
)
from evently.sales.terms import (
    HOLD_SECONDS_MAX,
    OFFER_SECONDS_MAX,
    REFUND_WINDOWS_MAX,
    WHOLE,
    ZONES_MAX,
    Conditions,
    Fees,
    RefundWindow,
)


def _number(smallest: int, largest: int, example: int, description: str | None = None) -> Any:
    return msgspec.Meta(
        description=description,
        examples=[example],
        extra_json_schema={"minimum": smallest, "maximum": largest},
    )


PaymentMode: TypeAlias = Literal["online", "door"]
PaidBy: TypeAlias = Literal["buyer", "organizer"]
BasisPoints = Annotated[int, _number(0, WHOLE, 500, "Ten-thousandths: 500 is five percent.")]
HoldSeconds = Annotated[int, _number(1, HOLD_SECONDS_MAX, 600)]
OfferSeconds = Annotated[int, _number(1, OFFER_SECONDS_MAX, 3_600)]
Hours = Annotated[int, _number(0, HOURS_BEFORE_MAX, 48)]
SeatMapId = Annotated[str, msgspec.Meta(examples=["smp_01m7y4ef72ev2sxmcnxfse27zp"])]
ZoneName = Annotated[
    str,
    msgspec.Meta(examples=["Stalls"], extra_json_schema={"minLength": 1, "maxLength": NAME_CHARACTERS_MAX}),
]
Sections = Annotated[
    list[str], msgspec.Meta(description="Names of sections of the map.", examples=[["Balcony"]])
]
Rows = Annotated[
    list[str],
    msgspec.Meta(
        description="A section and a row, with a slash between.", examples=[["Stalls/A", "Stalls/B"]]
    ),
]
Seats = Annotated[
    list[str], msgspec.Meta(description="Ids of seats.", examples=[["stalls-c-1", "stalls-c-2"]])
]


# Conditions of sale -----------------------------------------------------------------------------------------


class FeesBody(msgspec.Struct, forbid_unknown_fields=True):
    """What selling a ticket costs: so much, and so much of its discounted price.

    Free tickets carry no fee.
    """

    fixed: Money | None = None
    basis_points: BasisPoints = 0
    paid_by: PaidBy = "buyer"


class RefundWindowBody(msgspec.Struct, forbid_unknown_fields=True):
    """Until so many hours before the start, so much of what was paid is paid back."""

    hours_before: Hours
    basis_points: BasisPoints


Windows = Annotated[
    list[RefundWindowBody],
    msgspec.Meta(
        description="The earliest first. Of those still open, the one with the most hours counts; when none is, nothing is paid back.",
        examples=[
            [{"hours_before": 336, "basis_points": 10_000}, {"hours_before": 48, "basis_points": 5_000}]
        ],
        extra_json_schema={"maxItems": REFUND_WINDOWS_MAX},
    ),
]


class ConditionsBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How tickets are paid and cancelled.

    Online: what costs something is held until it is paid. Door: confirmed at once, paid on site.
    """

    payment: PaymentMode = "online"
    hold_seconds: HoldSeconds = 600
    offer_seconds: Annotated[
        OfferSeconds, msgspec.Meta(description="How long an offer to somebody on the waitlist stands.")
    ] = 3_600
    fees: FeesBody | None = None
    refund_windows: Windows = msgspec.field(default_factory=lambda: [RefundWindowBody(0, WHOLE)])
    cancel_hours_before: Annotated[
        Hours, msgspec.Meta(description="Later than that before the start, buyers cannot cancel.")
    ] = 0
    fee_kept: Annotated[bool, msgspec.Meta(description="The buyer's fee is never paid back.")] = False
    orphans_forbidden: Annotated[
        bool, msgspec.Meta(description="Buyers who name seats leave no single free seat beside them.")
    ] = False


class FeesPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change about the fees."""

    fixed: Money | UnsetType | None = UNSET
    basis_points: BasisPoints | UnsetType = UNSET
    paid_by: PaidBy | UnsetType = UNSET


class ConditionsPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change for later bookings. Fees of null: there are none."""

    payment: PaymentMode | UnsetType = UNSET
    hold_seconds: HoldSeconds | UnsetType = UNSET
    offer_seconds: OfferSeconds | UnsetType = UNSET
    fees: FeesPatch | UnsetType | None = UNSET
    refund_windows: Windows | UnsetType = UNSET
    cancel_hours_before: Hours | UnsetType = UNSET
    fee_kept: bool | UnsetType = UNSET
    orphans_forbidden: bool | UnsetType = UNSET


class FeesView(msgspec.Struct, frozen=True):
    """What selling a ticket costs."""

    fixed: Money
    basis_points: BasisPoints
    paid_by: PaidBy


class RefundWindowView(msgspec.Struct, frozen=True):
    """Until so many hours before the start, so much of what was paid is paid back."""

    hours_before: Hours
    basis_points: BasisPoints


class BuyersConditionsView(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer must know. `fees`: what is added to the price of a ticket, if anything."""

    payment: PaymentMode
    hold_seconds: HoldSeconds
    fees: FeesView | None
    refund_windows: list[RefundWindowView]
    cancel_hours_before: Hours
    fee_kept: bool
    orphans_forbidden: bool


class ConditionsView(BuyersConditionsView, frozen=True, kw_only=True):
    """The conditions of sale, as the organizer sees them.

    `version`: bookings keep that under which they were made; 0: none were said.
    """

    version: int
    offer_seconds: OfferSeconds


class TaxBody(msgspec.Struct, forbid_unknown_fields=True):
    """A tax of so much of the price, in it or on top of it."""

    basis_points: BasisPoints
    included: bool = True


class TaxView(msgspec.Struct, frozen=True):
    """A tax of so much of the price, in it or on top of it."""

    basis_points: BasisPoints
    included: bool


def conditions_of(body: ConditionsBody) -> tuple[Conditions, str | None]:
    """Return conditions as the till takes them, and the currency in which the fee was said."""
    fees = body.fees or FeesBody()
    conditions = Conditions(
        body.payment,
        body.hold_seconds,
        body.offer_seconds,
        Fees(0 if fees.fixed is None else fees.fixed.amount, fees.basis_points, fees.paid_by),
        _windows(body.refund_windows),
        body.cancel_hours_before,
        body.fee_kept,
        body.orphans_forbidden,
    )
    return conditions, None if fees.fixed is None else fees.fixed.currency


def conditions_changes(body: ConditionsPatch) -> ConditionsChanges:
    """Return what a patch of conditions says."""
    fees: FeesChanges | UnsetType | None = UNSET if body.fees is UNSET else None
    if isinstance(body.fees, FeesPatch):
        fees = FeesChanges(
            fixed=body.fees.fixed, basis_points=body.fees.basis_points, paid_by=body.fees.paid_by
        )
    return ConditionsChanges(
        payment=body.payment,
        hold_seconds=body.hold_seconds,
        offer_seconds=body.offer_seconds,
        fees=fees,
        refund_windows=UNSET if body.refund_windows is UNSET else _windows(body.refund_windows),
        cancel_hours_before=body.cancel_hours_before,
        fee_kept=body.fee_kept,
        orphans_forbidden=body.orphans_forbidden,
    )


def show_to_buyers(conditions: Conditions, currency: str) -> BuyersConditionsView:
    """Return the part of the conditions that concerns buyers: a fee that the organizer pays does not."""
    shown = conditions.fees.paid_by == "buyer" and conditions.fees != Fees()
    return BuyersConditionsView(
        **_fields(conditions), fees=_show_fees(conditions.fees, currency) if shown else None
    )


def show_conditions(version: int, conditions: Conditions, currency: str) -> ConditionsView:
    """Return all of the conditions."""
    fees = _show_fees(conditions.fees, currency)
    return ConditionsView(
        **_fields(conditions), fees=fees, version=version, offer_seconds=conditions.offer_seconds
    )


def _fields(conditions: Conditions) -> dict[str, Any]:
    return {
        "payment": conditions.payment,
        "hold_seconds": conditions.hold_seconds,
        "refund_windows": [
            RefundWindowView(window.hours_before, window.basis_points) for window in conditions.refund_windows
        ],
        "cancel_hours_before": conditions.cancel_hours_before,
        "fee_kept": conditions.fee_kept,
        "orphans_forbidden": conditions.orphans_forbidden,
    }


def _show_fees(fees: Fees, currency: str) -> FeesView:
    return FeesView(Money(fees.fixed_minor, currency), fees.basis_points, fees.paid_by)


def _windows(bodies: list[RefundWindowBody]) -> tuple[RefundWindow, ...]:
    return tuple(RefundWindow(each.hours_before, each.basis_points) for each in bodies)


# Seats ------------------------------------------------------------------------------------------------------


class SeatChoiceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Seats: all of some sections, all of some rows, some by their ids; together."""

    sections: Sections = []
    rows: Rows = []
    seats: Seats = []


class ZoneBody(SeatChoiceBody, kw_only=True, forbid_unknown_fields=True):
    """A price zone. One that names no seats is all the rest, of which there can be one; seats of no zone are not for sale."""

    name: ZoneName


class SeatingBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The seats of an event: a copy of a map of its venue, in the latest version unless told; without one, the copy that it has."""

    seat_map_id: SeatMapId | None = None
    version: int | None = None
    zones: Annotated[
        list[ZoneBody],
        msgspec.Meta(examples=[[{"name": "Seats"}]], extra_json_schema={"maxItems": ZONES_MAX}),
    ]


class ZoneView(msgspec.Struct, frozen=True):
    """A price zone, and how many seats it has."""

    name: ZoneName
    seats: int


class SeatingView(msgspec.Struct, frozen=True):
    """Assigned seating. `map_version` names the layout for ever: whoever has it needs to fetch it no more."""

    map_version: Annotated[
        str, msgspec.Meta(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    seats: int
    zones: list[ZoneView]


class ZoneCountsView(ZoneView, frozen=True):
    """A price zone and its seats by state, a moment ago: free + taken + blocked = seats."""

    free: int
    taken: int
    blocked: int


class OrganizersSeatingView(msgspec.Struct, frozen=True):
    """Assigned seating, as the organizer sees it. `not_for_sale`: seats of no zone."""

    map_version: str
    seats: int
    not_for_sale: int
    zones: list[ZoneCountsView]


def seating_draft(body: SeatingBody) -> SeatingDraft:
    """Return what a body says about the seats of an event.

    An id that can be none of ours is a map that is not there.
    """
    return SeatingDraft(
        seat_map_id=None if body.seat_map_id is None else find_id("smp", body.seat_map_id) or NO_ID,
        version=body.version,
        zones=tuple(
            ZoneDraft(
                name=zone.name, sections=tuple(zone.sections), rows=tuple(zone.rows), seats=tuple(zone.seats)
            )
            for zone in body.zones
        ),
    )


def seat_choice(body: SeatChoiceBody) -> SeatChoice:
    """Return the seats that a body chooses."""
    return SeatChoice(sections=tuple(body.sections), rows=tuple(body.rows), seats=tuple(body.seats))
