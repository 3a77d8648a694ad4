"""Blocks of seats of an event, and the state of every seat, for its organizer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import organizing
from evently.catalogue import Event
from evently.kit.errors import Refused
from evently.kit.ids import EventId, SeatBlockId, show_id
from evently.organizing import BlockName, SeatBlockChanges, SeatBlockDraft
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, SeatBlock, list_held_seats, read_sale, show_states
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.api.organizing.parts import answer_changed_part, answer_part, read_event_and_sale
from evently.web.api.organizing.selling import SEATS_BYTES_MAX
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.lists import PageView
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post
from evently.web.services import Request

_TAG: Final = "Organizer: seating"

SeatBlockIdText = Annotated[str, msgspec.Meta(examples=["blk_01m7y4ef72ev2sxmcnxfse27zp"])]


class SeatBlockView(msgspec.Struct, frozen=True):
    """A block of seats. `seats`: the ids of those that are still blocked."""

    id: SeatBlockIdText
    name: BlockName
    until: datetime | None
    blocked_at: datetime
    seats: Annotated[Sequence[str], msgspec.Meta(examples=[["stalls-c-1", "stalls-c-2"]])]


class SeatStatesView(msgspec.Struct, frozen=True):
    """The state of every seat as of journal row `seq`, one character each, in the order of the layout.

    `0` available, `h` held, `s` sold, `b` blocked, `-` in no zone.
    """

    seq: int
    map_version: str
    seats: Annotated[str, msgspec.Meta(examples=["00hhssb0-"])]


@get(
    "/v1/events/{event_id}/seats/states",
    operation_id="getSeatStates",
    summary="Get the state of every seat",
    description=(
        "For the organizer, who may see more than buyers: which seats are held, sold or blocked. Also of a "
        "draft. The seats are in the order of the map (section by section, row by row)."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.NOT_SEATED),
    **policy(MEMBERS),
)
async def get_seat_states(request: Request, event_id: FromPath[EventId]) -> Response[SeatStatesView]:
    """Return the states of all seats."""
    async with request.context.database.snapshot() as snapshot:
        sale = await read_sale(snapshot, event_id)
        held = await list_held_seats(snapshot, event_id)
    if sale.hall is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    view = SeatStatesView(sale.seq, sale.hall.plan.digest, show_states(sale.hall, held))
    return Response(view, headers={"cache-control": "no-store"})


@get(
    "/v1/events/{event_id}/seat-blocks",
    operation_id="listSeatBlocks",
    summary="List the blocks of seats of an event",
    description="The oldest first, in one page. Seats that were blocked without a name are in none.",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_seat_blocks(
    request: Request, event_id: FromPath[EventId]
) -> Response[PageView[SeatBlockView]]:
    """List the blocks of seats that have a name."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, PageView([_show(sale, block) for block in sale.seat_blocks.values()], None))


@post(
    "/v1/events/{event_id}/seat-blocks",
    operation_id="addSeatBlock",
    summary="Block seats under a name",
    description=(
        "Keeps seats for a partner, the press or the house. Blocks all of them or, if one is taken or "
        "blocked already, none. At `until`, those that are left are for sale again, by themselves. "
        "`POST .../seats/unblock` takes seats out of their block. No change becomes stale."
    ),
    tags=[_TAG],
    responses=problems(
        SalesRefusal.SEAT_TAKEN,
        SalesRefusal.NOT_SEATED,
        SalesRefusal.TOO_MANY_PARTS,
        SalesRefusal.EVENT_CANCELLED,
    ),
    **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX),
)
async def add_seat_block(
    request: Request, event_id: FromPath[EventId], data: JSONBody[SeatBlockDraft]
) -> Response[SeatBlockView]:
    """Block free seats under a name."""
    context = request.context
    async with context.database.transaction() as tx:
        added = await organizing.add_seat_block(tx, event_id, data, context.clock())
    answer = _answer(request, added.event, added.sale, added.part_id)
    answer.status_code = 201
    answer.headers["location"] = f"/v1/events/{show_id('evt', event_id)}/seat-blocks"
    return answer


@patch(
    "/v1/events/{event_id}/seat-blocks/{seat_block_id}",
    operation_id="changeSeatBlock",
    summary="Change the name or the end of a block of seats",
    tags=[_TAG],
    responses=problems(SalesRefusal.UNKNOWN_SEAT_BLOCK, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS),
)
async def change_seat_block(
    request: Request,
    event_id: FromPath[EventId],
    seat_block_id: FromPath[SeatBlockId],
    data: JSONBody[SeatBlockChanges],
) -> Response[SeatBlockView]:
    """Change a block of seats."""
    context = request.context
    async with context.database.transaction() as tx:
        event, sale = await organizing.change_seat_block(tx, event_id, seat_block_id, data, context.clock())
    return _answer(request, event, sale, seat_block_id)


@delete(
    "/v1/events/{event_id}/seat-blocks/{seat_block_id}",
    operation_id="removeSeatBlock",
    summary="Unblock all seats of a block",
    tags=[_TAG],
    responses=problems(SalesRefusal.UNKNOWN_SEAT_BLOCK, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS),
)
async def remove_seat_block(
    request: Request, event_id: FromPath[EventId], seat_block_id: FromPath[SeatBlockId]
) -> Response[None]:
    """Put the seats of a block back on sale."""
    context = request.context
    async with context.database.transaction() as tx:
        event, _ = await organizing.remove_seat_block(tx, event_id, seat_block_id, context.clock())
    return answer_changed_part(request, event, None)


def _answer(request: Request, event: Event, sale: Sale, block_id: UUID) -> Response[SeatBlockView]:
    return answer_changed_part(request, event, _show(sale, organizing.get_seat_block(sale, block_id)))


def _show(sale: Sale, block: SeatBlock) -> SeatBlockView:
    terms = block.terms
    return SeatBlockView(
        show_id("blk", terms.block_id),
        terms.name,
        terms.until,
        block.blocked_at,
        organizing.seat_ids_of(sale, block),
    )


routes: Final = [get_seat_states, list_seat_blocks, add_seat_block, change_seat_block, remove_seat_block]
