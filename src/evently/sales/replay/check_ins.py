"""Applies facts of the door to the replayed sale."""

from __future__ import annotations

from evently.sales import facts
from evently.sales.replay.state import Contradiction, ReplayedCheckIn, ReplayedSale, ReplayedScan
from evently.sales.states import Direction


def check_in(sale: ReplayedSale, fact: facts.TicketCheckedIn) -> None:
    """Check a ticket in: once, or again after its holder left."""
    _check_ticket(sale, fact)
    _add_scan(sale, fact, "in")
    if sale.state == "cancelled":
        raise Contradiction(f"ticket {fact.ticket_id} was checked in after the event was cancelled")
    if fact.ticket_id in sale.returning or fact.ticket_id in sale.passing:
        raise Contradiction(f"ticket {fact.ticket_id} was used while it was returned, or offered to another")
    known = sale.check_ins.get(fact.ticket_id)
    if fact.again != (known is not None) or (known is not None and known.inside):
        raise Contradiction(f"ticket {fact.ticket_id} was checked in twice")
    if known is None:
        sale.check_ins[fact.ticket_id] = ReplayedCheckIn(1, True, fact.scan_id, sale.now())
    else:
        known.entries, known.inside, known.scan_id = known.entries + 1, True, fact.scan_id


def check_out(sale: ReplayedSale, fact: facts.TicketCheckedOut) -> None:
    """Check a ticket out: its holder left."""
    _check_ticket(sale, fact)
    _add_scan(sale, fact, "out")
    known = sale.check_ins[fact.ticket_id]
    if not known.inside:
        raise Contradiction(f"ticket {fact.ticket_id} was not inside")
    known.inside, known.scan_id = False, fact.scan_id


def undo(sale: ReplayedSale, fact: facts.CheckInUndone) -> None:
    """Undo the last check-in of a ticket."""
    _check_ticket(sale, fact)
    known = sale.check_ins[fact.ticket_id]
    if not known.inside or known.scan_id != fact.scan_id:
        raise Contradiction(f"scan {fact.scan_id} was not the last one of ticket {fact.ticket_id}")
    sale.scans[fact.scan_id].undone_at = sale.now()
    known.entries, known.inside = known.entries - 1, False
    if not known.entries:
        del sale.check_ins[fact.ticket_id]


def _add_scan(
    sale: ReplayedSale, fact: facts.TicketCheckedIn | facts.TicketCheckedOut, direction: Direction
) -> None:
    if fact.scan_id in sale.scans:
        raise Contradiction(f"scan {fact.scan_id} was accepted twice")
    sale.scans[fact.scan_id] = ReplayedScan(fact.ticket_id, direction, sale.now())


def _check_ticket(
    sale: ReplayedSale, fact: facts.TicketCheckedIn | facts.TicketCheckedOut | facts.CheckInUndone
) -> None:
    booking = sale.in_state(fact.booking_id, "confirmed")
    if booking is not None and fact.ticket_id not in booking.tickets:
        raise Contradiction(f"{fact.booking_id} does not have ticket {fact.ticket_id}")
