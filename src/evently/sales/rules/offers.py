"""Who is offered released units: the waitlist is served before the next command. Pure.

While a ticket type is on sale, its waiting entries come first, including those that joined before the sale
began. Every entry that the available units suffice for gets an offer, in the order of joining. A group that
they do not suffice for is passed over and keeps its position. Units that suffice for no entry are set aside
until they do, or until no entry wants them. An offer is a hold; when it ends, its units are released, and the
next entry gets an offer. No clock is needed to notice that a sale has begun: every batch serves the waitlist
before its first command.

A returned ticket remains its holder's: an offer may replace it instead of taking a free unit, and takes it
over when the offer is confirmed.

The verbs of the waitlist (join, leave, accept) are in waitlist.py; bookings.py calls this module when holds
end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.nouns import Booking, Ticket, WaitlistEntry
from evently.sales.rules.moves import make_tickets, not_selling, over_buyer_limit, place, set_aside
from evently.sales.rules.pricing import payment_of
from evently.sales.rules.state import Batch, Pool, ReturnedTicket, Sale, Waitlist, waitlist_key
from evently.sales.states import WithdrawalReason
from evently.sales.terms import TicketTypeTerms

_LAST: Final = (2**63, UUID(int=2**128 - 1))  # the joining order of a waitlist of which no entry is known

# Entries ----------------------------------------------------------------------------------------------------


def withdraw(sale: Sale, batch: Batch, entry: WaitlistEntry, reason: WithdrawalReason) -> WaitlistEntry:
    """Withdraw an entry."""
    assert entry.state in ("waiting", "offered"), "only a live entry is withdrawn"
    withdrawn = replace(entry, state="withdrawn", reason=reason, ended_at=batch.now)
    _change_entry(sale, batch, entry, withdrawn)
    batch.facts.append(facts.EntryWithdrawn(entry.entry_id, reason))
    batch.serve_waitlist = True  # units that were set aside for it are for the others
    return withdrawn


def withdraw_all(
    sale: Sale, batch: Batch, reason: WithdrawalReason, ticket_type_id: UUID | None = None
) -> None:
    """Withdraw all waiting entries, for one ticket type or for all. All of them must be loaded."""
    waiting = [
        entry
        for entry in batch.entries.values()
        if entry.state == "waiting" and ticket_type_id in (None, entry.ticket_type_id)
    ]
    for entry in sorted(waiting, key=waitlist_key):
        withdraw(sale, batch, entry, reason)
    assert not any(
        waitlist.counts for type_id, waitlist in sale.waitlists.items() if ticket_type_id in (None, type_id)
    ), "an entry still waits"


def end_offer(sale: Sale, batch: Batch, booking: Booking, reason: WithdrawalReason) -> None:
    """Withdraw the entry whose offer has ended, if the booking is an offer."""
    entry = None if booking.entry_id is None else batch.entries[booking.entry_id]
    if entry is not None and entry.state == "offered":
        withdraw(sale, batch, entry, reason)


def fulfil(sale: Sale, batch: Batch, booking: Booking) -> WaitlistEntry | None:
    """Fulfil the entry whose offer was accepted, if the booking is an offer."""
    entry = None if booking.entry_id is None else batch.entries[booking.entry_id]
    if entry is None or entry.state != "offered":
        return entry
    fulfilled = replace(entry, state="fulfilled", ended_at=batch.now)
    _change_entry(sale, batch, entry, fulfilled)
    batch.facts.append(facts.OfferAccepted(fulfilled.entry_id, booking.booking_id))
    return fulfilled


def _change_entry(sale: Sale, batch: Batch, before: WaitlistEntry, entry: WaitlistEntry) -> None:
    if before.state == "waiting":
        sale.waitlists[entry.ticket_type_id].remove(entry)
    if entry.state != "offered":
        batch.live.discard((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = batch.entries_changed[entry.entry_id] = entry


# Serving ----------------------------------------------------------------------------------------------------


def note_public_units(sale: Sale, batch: Batch) -> None:
    """Note the units of waitlisted ticket types that anybody can book now.

    They stay on sale to everybody, unless a waiting entry fits them.
    """
    batch.public_units = {
        type_id: sale.available(sale.ticket_types[type_id])
        for type_id, waitlist in sale.waitlists.items()
        if waitlist.counts
    }


def serve(sale: Sale, batch: Batch) -> None:
    """Offer available units to waiting entries in order; set aside the released rest.

    Runs before the first command of a batch and after each. There is one order for all ticket types, because
    they may share pools: units that are set aside for a group are offered to an entry that fits and joined
    before it.
    """
    batch.serve_waitlist = False
    selling = [
        type_id
        for type_id, waitlist in sale.waitlists.items()
        if waitlist.counts and _is_selling(sale, batch, sale.ticket_types[type_id])
    ]
    reserved = {
        type_id: _available_for(sale, type_id)[0] - _public_units(sale, batch, type_id) for type_id in selling
    }
    batch.unserved = not _make_offers(sale, batch, selling)
    _set_aside_rest(sale, batch, reserved)
    # Units of entries that were withdrawn meanwhile have just been set aside for others, or are on sale
    batch.serve_waitlist = False


def can_serve(sale: Sale, batch: Batch) -> bool:
    """Return whether a waiting entry fits the available units now, before any command."""
    for type_id, waitlist in sale.waitlists.items():
        if waitlist.counts and _is_selling(sale, batch, sale.ticket_types[type_id]):
            own, returned = _available_for(sale, type_id)
            if waitlist.first_fitting(own + len(returned)):
                return True
    return False


def _public_units(sale: Sale, batch: Batch, type_id: UUID) -> int:
    noted = batch.public_units.get(type_id)
    # None: no entry waited for this ticket type before the command
    return sale.available(sale.ticket_types[type_id]) if noted is None else noted


def _make_offers(sale: Sale, batch: Batch, selling: Sequence[UUID]) -> bool:
    """Make offers in order until no waiting entry fits.

    False: the next entry is not loaded, so another batch must continue. The cost depends on the number of
    offers and of different quantities, not on the length of the waitlist.
    """
    while True:
        heads: list[WaitlistEntry] = []
        for type_id in selling:
            own, returned = _available_for(sale, type_id)
            if not sale.waitlists[type_id].knows_next(own + len(returned)):
                return False
            if head := sale.waitlists[type_id].first_fitting(own + len(returned)):
                heads.append(head)
        if not heads:
            return True
        entry = min(heads, key=waitlist_key)
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


def _available_for(sale: Sale, type_id: UUID) -> tuple[int, list[ReturnedTicket]]:
    """Return the units, free or set aside, and the returned tickets that waiting entries can get."""
    terms = sale.ticket_types[type_id]
    units = min(
        [pool.capacity - pool.held - pool.sold for pool in map(sale.pools.__getitem__, terms.pool_ids)]
    )
    if terms.zone is not None:
        assert sale.hall is not None, "a zone belongs to the seating"
        units = min(units, sale.hall.available_in(terms.zone))
    returned = [
        each for each in sale.returned.values() if each.ticket_type_id == type_id and not each.offered
    ]
    # Sorted, because a sale loaded from rows has them in another order
    return units, sorted(returned, key=lambda each: (each.since, each.ticket_id))


def _offer_or_withdraw(sale: Sale, batch: Batch, entry: WaitlistEntry, terms: TicketTypeTerms) -> None:
    if over_buyer_limit(batch, entry.buyer_id, terms, entry.quantity):
        withdraw(sale, batch, entry, "over_limit")
        return
    for type_id in sale.set_asides:  # the rest is set aside again at the end
        set_aside(sale, batch, type_id, 0)
    units, returned = _available_for(sale, entry.ticket_type_id)
    own = min(entry.quantity, units)
    _offer(sale, batch, entry, terms, own, returned[: entry.quantity - own])


def _set_aside_rest(sale: Sale, batch: Batch, reserved: Mapping[UUID, int]) -> None:
    """Set aside the units that are left, reserved and wanted, in the order of joining.

    Units that are no longer set aside are released first, because another ticket type may get them. When
    entries that fit are still unserved, everything that is left is reserved: the next batch serves them,
    before anybody else.
    """
    left = {pool.pool_id: pool.capacity - pool.held - pool.sold for pool in sale.pools.values()}
    seats = {} if sale.hall is None else {zone: sale.hall.available_in(zone) for zone in sale.hall.zones}
    units = dict.fromkeys(sale.set_asides, 0)
    for type_id in sorted(
        [type_id for type_id in reserved if sale.waitlists[type_id].counts],
        key=lambda type_id: _first_in(sale.waitlists[type_id]),
    ):
        terms = sale.ticket_types[type_id]
        most = min(
            [left[pool_id] for pool_id in terms.pool_ids]
            + ([] if terms.zone is None else [seats[terms.zone]])
        )
        aside = min(most, sale.waitlists[type_id].units())
        if not batch.unserved:
            aside = max(0, min(aside, reserved[type_id]))
        units[type_id] = aside
        left |= {pool_id: left[pool_id] - aside for pool_id in terms.pool_ids}
        if terms.zone is not None:
            seats[terms.zone] -= aside
    for type_id, aside in sorted(units.items(), key=lambda each: each[1] - sale.set_asides.get(each[0], 0)):
        set_aside(sale, batch, type_id, aside)


def release_set_asides(sale: Sale, batch: Batch, pool: Pool, units: int) -> None:
    """Release so many of a pool's set-aside units, those of the waitlist that joined last first.

    They belong to nobody yet. Serving the waitlist afterwards sets aside what is still left for it.
    """
    for type_id in sorted(
        [type_id for type_id in sale.set_asides if pool.pool_id in sale.ticket_types[type_id].pool_ids],
        key=lambda type_id: (
            _first_in(sale.waitlists[type_id]) if type_id in sale.waitlists else _LAST,
            type_id,
        ),
        reverse=True,
    ):
        released = max(0, min(units, sale.set_asides[type_id]))
        set_aside(sale, batch, type_id, sale.set_asides[type_id] - released)
        units -= released


def _first_in(waitlist: Waitlist) -> tuple[int, UUID]:
    return min(
        [waitlist_key(entry) for firsts in waitlist.firsts.values() for entry in islice(firsts.values(), 1)],
        default=_LAST,
    )


def _offer(
    sale: Sale,
    batch: Batch,
    entry: WaitlistEntry,
    terms: TicketTypeTerms,
    own: int,
    returned_tickets: Sequence[ReturnedTicket],
) -> None:
    """Hold free units, and replacements of returned tickets, for a waiting entry."""
    version, conditions = sale.conditions_now()
    tickets: list[Ticket] = []
    if own:
        tickets += make_tickets(sale, batch, terms, conditions, own, _take_seats(sale, terms, own))
    for returned in returned_tickets:
        seats = [] if returned.seat_number is None else [returned.seat_number]
        (ticket,) = make_tickets(sale, batch, terms, conditions, 1, seats)
        tickets.append(replace(ticket, replaces=returned.ticket_id))
        returned.offered = True
    seconds = conditions.offer_seconds
    # An entry that joins while enough units are available gets no more time than a booking
    if entry.joined_seq > sale.seq:
        seconds = min(seconds, conditions.hold_seconds)
    booking = Booking(
        event_id=sale.event_id,
        booking_id=batch.new_id(),
        buyer_id=entry.buyer_id,
        state="held",
        currency=sale.currency,
        placed_at=batch.now,
        expires_at=batch.now + timedelta(seconds=seconds),
        confirmed_at=None,
        ended_at=None,
        tickets=tuple(tickets),
        conditions_version=version,
        entry_id=entry.entry_id,
        payment=payment_of(conditions, tickets),
    )
    place(sale, batch, booking)
    offered = replace(entry, state="offered", offered_at=batch.now, booking_id=booking.booking_id)
    _change_entry(sale, batch, entry, offered)
    batch.facts.append(facts.OfferMade(entry.entry_id, booking.booking_id))


def _take_seats(sale: Sale, terms: TicketTypeTerms, quantity: int) -> Sequence[int]:
    if terms.zone is None:
        return ()
    assert sale.hall is not None, "a zone belongs to the seating"
    seats = sale.hall.pick(terms.zone, quantity) or sale.hall.pick_any(terms.zone, quantity)
    assert seats is not None, "the zone has as many free seats"
    sale.hall.take(seats)
    return seats
