"""Who waits, and who is asked, told by the journal."""

from __future__ import annotations

from uuid import UUID

from evently.sales import facts as fact
from evently.sales.replay.state import Contradiction, ReplayedEntry, ReplayedSale

HAS_WAITLIST, HAS_RETURNS = 8, 16  # of `sales.extras`


def join(told: ReplayedSale, happened: fact.WaitlistJoined) -> None:
    """Somebody waits."""
    told.extras |= HAS_WAITLIST
    entry = ReplayedEntry(happened.buyer_id, happened.ticket_type_id, happened.quantity, told.now(), told.seq)
    if told.entries.setdefault(happened.entry_id, entry) is not entry:
        raise Contradiction(f"entry {happened.entry_id} has joined twice")
    told.waiting.setdefault(happened.ticket_type_id, {})[happened.entry_id] = happened.quantity


def offer(told: ReplayedSale, happened: fact.OfferMade) -> None:
    """An entry was offered a booking, which is held."""
    entry = _entry(told, happened.entry_id, "waiting")
    if booking := told.in_state(happened.booking_id, "held"):
        theirs = [type_id for type_id, _ in booking.tickets.values()]
        if (booking.entry_id, booking.buyer_id) != (happened.entry_id, entry.buyer_id) or theirs != [
            entry.ticket_type_id
        ] * entry.quantity:
            raise Contradiction(f"entry {happened.entry_id} was offered something else than it wished for")
    _look_for_overtaken(told, happened.entry_id, entry)
    entry.state, entry.booking_id, entry.offered_at = "offered", happened.booking_id, told.at


def accept(told: ReplayedSale, happened: fact.OfferAccepted) -> None:
    """An offer was taken."""
    entry = _entry(told, happened.entry_id, "offered")
    if entry.booking_id != happened.booking_id:
        raise Contradiction(f"entry {happened.entry_id} was offered another booking")
    entry.state, entry.ended_at = "fulfilled", told.at


def withdraw(told: ReplayedSale, happened: fact.EntryWithdrawn) -> None:
    """An entry waits no longer."""
    entry = told.entries[happened.entry_id]
    if entry.state not in ("waiting", "offered"):
        raise Contradiction(f"entry {happened.entry_id} is {entry.state}, and was withdrawn")
    told.waiting[entry.ticket_type_id].pop(happened.entry_id, None)
    entry.state, entry.reason, entry.ended_at = "withdrawn", happened.reason, told.at


def set_aside(told: ReplayedSale, happened: fact.UnitsSetAside) -> None:
    """So many units are now set aside for those who wait for a ticket type."""
    change = happened.units - told.aside.get(happened.ticket_type_id, 0)
    told.aside[happened.ticket_type_id] = happened.units
    for pool_id in told.types[happened.ticket_type_id].pool_ids:
        told.pools[pool_id].set_aside += change
        told.pools[pool_id].check()


def look_at_ended_offers(told: ReplayedSale) -> None:
    """A row was told in which holds of offers ended: nobody has an offer without a hold."""
    for entry_id in told.offers_ended:
        if told.entries[entry_id].state == "offered":
            raise Contradiction(f"the offer of entry {entry_id} has ended, and it still has it")
    told.offers_ended.clear()


def _entry(told: ReplayedSale, entry_id: UUID, state: str) -> ReplayedEntry:
    entry = told.entries[entry_id]
    if entry.state != state:
        raise Contradiction(f"entry {entry_id} is {entry.state}, not {state}")
    return entry


def _look_for_overtaken(told: ReplayedSale, entry_id: UUID, entry: ReplayedEntry) -> None:
    """Whoever waits for as much or less, and joined before, should have been asked before."""
    line = told.waiting[entry.ticket_type_id]
    for other, quantity in line.items():
        if other == entry_id:
            break
        if quantity <= entry.quantity:
            told.overtaken.append(f"entry {other} was overtaken by {entry_id}")
    del line[entry_id]
