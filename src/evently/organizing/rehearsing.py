"""Rehearsals that organizers start: what they ask for, how far each is, and its report.

    plan_rehearsal, stop_rehearsal           what people do
    list_rehearsals, get_rehearsal
    take_rehearsal, note_copy, note_progress, end_rehearsal, fail_lost_rehearsals
                                             what the process does that runs them (`reactions.rehearsing`)
    add_sandbox, remove_sandbox_at, take_due_sandbox, forget_sandbox
                                             sandbox events, until they are removed

A rehearsal never changes its event: it sells a copy, which only the members of the organizer see.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently import catalogue
from evently.accounts.rehearsals import REHEARSAL_BUYERS_MAX
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Busy, CommonRefusal, FieldError, Invalid, Refusal, Refused
from evently.kit.ids import new_id
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import public_types, read_sale
from evently.sales.terms import CAPACITY_MAX

sql: Final = load_queries(__name__)

ARRIVAL_SECONDS_MAX: Final = 120  # then all buyers have come: a rehearsal must end while its tokens work
ABANDON_PERCENT_MAX: Final = 90
SEED_MAX: Final = 1_000_000
REHEARSALS_KEPT_MAX: Final = 50  # of an event, besides those that wait or run
REHEARSALS_OPEN_MAX: Final = 20  # of the platform: one runs at a time, a minute long
SANDBOX_KEPT: Final = timedelta(minutes=15)  # after a rehearsal, so that its members can look at the copy
_SANDBOXES_TRIED: Final = 10  # more than there are processes that remove some at this moment
SANDBOX_UNFINISHED: Final = timedelta(hours=1)  # of a rehearsal whose process dies
SANDBOX_ELSEWHERE: Final = timedelta(days=1)  # of a rehearsal that does not run here

RehearsalState: TypeAlias = Literal["waiting", "running", "done", "failed", "stopped"]
RehearsalEnd: TypeAlias = Literal["done", "failed", "stopped"]
# asked: a person stopped it; busy: real buyers came; server: the server stopped; too_long; lost: its process
# died; unreachable: no answer came from the server; refused: the event cannot be copied now; broken: a bug
RehearsalReason: TypeAlias = Literal[
    "", "asked", "busy", "server", "too_long", "lost", "unreachable", "refused", "broken"
]


class RehearsalRefusal(Refusal):
    """Every refusal of this module."""

    REHEARSALS_OFF = "rehearsals-off"
    REHEARSAL_UNDER_WAY = "rehearsal-under-way"
    ITSELF_A_COPY = "itself-a-copy"


class RehearsalSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rehearsal does.

    `seconds`: a third of the buyers click when the sale opens, the others come within this time. `places`:
    of the copy, by default as many as the event has. `payments`: whether tickets that are paid online are
    paid, with cards of the demo gateway; otherwise the copy is paid at the door. `abandon_percent`: of the
    buyers who hold tickets, how many never pay. `seats`: best: the server picks them; chosen: by the buyers.
    `waiting_room`: the copy has one, and most buyers enter it in the `seconds` before the sale begins. It
    admits all of them within three minutes, or fewer people where few tickets are left. The same `seed` makes
    the same crowd.
    """

    buyers: Annotated[int, msgspec.Meta(ge=1, le=REHEARSAL_BUYERS_MAX, examples=[1_000])]
    seconds: Annotated[int, msgspec.Meta(ge=1, le=ARRIVAL_SECONDS_MAX, examples=[10])] = 10
    places: Annotated[int, msgspec.Meta(ge=1, le=CAPACITY_MAX)] | None = None
    payments: bool = True
    abandon_percent: Annotated[int, msgspec.Meta(ge=0, le=ABANDON_PERCENT_MAX, examples=[5])] = 0
    seats: Annotated[Literal["best", "chosen"], msgspec.Meta(examples=["best"])] = "best"
    waiting_room: bool = False
    seed: Annotated[int, msgspec.Meta(ge=1, le=SEED_MAX, examples=[1])] = 1


class RehearsalProgress(msgspec.Struct, frozen=True):
    """How far a rehearsal is. `seconds`: since the opening of the sale of the copy.

    `sold` and `bookings`: as the buyers were told. `refused`: answers that nothing is left. `p50_ms` and
    `p99_ms`: how long answers to bookings took. `curve`: tickets sold and refusals, each second.
    """

    seconds: float
    arrived: int
    requests: int
    places: int
    sold: int
    bookings: int
    refused: int
    p50_ms: float
    p99_ms: float
    curve: list[tuple[float, int, int]] = []


class RehearsalFinding(msgspec.Struct, frozen=True):
    """What was counted, which must be 0. `code`: see docs/proof.md and docs/rehearsals.md."""

    audit: Literal["buyers", "database"]
    code: str
    title: str
    count: int
    examples: list[str] = []


