"""Passing a ticket on: the form of its holder, and the page on which its receiver accepts or declines."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from evently import catalogue, sales, tickets
from evently.accounts import AccountsRefusal
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import TicketId, TransferId, show_id
from evently.kit.money import Money
from evently.sales.nouns import Transfer
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath
from evently.web.pages.browsing import event_address
from evently.web.pages.forms import FormError, errors_of, read_form
from evently.web.pages.rendering import act, new_key, render, see_other, show
from evently.web.passing import (
    accept_ticket,
    decline_ticket,
    give_ticket_back,
    offer_ticket,
    see_transfer,
    take_offer_back,
)
from evently.web.services import Request

_WITHDRAW: Final = "withdraw"
_VERBS: Final = {"accept": accept_ticket, "decline": decline_ticket, _WITHDRAW: take_offer_back}
Page = Response[str] | Response[None]


@show("/tickets/{ticket_id}/pass-on", **policy(SIGNED_IN))
async def pass_on_page(request: Request, ticket_id: FromPath[TicketId]) -> Response[str]:
    """Return the page on which the reader offers a ticket to another person, or takes the offer back."""
    return await _pass_on(request, ticket_id)


@act("/tickets/{ticket_id}/pass-on", **policy(SIGNED_IN, rate="bookings"))
async def pass_on(request: Request, ticket_id: FromPath[TicketId]) -> Page:
    """Offer a ticket to the person with an address."""
    form = await read_form(request)
    email, key = form.text("email"), form.text("key")[:100]
    if not email:
        error = FormError("email", "Enter the e-mail address of the person who gets the ticket.")
        return await _pass_on(request, ticket_id, [error])
    try:
        await offer_ticket(request, ticket_id, email, f"page-{key}" if key and key.isascii() else None)
    except Invalid as exc:
        return await _pass_on(request, ticket_id, errors_of(exc, {"/email": "email"}), email=email)
    except Refused as exc:
        return await _pass_on(request, ticket_id, refused=exc, email=email)
    return see_other(_address(ticket_id))


@act("/tickets/{ticket_id}/give-back", **policy(SIGNED_IN, rate="bookings"))
async def give_back(request: Request, ticket_id: FromPath[TicketId]) -> Page:
    """Give a ticket that was passed on to the reader back to its buyer."""
    await read_form(request)
    try:
        await give_ticket_back(request, ticket_id)
    except Refused as exc:
        return await _pass_on(request, ticket_id, refused=exc)
    return see_other("/me/tickets")


@show("/transfers/{transfer_id}", **policy(PUBLIC))
async def transfer_page(request: Request, transfer_id: FromPath[TransferId]) -> Page:
    """Return the page to which the e-mail leads: the receiver accepts or declines there.

    A visitor learns nothing but that they log in with the address to which the e-mail came.
    """
    return await _transfer(request, transfer_id)


@act("/transfers/{transfer_id}/{verb}", **policy(SIGNED_IN, rate="bookings"))
async def answer(request: Request, transfer_id: FromPath[TransferId], verb: FromPath[str]) -> Page:
    """Accept or decline a ticket as its receiver, or take its offer back as its giver (`withdraw`)."""
    await read_form(request)
    act_on = _VERBS.get(verb)
    if act_on is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    seen = await see_transfer(request, transfer_id) if verb == _WITHDRAW else None
    try:
        await act_on(request, transfer_id)
    except Refused as exc:
        if seen is not None:
            return await _pass_on(request, seen.story.transfer.ticket_id, refused=exc)
        return await _transfer(request, transfer_id, exc)
    if seen is not None:
        return see_other(_address(seen.story.transfer.ticket_id))
    return see_other(f"/transfers/{show_id('trf', transfer_id)}")


async def _pass_on(
    request: Request,
    ticket_id: UUID,
    errors: list[FormError] | None = None,
    *,
    refused: Refused | None = None,
    email: str = "",
) -> Response[str]:
    context, reader_id = request.context, request.actor.id
    issued, ticket = await tickets.load_ticket_of_person(context.database, reader_id, ticket_id)
    page = await sales.reads.list_transfers_of_ticket(context.database, issued.event.event_id, ticket_id)
    mine = [each for each in page if each.giver_id == reader_id]
    zone = issued.event.place.zone
    offered = next((each for each in mine if each.state == "offered"), None)
    status = PROBLEMS[refused.refusal].status if refused is not None else 422 if errors else 200
    return render(
        request,
        "pass_on.html",
        status=status,
        issued=issued,
        ticket=ticket,
        event=issued.event,
        address=_address(ticket_id),
        ticket_address=f"/tickets/{show_id('tkt', ticket_id)}",
        offered=offered,
        offered_address=None if offered is None else f"/transfers/{show_id('trf', offered.transfer_id)}",
        until=None if offered is None else offered.expires_at.astimezone(zone),
        last=_last_ended(mine),
        received=issued.booking.buyer_id != reader_id,
        open_to_offers=_is_open(ticket, issued, ended=issued.event.starts_at <= context.clock()),
        mail=context.mail.on,
        errors=errors or [],
        no=None if refused is None else sentence_of(refused),
        email=email,
        key=new_key(),
    )


def _is_open(ticket: tickets.IssuedTicket, issued: tickets.IssuedTickets, *, ended: bool) -> bool:
    return (
        ticket.held
        and ticket.state == "valid"
        and not ticket.returning
        and issued.booking.state == "confirmed"
        and issued.event.state == "published"
        and not ended
    )


def _last_ended(mine: list[Transfer]) -> Transfer | None:
    """Return the last offer of the reader, if it has ended."""
    return mine[0] if mine and mine[0].state != "offered" else None


async def _transfer(request: Request, transfer_id: UUID, refused: Refused | None = None) -> Response[str]:
    here = f"/transfers/{show_id('trf', transfer_id)}"
    login = f"/login?{urlencode({'next': here})}"
    if request.actor.kind == "anonymous":
        return render(request, "transfer.html", state="visitor", login=login, no=None)
    try:
        seen = await see_transfer(request, transfer_id)
    except Refused as exc:
        if exc.refusal is AccountsRefusal.EMAIL_NOT_VERIFIED:
            return render(request, "transfer.html", status=403, state="unverified", login=login, no=None)
        if exc.refusal is SalesRefusal.TRANSFER_NOT_FOUND:
            return render(request, "transfer.html", status=404, state="other", login=login, no=None)
        raise
    story, context = seen.story, request.context
    event = await catalogue.get_event(context.database, story.transfer.event_id)
    booking = await context.bookings.get(story.transfer.booking_id)
    (ticket,) = [each for each in booking.tickets if each.ticket_id == story.transfer.ticket_id]
    due = booking.payment == "door" and booking.payment_id is None and ticket.total_minor()
    return render(
        request,
        "transfer.html",
        status=200 if refused is None else PROBLEMS[refused.refusal].status,
        state=story.transfer.state,
        seen=seen,
        story=story,
        event=event,
        event_address=event_address(event),
        here=here,
        ticket_address=f"/tickets/{show_id('tkt', story.transfer.ticket_id)}",
        is_mine=story.holder_id == request.actor.id,
        until=story.transfer.expires_at.astimezone(event.place.zone),
        due=Money(ticket.total_minor(), booking.currency) if due else None,
        no=None if refused is None else sentence_of(refused),
        login=login,
    )


def _address(ticket_id: UUID) -> str:
    return f"/tickets/{show_id('tkt', ticket_id)}/pass-on"


routes: Final = [pass_on_page, pass_on, give_back, transfer_page, answer]
