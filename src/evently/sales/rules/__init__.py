"""Every rule of sale.

Pure: no clock, no I/O, no await. `decide` turns the state of one event into outcomes and changes.

The state comes in as a `Sale` (kept from batch to batch) and a `Batch` (what the commands of this batch
need). Deciding changes both in place, so that the second command of a batch sees what the first one did; a
batch that fails throws both away. A refusal is a value, never an exception, and a refused command does not
disturb its neighbours.

    placing    place a booking: units, seats, promo codes
    waitlist   join, leave, accept an offer
    sale_terms what an organizer sets about a sale
    bookings   confirm, extend, expire, cancel, record payments, return tickets
    transfers  pass tickets on
    check_ins  check tickets in at the door
    offers     which waiting entries are offered released units
    moves      the steps that rules are composed of; pricing and ledger: the money

Budget: about 10 microseconds for a booking, because at saturation this runs several thousand times a second
on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from evently.sales import commands
from evently.sales.commands import (
    Booked,
    Booking,
    Command,
    Keyed,
    Listed,
    No,
    Outcome,
    PlaceBooking,
    SalesRefusal,
    SetUpSale,
)
from evently.sales.rules import bookings, check_ins, offers, placing, sale_terms, transfers, waitlist
from evently.sales.rules.state import Batch, KeyedOutcome, Sale


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
    """Expire due holds and serve the waitlist: a ticket type may have come on sale since the last batch."""
    offers.note_public_units(sale, batch)
    for booking_id in batch.due:
        bookings.expire(sale, batch, batch.bookings[booking_id])
    transfers.expire_due(sale, batch)
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
    commands.PlaceBooking: placing.place_booking,
    commands.ConfirmBooking: bookings.confirm_booking,
    commands.ExtendHold: bookings.extend_hold,
    commands.CancelBooking: bookings.cancel_booking,
    commands.RecordCapture: bookings.record_capture,
    commands.RecordRefund: bookings.record_refund,
    commands.RecordOutsideRefunds: bookings.record_outside_refunds,
    commands.ReturnTickets: bookings.return_tickets,
    commands.KeepTickets: bookings.keep_tickets,
    commands.OfferTransfer: transfers.offer_transfer,
    commands.AcceptTransfer: transfers.accept_transfer,
    commands.DeclineTransfer: transfers.decline_transfer,
    commands.WithdrawTransfer: transfers.withdraw_transfer,
    commands.GiveBackTicket: transfers.give_back_ticket,
    commands.JoinWaitlist: waitlist.join_waitlist,
    commands.LeaveWaitlist: waitlist.leave_waitlist,
    commands.AcceptOffer: waitlist.accept_offer,
    commands.ScanTicket: check_ins.scan_ticket,
    commands.UndoScan: check_ins.undo_scan,
    commands.WakeSale: sale_terms.run_batch,
    commands.ChangeSale: sale_terms.change_sale,
    commands.RescheduleEvent: sale_terms.reschedule,
    commands.OpenSale: sale_terms.open_sale,
    commands.CancelSale: sale_terms.cancel_sale,
    commands.PutPool: sale_terms.put_pool,
    commands.RemovePool: sale_terms.remove_pool,
    commands.PutTicketType: sale_terms.put_type,
    commands.RetireTicketType: sale_terms.retire_type,
    commands.PutConditions: sale_terms.put_conditions,
    commands.PutSeating: sale_terms.put_seating,
    commands.BlockSeats: sale_terms.block_seats,
    commands.UnblockSeats: sale_terms.unblock_seats,
    commands.PutPromoCode: sale_terms.put_promo_code,
    commands.RetirePromoCode: sale_terms.retire_promo_code,
}
