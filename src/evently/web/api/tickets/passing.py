"""Pass a ticket on: offer it to an e-mail address, take the offer back; accept, decline, give back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently import catalogue, sales
from evently.accounts import AccountsRefusal, people
from evently.catalogue import Event
from evently.kit.errors import CommonRefusal
from evently.kit.ids import TicketId, TransferId, show_id
from evently.sales.outcomes import SalesRefusal
from evently.sales.states import TransferState
from evently.tickets import TicketsRefusal
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.idempotency import IdempotencyKey, key_of
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, post
from evently.web.passing import (
    Role,
    SeenTransfer,
    accept_ticket,
    decline_ticket,
    give_ticket_back,
    offer_ticket,
    see_transfer,
    take_offer_back,
)
from evently.web.services import Request

_ACCEPTING: Final = (
    SalesRefusal.TRANSFER_NOT_FOUND,
    SalesRefusal.TRANSFER_ENDED,
    SalesRefusal.NOT_TRANSFERABLE,
    AccountsRefusal.EMAIL_NOT_VERIFIED,
)


class PassOnBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To whom a ticket is offered."""

    email: Annotated[str, msgspec.Meta(max_length=1000, examples=["ada@example.org"])]


class TransferView(msgspec.Struct, frozen=True):
    """A ticket that a person passes on to another one.

    `state`: offered, accepted, declined, withdrawn (the giver took the offer back, or the ticket was
    cancelled) or expired. `role`: what the caller is in it, `giver` or `receiver`. An offer ends at
    `expires_at`: after seven days, and when the event starts. `email` is the address that it was sent to;
    null once it was forgotten, thirty days after the end. `giver_name` is null when the account was closed.
    """

    id: str
    state: TransferState
    role: Annotated[Role, msgspec.Meta(examples=["giver"])]
    event_id: str
    event_title: str
    starts_at: datetime
    ticket_id: str
    ticket_type_name: str
    seat_label: str | None
    giver_name: str | None
    email: str | None
    offered_at: datetime
    expires_at: datetime
    ended_at: datetime | None


