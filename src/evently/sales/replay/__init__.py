"""The proof: an event's state, made from nothing but its journal.

Pure; no line of the rules is used, so that it can contradict them.

    Replay, Contradiction      feed it the facts in order; then look at what they tell
    retold.py                  what was told so far
    bookings.py, money.py      what facts do to bookings with their units and seats; to the ledger, refunds, promo codes
    waiting.py, terms.py       to the waitlist; to what is sold

A fact about something that is not there, or not in that state, is a contradiction; so is any moment at which
more of a pool is taken than there is, a seat has two owners, or more is paid back than was paid. A booking
costs 20 us, one that was held and paid 50 or more (on a slow and busy core; a third of it is the collector of
garbage), and 1.5 or 2.5 kilobytes of memory: of the largest events, follow the bookings part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from evently.sales import facts as fact
from evently.sales.replay import bookings, money, terms, waitlist
from evently.sales.replay.state import Contradiction, Posted, ReplayedBooking, ReplayedSale, Totals

__all__ = ["Contradiction", "Posted", "Replay", "ReplayedBooking", "ReplayedSale", "Totals"]


class Replay(ReplayedSale):
    """Feed it the facts of an event in order with `add`; then look at it."""

    __slots__ = ()

    def add(self, at: datetime, facts: Sequence[fact.Fact]) -> None:
        """Let the facts of one journal row happen. Raises Contradiction."""
        if self.at is not None and at < self.at:
            raise Contradiction(f"{at} was after {self.at}")
        self.seq, self.at = self.seq + 1, at
        try:
            for each in facts:
                _HAPPENING[type(each)](self, each)
                self.accepted = each.booking_id if type(each) is fact.OfferAccepted else None
            if self.offers_ended:
                waitlist.look_at_ended_offers(self)
        except KeyError as exc:
            raise Contradiction(f"nothing is known of {exc.args[0]}") from exc


_HAPPENING: Final[dict[type[fact.Fact], Callable[[ReplayedSale, Any], None]]] = {
    fact.SaleSetUp: terms.set_up,
    fact.SaleChanged: terms.change,
    fact.SaleOpened: terms.open_,
    fact.SaleCancelled: terms.cancel,
    fact.PoolPut: terms.put_pool,
    fact.PoolRemoved: terms.remove_pool,
    fact.TicketTypePut: terms.put_type,
    fact.TicketTypeRetired: terms.retire_type,
    fact.ConditionsPut: terms.put_conditions,
    fact.SeatingPut: terms.put_seating,
    fact.SeatsBlocked: terms.block_seats,
    fact.SeatsUnblocked: terms.unblock_seats,
    fact.PromoCodePut: terms.put_promo,
    fact.BookingHeld: bookings.place_held,
    fact.BookingConfirmed: bookings.place_confirmed,
    fact.HoldExtended: bookings.extend,
    fact.HoldConfirmed: bookings.confirm,
    fact.HoldExpired: bookings.expire,
    fact.BookingCancelled: bookings.cancel,
    fact.TicketsCancelled: bookings.cancel,
    fact.PaymentCaptured: money.capture,
    fact.RefundSettled: money.settle,
    fact.TicketsReturned: bookings.return_tickets,
    fact.TicketsKept: bookings.keep_tickets,
    fact.TicketUnbound: bookings.unbind,
    fact.WaitlistJoined: waitlist.join,
    fact.OfferMade: waitlist.offer,
    fact.OfferAccepted: waitlist.accept,
    fact.EntryWithdrawn: waitlist.withdraw,
    fact.UnitsSetAside: waitlist.set_aside,
}
