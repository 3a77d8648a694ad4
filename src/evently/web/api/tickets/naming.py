"""The name on a ticket, which its holder can change until a time that the organizer sets."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from evently import attendees, tickets
from evently.attendees import AttendeesRefusal
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import TicketId
from evently.tickets import TicketsRefusal
from evently.web.api.tickets.reading import answer_ticket
from evently.web.api.tickets.views import AttendeeName, TicketDetailsView
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, patch
from evently.web.services import Request


class TicketPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change. `attendee_name` of null takes the name back."""

    attendee_name: AttendeeName | msgspec.UnsetType | None = msgspec.UNSET


@patch(
    "/v1/tickets/{ticket_id}",
    operation_id="changeTicket",
    summary="Change the name on a ticket",
    description=(
        "The name of the person who attends: on the ticket, its PDF and its pass. Surplus spaces are "
        "removed. It is erased with the account of the buyer, and when the ticket gets another holder."
    ),
    tags=["Tickets"],
    responses=problems(
        TicketsRefusal.TICKET_NOT_FOUND,
        AttendeesRefusal.NAMES_NOT_ASKED,
        AttendeesRefusal.NAME_FIXED,
        CommonRefusal.NOT_FOUND,
        412,
        428,
    ),
    **policy(SIGNED_IN),
)
async def change_ticket(
    request: Request, ticket_id: FromPath[TicketId], data: JSONBody[TicketPatch]
) -> Response[TicketDetailsView]:
    """Change the name on a ticket of the caller."""
    context = request.context
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    if not ticket.held:
        raise Refused(AttendeesRefusal.NAME_FIXED, "passed_on")
    name = ticket.attendee_name if data.attendee_name is msgspec.UNSET else data.attendee_name
    if isinstance(data.attendee_name, str):
        name, wrong = attendees.check_name(data.attendee_name, "/attendee_name")
        if wrong:
            raise Invalid(wrong)
    async with context.database.transaction() as tx:
        names = await attendees.put_names(
            tx,
            issued.event,
            issued.booking,
            {ticket_id: name},
            context.clock(),
            partial(require_if_match, request),
        )
    written = names.get(ticket_id) or attendees.TicketName(ticket_id)
    return answer_ticket(
        context, issued, replace(ticket, attendee_name=written.name, name_version=written.version)
    )


routes: Final = [change_ticket]
