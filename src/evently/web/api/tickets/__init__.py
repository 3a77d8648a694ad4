"""Tickets: one ticket, its QR code, and the tickets of a booking as PDF.

views       what responses show
reading     get one ticket; its QR code
naming      change the name on a ticket
documents   the tickets of a booking; the tickets of a booking as PDF; a booking as a calendar entry
wallet      a ticket in Apple Wallet or Google Wallet
passing     a ticket that is passed on to another person
"""

from evently.web.api.tickets import documents, naming, passing, reading, wallet

__all__ = ["routes"]

routes = [*reading.routes, *naming.routes, *documents.routes, *wallet.routes, *passing.routes]
