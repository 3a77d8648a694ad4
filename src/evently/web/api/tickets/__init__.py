"""Tickets: one ticket, its QR code, and the tickets of a booking as PDF.

views       what responses show
reading     get one ticket; its QR code
documents   the tickets of a booking as PDF
"""

from evently.web.api.tickets import documents, reading

__all__ = ["routes"]

routes = [*reading.routes, *documents.routes]