class RehearsalTimeline(msgspec.Struct, frozen=True):
    """Figures by interval of `seconds`: answers a second, milliseconds, and what was sold by its end."""

    seconds: float
    at: list[float]
    booked: list[float]
    refused: list[float]
    p50_ms: list[float]
    p99_ms: list[float]
    sold: list[int]


class RehearsedWaitingRoom(msgspec.Struct, frozen=True):
    """What happened in the waiting room. `late`: people who entered after the draw.

    `tabs`: in which the people had it open, some of them many. `told_sold_out`: people who were told while
    they waited that nothing is left, from the first to the last so many seconds after the opening.
    """

    per_minute: int
    entered: int
    late: int
    tabs: int
    admitted: int
    told_sold_out: int
    told_first_seconds: float | None
    told_last_seconds: float | None


class RehearsalReport(msgspec.Struct, frozen=True):
    """What came out of a rehearsal. Times are seconds after the opening.

    `paid`: bookings paid online; `abandoned`: holds that were never paid. `without_tickets`: buyers who left
    without any, because it was sold out; `gave_up`: after failed requests. `requests_at_once`:
    so many were under way at a time, at most. `answers`: requests by outcome. `findings`: of the comparison
    of what the buyers were told with the database, and of the audit. `waiting_room`: if the copy had one.
    """

    title: str
    places: int
    sold: int
    bookings: int
    cancelled: int
    paid: int
    abandoned: int
    without_tickets: int
    gave_up: int
    requests: int
    requests_at_once: int
    seconds: float
    sold_out_seconds: float | None
    peak_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answers: dict[str, int]
    findings: list[RehearsalFinding]
    timeline: RehearsalTimeline
    waiting_room: RehearsedWaitingRoom | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found wrong."""
        return all(finding.count == 0 for finding in self.findings)


class Rehearsal(msgspec.Struct, frozen=True):
    """A rehearsal. `copy_id`: the sandbox event, while it is there."""

    event_id: UUID
    rehearsal_id: UUID
    requested_by: UUID
    requested_at: datetime
    plan: RehearsalSpec
    state: RehearsalState
    started_at: datetime | None
    stop_requested_at: datetime | None
    finished_at: datetime | None
    copy_id: UUID | None
    progress: RehearsalProgress | None
    report: RehearsalReport | None
    reason: RehearsalReason

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")


async def plan_rehearsal(
    tx: Connection, event_id: UUID, spec: RehearsalSpec, requested_by: UUID, now: datetime, buyers_max: int
) -> Rehearsal:
    """Write down that an event is to be rehearsed; a process takes it when no other rehearsal runs.

    `buyers_max`: what the operator allows. Refuses `rehearsals-off`, `rehearsal-under-way`, `itself-a-copy`,
    `nothing-to-sell` and `invalid`.
    """
    event = await catalogue.lock_event(tx, event_id)
    if buyers_max == 0:
        raise Refused(RehearsalRefusal.REHEARSALS_OFF)
    if event.sandbox:
        raise Refused(RehearsalRefusal.ITSELF_A_COPY)
    sale = await read_sale(tx, event_id)
    if not public_types(sale):
        raise Refused(SalesRefusal.NOTHING_TO_SELL, "rehearsal")
    wrong = []
    if spec.buyers > buyers_max:
        wrong.append(FieldError("/buyers", "too-many-buyers", {"buyers_max": buyers_max}))
    if sale.hall is not None and spec.places is not None:
        wrong.append(FieldError("/places", "places-of-seats"))
    if wrong:
        raise Invalid(wrong)
    if await tx.fetchval(*sql.find_open(event_id=event_id)) is not None:
        raise Refused(RehearsalRefusal.REHEARSAL_UNDER_WAY)
    if await tx.fetchval(*sql.count_open()) >= REHEARSALS_OPEN_MAX:
        raise Busy("rehearsals")
    # After this point the rehearsal must be stored.
    await tx.execute(*sql.forget_old(event_id=event_id, kept_max=REHEARSALS_KEPT_MAX))
    row = await tx.fetchrow(
        *sql.add_rehearsal(
            event_id=event_id,
            rehearsal_id=new_id(),
            requested_by=requested_by,
            now=now,
            plan=msgspec.json.encode(spec).decode(),
        )
    )
    assert row is not None, "an insert returns its row"
    return _read(row)


async def list_rehearsals(
    database: Database, event_id: UUID, limit: int, after: str | None
) -> Page[Rehearsal]:
    """Return a page of the rehearsals of an event, the newest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_rehearsals(event_id=event_id, after=position, limit=limit + 1))
    found = [_read(row) for row in rows[:limit]]
    return Page(found, write_cursor((found[-1].rehearsal_id,)) if len(rows) > limit else None)


