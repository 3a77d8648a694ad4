"""Promo codes of an event: a percentage, an amount off each ticket, or the unlocking of hidden ticket types."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import Complaints, Seen, whichever_version
from evently.db import Connection
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing.edits import Added, Edited, edit_sale, lock_for_edit
from evently.organizing.terms import PER_BUYER_MAX, check_instants, given, utc
from evently.sales.commands import PutPromoCode, RetirePromoCode
from evently.sales.reads import Promo, Sale
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX, TICKET_TYPES_MAX, WHOLE, PromoKind, PromoTerms

USES_MAX: Final = 1_000_000  # a limit above it limits nobody: no event has more units
AMOUNT_OFF_MINOR_MAX: Final = 2**31 - 1  # off one ticket; what its column holds
_CODE: Final = re.compile(r"[A-Z0-9._-]+")  # what can be read aloud, and typed on any keyboard


class PromoDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A promo code, as its organizer says it.

    `basis_points` are those of a percentage, `amount` is taken off each ticket.
    """

    code: str
    kind: PromoKind
    basis_points: int | None = None
    amount: Money | None = None
    ticket_type_ids: tuple[UUID, ...] = ()
    uses_max: int | None = None
    per_buyer_max: int | None = None
    budget: Money | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None


class PromoChanges(msgspec.Struct, frozen=True, kw_only=True):
    """A promo code said anew; what is unset stays, and its kind does."""

    code: str | UnsetType = UNSET
    basis_points: int | UnsetType | None = UNSET
    amount: Money | UnsetType | None = UNSET
    ticket_type_ids: tuple[UUID, ...] | UnsetType = UNSET
    uses_max: int | UnsetType | None = UNSET
    per_buyer_max: int | UnsetType | None = UNSET
    budget: Money | UnsetType | None = UNSET
    from_at: datetime | UnsetType | None = UNSET
    until_at: datetime | UnsetType | None = UNSET


async def add_promo_code(tx: Connection, event_id: UUID, draft: PromoDraft, now: datetime) -> Added:
    """Give an event a promo code. Refuses `promo-code-taken`."""
    _, sale = await lock_for_edit(tx, event_id)
    _check_promo(draft, sale)
    made = promo_of(new_id(), draft)
    return Added(*await edit_sale(tx, sale, PutPromoCode(event_id, made), now), made.promo_id)


async def change_promo_code(
    tx: Connection,
    event_id: UUID,
    promo_id: UUID,
    changes: PromoChanges,
    now: datetime,
    seen: Seen = whichever_version,
) -> Edited:
    """Change a promo code for later bookings.

    Refuses `promo-code-taken`, and `capacity-taken` for limits below what was used.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    before = _promo(sale, promo_id).terms
    draft = replace(draft_of_promo(before, sale.currency), **given(changes))
    _check_promo(draft, sale)
    after = replace(promo_of(promo_id, draft), retired=before.retired)
    if after == before:
        return Edited(event, sale)
    return await edit_sale(tx, sale, PutPromoCode(event_id, after), now)


async def retire_promo_code(tx: Connection, event_id: UUID, promo_id: UUID, now: datetime) -> Edited:
    """Take a promo code no more; bookings that were made with it keep their price. Harmless to repeat."""
    event, sale = await lock_for_edit(tx, event_id)
    if _promo(sale, promo_id).terms.retired:
        return Edited(event, sale)
    return await edit_sale(tx, sale, RetirePromoCode(event_id, promo_id), now)


def promo_of(promo_id: UUID, draft: PromoDraft) -> PromoTerms:
    """Return a promo code, which has no complaints, as the till takes it."""
    return PromoTerms(
        promo_id,
        draft.code.strip().upper(),
        draft.kind,
        (draft.basis_points or 0) if draft.amount is None else draft.amount.amount,
        tuple(dict.fromkeys(draft.ticket_type_ids)),
        draft.uses_max,
        draft.per_buyer_max,
        None if draft.budget is None else draft.budget.amount,
        utc(draft.from_at),
        utc(draft.until_at),
    )


def draft_of_promo(terms: PromoTerms, currency: str) -> PromoDraft:
    """Return what the till knows about a promo code as an organizer says it."""
    return PromoDraft(
        code=terms.code,
        kind=terms.kind,
        basis_points=terms.value if terms.kind == "percent" else None,
        amount=Money(terms.value, currency) if terms.kind == "fixed" else None,
        ticket_type_ids=terms.ticket_type_ids,
        uses_max=terms.uses_max,
        per_buyer_max=terms.per_buyer_max,
        budget=None if terms.budget_minor is None else Money(terms.budget_minor, currency),
        from_at=terms.from_at,
        until_at=terms.until_at,
    )


def _check_promo(draft: PromoDraft, sale: Sale) -> None:
    complaints = Complaints()
    code = draft.code.strip().upper()
    if not 1 <= len(code) <= PROMO_CODE_CHARACTERS_MAX or not _CODE.fullmatch(code):
        complaints.about(
            "/code",
            f"Must be 1 to {PROMO_CODE_CHARACTERS_MAX} letters, digits, dots, hyphens and underscores (ASCII).",
        )
    _check_value(complaints, draft, sale.currency)
    if len(draft.ticket_type_ids) > TICKET_TYPES_MAX:
        complaints.about("/ticket_type_ids", f"Must have at most {TICKET_TYPES_MAX} items.")
    for place, ticket_type_id in enumerate(draft.ticket_type_ids[:TICKET_TYPES_MAX]):
        if ticket_type_id not in sale.ticket_types:
            complaints.about(f"/ticket_type_ids/{place}", "There is no such ticket type.")
    complaints.about_number("/uses_max", draft.uses_max, 1, USES_MAX)
    complaints.about_number("/per_buyer_max", draft.per_buyer_max, 1, PER_BUYER_MAX)
    _check_currency(complaints, "/budget/currency", draft.budget, sale.currency)
    check_instants(complaints, "", from_at=draft.from_at, until_at=draft.until_at)
    complaints.refuse_if_any()


def _check_value(complaints: Complaints, draft: PromoDraft, currency: str) -> None:
    """Note what is wrong with what a code takes off: each kind says it in its own way."""
    if draft.kind == "percent" and draft.basis_points is None:
        complaints.about("/basis_points", "Say how many: 1000 is ten percent.")
    elif draft.kind == "percent":
        complaints.about_number("/basis_points", draft.basis_points, 1, WHOLE)
    elif draft.basis_points is not None:
        complaints.about("/basis_points", "Only a code of the kind percent has these.")
    if draft.kind == "fixed" and draft.amount is None:
        complaints.about("/amount", "Say how much it takes off each ticket.")
    elif draft.kind == "fixed" and draft.amount is not None:
        complaints.about_number("/amount/amount", draft.amount.amount, 1, AMOUNT_OFF_MINOR_MAX)
        _check_currency(complaints, "/amount/currency", draft.amount, currency)
    elif draft.amount is not None:
        complaints.about("/amount", "Only a code of the kind fixed has one.")
    if draft.kind == "unlock" and not draft.ticket_type_ids:
        complaints.about("/ticket_type_ids", "Name the hidden ticket types that it unlocks.")


def _check_currency(complaints: Complaints, pointer: str, money: Money | None, currency: str) -> None:
    if money is not None and money.currency != currency:
        complaints.about(pointer, f"The event is sold in {currency}.")


def _promo(sale: Sale, promo_id: UUID) -> Promo:
    promo = sale.promo(promo_id)
    if promo is None:
        raise Refused(CommonRefusal.NOT_FOUND, "promo_code")
    return promo
