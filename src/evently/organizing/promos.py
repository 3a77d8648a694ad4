"""Promo codes of an event: a percentage or an amount off, or hidden ticket types unlocked."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import Seen, whichever_version
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import TicketTypeReference, new_id
from evently.kit.money import Money
from evently.kit.shapes import Instant, copy_fields, fields_set, items, number
from evently.organizing.edits import Added, Edited, edit_sale, lock_for_edit
from evently.organizing.payable import check_payable
from evently.organizing.ticket_types import PER_BUYER_MAX
from evently.organizing.windows import check_span, utc
from evently.sales.commands.bookings import UNITS_MAX
from evently.sales.commands.sale_terms import PutPromoCode, RetirePromoCode
from evently.sales.reads import Promo, Sale
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX, TICKET_TYPES_MAX, WHOLE, PromoKind, PromoTerms

USES_MAX: Final = 1_000_000  # a limit above it limits nobody: no event has more units
AMOUNT_OFF_MINOR_MAX: Final = 2**31 - 1  # off a ticket or a booking: the largest value of its column
_OFF: Final[frozenset[PromoKind]] = frozenset({"fixed", "fixed_per_booking"})  # kinds with an amount
_CODE: Final = re.compile(r"[A-Z0-9._-]+")  # can be read aloud, and typed on any keyboard


Code = Annotated[
    str,
    msgspec.Meta(
        description="Letters, digits, dots, hyphens, underscores; without regard to case.",
        examples=["SPRING-27"],
        extra_json_schema={"minLength": 1, "maxLength": PROMO_CODE_CHARACTERS_MAX},
    ),
]
Percentage = Annotated[int, number(1, WHOLE, 1_000)]
AmountOff = Annotated[
    Money,
    msgspec.Meta(
        description=(
            "Off each ticket, or off the booking for `fixed_per_booking`, never more than the tickets cost; "
            f"at most {AMOUNT_OFF_MINOR_MAX} minor units."
        )
    ),
]
TicketTypeIds = Annotated[
    tuple[TicketTypeReference, ...],
    items(
        TICKET_TYPES_MAX,
        [[]],
        "Valid for these ticket types; none: for all. It also unlocks the hidden ones among them.",
    ),
]
Uses = Annotated[int, number(1, USES_MAX, 100)]
UnitsPerUse = Annotated[
    int, number(1, UNITS_MAX, 2, "Units of its ticket types in one booking; more are refused.")
]
PerBuyerUses = Annotated[int, number(1, PER_BUYER_MAX, 1)]


class PromoDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new promo code.

    `percent` needs `basis_points`, `fixed` and `fixed_per_booking` need `amount`, and `unlock` needs the
    ticket types that it unlocks.
    """

    code: Code
    kind: PromoKind
    basis_points: Percentage | None = None
    amount: AmountOff | None = None
    ticket_type_ids: TicketTypeIds = ()
    uses_max: Uses | None = None
    per_buyer_max: PerBuyerUses | None = None
    units_per_use_max: UnitsPerUse | None = None
    budget: Money | None = None
    from_at: Instant | None = None
    until_at: Instant | None = None


class PromoChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes for later bookings. Its kind cannot change. Null: no limit."""

    code: Code | UnsetType = UNSET
    basis_points: Percentage | UnsetType | None = UNSET
    amount: AmountOff | UnsetType | None = UNSET
    ticket_type_ids: TicketTypeIds | UnsetType = UNSET
    uses_max: Uses | UnsetType | None = UNSET
    per_buyer_max: PerBuyerUses | UnsetType | None = UNSET
    units_per_use_max: UnitsPerUse | UnsetType | None = UNSET
    budget: Money | UnsetType | None = UNSET
    from_at: Instant | UnsetType | None = UNSET
    until_at: Instant | UnsetType | None = UNSET


async def add_promo_code(
    tx: Connection,
    event_id: UUID,
    draft: PromoDraft,
    now: datetime,
    denominations: Denominations = iso_denomination,
) -> Added:
    """Add a promo code to an event. Refuses `promo-code-taken`."""
    _, sale = await lock_for_edit(tx, event_id)
    _check_promo(draft, draft, sale)
    made = _promo_terms(draft, new_id())
    _check_payable(made, sale, denominations)
    return Added(*await edit_sale(tx, sale, PutPromoCode(event_id, made), now), made.promo_id)


async def change_promo_code(
    tx: Connection,
    event_id: UUID,
    promo_id: UUID,
    changes: PromoChanges,
    now: datetime,
    seen: Seen = whichever_version,
    denominations: Denominations = iso_denomination,
) -> Edited:
    """Change a promo code for later bookings.

    Refuses `promo-code-taken`, and `capacity-taken` for limits below what was used.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    before = get_promo(sale, promo_id).terms
    draft = replace(draft_of_promo(before, sale.currency), **fields_set(changes))
    _check_promo(changes, draft, sale)
    after = _promo_terms(draft, promo_id, retired=before.retired)
    if after == before:
        return Edited(event, sale)
    if (after.value, after.ticket_type_ids) != (before.value, before.ticket_type_ids):
        _check_payable(after, sale, denominations)
    return await edit_sale(tx, sale, PutPromoCode(event_id, after), now)


