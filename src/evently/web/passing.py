"""Passing tickets on, for the API and the pages: who may, how often, and what a reader sees of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from evently import catalogue, sales
from evently.accounts import AccountsRefusal, people
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import new_id
from evently.sales.commands import Command
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.outcomes import No, Outcome, SalesRefusal, Transferred
from evently.sales.reads import HeldTicket, TransferStory
from evently.tickets import TicketsRefusal
from evently.web.codes import require_mail
from evently.web.services import Request

# Each offer is an e-mail to an address that was typed. A person who passes on a group's tickets needs no
# more of them in a day; no address gets more, from all givers together; no ticket goes round and round
BY_GIVER_MAX: Final = 30
TO_ADDRESS_MAX: Final = 10
OF_TICKET_MAX: Final = 10
_DAY: Final = timedelta(days=1)
Role: TypeAlias = Literal["giver", "receiver"]


class SeenTransfer(NamedTuple):
    """A transfer, and what the reader is in it."""

    story: TransferStory
    role: Role


async def offer_ticket(request: Request, ticket_id: UUID, email: str, key: str | None) -> Transferred:
    """Offer a ticket of the caller to the person with an address; an e-mail goes there.

    Refuses with `no-mail` where that would reach nobody, and with `invalid` an address that is none.
    """
    require_mail(request)
    context, giver_id, address = request.context, request.actor.id, people.normalise_email(email)
    if errors := people.email_errors(address, "/email"):
        raise Invalid(errors)
    held = await _hold(request, ticket_id)
    if held.holder_id != giver_id:
        raise Refused(SalesRefusal.TICKET_PASSED_ON)
    if (await people.get_person(context.database, giver_id)).email == address:
        raise Refused(SalesRefusal.NOT_TRANSFERABLE, "own")
    transfer_id = _transfer_id(giver_id, ticket_id, key)
    if key is None or not await _is_known(request, transfer_id):
        await _check_counts(request, held, address)
    outcome = await _submit(
        request,
        OfferTransfer(
            held.event_id,
            held.booking_id,
            ticket_id,
            transfer_id,
            giver_id,
            address,
            held.event_starts_at,
        ),
    )
    assert isinstance(outcome, Transferred), "the outcome of an offer is a transfer"
    return outcome


async def see_transfer(request: Request, transfer_id: UUID) -> SeenTransfer:
    """Return a transfer that the caller has made, or that is or was for them.

    Refuses with `email-not-verified` a person who has not proved that the address is theirs.
    """
    database = request.context.database
    story = await sales.reads.get_transfer(database, transfer_id)
    transfer, reader_id = story.transfer, request.actor.id
    if transfer.receiver_id == reader_id:
        return SeenTransfer(story, "receiver")
    if transfer.giver_id == reader_id:
        return SeenTransfer(story, "giver")
    person = await people.get_person(database, reader_id)
    if transfer.receiver_id is not None or person.email is None or person.email != transfer.address:
        raise Refused(SalesRefusal.TRANSFER_NOT_FOUND)
    if person.email_verified_at is None:
        raise Refused(AccountsRefusal.EMAIL_NOT_VERIFIED)
    return SeenTransfer(story, "receiver")


async def accept_ticket(request: Request, transfer_id: UUID) -> None:
    """Accept a ticket that is offered to the caller's address. Harmless to repeat."""
    story = await _as_receiver(request, transfer_id)
    transfer = story.transfer
    event = await catalogue.get_event(request.context.database, transfer.event_id)
    await _submit(
        request,
        AcceptTransfer(
            transfer.event_id,
            transfer.booking_id,
            transfer_id,
            request.actor.id,
            transfer.address or "",
            story.ticket_type_id,
            event.starts_at,
        ),
    )


async def decline_ticket(request: Request, transfer_id: UUID) -> None:
    """Decline a ticket that is offered to the caller's address. Harmless to repeat."""
    transfer = (await _as_receiver(request, transfer_id)).transfer
    await _submit(request, DeclineTransfer(transfer.event_id, transfer_id, transfer.address or ""))


async def take_offer_back(request: Request, transfer_id: UUID) -> None:
    """Take back an offer that the caller has made and nobody has accepted. Harmless to repeat."""
    seen = await see_transfer(request, transfer_id)
    event_id = seen.story.transfer.event_id
    await _submit(request, WithdrawTransfer(event_id, transfer_id, request.actor.id))


async def give_ticket_back(request: Request, ticket_id: UUID) -> None:
    """Give a ticket that was passed on to the caller back to its buyer."""
    held = await _hold(request, ticket_id)
    if held.holder_id == held.buyer_id or held.holder_id != request.actor.id:
        raise Refused(SalesRefusal.NOT_TRANSFERABLE, "not_received")
    await _submit(
        request,
        GiveBackTicket(held.event_id, held.booking_id, ticket_id, request.actor.id),
    )


async def _hold(request: Request, ticket_id: UUID) -> HeldTicket:
    held = await sales.reads.find_held_ticket(request.context.database, request.actor.id, ticket_id)
    if held is None:
        raise Refused(TicketsRefusal.TICKET_NOT_FOUND)
    return held


async def _as_receiver(request: Request, transfer_id: UUID) -> TransferStory:
    seen = await see_transfer(request, transfer_id)
    if seen.role != "receiver":
        raise Refused(SalesRefusal.NOT_TRANSFERABLE, "own")
    return seen.story


def _transfer_id(giver_id: UUID, ticket_id: UUID, key: str | None) -> UUID:
    """Return the id of a new transfer: the same for a repeated request with a key."""
    if key is None:
        return new_id()
    named = hashlib.sha256(b"transfer" + giver_id.bytes + ticket_id.bytes + key.encode())
    return UUID(bytes=named.digest()[:16])


async def _is_known(request: Request, transfer_id: UUID) -> bool:
    try:
        await sales.reads.get_transfer(request.context.database, transfer_id)
    except Refused:
        return False
    return True


async def _check_counts(request: Request, held: HeldTicket, address: str) -> None:
    context, giver_id = request.context, request.actor.id
    since = context.clock() - _DAY
    counts = await sales.reads.count_transfers(context.database, held, giver_id, address, since)
    if counts.of_ticket >= OF_TICKET_MAX:
        raise Refused(SalesRefusal.TOO_MANY_TRANSFERS, "of_ticket", most=OF_TICKET_MAX)
    if counts.by_giver >= BY_GIVER_MAX:
        raise Refused(SalesRefusal.TOO_MANY_TRANSFERS, "by_giver", most=BY_GIVER_MAX)
    if counts.to_address >= TO_ADDRESS_MAX:
        raise Refused(SalesRefusal.TOO_MANY_TRANSFERS, "to_address", most=TO_ADDRESS_MAX)


async def _submit(request: Request, command: Command) -> Outcome:
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        raise outcome.as_error()
    return outcome
