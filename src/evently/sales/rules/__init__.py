"""Every rule of sale. Pure: no clock, no I/O, no await; `decide` takes the state of one event and gives outcomes and changes.

The state comes in as a `Sale` (what lasts from batch to batch) and a `Batch` (what this batch's commands
name). Deciding changes both in place, so that the second command of a batch sees what the first one did; a
batch that fails throws both away. Nothing here refuses by raising: a refusal is a value, and one refused
command never disturbs its neighbours.

    placing_rules   place: units, the best seats or named ones, promo codes
    booking_rules   hold, confirm, extend, cancel, expire, return; accept and decline an offer
    waitlist_rules  join; who is asked first when units fall free
    sale_rules      what an organizer may change
    units           the moves that they are made of; pricing and ledger: the money

Budget: about 10 microseconds a booking, for at saturation this runs several thousand times a second on one
core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from evently.sales.commands import (
    AcceptOffer,
    BlockSeats,
    Booked,
    Booking,
    CancelBooking,
    CancelSale,
    ChangeSale,
    Command,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    JoinWaitlist,
    KeepTickets,
    LeaveWaitlist,
    Listed,
    No,
    OpenSale,
    Outcome,
    PlaceBooking,
    PutConditions,
    PutPool,
    PutPromoCode,
    PutSeating,
    PutTicketType,
    RecordCapture,
    RecordRefund,
    RemovePool,
    RetirePromoCode,
    RetireTicketType,
    ReturnTickets,
    SalesRefusal,
    SetUpSale,
    UnblockSeats,
)
from evently.sales.rules import bookings as booking_rules
from evently.sales.rules import placing as placing_rules
from evently.sales.rules import sale as sale_rules
from evently.sales.rules import waitlist as waitlist_rules
from evently.sales.rules.state import Batch, KeyedOutcome, Sale

Keyed: TypeAlias = PlaceBooking | CancelBooking | JoinWaitlist
_KEYED: Final = (PlaceBooking, CancelBooking, JoinWaitlist)  # testing for a tuple takes half the time


def decide(sale: Sale | None, batch: Batch, commands: Sequence[Command]) -> tuple[Sale | None, list[Outcome]]:
    """Answer the commands on one event, in order.

    Returns the sale (new if it was set up here) and one outcome for each command.
    """
    outcomes: list[Outcome] = []
    if sale is not None:
        _begin(sale, batch)
    for command in commands:
        if isinstance(command, SetUpSale):
            sale, outcome = sale_rules.set_up(sale, batch, command)
        elif sale is None:
            outcome = No(SalesRefusal.EVENT_NOT_FOUND)
        else:
            if sale.lines and not isinstance(command, PlaceBooking):  # a booking lets nothing fall free
                waitlist_rules.note_for_everybody(sale, batch)
            outcome = _answer(sale, batch, command)
            if batch.released:  # before the next command: nobody is quicker than those who wait
                waitlist_rules.serve(sale, batch)
        outcomes.append(outcome)
    return sale, outcomes


def _begin(sale: Sale, batch: Batch) -> None:
    """Take back what is due, and look at the line: what is waited for may be on sale since a moment ago."""
    waitlist_rules.note_for_everybody(sale, batch)
    for booking_id in batch.due:
        booking_rules.expire(sale, batch, batch.bookings[booking_id])
    if sale.lines or sale.aside:
        waitlist_rules.serve(sale, batch)


def _answer(sale: Sale, batch: Batch, command: Command) -> Outcome:
    if not isinstance(command, _KEYED) or command.key is None:
        return _DECISIONS[type(command)](sale, batch, command)
    place = (actor_of(command), command.key)
    if earlier := batch.answers.get(place):
        return _replay(batch, command, earlier)
    outcome = _DECISIONS[type(command)](sale, batch, command)
    if isinstance(outcome, Booked | Listed):
        answer = KeyedOutcome(
            command.fingerprint,
            outcome.booking if isinstance(outcome, Booked) else outcome.entry,
            stored=False,
        )
        batch.answers[place] = answer
        batch.answered.append((*place, answer))
    return outcome


def actor_of(command: Keyed) -> Any:
    """Return whose key a keyed command carries."""
    return command.actor_id if isinstance(command, CancelBooking) else command.buyer_id


def _replay(batch: Batch, command: Keyed, earlier: KeyedOutcome) -> Outcome:
    if earlier.fingerprint != command.fingerprint:
        return No(SalesRefusal.KEY_REUSED)
    if earlier.stored:
        assert command.key is not None, "only a keyed request finds an earlier one"
        batch.replayed.append((actor_of(command), command.key))
    if isinstance(earlier.what, Booking):
        return Booked(earlier.what, replayed=True)
    return Listed(earlier.what, replayed=True)


_DECISIONS: Final[dict[type[Command], Callable[[Sale, Batch, Any], Outcome]]] = {
    PlaceBooking: placing_rules.place_booking,
    ConfirmBooking: booking_rules.confirm_booking,
    ExtendHold: booking_rules.extend_hold,
    ExpireHolds: booking_rules.expire_nothing,
    CancelBooking: booking_rules.cancel_booking,
    RecordCapture: booking_rules.record_capture,
    RecordRefund: booking_rules.record_refund,
    ReturnTickets: booking_rules.return_tickets,
    KeepTickets: booking_rules.keep_tickets,
    AcceptOffer: booking_rules.accept_offer,
    LeaveWaitlist: booking_rules.leave_waitlist,
    JoinWaitlist: waitlist_rules.join,
    ChangeSale: sale_rules.change_sale,
    OpenSale: sale_rules.open_sale,
    CancelSale: sale_rules.cancel_sale,
    PutPool: sale_rules.put_pool,
    RemovePool: sale_rules.remove_pool,
    PutTicketType: sale_rules.put_type,
    RetireTicketType: sale_rules.retire_type,
    PutConditions: sale_rules.put_conditions,
    PutSeating: sale_rules.put_seating,
    BlockSeats: sale_rules.block_seats,
    UnblockSeats: sale_rules.unblock_seats,
    PutPromoCode: sale_rules.put_promo_code,
    RetirePromoCode: sale_rules.retire_promo_code,
}