async def retire_promo_code(tx: Connection, event_id: UUID, promo_id: UUID, now: datetime) -> Edited:
    """Stop accepting a promo code; bookings that were made with it keep their price. Safe to repeat."""
    event, sale = await lock_for_edit(tx, event_id)
    if get_promo(sale, promo_id).terms.retired:
        return Edited(event, sale)
    return await edit_sale(tx, sale, RetirePromoCode(event_id, promo_id), now)


def get_promo(sale: Sale, promo_id: UUID) -> Promo:
    """Return a promo code of a sale. Refuses `not-found`."""
    promo = sale.promo(promo_id)
    if promo is None:
        raise Refused(CommonRefusal.NOT_FOUND, "promo_code")
    return promo


def draft_of_promo(terms: PromoTerms, currency: str) -> PromoDraft:
    """Return a promo code of a sale as an organizer describes it."""
    return copy_fields(
        PromoDraft,
        terms,
        basis_points=terms.value if terms.kind == "percent" else None,
        amount=Money(terms.value, currency) if terms.kind in _OFF else None,
        budget=None if terms.budget_minor is None else Money(terms.budget_minor, currency),
    )


def _promo_terms(draft: PromoDraft, promo_id: UUID, *, retired: bool = False) -> PromoTerms:
    """Return a promo code without complaints as sales takes it."""
    return copy_fields(
        PromoTerms,
        draft,
        promo_id=promo_id,
        code=draft.code.strip().upper(),
        value=(draft.basis_points or 0) if draft.amount is None else draft.amount.amount,
        ticket_type_ids=tuple(dict.fromkeys(draft.ticket_type_ids)),
        budget_minor=None if draft.budget is None else draft.budget.amount,
        from_at=utc(draft.from_at),
        until_at=utc(draft.until_at),
        retired=retired,
    )


def _check_promo(sent: PromoDraft | PromoChanges, draft: PromoDraft, sale: Sale) -> None:
    """Refuse what is wrong with a promo code: the limits of what was sent, and the rules about the whole."""
    complaints = Complaints()
    complaints.check("", sent)
    code = draft.code.strip().upper()
    if not 1 <= len(code) <= PROMO_CODE_CHARACTERS_MAX or not _CODE.fullmatch(code):
        complaints.about(
            "/code",
            "not-a-promo-code",
            characters_max=PROMO_CODE_CHARACTERS_MAX,
        )
    _check_value(complaints, draft, sale.currency)
    for index, ticket_type_id in enumerate(draft.ticket_type_ids[:TICKET_TYPES_MAX]):
        if ticket_type_id not in sale.ticket_types:
            complaints.about(f"/ticket_type_ids/{index}", "unknown-ticket-type")
    _check_currency(complaints, "/budget/currency", draft.budget, sale.currency)
    check_span(complaints, "", from_at=draft.from_at, until_at=draft.until_at)
    complaints.refuse_if_any()


def _check_payable(terms: PromoTerms, sale: Sale, denominations: Denominations) -> None:
    """Refuse a discount that leaves a price which the gateway would not take."""
    complaints = Complaints()
    check_payable(
        complaints,
        "/basis_points" if terms.kind == "percent" else "/amount",
        denominations,
        sale,
        promos=[terms],
    )
    complaints.refuse_if_any()


def _check_value(complaints: Complaints, draft: PromoDraft, currency: str) -> None:
    """Note what is wrong with the value of a promo code, which each kind has in a field of its own."""
    if draft.kind == "percent" and draft.basis_points is None:
        complaints.about("/basis_points", "percent-needs-basis-points")
    elif draft.kind != "percent" and draft.basis_points is not None:
        complaints.about("/basis_points", "basis-points-of-percent-only")
    if draft.kind == "fixed" and draft.amount is None:
        complaints.about("/amount", "fixed-needs-amount")
    elif draft.kind == "fixed_per_booking" and draft.amount is None:
        complaints.about("/amount", "fixed-per-booking-needs-amount")
    elif draft.kind in _OFF and draft.amount is not None:
        if not 1 <= draft.amount.amount <= AMOUNT_OFF_MINOR_MAX:
            complaints.about("/amount/amount", "out-of-range", smallest=1, largest=AMOUNT_OFF_MINOR_MAX)
        _check_currency(complaints, "/amount/currency", draft.amount, currency)
    elif draft.amount is not None:
        complaints.about("/amount", "amount-of-fixed-only")
    if draft.kind == "unlock" and not draft.ticket_type_ids:
        complaints.about("/ticket_type_ids", "unlock-needs-ticket-types")


def _check_currency(complaints: Complaints, pointer: str, money: Money | None, currency: str) -> None:
    if money is not None and money.currency != currency:
        complaints.about(pointer, "another-currency", currency=currency)
