"""Tickets of a booking, made without a database, and readers of what is printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pypdfium2
import zxingcpp

from evently.catalogue import Category, Event, Venue
from evently.kit.ids import new_id, show_id
from evently.sales.nouns import Booking
from evently.sales.states import BookingPayment
from evently.sales.ticket_code import write_code
from evently.tickets import IssuedTicket, IssuedTickets

STARTS_AT: Final = datetime(2027, 5, 20, 18, tzinfo=UTC)


def issue(
    quantity: int = 1,
    *,
    title: str = "Jazz by night",
    venue: str = "Tempodrom",
    address: str = "Möckernstraße 10\n10963 Berlin",
    city: str = "Berlin",
    zone: str = "Europe/Berlin",
    seat: str | None = "Stalls, row C, seat 12",
    buyer: str | None = "Ada Lovelace",
    type_name: str = "Regular",
    payment: BookingPayment = "none",
    **ticket: Any,
) -> IssuedTickets:
    """Return the tickets of a confirmed booking."""
    before = STARTS_AT - timedelta(days=40)
    event = Event(
        event_id=new_id(),
        organizer_id=new_id(),
        venue_id=new_id(),
        title=title,
        description="",
        category=Category.MUSIC,
        tags=(),
        image_url=None,
        venue_name=venue,
        city=city,
        time_zone=zone,
        starts_at=STARTS_AT,
        ends_at=STARTS_AT + timedelta(hours=3),
        state="published",
        sandbox=False,
        currency="EUR",
        version=3,
        created_at=before,
        changed_at=before,
        published_at=before,
        cancelled_at=None,
    )
    return IssuedTickets(
        Booking(
            event_id=event.event_id,
            booking_id=new_id(),
            buyer_id=new_id(),
            state="confirmed",
            currency="EUR",
            placed_at=before,
            expires_at=None,
            confirmed_at=before,
            ended_at=None,
            tickets=(),
            payment=payment,
        ),
        event,
        Venue(event.venue_id, event.organizer_id, venue, address, city, "DE", zone, 1, before),
        "Klangwerk",
        buyer,
        tuple(_ticket(number, seat, type_name, ticket) for number in range(1, quantity + 1)),
    )


def _ticket(number: int, seat: str | None, type_name: str, changes: dict[str, Any]) -> IssuedTicket:
    ticket_id = new_id()
    fields: dict[str, Any] = {
        "ticket_id": ticket_id,
        "ticket_type_id": new_id(),
        "number": number,
        "state": "valid",
        "type_name": type_name,
        "total_minor": 4250,
        "seat_label": seat,
        "returning": False,
        "code": write_code(show_id("tkt", ticket_id), number.to_bytes(10, "big")),
    }
    return IssuedTicket(**{**fields, **changes})


def texts_of(pdf: bytes) -> list[str]:
    """Return the text of each page of a PDF."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def codes_of(pdf: bytes, page: int = 0) -> list[str]:
    """Return what a scanner reads on a page of a PDF, at the resolution of a phone's screen."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        seen = document[page].render(scale=1.5, grayscale=True)
        picture = memoryview(bytes(seen.buffer)).cast("B", (seen.height, seen.stride))
        return [found.text for found in zxingcpp.read_barcodes(picture)]
    finally:
        document.close()
