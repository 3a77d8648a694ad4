"""Batches: one transaction locks and loads sales, decides commands with the rules, and writes the outcomes.

Lanes run many commands of many events in a batch; organizers' commands are batches of one, inside the
caller's transaction.

Budget at saturation, one process on one core: 40 microseconds of Python a booking (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from evently.db import Connection
from evently.kit.clock import Clock
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.ids import IdSource, new_id
from evently.sales import store
from evently.sales.commands import Command
from evently.sales.commands.bookings import LINES_MAX, PlaceBooking
from evently.sales.commands.sale_terms import SetUpSale, WakeSale
from evently.sales.commands.seats import BlockSeats, PutSeating, UnblockSeats
from evently.sales.loading import Work
from evently.sales.outcomes import No, Outcome
from evently.sales.rules import decide
from evently.sales.rules.state import WAITLIST_KNOWN_MAX, Batch, Sale

# A command, or serving the waitlist, may look at so many seats on the event loop: in about 15 milliseconds.
# For more, a batch is decided in a thread
SEATS_ON_LOOP_MAX: Final = 400_000
# One, because the interpreter runs one at a time anyway; no other work waits in it
_thread: Final = ThreadPoolExecutor(1, "decisions")
_SECRET_BYTES: Final = 10  # 80 random bits: a ticket code cannot be guessed


class CarriedOut(NamedTuple):
    """A command's outcome, and the sale that it left."""

    outcome: Outcome
    sale: Sale


async def carry_out(
    transaction: Connection,
    command: Command,
    now: datetime,
    new_id: IdSource = new_id,
    *,
    known: Sale | None = None,
) -> CarriedOut:
    """Run one command inside the caller's transaction; raise a refusal as `Refused`.

    For an organizer's edits, together with their own tables. After a refusal the caller must roll back. The
    sale stays locked until the caller commits: call it last. `known`: the sale as the caller has read it. The
    engine loads it again only if its journal has grown since, and changes it in place.
    """
    remembered = {} if known is None else {known.event_id: known}
    (work,), (outcome,) = await process(
        transaction, [command], remembered, lambda: now, new_id, in_thread=_concerns_all_seats(command)
    )
    if isinstance(outcome, No):
        raise outcome.as_error()
    while work.batch.unserved and work.sale is not None:  # one batch serves only so many waitlist entries
        remembered = {work.event_id: work.sale}
        (work,), _ = await process(transaction, [WakeSale(command.event_id)], remembered, lambda: now, new_id)
    assert work.sale is not None, "a command that succeeds leaves a sale"
    assert outcome is not None, "one command is always decided"
    return CarriedOut(outcome, work.sale)


async def process(
    connection: Connection,
    commands: Sequence[Command],
    remembered: Mapping[UUID, Sale],
    clock: Clock,
    new_id: IdSource,
    denominations: Denominations = iso_denomination,
    decide_seconds_max: float = math.inf,
    *,
    late: Callable[[Container[UUID]], Sequence[Command]] = lambda _: (),
    in_thread: bool = False,
) -> tuple[list[Work], list[Outcome | None]]:
    """Lock, load, decide and write inside the caller's transaction.

    `late` returns further commands of the given events, once these are locked: those that have come while the
    batch waited for its locks. Returns each event's work, and the outcomes in the order of the commands and
    the late ones. When deciding takes more than `decide_seconds_max` of the processor, what is decided is
    written; the outcome of the other commands is None. At least one command is decided. `in_thread`: deciding
    takes long. The caller alone knows the remembered sales.
    """
    event_ids = dict.fromkeys(command.event_id for command in commands)
    locked = await store.lock(connection, list(event_ids))
    commands = [*commands, *late(event_ids)]
    now = clock()
    by_event: dict[UUID, list[int]] = {}
    for index, command in enumerate(commands):
        by_event.setdefault(command.event_id, []).append(index)
    works = [
        Work(
            event_id,
            None,
            Batch(now, new_id, _new_secret, denominations),
            [commands[index] for index in indexes],
        )
        for event_id, indexes in by_event.items()
    ]
    await store.load(connection, works, locked, remembered)
    outcomes: list[Outcome | None] = [None] * len(commands)
    # Not time as it passes: on a busy machine batches would get smaller, and so cost more
    deadline = time.process_time() + decide_seconds_max
    for number, work in enumerate(works):
        if number and time.process_time() > deadline:
            break
        arguments = work.sale, work.batch, work.commands, lambda: time.process_time() > deadline
        if in_thread or _concerns_many_seats(work):
            loop = asyncio.get_running_loop()
            work.sale, decided = await loop.run_in_executor(_thread, decide, *arguments)
        else:
            work.sale, decided = decide(*arguments)
        for index, outcome in zip(by_event[work.event_id], decided, strict=False):
            outcomes[index] = outcome
    await store.write(connection, works)
    return works, outcomes


def _concerns_all_seats(command: Command) -> bool:
    if isinstance(command, SetUpSale):
        return command.seating is not None
    return isinstance(command, PutSeating | BlockSeats | UnblockSeats)


def _concerns_many_seats(work: Work) -> bool:
    """Return whether the seats of a large hall are looked at too often for the event loop.

    Picking the best available seats may look at all of them, once for each line of a booking, or for each
    offer to the waitlist.
    """
    if work.sale is None or (hall := work.sale.hall) is None:
        return False
    wishes = WAITLIST_KNOWN_MAX if work.sale.waitlists else LINES_MAX
    if hall.plan.size * wishes <= SEATS_ON_LOOP_MAX:
        return False
    lines = max([len(each.lines) for each in work.commands if isinstance(each, PlaceBooking)], default=0)
    return bool(work.sale.waitlists) or hall.plan.size * lines > SEATS_ON_LOOP_MAX


def _new_secret() -> bytes:
    return os.urandom(_SECRET_BYTES)
