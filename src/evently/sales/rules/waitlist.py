"""The rules of the waitlist. Pure.

While a ticket type is on sale, those who wait for it come first, also where they joined before the sale
began: every entry that the free units suffice for gets an offer, in the order in which they joined; a group
that they do not suffice for is passed over and keeps its place. What suffices for nobody is set aside until
it does, or until nobody wants it. An offer is a hold; when it ends, its units fall free again, and the next
is asked. No clock is needed to see that a sale has begun: every batch looks at the line before its first
command.

A returned ticket stays its holder's: an offer may stand for it instead of for a free unit, and takes its
place when it is confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts as fact
from evently.sales.commands import (
    WAITING_MAX,
    Booking,
    JoinWaitlist,
    Listed,
    No,
    Outcome,
    SalesRefusal,
    Ticket,
    WaitlistEntry,
)
from evently.sales.rules.moves import make_tickets, not_selling, over_buyer_limit, place, set_aside
from evently.sales.rules.state import Batch, ReturnedTicket, Sale, Waitlist, place_in_line
from evently.sales.terms import TicketTypeTerms

_LAST: Final = (2**63, UUID(int=2**128 - 1))  # the place of a line of which nobody is known


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
        return No(
            SalesRefusal.OVER_BOOKING_LIMIT,
            "per_booking_max",
            {"per_booking_max": terms.per_booking_max, "ticket_type": terms.name},
        )
    if no := over_buyer_limit(batch, command.buyer_id, terms, command.quantity):
        return no
    if (command.buyer_id, command.ticket_type_id) in batch.live:
        return No(SalesRefusal.ALREADY_WAITING)
    if sum([sum(line.counts.values()) for line in sale.lines.values()]) >= WAITING_MAX:
        return No(SalesRefusal.WAITLIST_FULL, "entries_max", {"entries_max": WAITING_MAX})
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
    sale.lines.setdefault(entry.ticket_type_id, Waitlist()).add(entry)
    batch.live.add((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = entry
    batch.entries_joined.append(entry)
    # What is free, or set aside for groups, or was returned when nobody waited, may suffice for the
    # newcomer
    batch.released = True
    batch.facts.append(
        fact.WaitlistJoined(entry.entry_id, entry.buyer_id, entry.ticket_type_id, entry.quantity)
    )
    return Listed(entry)


def withdraw(sale: Sale, batch: Batch, entry: WaitlistEntry, reason: str) -> WaitlistEntry:
    """Let somebody wait no longer."""
    assert entry.state in ("waiting", "offered"), "only a live entry is withdrawn"
    gone = replace(entry, state="withdrawn", reason=reason, ended_at=batch.now)
    _move(sale, batch, entry, gone)
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
    _move(sale, batch, entry, done)
    batch.facts.append(fact.OfferAccepted(done.entry_id, booking.booking_id))
    return done


def note_for_everybody(sale: Sale, batch: Batch) -> None:
    """Note what anybody could book of what is waited for: it stays on sale, unless somebody who waits can have it."""
    batch.for_everybody = {
        type_id: sale.available(sale.ticket_types[type_id])
        for type_id, line in sale.lines.items()
        if line.counts
    }


def serve(sale: Sale, batch: Batch) -> None:
    """Offer what is free to those who wait, and set aside for them what else fell free.

    Runs before the first command, and after each.

    There is one line for all ticket types, for they may share pools; what is set aside for a group is offered
    to whoever fits before it.
    """
    batch.released = False
    selling = [
        type_id
        for type_id, line in sale.lines.items()
        if line.counts and _is_selling(sale, batch, sale.ticket_types[type_id])
    ]
    owed = {
        type_id: _left_for(sale, type_id)[0] - _for_everybody(sale, batch, type_id) for type_id in selling
    }
    batch.unserved = not _offer_in_turn(sale, batch, selling)
    _set_asides(sale, batch, owed)
    # What those who were withdrawn let go is set aside for the others, or for everybody
    batch.released = False


def can_serve(sale: Sale, batch: Batch) -> bool:
    """Return whether there is enough for somebody in line as things are, before any command."""
    for type_id, line in sale.lines.items():
        if line.counts and _is_selling(sale, batch, sale.ticket_types[type_id]):
            own, returned = _left_for(sale, type_id)
            if line.first(own + len(returned)):
                return True
    return False


def withdraw_all(sale: Sale, batch: Batch, reason: str, ticket_type_id: UUID | None = None) -> None:
    """Let nobody wait any longer, for one ticket type or for any. All entries were loaded for it."""
    waiting = [
        entry
        for entry in batch.entries.values()
        if entry.state == "waiting" and ticket_type_id in (None, entry.ticket_type_id)
    ]
    for entry in sorted(waiting, key=place_in_line):
        withdraw(sale, batch, entry, reason)
    assert not any(
        line.counts for type_id, line in sale.lines.items() if ticket_type_id in (None, type_id)
    ), "somebody waits on"


def _for_everybody(sale: Sale, batch: Batch, type_id: UUID) -> int:
    noted = batch.for_everybody.get(type_id)
    return (
        sale.available(sale.ticket_types[type_id]) if noted is None else noted
    )  # nobody waited for it before the command


def _offer_in_turn(sale: Sale, batch: Batch, selling: Sequence[UUID]) -> bool:
    """Ask those who wait for as long as there is enough for one of them; False when it is not known who is next.

    What that costs depends on how many are asked, and on how different their wishes are, not on how many
    wait.
    """
    while True:
        heads: list[WaitlistEntry] = []
        for type_id in selling:
            own, returned = _left_for(sale, type_id)
            if not sale.lines[type_id].knows(own + len(returned)):
                return False
            if head := sale.lines[type_id].first(own + len(returned)):
                heads.append(head)
        if not heads:
            return True
        entry = min(heads, key=place_in_line)
        terms = sale.ticket_types[entry.ticket_type_id]
        if (
            terms.per_buyer_max is not None
            and (entry.buyer_id, entry.ticket_type_id) not in batch.buyer_units
        ):
            return False
        _offer_or_withdraw(sale, batch, entry, terms)


def _is_selling(sale: Sale, batch: Batch, terms: TicketTypeTerms) -> bool:
    return not (
        not_selling(sale, sale.on_sale_at, sale.off_sale_at, batch.now)
        or not_selling(sale, terms.on_sale_at, terms.off_sale_at, batch.now)
    )


def _left_for(sale: Sale, type_id: UUID) -> tuple[int, list[ReturnedTicket]]:
    """Return what those who wait for a ticket type can get: so many units, free or set aside for whomever, and these returned tickets."""
    terms = sale.ticket_types[type_id]
    units = min(
        [pool.capacity - pool.held - pool.sold for pool in map(sale.pools.__getitem__, terms.pool_ids)]
    )
    if terms.zone is not None:
        assert sale.hall is not None, "a zone is one of the seating"
        units = min(units, sale.hall.available_in(terms.zone))
    returned = [
        each for each in sale.returned.values() if each.ticket_type_id == type_id and not each.offered
    ]
    return units, sorted(
        returned, key=lambda each: (each.since, each.ticket_id)
    )  # whoever has loaded them has them in another order


def _offer_or_withdraw(sale: Sale, batch: Batch, entry: WaitlistEntry, terms: TicketTypeTerms) -> None:
    if over_buyer_limit(batch, entry.buyer_id, terms, entry.quantity):
        withdraw(sale, batch, entry, "over_limit")
        return
    for type_id in sale.aside:  # what is left of it is set aside anew in the end
        set_aside(sale, batch, type_id, 0)
    units, returned = _left_for(sale, entry.ticket_type_id)
    own = min(entry.quantity, units)
    _offer(sale, batch, entry, terms, own, returned[: entry.quantity - own])


def _set_asides(sale: Sale, batch: Batch, owed: Mapping[UUID, int]) -> None:
    """Set aside what is left, owed and wanted, in the order of the lines; what is set aside no longer first, for others may get it.

    Where not all were served whom there is enough for, all that is left is owed: another batch will serve
    them, and nobody before it.
    """
    left = {pool.pool_id: pool.capacity - pool.held - pool.sold for pool in sale.pools.values()}
    seats = {} if sale.hall is None else {zone: sale.hall.available_in(zone) for zone in sale.hall.zones}
    units = dict.fromkeys(sale.aside, 0)
    for type_id in sorted(
        [type_id for type_id in owed if sale.lines[type_id].counts],
        key=lambda type_id: _head(sale.lines[type_id]),
    ):
        terms = sale.ticket_types[type_id]
        most = min(
            [left[pool_id] for pool_id in terms.pool_ids]
            + ([] if terms.zone is None else [seats[terms.zone]])
        )
        aside = min(most, sale.lines[type_id].units())
        if not batch.unserved:
            aside = max(0, min(aside, owed[type_id]))
        units[type_id] = aside
        left |= {pool_id: left[pool_id] - aside for pool_id in terms.pool_ids}
        if terms.zone is not None:
            seats[terms.zone] -= aside
    for type_id, aside in sorted(units.items(), key=lambda each: each[1] - sale.aside.get(each[0], 0)):
        set_aside(sale, batch, type_id, aside)


def _head(line: Waitlist) -> tuple[int, UUID]:
    return min(
        [place_in_line(entry) for firsts in line.firsts.values() for entry in islice(firsts.values(), 1)],
        default=_LAST,
    )


def _offer(
    sale: Sale,
    batch: Batch,
    entry: WaitlistEntry,
    terms: TicketTypeTerms,
    own: int,
    theirs: Sequence[ReturnedTicket],
) -> None:
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
    seconds = conditions.offer_seconds
    # Whoever joins where enough is left is there, and gets no more time than who books
    if entry.joined_seq > sale.seq:
        seconds = min(seconds, conditions.hold_seconds)
    expires_at = batch.now + timedelta(seconds=seconds)
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
    _move(sale, batch, entry, offered)
    batch.facts.append(fact.OfferMade(entry.entry_id, booking.booking_id))


def _seats_for(sale: Sale, terms: TicketTypeTerms, quantity: int) -> Sequence[int]:
    if terms.zone is None:
        return ()
    assert sale.hall is not None, "a zone is one of the seating"
    seats = sale.hall.pick(terms.zone, quantity) or sale.hall.pick_any(terms.zone, quantity)
    assert seats is not None, "as many seats of the zone are free"
    sale.hall.take(seats)
    return seats


def _move(sale: Sale, batch: Batch, before: WaitlistEntry, entry: WaitlistEntry) -> None:
    if before.state == "waiting":
        sale.lines[entry.ticket_type_id].remove(entry)
    if entry.state != "offered":
        batch.live.discard((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = batch.entries_moved[entry.entry_id] = entry
