"""The conditions of sale of an event: payment, holds, fees, refunds.

A change is for later bookings; earlier bookings keep the conditions under which they were made.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import Seen, whichever_version
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.money import Money
from evently.kit.shapes import copy_fields, fields_set, items, number
from evently.organizing.edits import Edited, edit_sale, lock_for_edit
from evently.organizing.payable import check_payable
from evently.sales.commands.sale_terms import PutConditions
from evently.sales.terms import (
    HELD_UNITS_PER_BUYER_MAX,
    HOLD_SECONDS_MAX,
    HOLDS_PER_BUYER_MAX,
    OFFER_SECONDS_MAX,
    REFUND_WINDOWS_MAX,
    WHOLE,
    BasisPoints,
    Conditions,
    Fees,
    GiveBackDays,
    HoursBefore,
    PaidBy,
    PaymentMode,
    RefundWindow,
)

HoldSeconds = Annotated[int, number(1, HOLD_SECONDS_MAX, 600)]
OfferSeconds = Annotated[int, number(1, OFFER_SECONDS_MAX, 3_600)]
HoldsPerBuyer = Annotated[int, number(1, HOLDS_PER_BUYER_MAX, 2, "Unpaid bookings of one buyer.")]
HeldUnitsPerBuyer = Annotated[
    int, number(1, HELD_UNITS_PER_BUYER_MAX, 20, "Units in the unpaid bookings of one buyer.")
]
RefundWindows = Annotated[
    tuple[RefundWindow, ...],
    items(
        REFUND_WINDOWS_MAX,
        [[{"hours_before": 336, "basis_points": 10_000}, {"hours_before": 48, "basis_points": 5_000}]],
        (
            "The earliest first. Of those still open, the one with the most hours counts; when none is "
            "open, nothing is refunded."
        ),
    ),
]


class FeesDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fee of a ticket: a fixed amount, and basis points of its discounted price.

    Free tickets carry no fee. A fee that buyers pay includes its tax: `tax_basis_points`, or (null) the rate
    of the ticket type. A fee that the organizer pays has no tax beside that of the price.
    """

    fixed: Money | None = None
    basis_points: BasisPoints = 0
    paid_by: PaidBy = "buyer"
    tax_basis_points: BasisPoints | None = None


class FeesChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of the fees."""

    fixed: Money | UnsetType | None = UNSET
    basis_points: BasisPoints | UnsetType = UNSET
    paid_by: PaidBy | UnsetType = UNSET
    tax_basis_points: BasisPoints | UnsetType | None = UNSET


class ConditionsDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conditions of a new event.

    Online: a booking that costs something is held until it is paid. Door: confirmed at once, paid on site.
    """

    payment: PaymentMode = "online"
    hold_seconds: HoldSeconds = 600
    offer_seconds: Annotated[
        OfferSeconds, msgspec.Meta(description="How long an offer to a waitlist entry is open.")
    ] = 3_600
    fees: FeesDraft | None = None
    refund_windows: RefundWindows = (RefundWindow(0, WHOLE),)
    cancel_hours_before: Annotated[
        HoursBefore, msgspec.Meta(description="Buyers cannot cancel later than this before the start.")
    ] = 0
    give_back_days: Annotated[
        GiveBackDays,
        msgspec.Meta(
            description=(
                "For so many days after the event gets another time or place, and at most until it starts, "
                "who had booked may cancel for a full refund."
            )
        ),
    ] = 14
    fee_kept: Annotated[bool, msgspec.Meta(description="The buyer's fee is never refunded.")] = False
    holds_per_buyer_max: HoldsPerBuyer = 2
    held_units_per_buyer_max: HeldUnitsPerBuyer = 20
    orphans_forbidden: Annotated[
        bool, msgspec.Meta(description="Buyers who name seats may not leave a single free seat beside them.")
    ] = False


class ConditionsChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes for later bookings. Fees of null: no fees."""

    payment: PaymentMode | UnsetType = UNSET
    hold_seconds: HoldSeconds | UnsetType = UNSET
    offer_seconds: OfferSeconds | UnsetType = UNSET
    fees: FeesChanges | UnsetType | None = UNSET
    refund_windows: RefundWindows | UnsetType = UNSET
    cancel_hours_before: HoursBefore | UnsetType = UNSET
    give_back_days: GiveBackDays | UnsetType = UNSET
    fee_kept: bool | UnsetType = UNSET
    holds_per_buyer_max: HoldsPerBuyer | UnsetType = UNSET
    held_units_per_buyer_max: HeldUnitsPerBuyer | UnsetType = UNSET
    orphans_forbidden: bool | UnsetType = UNSET


_PRICED: Final = ("payment", "fees", "refund_windows", "fee_kept")  # what buyers pay and get back depends on


async def change_conditions(
    tx: Connection,
    event_id: UUID,
    changes: ConditionsChanges,
    now: datetime,
    seen: Seen = whichever_version,
    denominations: Denominations = iso_denomination,
) -> Edited:
    """Change the conditions of later bookings; earlier bookings keep theirs."""
    event, sale = await lock_for_edit(tx, event_id, seen)
    _, before = sale.conditions_now()
    after = _changed(before, changes)
    complaints = Complaints()
    complaints.check("", changes)
    check_conditions(complaints, "", changes, sale.currency)
    complaints.refuse_if_any()
    changed = next((name for name in _PRICED if getattr(changes, name) is not UNSET), None)
    if changed is not None:
        check_payable(complaints, f"/{changed}", denominations, sale, conditions=after)
    complaints.refuse_if_any()
    if after == before:
        return Edited(event, sale)
    return await edit_sale(tx, sale, PutConditions(event_id, after), now)


def check_conditions(
    complaints: Complaints, pointer: str, sent: ConditionsDraft | ConditionsChanges, currency: str
) -> None:
    """Note the rules that conditions break; their types have the limits."""
    fixed = sent.fees.fixed if isinstance(sent.fees, FeesDraft | FeesChanges) else None
    if isinstance(fixed, Money) and fixed.currency != currency:
        complaints.about(f"{pointer}/fees/fixed/currency", "another-currency", currency=currency)
    if sent.refund_windows is not UNSET:
        _check_windows(complaints, f"{pointer}/refund_windows", sent.refund_windows)


def conditions_of(draft: ConditionsDraft) -> Conditions:
    """Return the conditions of a new event as sales takes them."""
    return copy_fields(Conditions, draft, fees=_changed_fees(Fees(), draft.fees))


def _changed(before: Conditions, changes: ConditionsChanges) -> Conditions:
    changed: dict[str, Any] = fields_set(changes)
    if changes.fees is not UNSET:
        changed["fees"] = _changed_fees(before.fees, changes.fees)
    return replace(before, **changed)


def _changed_fees(before: Fees, fees: FeesDraft | FeesChanges | None) -> Fees:
    """Return fees with the fields that were sent. None: no fees."""
    if fees is None:
        return Fees()
    changed = fields_set(fees)
    if "fixed" in changed:
        fixed: Money | None = changed.pop("fixed")
        changed["fixed_minor"] = 0 if fixed is None else fixed.amount
    return replace(before, **changed)


def _check_windows(complaints: Complaints, pointer: str, windows: Sequence[RefundWindow]) -> None:
    """Note refund windows that do not end later than the one before, or refund more."""
    for index, (earlier, window) in enumerate(itertools.pairwise(windows), start=1):
        if window.hours_before >= earlier.hours_before:
            complaints.about(f"{pointer}/{index}/hours_before", "window-not-later")
        if window.basis_points > earlier.basis_points:
            complaints.about(f"{pointer}/{index}/basis_points", "window-pays-more")
