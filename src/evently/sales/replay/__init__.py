"""Replay: an event's state, computed from its journal alone.

Pure. Uses no line of the rules, so it can contradict them.

    Replay, Contradiction      add the facts in order, then read the state
    state.py                   the replayed state
    bookings.py, money.py      apply facts to bookings, units, seats; to the ledger, refunds, promo codes
    add_ons.py                 checks that add-ons are sold with what they need
    transfers.py               to the holders and codes of tickets
    exchanges.py               to their seats and codes
    waitlist.py, terms.py      to the waitlist; to what an organizer sets
    check_ins.py               to what happened at the door
    waiting_rooms.py           to what a waiting room promised and drew

A fact about something that does not exist, or is not in the right state, is a contradiction. So is any moment
at which a pool is oversold, a seat has two owners, or more is refunded than was paid. A booking costs 20 us,
one that was held and paid 50 or more (on a slow and busy core; a third of it is garbage collection), and 1.5
or 2.5 kilobytes of memory: replay the bookings of the largest events in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from evently.sales import facts
from evently.sales.replay import (
    bookings,
    check_ins,
    exchanges,
    money,
    terms,
    transfers,
    waiting_rooms,
    waitlist,
)
from evently.sales.replay.state import Contradiction, Posted, ReplayedBooking, ReplayedSale, Totals

__all__ = ["Contradiction", "Posted", "Replay", "ReplayedBooking", "ReplayedSale", "Totals"]


class Replay(ReplayedSale):
    """The replayed state of an event. Add its facts in order, then read it."""

    __slots__ = ()

    def add(self, at: datetime, row_facts: Sequence[facts.Fact]) -> None:
        """Apply the facts of one journal row. Raises Contradiction."""
        if self.at is not None and at < self.at:
            raise Contradiction(f"{at} comes after {self.at}")
        self.seq, self.at = self.seq + 1, at
        try:
            for self.line, each in enumerate(row_facts):
                _APPLY[type(each)](self, each)
                self.accepted = each.booking_id if type(each) is facts.OfferAccepted else None
            if self.offers_ended:
                waitlist.check_ended_offers(self)
            if self.offers_discounted:
                waitlist.check_discounted_offers(self)
        except KeyError as exc:
            raise Contradiction(f"{exc.args[0]} does not exist") from exc


_APPLY: Final[dict[type[facts.Fact], Callable[[ReplayedSale, Any], None]]] = {
    facts.SaleSetUp: terms.set_up,
    facts.SaleChanged: terms.change,
    facts.SaleOpened: terms.open_,
    facts.SaleCancelled: terms.cancel,
    facts.EventRescheduled: terms.reschedule,
    facts.PoolPut: terms.put_pool,
    facts.PoolRemoved: terms.remove_pool,
    facts.TicketTypePut: terms.put_type,
    facts.TicketTypeRetired: terms.retire_type,
    facts.ConditionsPut: terms.put_conditions,
    facts.SeatingPut: terms.put_seating,
    facts.SeatsBlocked: terms.block_seats,
    facts.SeatsUnblocked: terms.unblock_seats,
    facts.SeatBlockChanged: terms.change_seat_block,
    facts.PromoCodePut: terms.put_promo,
    facts.BookingHeld: bookings.place_held,
    facts.BookingConfirmed: bookings.place_confirmed,
    facts.HoldExtended: bookings.extend,
    facts.HoldConfirmed: bookings.confirm,
    facts.HoldExpired: bookings.expire,
    facts.BookingCancelled: bookings.cancel,
    facts.TicketsCancelled: bookings.cancel,
    facts.PaymentCaptured: money.capture,
    facts.RefundSettled: money.settle,
    facts.OutsideRefundsRecorded: money.refund_outside,
    facts.TicketsReturned: bookings.return_tickets,
    facts.TicketsKept: bookings.keep_tickets,
    facts.TicketUnbound: bookings.unbind,
    facts.TransferOffered: transfers.offer,
    facts.TransferAccepted: transfers.accept,
    facts.TransferEnded: transfers.end,
    facts.TicketGivenBack: transfers.give_back,
    facts.TicketsExchanged: exchanges.exchange,
    facts.TicketCheckedIn: check_ins.check_in,
    facts.TicketCheckedOut: check_ins.check_out,
    facts.CheckInUndone: check_ins.undo,
    facts.WaitlistJoined: waitlist.join,
    facts.OfferMade: waitlist.offer,
    facts.OfferDiscounted: waitlist.discount,
    facts.OfferAccepted: waitlist.accept,
    facts.EntryWithdrawn: waitlist.withdraw,
    facts.UnitsSetAside: waitlist.set_aside,
    facts.WaitingRoomPut: waiting_rooms.put,
    facts.WaitingRoomRemoved: waiting_rooms.remove,
    facts.WaitingRoomClosed: waiting_rooms.close,
    facts.WaitingRoomDrawn: waiting_rooms.draw,
}