@post(
    "/v1/tickets/{ticket_id}/transfers",
    operation_id="offerTicket",
    summary="Offer a ticket to another person",
    description=(
        "Sends an e-mail to the address. The person who reads it accepts or declines, signed in with that "
        "address, which they have verified. Until then the ticket stays the caller's, and the offer can be "
        "taken back. On acceptance the code of the ticket changes, and the old one is void at once. The "
        "booking stays its buyer's: refunds go to the buyer, and nobody can cancel or return a ticket that "
        "another person holds, except the organizer. Offering a ticket to the same address again gives the "
        "same offer."
    ),
    tags=["Tickets"],
    responses=problems(
        TicketsRefusal.TICKET_NOT_FOUND,
        SalesRefusal.UNKNOWN_TICKET,
        SalesRefusal.NOT_TRANSFERABLE,
        SalesRefusal.TICKET_PASSED_ON,
        SalesRefusal.TICKET_USED,
        SalesRefusal.ALREADY_CANCELLED,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.TOO_MANY_TRANSFERS,
        SalesRefusal.KEY_REUSED,
        AccountsRefusal.NO_MAIL,
        CommonRefusal.NOT_FOUND,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def offer(
    request: Request,
    ticket_id: FromPath[TicketId],
    data: JSONBody[PassOnBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[TransferView]:
    """Offer a ticket of the caller to the person with an address."""
    offered = await offer_ticket(request, ticket_id, data.email, key_of(idempotency_key))
    view = await _view(request, await see_transfer(request, offered.transfer.transfer_id))
    headers = NO_STORE | {"location": f"/v1/transfers/{view.id}"}
    if offered.replayed:
        headers |= {"idempotent-replayed": "true"}
    return Response(view, status_code=201, headers=headers)


@get(
    "/v1/transfers/{transfer_id}",
    operation_id="getTransfer",
    summary="Get a transfer",
    tags=["Tickets"],
    responses=problems(
        SalesRefusal.TRANSFER_NOT_FOUND, AccountsRefusal.EMAIL_NOT_VERIFIED, CommonRefusal.NOT_FOUND
    ),
    **policy(SIGNED_IN),
)
async def get_transfer(request: Request, transfer_id: FromPath[TransferId]) -> Response[TransferView]:
    """Return a transfer that the caller has made, or that is for them."""
    view = await _view(request, await see_transfer(request, transfer_id))
    return Response(view, headers=NO_STORE)


@get(
    "/v1/me/transfers",
    operation_id="listMyTransfers",
    summary="List my transfers",
    tags=["Tickets"],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def list_my_transfers(
    request: Request, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[TransferView]]:
    """List the transfers that the caller has made or received, newest first.

    Offers to an address are in the list of the person who has verified it.
    """
    database, reader_id = request.context.database, request.actor.id
    person = await people.get_person(database, reader_id)
    address = None if person.email_verified_at is None else person.email
    page = await sales.reads.list_transfers_of_person(database, reader_id, address, limit, after)
    events = await catalogue.find_events(database, {each.transfer.event_id for each in page.data})

    def show(story: sales.reads.TransferStory) -> TransferView:
        mine = story.transfer.giver_id == reader_id
        return _show(SeenTransfer(story, "giver" if mine else "receiver"), events[story.transfer.event_id])

    return paginated(request, page, show)


@post(
    "/v1/transfers/{transfer_id}/accept",
    operation_id="acceptTransfer",
    summary="Accept a ticket",
    description=(
        "The ticket is the caller's from then on, with another code; the giver's code is void. It counts "
        "against the limits of the caller and, so that nobody buys more than they may by passing tickets on, "
        "still against those of its buyer. Safe to repeat."
    ),
    tags=["Tickets"],
    status_code=200,
    responses=problems(
        *_ACCEPTING,
        SalesRefusal.OVER_BUYER_LIMIT,
        SalesRefusal.TICKET_USED,
        SalesRefusal.ALREADY_CANCELLED,
        SalesRefusal.EVENT_CANCELLED,
        CommonRefusal.NOT_FOUND,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def accept(request: Request, transfer_id: FromPath[TransferId]) -> Response[TransferView]:
    """Accept a ticket that is offered to the caller."""
    await accept_ticket(request, transfer_id)
    return Response(await _view(request, await see_transfer(request, transfer_id)), headers=NO_STORE)


@post(
    "/v1/transfers/{transfer_id}/decline",
    operation_id="declineTransfer",
    summary="Decline a ticket",
    description="The ticket stays its giver's, who is notified. Safe to repeat.",
    tags=["Tickets"],
    status_code=200,
    responses=problems(*_ACCEPTING, CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN, rate="bookings"),
)
async def decline(request: Request, transfer_id: FromPath[TransferId]) -> Response[TransferView]:
    """Decline a ticket that is offered to the caller."""
    await decline_ticket(request, transfer_id)
    return Response(await _view(request, await see_transfer(request, transfer_id)), headers=NO_STORE)


@post(
    "/v1/transfers/{transfer_id}/withdraw",
    operation_id="withdrawTransfer",
    summary="Take the offer of a ticket back",
    description="Refused once it was accepted. Safe to repeat.",
    tags=["Tickets"],
    status_code=200,
    responses=problems(*_ACCEPTING, CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN, rate="bookings"),
)
async def withdraw(request: Request, transfer_id: FromPath[TransferId]) -> Response[TransferView]:
    """Take back an offer that the caller has made."""
    await take_offer_back(request, transfer_id)
    return Response(await _view(request, await see_transfer(request, transfer_id)), headers=NO_STORE)


@post(
    "/v1/tickets/{ticket_id}/give-back",
    operation_id="giveTicketBack",
    summary="Give a ticket back to its buyer",
    description=(
        "For a ticket that was passed on to the caller. It is its buyer's again, with another code, and the "
        "buyer can cancel or return it."
    ),
    tags=["Tickets"],
    status_code=204,
    responses=problems(
        TicketsRefusal.TICKET_NOT_FOUND,
        SalesRefusal.UNKNOWN_TICKET,
        SalesRefusal.NOT_TRANSFERABLE,
        SalesRefusal.TICKET_USED,
        SalesRefusal.ALREADY_CANCELLED,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def give_back(request: Request, ticket_id: FromPath[TicketId]) -> None:
    """Give a ticket that was passed on to the caller back to its buyer."""
    await give_ticket_back(request, ticket_id)


async def _view(request: Request, seen: SeenTransfer) -> TransferView:
    event = await catalogue.get_event(request.context.database, seen.story.transfer.event_id)
    return _show(seen, event)


def _show(seen: SeenTransfer, event: Event) -> TransferView:
    story, transfer = seen.story, seen.story.transfer
    return TransferView(
        id=show_id("trf", transfer.transfer_id),
        state=transfer.state,
        role=seen.role,
        event_id=show_id("evt", transfer.event_id),
        event_title=event.title,
        starts_at=event.starts_at,
        ticket_id=show_id("tkt", transfer.ticket_id),
        ticket_type_name=story.type_name,
        seat_label=story.seat_label,
        giver_name=story.giver,
        email=transfer.address,
        offered_at=transfer.offered_at,
        expires_at=transfer.expires_at,
        ended_at=transfer.ended_at,
    )


routes: Final = [offer, get_transfer, list_my_transfers, accept, decline, withdraw, give_back]
