"""The views of how an event is sold: conditions, tax, seats in zones."""

from __future__ import annotations

from typing import Annotated

import msgspec

from evently.kit.money import Money
from evently.kit.shapes import copy_fields
from evently.organizing import HeldUnitsPerBuyer, HoldSeconds, HoldsPerBuyer, OfferSeconds, ZoneName
from evently.sales.terms import (
    BasisPoints,
    Conditions,
    Fees,
    GiveBackDays,
    HoursBefore,
    PaidBy,
    PaymentMode,
    RefundWindow,
)

SeatMapIdText = Annotated[str, msgspec.Meta(examples=["smp_01m7y4ef72ev2sxmcnxfse27zp"])]


class FeesView(msgspec.Struct, frozen=True):
    """The fee of a ticket: a fixed amount, and basis points of its discounted price.

    A fee that buyers pay includes its tax: `tax_basis_points`, or (null) the rate of the ticket type.
    """

    fixed: Money
    basis_points: BasisPoints
    paid_by: PaidBy
    tax_basis_points: BasisPoints | None


class BuyersConditionsView(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions that concern buyers. `fees`: what is added to the price of a ticket; null: nothing."""

    payment: PaymentMode
    hold_seconds: HoldSeconds
    fees: FeesView | None
    refund_windows: tuple[RefundWindow, ...]
    cancel_hours_before: HoursBefore
    give_back_days: GiveBackDays
    fee_kept: bool
    holds_per_buyer_max: HoldsPerBuyer
    held_units_per_buyer_max: HeldUnitsPerBuyer
    orphans_forbidden: bool


class ConditionsView(BuyersConditionsView, frozen=True, kw_only=True):
    """The conditions of sale, as the organizer sees them.

    `version`: bookings keep the version under which they were made; 0: the organizer set none.
    """

    version: int
    offer_seconds: OfferSeconds


class TaxView(msgspec.Struct, frozen=True):
    """A tax in basis points of the price, included in the price or added to it."""

    basis_points: BasisPoints
    included: bool


def show_to_buyers(conditions: Conditions, currency: str) -> BuyersConditionsView:
    """Return the conditions that concern buyers: fees only if buyers pay them."""
    fees = conditions.fees
    shown = fees.paid_by == "buyer" and (fees.fixed_minor or fees.basis_points)
    return copy_fields(BuyersConditionsView, conditions, fees=_show_fees(fees, currency) if shown else None)


def show_conditions(version: int, conditions: Conditions, currency: str) -> ConditionsView:
    """Return all conditions."""
    fees = _show_fees(conditions.fees, currency)
    return copy_fields(ConditionsView, conditions, fees=fees, version=version)


def _show_fees(fees: Fees, currency: str) -> FeesView:
    return copy_fields(FeesView, fees, fixed=Money(fees.fixed_minor, currency))


class ZoneView(msgspec.Struct, frozen=True):
    """A price zone, and how many seats it has."""

    name: ZoneName
    seats: int


class SeatingView(msgspec.Struct, frozen=True):
    """Assigned seating. `map_version` identifies the layout, which never changes: fetch it once."""

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
