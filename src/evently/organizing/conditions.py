"""Conditions of sale, as an organizer says them: payment, holds, fees, refunds.

Pure; bookings that were made keep theirs.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import Complaints
from evently.kit.money import AMOUNT_MINOR_MAX, Money
from evently.sales.terms import (
    HOLD_SECONDS_MAX,
    OFFER_SECONDS_MAX,
    REFUND_WINDOWS_MAX,
    WHOLE,
    Conditions,
    Fees,
    RefundWindow,
)

HOURS_BEFORE_MAX: Final = 8_784  # a year: nobody promises refunds further ahead
ONLINE: Final = Conditions(payment="online")  # a new event's over HTTP, unless told


class FeesChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Fees said anew; what is unset stays."""

    fixed: Money | UnsetType | None = UNSET
    basis_points: int | UnsetType = UNSET
    paid_by: Literal["buyer", "organizer"] | UnsetType = UNSET


class ConditionsChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions said anew; what is unset stays. Fees of None: there are none."""

    payment: Literal["online", "door"] | UnsetType = UNSET
    hold_seconds: int | UnsetType = UNSET
    offer_seconds: int | UnsetType = UNSET
    fees: FeesChanges | UnsetType | None = UNSET
    refund_windows: tuple[RefundWindow, ...] | UnsetType = UNSET
    cancel_hours_before: int | UnsetType = UNSET
    fee_kept: bool | UnsetType = UNSET
    orphans_forbidden: bool | UnsetType = UNSET


def changed_conditions(before: Conditions, changes: ConditionsChanges) -> Conditions:
    """Return the conditions after the changes, unchecked."""
    said = {
        name: value
        for name, value in msgspec.structs.asdict(changes).items()
        if value is not UNSET and name != "fees"
    }
    return replace(before, **said, fees=_changed_fees(before.fees, changes.fees))


def check_conditions(complaints: Complaints, pointer: str, conditions: Conditions) -> None:
    """Note what is wrong with conditions of sale."""
    complaints.about_number(f"{pointer}/hold_seconds", conditions.hold_seconds, 1, HOLD_SECONDS_MAX)
    complaints.about_number(f"{pointer}/offer_seconds", conditions.offer_seconds, 1, OFFER_SECONDS_MAX)
    complaints.about_number(f"{pointer}/fees/fixed/amount", conditions.fees.fixed_minor, 0, AMOUNT_MINOR_MAX)
    complaints.about_number(f"{pointer}/fees/basis_points", conditions.fees.basis_points, 0, WHOLE)
    complaints.about_number(
        f"{pointer}/cancel_hours_before", conditions.cancel_hours_before, 0, HOURS_BEFORE_MAX
    )
    _check_windows(complaints, f"{pointer}/refund_windows", conditions.refund_windows)


def check_fee_currency(complaints: Complaints, pointer: str, said: str | None, currency: str) -> None:
    """Note that fees were said in another currency than the event is sold in."""
    if said is not None and said != currency:
        complaints.about(f"{pointer}/fees/fixed/currency", f"The event is sold in {currency}.")


def fee_currency_of(changes: ConditionsChanges) -> str | None:
    """Return the currency in which changes say a fee."""
    fees = changes.fees
    return fees.fixed.currency if isinstance(fees, FeesChanges) and isinstance(fees.fixed, Money) else None


def _changed_fees(before: Fees, changes: FeesChanges | UnsetType | None) -> Fees:
    if changes is UNSET:
        return before
    if changes is None:
        return Fees()
    fixed_minor = (
        before.fixed_minor if changes.fixed is UNSET else 0 if changes.fixed is None else changes.fixed.amount
    )
    return Fees(
        fixed_minor,
        before.basis_points if changes.basis_points is UNSET else changes.basis_points,
        before.paid_by if changes.paid_by is UNSET else changes.paid_by,
    )


def _check_windows(complaints: Complaints, pointer: str, windows: tuple[RefundWindow, ...]) -> None:
    """Note what is wrong with refund windows: each ends later than the one before, and pays back no more."""
    if len(windows) > REFUND_WINDOWS_MAX:
        complaints.about(pointer, f"Must have at most {REFUND_WINDOWS_MAX} items.")
    for place, window in enumerate(windows):
        complaints.about_number(f"{pointer}/{place}/hours_before", window.hours_before, 0, HOURS_BEFORE_MAX)
        complaints.about_number(f"{pointer}/{place}/basis_points", window.basis_points, 0, WHOLE)
        if place and window.hours_before >= windows[place - 1].hours_before:
            complaints.about(f"{pointer}/{place}/hours_before", "Must be less than in the window before.")
        if place and window.basis_points > windows[place - 1].basis_points:
            complaints.about(f"{pointer}/{place}/basis_points", "Must not be more than in the window before.")
