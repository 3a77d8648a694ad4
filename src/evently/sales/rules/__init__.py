"""Every rule of sale.

Pure: no clock, no I/O, no await. `decide` turns the state of one event into outcomes and changes.

The state comes in as a `Sale` (kept from batch to batch) and a `Batch` (what the commands of this batch
need). Deciding changes both in place, so that the second command of a batch sees what the first one did; a
batch that fails throws both away. A refusal is a value, never an exception, and a refused command does not
disturb its neighbours.

    placing    place a booking: units, seats, promo codes
    add_ons    ticket types that need another one in the booking
    waitlist   join, leave, accept an offer
    seats      give an event its seats, block them
    sale_terms what else an organizer sets about a sale
    bookings   confirm, extend, expire, cancel, record payments, return tickets
    transfers  pass tickets on
    exchanges  give tickets other seats
    check_ins  check tickets in at the door
    waiting_rooms  a waiting room before the sale: what was promised and drawn
    offers     which waiting entries are offered released units
    moves      the steps that rules are composed of; pricing and ledger: the money

Budget: about 10 microseconds for a booking, because at saturation this runs several thousand times a second
on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    CancelBooking,
    ConfirmBooking,
    ExtendHold,
    KeepTickets,
    PlaceBooking,
    RecordCapture,
    RecordOutsideRefunds,
    RecordRefund,
    ReturnTickets,
)
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.commands.exchanges import ExchangeTickets
from evently.sales.commands.sale_terms import (
    CancelSale,
    ChangeSale,
    OpenSale,
    PutConditions,
    PutPool,
    PutPromoCode,
    PutTicketType,
    RemovePool,
    RescheduleEvent,
    RetirePromoCode,
    RetireTicketType,
    SetUpSale,
    WakeSale,
)
from evently.sales.commands.seats import BlockSeats, ChangeSeatBlock, PutSeating, UnblockSeats
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.commands.waiting_rooms import (
    CloseWaitingRoom,
    DrawWaitingRoom,
    PutWaitingRoom,
    RemoveWaitingRoom,
)
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, Listed, No, Outcome, SalesRefusal
from evently.sales.rules import (
    bookings,
    check_ins,
    exchanges,
    offers,
    placing,
    sale_terms,
    seats,
    transfers,
    waiting_rooms,
    waitlist,
)
from evently.sales.rules.state import Batch, KeyedOutcome, Sale

Keyed: TypeAlias = PlaceBooking | CancelBooking | ExchangeTickets | JoinWaitlist


def decide(
    sale: Sale | None,
    batch: Batch,
    to_decide: Sequence[Command],
    out_of_time: Callable[[], bool] = lambda: False,
) -> tuple[Sale | None, list[Outcome]]:
    """Decide the commands on one event, in order.

    Returns the sale (new if it was set up here) and one outcome for each command. Once `out_of_time` is true,
    the other commands are left undecided, and the list is shorter; at least one command is decided.
    """
    outcomes: list[Outcome] = []
    if sale is not None:
        _begin(sale, batch)
    for command in to_decide:
        if outcomes and out_of_time():
            break
        if isinstance(command, SetUpSale):
            sale, outcome = sale_terms.set_up(sale, batch, command)
        elif sale is None:
            outcome = No(SalesRefusal.EVENT_NOT_FOUND)
        else:
            # Placing a booking never releases units
            if sale.waitlists and not isinstance(command, PlaceBooking):
                offers.note_public_units(sale, batch)
            outcome = _decide_one(sale, batch, command)
            if batch.serve_waitlist:  # before the next command: no command can overtake a waiting entry
                offers.serve(sale, batch)
        outcomes.append(outcome)
    return sale, outcomes


def _begin(sale: Sale, batch: Batch) -> None:
    """End what is due and serve the waitlist: a ticket type may have come on sale since the last batch."""
    offers.note_public_units(sale, batch)
    for booking_id in batch.due:
        bookings.expire(sale, batch, batch.bookings[booking_id])
    transfers.expire_due(sale, batch)
    seats.unblock_due(sale, batch)
    if sale.waitlists or sale.set_asides:
        offers.serve(sale, batch)


def _decide_one(sale: Sale, batch: Batch, command: Command) -> Outcome:
    rule = RULES[type(command)]
    if not command.needs.key:
        return rule(sale, batch, command)
    keyed: Any = command
    if keyed.key is None:
        return rule(sale, batch, command)
    place = (keyed.actor_id, keyed.key)
    if earlier := batch.answers.get(place):
        return _replay(batch, keyed, earlier)
    outcome = rule(sale, batch, command)
    if isinstance(outcome, Booked | Listed):
        answer = KeyedOutcome(
            keyed.fingerprint,
            outcome.booking if isinstance(outcome, Booked) else outcome.entry,
            stored=False,
        )
        batch.answers[place] = answer
        batch.answered.append((*place, answer))
    return outcome


def _replay(batch: Batch, command: Keyed, earlier: KeyedOutcome) -> Outcome:
    if earlier.fingerprint != command.fingerprint:
        return No(SalesRefusal.KEY_REUSED)
    if earlier.stored:
        assert command.key is not None, "only a keyed request finds an earlier one"
        batch.replayed.append((command.actor_id, command.key))
    if isinstance(earlier.what, Booking):
        return Booked(earlier.what, replayed=True)
    return Listed(earlier.what, replayed=True)


# The rule of each command but SetUpSale, which comes before there is a sale. A test holds that none is
# missing.
RULES: Final[Mapping[type[Command], Callable[[Sale, Batch, Any], Outcome]]] = {
    PlaceBooking: placing.place_booking,
    ConfirmBooking: bookings.confirm_booking,
    ExtendHold: bookings.extend_hold,
    CancelBooking: bookings.cancel_booking,
    RecordCapture: bookings.record_capture,
    RecordRefund: bookings.record_refund,
    RecordOutsideRefunds: bookings.record_outside_refunds,
    ReturnTickets: bookings.return_tickets,
    KeepTickets: bookings.keep_tickets,
    OfferTransfer: transfers.offer_transfer,
    AcceptTransfer: transfers.accept_transfer,
    DeclineTransfer: transfers.decline_transfer,
    WithdrawTransfer: transfers.withdraw_transfer,
    GiveBackTicket: transfers.give_back_ticket,
    ExchangeTickets: exchanges.exchange_tickets,
    JoinWaitlist: waitlist.join_waitlist,
    LeaveWaitlist: waitlist.leave_waitlist,
    AcceptOffer: waitlist.accept_offer,
    ScanTicket: check_ins.scan_ticket,
    UndoScan: check_ins.undo_scan,
    WakeSale: sale_terms.run_batch,
    ChangeSale: sale_terms.change_sale,
    RescheduleEvent: sale_terms.reschedule,
    OpenSale: sale_terms.open_sale,
    CancelSale: sale_terms.cancel_sale,
    PutPool: sale_terms.put_pool,
    RemovePool: sale_terms.remove_pool,
    PutTicketType: sale_terms.put_type,
    RetireTicketType: sale_terms.retire_type,
    PutConditions: sale_terms.put_conditions,
    PutSeating: seats.put_seating,
    BlockSeats: seats.block_seats,
    UnblockSeats: seats.unblock_seats,
    ChangeSeatBlock: seats.change_seat_block,
    PutPromoCode: sale_terms.put_promo_code,
    RetirePromoCode: sale_terms.retire_promo_code,
    PutWaitingRoom: waiting_rooms.put_waiting_room,
    RemoveWaitingRoom: waiting_rooms.remove_waiting_room,
    CloseWaitingRoom: waiting_rooms.close_waiting_room,
    DrawWaitingRoom: waiting_rooms.draw_waiting_room,
}
