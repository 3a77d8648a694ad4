"""What an organizer does when a buyer calls: give tickets other seats, send them again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently.attendees import AttendeesRefusal
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import BookingId, EventId, TicketId, show_id
from evently.mail import MailRefusal
from evently.sales.commands.bookings import UNITS_MAX
from evently.sales.commands.exchanges import ExchangeTickets
from evently.sales.outcomes import SalesRefusal
from evently.tickets import TicketsRefusal
from evently.web.api.bookings.bodies import SeatName
from evently.web.api.bookings.views import BookingView, answer_booking
from evently.web.api.tickets.views import AttendeeName
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.idempotency import IdempotencyKey, fingerprint_of, key_of
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, post, put
from evently.web.mending import put_name, resend
from evently.web.services import Request
from evently.web.stories import read_story

_TAG: Final = "Organizer: bookings"


class SeatOfTicket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket, and the id of the seat that it gets."""

    ticket_id: Annotated[TicketId, msgspec.Meta(examples=["tkt_01m7y4ef72ev2sxmcnxfse27zp"])]
    seat: Annotated[SeatName, msgspec.Meta(examples=["S-A-2"])]


class ExchangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new seats. No ticket and no seat is named twice."""

    seats: Annotated[list[SeatOfTicket], msgspec.Meta(min_length=1, max_length=UNITS_MAX)]


class TicketNameBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name on a ticket; null takes it back."""

    attendee_name: AttendeeName | None


class TicketNameView(msgspec.Struct, frozen=True):
    """The name on a ticket."""

    ticket_id: str
    attendee_name: AttendeeName | None


class StepView(msgspec.Struct, frozen=True):
    """One thing that happened to a booking, in words, with times at the venue.

    `kind`: of the fact; `PaymentDeclined` and `TicketsResent` are in no journal.
    """

    at: datetime
    kind: Annotated[str, msgspec.Meta(examples=["HoldConfirmed"])]
    text: Annotated[str, msgspec.Meta(examples=["Paid € 80.00, and confirmed: 2 × Stalls."])]


class StoryView(msgspec.Struct, frozen=True):
    """What happened to a booking, oldest first."""

    steps: list[StepView]


class ResentView(msgspec.Struct, frozen=True):
    """The address to which the tickets go: that of the buyer."""

    address: Annotated[str, msgspec.Meta(examples=["ada@evently.example"])]


@post(
    "/v1/events/{event_id}/bookings/{booking_id}/exchange",
    operation_id="exchangeTickets",
    summary="Give tickets other seats",
    description=(
        "Gives valid tickets of a confirmed booking other seats of their zone: available ones, or those of "
        "tickets that are named here, so that two can swap. All of them or none. The codes change, and the "
        "earlier ones are void at once; the buyer, and the holder of a ticket that was passed on, gets the "
        "new tickets by e-mail. A ticket that has the seat already keeps it, and its code."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        SalesRefusal.BOOKING_NOT_FOUND,
        SalesRefusal.UNKNOWN_TICKET,
        SalesRefusal.UNKNOWN_SEAT,
        SalesRefusal.SEAT_TAKEN,
        SalesRefusal.SEAT_OF_ANOTHER_ZONE,
        SalesRefusal.NOT_SEATED,
        SalesRefusal.NOT_EXCHANGEABLE,
        SalesRefusal.TICKET_USED,
        SalesRefusal.ALREADY_CANCELLED,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.KEY_REUSED,
    ),
    **policy(organizer("manager", "bookings:write")),
)
async def exchange_tickets(
    request: Request,
    event_id: FromPath[EventId],
    booking_id: FromPath[BookingId],
    data: JSONBody[ExchangeBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[BookingView]:
    """Give tickets of a booking of the organizer's event other seats."""
    _refuse_repeated(data.seats)
    command = ExchangeTickets(
        event_id,
        booking_id,
        request.actor.id,
        tuple([(each.ticket_id, each.seat) for each in data.seats]),
        key_of(idempotency_key),
        fingerprint_of("exchange", booking_id, data),
    )
    outcome = await request.context.engine.submit(command)
    return answer_booking(request, outcome, with_codes=False)


@post(
    "/v1/events/{event_id}/bookings/{booking_id}/resend",
    operation_id="resendTickets",
    summary="Send the tickets of a booking again",
    description=(
        "Sends the valid tickets of a confirmed booking, as PDF, to the address of its buyer and to no other "
        "one; at most five times a day. The codes stay the same."
    ),
    tags=[_TAG],
    status_code=202,
    responses=problems(
        SalesRefusal.BOOKING_NOT_FOUND,
        TicketsRefusal.NO_VALID_TICKET,
        MailRefusal.NO_ADDRESS,
        MailRefusal.RESENT_TOO_OFTEN,
    ),
    **policy(organizer("door", "bookings:write")),
)
async def resend_tickets(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[ResentView]:
    """Send the tickets of a booking of the organizer's event again."""
    booking = await request.context.bookings.get(booking_id)
    if booking.event_id != event_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    address = await resend(request, booking)
    return Response(ResentView(address), status_code=202, headers=NO_STORE)


@put(
    "/v1/events/{event_id}/tickets/{ticket_id}/name",
    operation_id="nameTicket",
    summary="Change the name on a ticket of an event",
    description=(
        "For the organizer, until the ticket is used, also after the time until which its holder can change "
        "it. Refused where the event asks for no names."
    ),
    tags=[_TAG],
    responses=problems(
        TicketsRefusal.TICKET_NOT_FOUND, AttendeesRefusal.NAMES_NOT_ASKED, AttendeesRefusal.NAME_FIXED
    ),
    **policy(organizer("manager", "bookings:write")),
)
async def name_ticket(
    request: Request,
    event_id: FromPath[EventId],
    ticket_id: FromPath[TicketId],
    data: JSONBody[TicketNameBody],
) -> Response[TicketNameView]:
    """Change the name on a ticket of the organizer's event."""
    name = await put_name(request, event_id, ticket_id, data.attendee_name)
    return Response(TicketNameView(show_id("tkt", ticket_id), name), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/bookings/{booking_id}/story",
    operation_id="readStory",
    summary="Read the story of a booking",
    description=(
        "What happened to a booking, in words, from the facts of the journal. It searches the journal since "
        "the booking was placed."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(organizer("manager", "bookings:read")),
)
async def show_story(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[StoryView]:
    """Return the story of a booking of the organizer's event."""
    booking = await request.context.bookings.get(booking_id)
    if booking.event_id != event_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    steps = await read_story(request.context.database, booking)
    return Response(StoryView([StepView(*step) for step in steps]), headers=NO_STORE)


def _refuse_repeated(seats: list[SeatOfTicket]) -> None:
    errors: list[FieldError] = []
    for index, each in enumerate(seats):
        before = seats[:index]
        if any(each.ticket_id == other.ticket_id for other in before):
            errors.append(FieldError(f"/seats/{index}/ticket_id", "ticket-named-twice"))
        if any(each.seat == other.seat for other in before):
            errors.append(FieldError(f"/seats/{index}/seat", "seat-named-twice"))
    if errors:
        raise Invalid(errors)


routes: Final = [exchange_tickets, resend_tickets, name_ticket, show_story]
