"""The journal of an event, and its proof: the stored state compared with a replay of the journal."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from evently import sales
from evently.kit.ids import EventId, show_id
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request


class JournalRowView(msgspec.Struct, frozen=True):
    """The facts of one batch. `hash` is sha256(hash of the previous row || facts_text as UTF-8), in hex."""

    seq: int
    at: datetime
    hash: str
    facts_text: str


class PoolCounters(msgspec.Struct, frozen=True):
    """The counters of a pool."""

    pool_id: str
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int


class StateCountView(msgspec.Struct, frozen=True):
    """How many bookings, tickets, seats, waitlist entries or refunds are in a state.

    The state of a ticket is that of its booking, or void.
    """

    kind: str
    state: str
    stored: int
    recomputed: int


class BalanceView(msgspec.Struct, frozen=True):
    """The balance of one ledger account, in minor units. The balances of all accounts add up to zero."""

    account: str
    currency: str
    stored: int
    recomputed: int


class ProofView(msgspec.Struct, frozen=True):
    """The stored state of a sale, compared with a replay of its journal from the beginning.

    `consistent` says whether both are equal; `differences` lists what is not. `stored` and `recomputed` are
    the counters of the pools. The comparison also covers which ticket has which seat.
    """

    event_id: str
    seq: int
    head_hash: str
    consistent: bool
    differences: list[str]
    stored: list[PoolCounters]
    recomputed: list[PoolCounters]
    figures: list[StateCountView]
    balances: list[BalanceView]


@get(
    "/v1/events/{event_id}/journal",
    operation_id="readJournal",
    summary="Read the journal of an event",
    description=(
        "Every fact of the event's sale, in order. Facts name people, tickets and pools by their UUIDs, in "
        "exactly the bytes that were hashed."
    ),
    tags=["Organizer: proof"],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def read_journal(
    request: Request, event_id: FromPath[EventId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[JournalRowView]]:
    """Return a page of the journal of an event."""
    page = await sales.reads.list_journal(request.context.database, event_id, limit, after)
    return paginated(request, page, _show_journal_row)


@get(
    "/v1/events/{event_id}/proof",
    operation_id="proveEvent",
    summary="Get the proof of an event",
    tags=["Organizer: proof"],
    responses=problems(),
    **policy(organizer("manager", "events:read"), rate="heavy"),
)
async def prove_event(request: Request, event_id: FromPath[EventId]) -> Response[ProofView]:
    """Replay the journal of an event and compare the result with the stored state, both at one instant."""
    proof = await sales.reads.prove(request.context.database, event_id)
    view = ProofView(
        show_id("evt", event_id),
        proof.seq,
        proof.head_hash.hex(),
        not proof.differences,
        proof.differences,
        [_counters(pool) for pool in proof.stored],
        [_counters(pool) for pool in proof.recomputed],
        [StateCountView(each.kind, each.state, each.stored, each.recomputed) for each in proof.figures],
        [
            BalanceView(each.account, proof.currency, each.stored_minor, each.recomputed_minor)
            for each in proof.balances
        ],
    )
    return Response(view, headers=NO_STORE)


def _show_journal_row(row: sales.reads.JournalRow) -> JournalRowView:
    return JournalRowView(row.seq, row.at, row.hash.hex(), row.facts.decode())


def _counters(pool: sales.reads.Pool) -> PoolCounters:
    return PoolCounters(
        show_id("pol", pool.pool_id), pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside
    )


routes: Final = [read_journal, prove_event]
