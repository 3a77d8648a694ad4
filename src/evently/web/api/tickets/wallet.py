"""A ticket in Apple Wallet or Google Wallet, where this installation has certificates for them."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from evently import tickets
from evently.kit.errors import Refused
from evently.kit.ids import TicketId, show_id
from evently.tickets import APPLE_PASS, TicketsRefusal
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request


class WalletsView(msgspec.Struct, frozen=True):
    """Where a ticket can be saved. `apple_url` is a pass of this API, `google_url` a page of Google.

    One of them may be null: this installation does not have that wallet.
    """

    apple_url: str | None
    google_url: str | None


@get(
    "/v1/tickets/{ticket_id}/wallet",
    operation_id="getTicketWallets",
    summary="Get the wallets that a ticket can be saved in",
    description="The code is in the link to Google, so it is made for each request and must be kept private.",
    tags=["Tickets"],
    responses=problems(
        TicketsRefusal.TICKET_NOT_FOUND, TicketsRefusal.NO_VALID_TICKET, TicketsRefusal.NO_WALLET
    ),
    **policy(SIGNED_IN),
)
async def get_ticket_wallets(request: Request, ticket_id: FromPath[TicketId]) -> Response[WalletsView]:
    """Return where a ticket of the caller can be saved."""
    context = request.context
    apple, google = context.wallets.offered(now := context.clock())
    if apple is None and google is None:
        raise Refused(TicketsRefusal.NO_WALLET)
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    tickets.get_code(issued, ticket)
    shown = show_id("tkt", ticket_id)
    view = WalletsView(
        apple_url=None if apple is None else f"/v1/tickets/{shown}/wallet/apple.pkpass",
        google_url=None if google is None else await asyncio.to_thread(google.url_for, issued, ticket, now),
    )
    return Response(view, headers=NO_STORE)


@get(
    "/v1/tickets/{ticket_id}/wallet/apple.pkpass",
    operation_id="getTicketApplePass",
    summary="Get a ticket as a pass for Apple Wallet",
    description="A signed pass. It does not update itself: get it again after a change of the event.",
    tags=["Tickets"],
    media_type=APPLE_PASS,
    responses=problems(
        TicketsRefusal.TICKET_NOT_FOUND, TicketsRefusal.NO_VALID_TICKET, TicketsRefusal.NO_WALLET
    ),
    **policy(SIGNED_IN),
)
async def get_ticket_apple_pass(request: Request, ticket_id: FromPath[TicketId]) -> Response[bytes]:
    """Return a ticket of the caller as a pass."""
    context = request.context
    apple, _ = context.wallets.offered(context.clock())
    if apple is None:
        raise Refused(TicketsRefusal.NO_WALLET)
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    tickets.get_code(issued, ticket)
    headers = NO_STORE | {
        "content-disposition": f'attachment; filename="{issued.reference}-{ticket.number}.pkpass"'
    }
    return Response(
        await asyncio.to_thread(apple.pass_of, issued, ticket), headers=headers, media_type=APPLE_PASS
    )


routes: Final = [get_ticket_wallets, get_ticket_apple_pass]
