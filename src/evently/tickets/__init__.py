"""What a buyer holds in the hand: tickets as QR codes, as PDF, as calendar entries and in wallets.

    load_tickets          the tickets of a booking, with all that is written on them
    load_ticket_of_buyer  one ticket, with those of its booking; load_ticket_of_event likewise
    qr_svg                a code as SVG
    TicketPrinter.pdf_of  all tickets of a booking that admit, as PDF

A code is shown to the buyer of a confirmed booking alone; callers check who asks. This package writes nothing
to the database, decides nothing about bookings, and must never know of HTTP.
"""

from evently.tickets.loading import (
    check_valid,
    get_code,
    load_ticket_of_buyer,
    load_ticket_of_event,
    load_tickets,
)
from evently.tickets.nouns import IssuedTicket, IssuedTickets, TicketsRefusal
from evently.tickets.pdf import TicketPrinter, pdf_tag
from evently.tickets.qr import digest_of, qr_svg
from evently.tickets.wording import label_of

__all__ = [
    "IssuedTicket",
    "IssuedTickets",
    "TicketPrinter",
    "TicketsRefusal",
    "check_valid",
    "digest_of",
    "get_code",
    "label_of",
    "load_ticket_of_buyer",
    "load_ticket_of_event",
    "load_tickets",
    "pdf_tag",
    "qr_svg",
]
