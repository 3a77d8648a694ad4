"""The rules of the waitlist. Pure.

While a ticket type is on sale, those who wait for it come first, also where they joined before the sale began: every entry that the free
units suffice for gets an offer, in the order in which they joined; a group that they do not suffice for is passed over and keeps its place.
What suffices for nobody is set aside until it does, or until nobody wants it. An offer is a hold; when it ends, its units fall free again,
and the next is asked. No clock is needed to see that a sale has begun: every batch looks at the line before its first command.

A returned ticket stays its holder's: an offer may stand for it instead of for a free unit, and takes its place when it is confirmed.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts as fact
from evently.sales.commands import WAITING_MAX, Booking, JoinWaitlist, Listed, No, Outcome, SalesRefusal, Ticket, WaitlistEntry
from evently.sales.state import Batch, Returned, Sale
from evently.sales.terms import TicketTypeTerms
from evently.sales.units import make_tickets, not_selling, over_buyer_limit, place, set_aside


def join(sale: Sale, batch: Batch, command: JoinWaitlist) -> Outcome:
    """Let somebody wait, from before the sale opens until it ends."""
    terms = sale.ticket_types.get(command.ticket_type_id)
    if no := not_selling(sale, None, sale.off_sale_at, batch.now):
        return no
    if terms is None or terms.retired or terms.hidden:
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    if no := not_selling(sale, None, terms.off_sale_at, batch.now):
        return no
    if command.quantity > terms.per_booking_max:
        return No(SalesRefusal.OVER_BOOKING_LIMIT, f"at most {terms.per_booking_max} of {terms.name!r} in one booking")
    if no := over_buyer_limit(batch, command.buyer_id, terms, command.quantity):
        return no
    if (command.buyer_id, command.ticket_type_id) in sale.waiters or _has_offer(batch, command):
        return No(SalesRefusal.ALREADY_WAITING)
    if len(sale.waiters) >= WAITING_MAX:
        return No(SalesRefusal.WAITLIST_FULL, f"at most {WAITING_MAX:,} entries of an event")
    # After this point the entry must succeed.
    entry = WaitlistEntry(
        command.event_id,
        batch.new_id(),
        command.buyer_id,
        command.ticket_type_id,
        command.quantity,
        "waiting",
        "",
        batch.now,
        sale.seq + 1,
    )
    sale.waiting.setdefault(entry.ticket_type_id, {})[entry.entry_id] = entry
    sale.waiters.add((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = entry
    batch.entries_joined.append(entry)
    batch.released = True  # what is free, or set aside for groups, or was returned when nobody waited, may suffice for the newcomer
    batch.facts.append(fact.WaitlistJoined(entry.entry_id, entry.buyer_id, entry.ticket_type_id, entry.quantity))
    return Listed(entry)


def withdraw(sale: Sale, batch: Batch, entry: WaitlistEntry, reason: str) -> WaitlistEntry:
    """Let somebody wait no longer."""
    assert entry.state in ("waiting", "offered"), "only a live entry is withdrawn"
    gone = replace(entry, state="withdrawn", reason=reason, ended_at=batch.now)
    _move(sale, batch, gone)
    batch.facts.append(fact.EntryWithdrawn(entry.entry_id, reason))
    batch.released = True  # what was set aside for it is for the others
    return gone


def end_offer(sale: Sale, batch: Batch, booking: Booking, reason: str) -> None:
    """Let the entry whose offer has ended, if the booking is one, wait no longer."""
    entry = None if booking.entry_id is None else batch.entries[booking.entry_id]
    if entry is not None and entry.state == "offered":
        withdraw(sale, batch, entry, reason)


def fulfil(sale: Sale, batch: Batch, booking: Booking) -> WaitlistEntry | None:
    """Let the entry whose offer was taken, if the booking is one, have what it wished for."""
    entry = None if booking.entry_id is None else batch.entries[booking.entry_id]
    if entry is None or entry.state != "offered":
        return entry
    done = replace(entry, state="fulfilled", ended_at=batch.now)
    _move(sale, batch, done)
    batch.facts.append(fact.OfferAccepted(done.entry_id, booking.booking_id))
    return done


def note_for_everybody(sale: Sale, batch: Batch) -> None:
    """Note what anybody could book of what is waited for: it stays on sale, unless somebody who waits can have it."""
    batch.for_everybody = {type_id: sale.available(sale.ticket_types[type_id]) for type_id, line in sale.waiting.items() if line}


def serve(sale: Sale, batch: Batch) -> None:
    """Offer what is free to those who wait, and set aside for them what else fell free. Runs before the first command, and after each.

    There is one line for all ticket types, for they may share pools; what is set aside for a group is offered to whoever fits before it.
    """
    batch.released = False
    selling = [type_id for type_id, line in sale.waiting.items() if line and _is_selling(sale, batch, sale.ticket_types[type_id])]
    owed = {
        type_id: _left_for(sale, type_id)[0] - batch.for_everybody.get(type_id, sale.available(sale.ticket_types[type_id]))
        for type_id in selling
    }
    dry: set[UUID] = set()  # ticket types of which nothing is left
    for entry in heapq.merge(*[list(sale.waiting[type_id].values()) for type_id in selling], key=_place_in_line):
        if entry.ticket_type_id in dry:
            continue
        own, returned = _left_for(sale, entry.ticket_type_id)
        if entry.quantity <= own + len(returned):
            _offer_or_withdraw(sale, batch, entry, own, returned)
        elif not (own or returned):
            dry.add(entry.ticket_type_id)
            if len(dry) == len(selling):
                break
    _set_asides(sale, batch, owed)
    batch.released = False  # what those who were withdrawn let go is set aside for the others, or for everybody


def withdraw_all(sale: Sale, batch: Batch, reason: str) -> None:
    """Let nobody wait any longer."""
    for entry in [entry for line in sale.waiting.values() for entry in line.values()]:
        withdraw(sale, batch, entry, reason)


def _is_selling(sale: Sale, batch: Batch, terms: TicketTypeTerms) -> bool:
    return not (
        not_selling(sale, sale.on_sale_at, sale.off_sale_at, batch.now) or not_selling(sale, terms.on_sale_at, terms.off_sale_at, batch.now)
    )


def _left_for(sale: Sale, type_id: UUID) -> tuple[int, list[Returned]]:
    """Return what those who wait for a ticket type can get: so many units, free or set aside for whomever, and these returned tickets."""
    terms = sale.ticket_types[type_id]
    units = min([pool.capacity - pool.held - pool.sold for pool in map(sale.pools.__getitem__, terms.pool_ids)])
    if terms.zone is not None:
        assert sale.hall is not None, "a zone is one of the seating"
        units = min(units, sale.hall.free_in(terms.zone))
    returned = [each for each in sale.returned.values() if each.ticket_type_id == type_id and not each.offered]
    return units, sorted(returned, key=lambda each: (each.since, each.ticket_id))  # whoever has loaded them has them in another order


def _offer_or_withdraw(sale: Sale, batch: Batch, entry: WaitlistEntry, own: int, returned: Sequence[Returned]) -> None:
    terms = sale.ticket_types[entry.ticket_type_id]
    if over_buyer_limit(batch, entry.buyer_id, terms, entry.quantity):
        withdraw(sale, batch, entry, "over_limit")
        return
    for type_id in sale.aside:  # what is left of it is set aside anew in the end
        set_aside(sale, batch, type_id, 0)
    own = min(entry.quantity, own)
    _offer(sale, batch, entry, terms, own, returned[: entry.quantity - own])


def _set_asides(sale: Sale, batch: Batch, owed: Mapping[UUID, int]) -> None:
    """Set aside what is left, owed and wanted, in the order of the lines; what is set aside no longer first, for others may get it."""
    left = {pool.pool_id: pool.capacity - pool.held - pool.sold for pool in sale.pools.values()}
    seats = {} if sale.hall is None else {zone: sale.hall.free_in(zone) for zone in sale.hall.zones}
    units = dict.fromkeys(sale.aside, 0)
    for line in sorted(
        [line for type_id in owed if (line := sale.waiting[type_id])], key=lambda line: _place_in_line(next(iter(line.values())))
    ):
        terms = sale.ticket_types[next(iter(line.values())).ticket_type_id]
        most = [left[pool_id] for pool_id in terms.pool_ids] + ([] if terms.zone is None else [seats[terms.zone]])
        wanted = sum([entry.quantity for entry in line.values()])
        aside = units[terms.ticket_type_id] = max(0, min(*most, wanted, owed[terms.ticket_type_id]))
        left |= {pool_id: left[pool_id] - aside for pool_id in terms.pool_ids}
        if terms.zone is not None:
            seats[terms.zone] -= aside
    for type_id, aside in sorted(units.items(), key=lambda each: each[1] - sale.aside.get(each[0], 0)):
        set_aside(sale, batch, type_id, aside)


def _offer(sale: Sale, batch: Batch, entry: WaitlistEntry, terms: TicketTypeTerms, own: int, theirs: Sequence[Returned]) -> None:
    """Hold free units, and returned tickets in the place of others, for somebody who waits."""
    version, conditions = sale.conditions_now()
    tickets: list[Ticket] = []
    if own:
        tickets += make_tickets(sale, batch, terms, conditions, own, _seats_for(sale, terms, own))
    for returned in theirs:
        seats = [] if returned.seat_number is None else [returned.seat_number]
        (ticket,) = make_tickets(sale, batch, terms, conditions, 1, seats)
        tickets.append(replace(ticket, replaces=returned.ticket_id))
        returned.offered = True
    expires_at = batch.now + timedelta(seconds=conditions.offer_seconds)
    booking = Booking(
        sale.event_id,
        batch.new_id(),
        entry.buyer_id,
        "held",
        sale.currency,
        batch.now,
        expires_at,
        None,
        None,
        tuple(tickets),
        version,
        entry_id=entry.entry_id,
    )
    place(sale, batch, booking)
    offered = replace(entry, state="offered", offered_at=batch.now, booking_id=booking.booking_id)
    _move(sale, batch, offered)
    batch.facts.append(fact.OfferMade(entry.entry_id, booking.booking_id))


def _seats_for(sale: Sale, terms: TicketTypeTerms, quantity: int) -> Sequence[int]:
    if terms.zone is None:
        return ()
    assert sale.hall is not None, "a zone is one of the seating"
    seats = sale.hall.pick(terms.zone, quantity) or sale.hall.pick_any(terms.zone, quantity)
    assert seats is not None, "as many seats of the zone are free"
    sale.hall.take(seats)
    return seats


def _move(sale: Sale, batch: Batch, entry: WaitlistEntry) -> None:
    if sale.waiting.get(entry.ticket_type_id, {}).pop(entry.entry_id, None):
        sale.waiters.discard((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = batch.entries_moved[entry.entry_id] = entry


def _has_offer(batch: Batch, command: JoinWaitlist) -> bool:
    return any(
        entry.state == "offered" and entry.buyer_id == command.buyer_id and entry.ticket_type_id == command.ticket_type_id
        for entry in batch.entries.values()
    )


def _place_in_line(entry: WaitlistEntry) -> tuple[int, UUID]:
    return entry.joined_seq, entry.entry_id
