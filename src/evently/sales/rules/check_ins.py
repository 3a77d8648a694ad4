"""The rules of the door: check a ticket in, let its holder out and in again, undo a mistake. Pure.

A refused scan is an outcome like any other, and is recorded: guests and organizers ask later what happened.
Only accepted scans are facts of the journal.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket
from evently.sales.outcomes import No, Outcome, SalesRefusal, Scanned
from evently.sales.rules.bookings import end_offer_of, keep
from evently.sales.rules.moves import end_transfer, record_change
from evently.sales.rules.state import Batch, Sale
from evently.sales.states import ScanResult, TicketState


class _Found(NamedTuple):
    """A ticket, its booking and its check-in."""

    booking: Booking
    ticket: Ticket
    check_in: CheckIn | None


def scan_ticket(sale: Sale, batch: Batch, command: ScanTicket) -> Outcome:
    """Check a ticket in or out, or refuse it; record the scan in any case."""
    found = None if command.ticket_id is None else _find(batch, command.ticket_id)
    if (earlier := batch.scans.get(command.scan_id)) is not None:
        if (earlier.ticket_id, earlier.direction) != (found and command.ticket_id, command.direction):
            return No(SalesRefusal.KEY_REUSED)
        return _scanned(earlier, found, replayed=True)
    result = _judge(sale, batch, command, found)
    scan = Scan(
        command.scan_id,
        None if found is None else found.ticket.ticket_id,
        command.direction,
        result,
        command.gate,
        command.scanned_by,
        command.scanned_at,
        batch.now,
        command.offline,
    )
    batch.scans[scan.scan_id] = scan
    batch.scanned.append(scan)
    before = None if found is None or found.check_in is None else batch.scans.get(found.check_in.scan_id)
    if result == "accepted":
        assert found is not None, "only a ticket is accepted"
        found = _let_through(sale, batch, scan, found)
    return _scanned(scan, found, before)


def _find(batch: Batch, ticket_id: UUID) -> _Found | None:
    if ticket_id not in batch.booking_of and batch.bookings_indexed != len(batch.bookings):
        batch.booking_of = {
            ticket.ticket_id: booking.booking_id
            for booking in batch.bookings.values()
            for ticket in booking.tickets
        }
        batch.bookings_indexed = len(batch.bookings)
    booking_id = batch.booking_of.get(ticket_id)
    if booking_id is None:
        return None
    booking = batch.bookings[booking_id]
    (ticket,) = [each for each in booking.tickets if each.ticket_id == ticket_id]
    return _Found(booking, ticket, batch.check_ins.get(ticket_id))


def _scanned(
    scan: Scan, found: _Found | None, before: Scan | None = None, *, replayed: bool = False
) -> Scanned:
    if found is None or scan.result in ("forged", "passed_on"):
        return Scanned(scan, replayed=replayed)
    return Scanned(scan, found.ticket, found.check_in, before, replayed)


def _judge(sale: Sale, batch: Batch, command: ScanTicket, found: _Found | None) -> ScanResult:
    """Return what a scan comes to. What the code proves comes first, then the ticket, the gate, the time."""
    if found is None:
        return "unknown"
    if not hmac.compare_digest(found.ticket.secret, command.secret):
        code = found.ticket.ticket_id, command.secret
        return "passed_on" if code in batch.void_codes or code in batch.codes_voided else "forged"
    if found.ticket.state == "void" or sale.state == "cancelled":
        return "cancelled"
    if found.booking.state != "confirmed":
        return "unpaid"
    if command.direction == "out":
        return "accepted" if found.check_in is not None and found.check_in.inside else "outside"
    types = command.ticket_type_ids
    if types is not None and found.ticket.ticket_type_id not in types:
        return "wrong_gate"
    if not command.offline and command.opens_at is not None and batch.now < command.opens_at:
        return "too_early"
    if not command.offline and command.closes_at is not None and batch.now >= command.closes_at:
        return "too_late"
    if found.check_in is None:
        return "accepted"
    if found.check_in.inside:
        return "inside"
    return "accepted" if command.reentry else "no_reentry"


def _let_through(sale: Sale, batch: Batch, scan: Scan, found: _Found) -> _Found:
    booking, ticket, check_in = found
    if scan.direction == "out":
        assert check_in is not None, "who leaves has come in"
        check_in = replace(check_in, inside=False, scan_id=scan.scan_id)
        batch.facts.append(facts.TicketCheckedOut(booking.booking_id, ticket.ticket_id, scan.scan_id))
    elif check_in is not None:
        check_in = replace(check_in, inside=True, entries=check_in.entries + 1, scan_id=scan.scan_id)
        batch.facts.append(
            facts.TicketCheckedIn(booking.booking_id, ticket.ticket_id, scan.scan_id, again=True)
        )
    else:
        # Its holder is here: neither the waitlist nor another person can have it
        if ticket.returning_since is not None:
            end_offer_of(sale, batch, ticket)
            booking = keep(sale, batch, booking, (ticket,))
        if (transfer := sale.transfers.get(ticket.ticket_id)) is not None:
            end_transfer(sale, batch, transfer, "withdrawn")
        booking = _set_state(batch, booking, ticket.ticket_id, "used")
        check_in = CheckIn(ticket.ticket_id, 1, True, scan.scan_id, batch.now)
        batch.facts.append(facts.TicketCheckedIn(booking.booking_id, ticket.ticket_id, scan.scan_id))
    _record(batch, ticket.ticket_id, check_in)
    return _find(batch, ticket.ticket_id) or found


def undo_scan(_sale: Sale, batch: Batch, command: UndoScan) -> Outcome:
    """Undo the last check-in of a ticket: it is valid again, or outside when it had been used before."""
    scan = batch.scans.get(command.scan_id)
    if scan is None:
        return No(SalesRefusal.SCAN_NOT_FOUND)
    found = None if scan.ticket_id is None else _find(batch, scan.ticket_id)
    if scan.undone_at is not None:
        return _scanned(scan, found, replayed=True)
    if scan.result != "accepted" or scan.direction != "in":
        return No(SalesRefusal.NOT_UNDOABLE, "not_a_check_in")
    assert found is not None, "only a ticket is accepted"
    booking, ticket, check_in = found
    if check_in is None or check_in.scan_id != scan.scan_id:
        return No(SalesRefusal.NOT_UNDOABLE, "not_the_last")
    undone = replace(scan, undone_at=batch.now, undone_by=command.undone_by, undo_reason=command.reason)
    batch.scans[scan.scan_id] = batch.undone[scan.scan_id] = undone
    batch.facts.append(facts.CheckInUndone(booking.booking_id, ticket.ticket_id, scan.scan_id))
    if check_in.entries == 1:
        _record(batch, ticket.ticket_id, None)
        _set_state(batch, booking, ticket.ticket_id, "valid")
    else:
        _record(batch, ticket.ticket_id, replace(check_in, inside=False, entries=check_in.entries - 1))
    return _scanned(undone, _find(batch, ticket.ticket_id))


def _record(batch: Batch, ticket_id: UUID, check_in: CheckIn | None) -> None:
    batch.check_ins_changed[ticket_id] = check_in
    if check_in is None:
        batch.check_ins.pop(ticket_id, None)
    else:
        batch.check_ins[ticket_id] = check_in


def _set_state(batch: Batch, booking: Booking, ticket_id: UUID, state: TicketState) -> Booking:
    """Set the state of a ticket, in the version of its booking that later commands of the batch see."""
    tickets = tuple(
        [replace(each, state=state) if each.ticket_id == ticket_id else each for each in booking.tickets]
    )
    changed = replace(booking, tickets=tickets)
    record_change(batch, changed)
    batch.used_changed[ticket_id] = state
    return changed