async def get_rehearsal(database: Database, event_id: UUID, rehearsal_id: UUID) -> Rehearsal:
    """Return a rehearsal of an event. Refuses `not-found`."""
    row = await database.fetch_row(*sql.find_rehearsal(event_id=event_id, rehearsal_id=rehearsal_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "rehearsal")
    return _read(row)


async def stop_rehearsal(tx: Connection, event_id: UUID, rehearsal_id: UUID, now: datetime) -> Rehearsal:
    """Stop a rehearsal: at once while it waits, within seconds while it runs. Safe to repeat.

    One that has ended stays as it is. Refuses `not-found`.
    """
    await tx.execute(*sql.stop_rehearsal(event_id=event_id, rehearsal_id=rehearsal_id, now=now))
    row = await tx.fetchrow(*sql.find_rehearsal(event_id=event_id, rehearsal_id=rehearsal_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "rehearsal")
    return _read(row)


# The process that runs them ---------------------------------------------------------------------------------


async def are_any_open(database: Database) -> bool:
    """Return whether a rehearsal waits or runs."""
    found: int = await database.fetch_value(*sql.count_open())
    return found > 0


async def fail_lost_rehearsals(tx: Connection, now: datetime) -> None:
    """Write down that a rehearsal has failed whose process has died: the caller has got the lease."""
    await tx.execute(*sql.fail_lost(now=now))


async def take_rehearsal(tx: Connection, now: datetime) -> Rehearsal | None:
    """Return the rehearsal that has waited longest; it runs from now on. The caller holds the lease."""
    for waiting in await tx.fetch(*sql.list_waiting(limit=REHEARSALS_OPEN_MAX)):
        if (row := await tx.fetchrow(*sql.take_rehearsal(now=now, **waiting))) is not None:
            return _read(row)
    return None


async def note_copy(tx: Connection, rehearsal: Rehearsal, copy_id: UUID) -> None:
    """Write down which sandbox event is the copy."""
    await tx.execute(
        *sql.note_copy(event_id=rehearsal.event_id, rehearsal_id=rehearsal.rehearsal_id, copy_id=copy_id)
    )


async def note_progress(tx: Connection, rehearsal: Rehearsal, progress: RehearsalProgress) -> bool:
    """Write down how far a rehearsal is; return whether it continues."""
    stops = await tx.fetchval(
        *sql.note_progress(
            event_id=rehearsal.event_id,
            rehearsal_id=rehearsal.rehearsal_id,
            progress=msgspec.json.encode(progress).decode(),
        )
    )
    return stops is False


async def end_rehearsal(
    tx: Connection,
    rehearsal: Rehearsal,
    state: RehearsalEnd,
    now: datetime,
    *,
    report: RehearsalReport | None = None,
    reason: RehearsalReason = "",
) -> None:
    """Write the end of a rehearsal, and when its copy is removed. One that has ended stays as it is."""
    copy_id = await tx.fetchval(
        *sql.end_rehearsal(
            event_id=rehearsal.event_id,
            rehearsal_id=rehearsal.rehearsal_id,
            state=state,
            now=now,
            report="" if report is None else msgspec.json.encode(report).decode(),
            reason=reason,
        )
    )
    if copy_id is not None:
        await tx.execute(*sql.remove_sandbox_at(event_id=copy_id, remove_at=now + SANDBOX_KEPT))


# Sandbox events ---------------------------------------------------------------------------------------------


async def add_sandbox(tx: Connection, event_id: UUID, buyer_ids: Sequence[UUID], remove_at: datetime) -> None:
    """Write down a sandbox event, so that it is removed with its buyers."""
    await tx.execute(*sql.add_sandbox(event_id=event_id, buyer_ids=list(buyer_ids), remove_at=remove_at))


async def take_due_sandbox(
    tx: Connection, now: datetime, stuck: Sequence[UUID]
) -> tuple[UUID, list[UUID]] | None:
    """Return a sandbox event that is due to be removed, with its buyers; none of those that are `stuck`."""
    for due in await tx.fetch(*sql.list_due_sandboxes(now=now, stuck=list(stuck), limit=_SANDBOXES_TRIED)):
        row = await tx.fetchrow(*sql.take_due_sandbox(event_id=due["event_id"], now=now))
        if row is not None:
            return row["event_id"], row["buyer_ids"]
    return None


async def forget_sandbox(tx: Connection, event_id: UUID) -> None:
    """Forget a sandbox event that the caller removes."""
    await tx.execute(*sql.forget_copy(copy_id=event_id))
    await tx.execute(*sql.forget_sandbox(event_id=event_id))


def _read(row: Record) -> Rehearsal:
    stored = dict(row)
    stored["plan"] = msgspec.json.decode(row["plan"], type=RehearsalSpec)
    for name, shape in (("progress", RehearsalProgress), ("report", RehearsalReport)):
        stored[name] = msgspec.json.decode(row[name], type=shape) if row[name] else None
    return Rehearsal(**stored)
