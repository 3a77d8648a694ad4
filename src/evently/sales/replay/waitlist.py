"""Applies waitlist facts to the replayed sale."""

from __future__ import annotations

from uuid import UUID

from evently.sales import facts
from evently.sales.replay import money
from evently.sales.replay.state import Contradiction, PromoUse, ReplayedEntry, ReplayedSale
from evently.sales.states import EntryState

HAS_WAITLIST, HAS_RETURNS = 8, 16  # of `sales.extras`


def join(sale: ReplayedSale, fact: facts.WaitlistJoined) -> None:
    """Add a waitlist entry."""
    sale.extras |= HAS_WAITLIST
    hidden = sale.types[fact.ticket_type_id].hidden
    unlocked = None if fact.promo_id is None else sale.promos[fact.promo_id].terms.ticket_type_ids
    if hidden != (unlocked is not None) or (unlocked and fact.ticket_type_id not in unlocked):
        raise Contradiction(f"promo code {fact.promo_id} did not unlock what entry {fact.entry_id} waits for")
    entry = ReplayedEntry(fact.buyer_id, fact.ticket_type_id, fact.quantity, sale.now(), sale.seq)
    entry.promo_id = fact.promo_id
    if sale.entries.setdefault(fact.entry_id, entry) is not entry:
        raise Contradiction(f"entry {fact.entry_id} joined twice")
    sale.waiting.setdefault(fact.ticket_type_id, {})[fact.entry_id] = fact.quantity


def offer(sale: ReplayedSale, fact: facts.OfferMade) -> None:
    """Offer a held booking to an entry."""
    entry = _entry(sale, fact.entry_id, "waiting")
    if booking := sale.in_state(fact.booking_id, "held"):
        offered = [type_id for type_id, _ in booking.tickets.values()]
        wanted = [entry.ticket_type_id] * entry.quantity
        if (booking.entry_id, booking.buyer_id) != (fact.entry_id, entry.buyer_id) or offered != wanted:
            raise Contradiction(f"entry {fact.entry_id} was offered other tickets than it waits for")
    _note_overtaken(sale, fact.entry_id, entry)
    entry.state, entry.booking_id, entry.offered_at = "offered", fact.booking_id, sale.at


def discount(sale: ReplayedSale, fact: facts.OfferDiscounted) -> None:
    """Discount an offer with a promo code, just before it is accepted."""
    entry = _entry(sale, fact.entry_id, "offered")
    if entry.booking_id != fact.booking_id or fact.booking_id in sale.promo_uses:
        raise Contradiction(f"entry {fact.entry_id} was offered another booking, or one with a promo code")
    if len(fact.money) != len(fact.tickets) or len(fact.fee_taxes) not in (0, len(fact.tickets)):
        raise Contradiction(
            f"{len(fact.tickets)} tickets of {fact.booking_id} have {len(fact.money)} amounts"
        )
    if booking := sale.in_state(fact.booking_id, "held"):
        if booking.tickets != {ticket_id: (type_id, price) for ticket_id, type_id, price in fact.tickets}:
            raise Contradiction(f"{fact.booking_id} has other tickets")
        money.discount_offer(sale, booking, fact)
    spent_minor = sum([amounts[0] for amounts in fact.money])
    use = PromoUse(fact.promo_id, entry.buyer_id, spent_minor)
    money.use_promo(sale, fact.booking_id, use, fact.tickets)
    sale.offers_discounted.append(fact.entry_id)


def accept(sale: ReplayedSale, fact: facts.OfferAccepted) -> None:
    """Fulfil an entry: its offer was accepted."""
    entry = _entry(sale, fact.entry_id, "offered")
    if entry.booking_id != fact.booking_id:
        raise Contradiction(f"entry {fact.entry_id} was offered another booking")
    hidden = entry.promo_id is not None and sale.types[entry.ticket_type_id].hidden
    if hidden and fact.booking_id not in sale.promo_uses:
        raise Contradiction(f"the offer of entry {fact.entry_id} was accepted without a promo code")
    entry.state, entry.ended_at = "fulfilled", sale.at


def withdraw(sale: ReplayedSale, fact: facts.EntryWithdrawn) -> None:
    """Withdraw an entry."""
    entry = sale.entries[fact.entry_id]
    if entry.state not in ("waiting", "offered"):
        raise Contradiction(f"entry {fact.entry_id} is {entry.state}, but was withdrawn")
    sale.waiting[entry.ticket_type_id].pop(fact.entry_id, None)
    entry.state, entry.reason, entry.ended_at = "withdrawn", fact.reason, sale.at


def set_aside(sale: ReplayedSale, fact: facts.UnitsSetAside) -> None:
    """Set units aside for the waitlist of a ticket type."""
    change = fact.units - sale.set_asides.get(fact.ticket_type_id, 0)
    sale.set_asides[fact.ticket_type_id] = fact.units
    for pool_id in sale.types[fact.ticket_type_id].pool_ids:
        sale.pools[pool_id].set_aside += change
        sale.pools[pool_id].check()


def check_ended_offers(sale: ReplayedSale) -> None:
    """Check, after a row that ended holds of offers, that no entry has an offer without a hold."""
    for entry_id in sale.offers_ended:
        if sale.entries[entry_id].state == "offered":
            raise Contradiction(f"the hold of entry {entry_id} has ended, but the entry still has the offer")
    sale.offers_ended.clear()


def check_discounted_offers(sale: ReplayedSale) -> None:
    """Check, after a row that discounted offers, that they were accepted."""
    for entry_id in sale.offers_discounted:
        if sale.entries[entry_id].state != "fulfilled":
            raise Contradiction(f"the offer of entry {entry_id} was discounted, but not accepted")
    sale.offers_discounted.clear()


def _entry(sale: ReplayedSale, entry_id: UUID, state: EntryState) -> ReplayedEntry:
    entry = sale.entries[entry_id]
    if entry.state != state:
        raise Contradiction(f"entry {entry_id} is {entry.state}, not {state}")
    return entry


def _note_overtaken(sale: ReplayedSale, entry_id: UUID, entry: ReplayedEntry) -> None:
    """Note entries that joined earlier, want at most as many units, and got no offer before this one."""
    waiting = sale.waiting[entry.ticket_type_id]
    for other, quantity in waiting.items():
        if other == entry_id:
            break
        if quantity <= entry.quantity:
            sale.overtaken.append(f"entry {other} was overtaken by {entry_id}")
    del waiting[entry_id]
