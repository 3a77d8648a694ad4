"""What a buyer holds in the hand: tickets as QR codes, as PDF, as calendar entries and in wallets.

    load_tickets          the tickets of a booking, with all that is written on them
    load_ticket_of_person one ticket, with those of its booking; load_ticket_of_event likewise
    qr_svg                a code as SVG
    TicketPrinter.pdf_of  all tickets of a booking that admit, as PDF
    Press                 draws documents as PDF, in a thread of its own
    calendar_for          a booking as a calendar entry
    Wallets               passes for Apple and Google Wallet, where certificates are configured

A code is shown to the holder of a ticket of a confirmed booking alone: callers say who reads. This package
writes nothing to the database, decides nothing about bookings, and must never know of HTTP.
"""

from evently.tickets.apple import MEDIA_TYPE as APPLE_PASS
from evently.tickets.calendar import calendar_for, sequence_of
from evently.tickets.loading import (
    check_valid,
    get_code,
    load_ticket_of_event,
    load_ticket_of_person,
    load_tickets,
)
from evently.tickets.nouns import IssuedTicket, IssuedTickets, TicketsRefusal, WalletError
from evently.tickets.pdf import TicketPrinter, pdf_tag
from evently.tickets.press import Press
from evently.tickets.qr import digest_of, qr_svg
from evently.tickets.wallets import WalletOptions, Wallets
from evently.tickets.wording import label_of

__all__ = [
    "APPLE_PASS",
    "IssuedTicket",
    "IssuedTickets",
    "Press",
    "TicketPrinter",
    "TicketsRefusal",
    "WalletError",
    "WalletOptions",
    "Wallets",
    "calendar_for",
    "check_valid",
    "digest_of",
    "get_code",
    "label_of",
    "load_ticket_of_event",
    "load_ticket_of_person",
    "load_tickets",
    "pdf_tag",
    "qr_svg",
    "sequence_of",
]
