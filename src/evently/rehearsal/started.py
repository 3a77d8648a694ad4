"""A rehearsal that an organizer has started: on a copy of the event, against the server that runs.

    rehearse_copy   prepares the copy, runs the crowd, audits, writes the report; writes down how far it is

The buyers use HTTP alone. Preparing the copy and reading what was sold need no HTTP, so they cost the server
nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final, Literal
from uuid import UUID

import msgspec

from evently import accounts, organizing
from evently.accounts import TokenOptions
from evently.accounts.tokens import Tokens
from evently.audit import Finding, inspect
from evently.db import Connection, Database
from evently.kit.clock import utc_now
from evently.kit.errors import Refused, Trouble
from evently.kit.ids import NO_ID, show_id
from evently.organizing import rehearsing
from evently.organizing.rehearsing import (
    RehearsalFinding,
    RehearsalProgress,
    RehearsalReason,
    RehearsalReport,
    RehearsalSpec,
    RehearsalTimeline,
    RehearsedWaitingRoom,
)
from evently.reactions.rehearsing import Assignment, is_calm
from evently.rehearsal.buying import (
    BookingShown,
    MoneyShown,
    RequestOutcome,
    Rush,
    Ticketing,
    TicketShown,
    TypeOnSale,
)
from evently.rehearsal.checks import (
    DrawShown,
    PoolShown,
    ProofShown,
    ServerRecords,
    check_room,
    compare,
)
from evently.rehearsal.crowd import SPREADS_MAX, CrowdOptions, call_early, make_crowd
from evently.rehearsal.driver import HttpClient, Target, request_for
from evently.rehearsal.plan import raise_file_limit
from evently.rehearsal.recording import percentile
from evently.rehearsal.report import BOOKING_OUTCOMES, bin_seconds, timeline
from evently.rehearsal.waiting import RoomJournal
from evently.sales.nouns import Booking
from evently.sales.reads import Proof, Sale, list_bookings_of_event, prove, public_types, read_sale
from evently.waitingroom import PER_MINUTE_MAX, WaitingRoomTerms, find_room, list_entries, put_room

SELLING_SECONDS_MAX: Final = 600.0  # two minutes of arrivals, holds that expire, and a server that is slow
PROGRESS_SECONDS: Final = 1.0
CALM_SECONDS: Final = 3.0  # between two questions whether real buyers came
CONNECTIONS_MAX: Final = 2  # to the database
OPENS_SECONDS_MIN: Final = (
    5  # of a sale with a waiting room: preparing twenty thousand buyers takes one or two
)
ADMITTED_MINUTES: Final = 3  # in which a waiting room admits all buyers; a rehearsal must end
PER_MINUTE_MIN: Final = 600
_PAGE: Final = 500
_ENTRIES: Final = 5_000
_REFUSED: Final = (RequestOutcome.SOLD_OUT, RequestOutcome.SEAT_TAKEN, RequestOutcome.REFUSED)
_OK: Final = 200


class _Ended(Exception):
    """Raised when a rehearsal cannot go on."""

    def __init__(self, state: Literal["failed", "stopped"], reason: RehearsalReason) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


async def rehearse_copy(assignment: Assignment, alive: BinaryIO) -> None:
    """Run a rehearsal to its end. When `alive` ends, so does this, without a report."""
    gone = await _watch(alive)
    database = await Database.open(
        msgspec.structs.replace(assignment.database, pool_connections_max=CONNECTIONS_MAX)
    )
    running: asyncio.Future[None] = asyncio.ensure_future(_Started(assignment, database).run())
    either: set[asyncio.Future[Any]] = {running, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        gone.cancel()
        await database.close()


async def _watch(pipe: BinaryIO) -> asyncio.Future[bytes]:
    """Return what is done when the other end of a pipe is closed."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return asyncio.ensure_future(reader.read())


class _Started:
    """One rehearsal."""

    def __init__(self, assignment: Assignment, database: Database) -> None:
        self._rehearsal = assignment.rehearsal
        self._plan = assignment.rehearsal.plan
        self._options = assignment.options
        self._database = database
        self._curve: list[tuple[float, int, int]] = []
        self._calm_at = time.monotonic()

    async def run(self) -> None:
        """Rehearse, and write how it ended."""
        try:
            report = await self._rehearse()
        except _Ended as exc:
            await self._end(exc.state, exc.reason)
        except Refused:
            await self._end("failed", "refused")
        else:
            async with self._database.transaction() as tx:
                await rehearsing.end_rehearsal(tx, self._rehearsal, "done", utc_now(), report=report)

    async def _end(self, state: Literal["failed", "stopped"], reason: RehearsalReason) -> None:
        async with self._database.transaction() as tx:
            await rehearsing.end_rehearsal(tx, self._rehearsal, state, utc_now(), reason=reason)

    async def _rehearse(self) -> RehearsalReport:
        target = Target.parse(self._options.url)
        at_once = min(self._options.requests_max, raise_file_limit())
        client = HttpClient(target, at_once)
        try:
            if (await client.exchange(request_for("GET", "/readyz", target))).status != _OK:
                raise _Ended("failed", "unreachable")
            title, ticketing = await self._prepare()
            rush = Rush(client, ticketing, f"rehearsal-{ticketing.event_id[-8:]}")
            await self._sell(rush, ticketing)
        finally:
            client.close()
        records, found = await self._read(ticketing)
        told = compare(rush.journal, records, ticketing)
        room = None
        if rush.waiting is not None:
            draw = await self._read_draw()
            told += check_room(rush.waiting.journal, draw, records, ticketing)
            room = _waiting_room(rush.waiting.journal, _per_minute(self._plan))
        findings = [*_shown("buyers", told), *_shown("database", found)]
        report = _report(title, rush, (ticketing.places, at_once), records, findings)
        return msgspec.structs.replace(report, waiting_room=room)

    # Before the sale ----------------------------------------------------------------------------------------

    async def _prepare(self) -> tuple[str, Ticketing]:
        """Make the copy and its buyers, with access tokens."""
        plan, now = self._plan, utc_now()
        opens_in = timedelta(seconds=max(plan.seconds, OPENS_SECONDS_MIN) if plan.waiting_room else 0)
        async with self._database.transaction() as tx:
            buyers = await accounts.rehearsals.add_rehearsal_buyers(tx, plan.buyers, now)
            event, sale = await organizing.copy_for_rehearsal(
                tx,
                self._rehearsal.event_id,
                plan.places,
                now,
                lambda before: organizing.shorten_holds(before, paid=plan.payments and self._options.paid),
                opens_in=opens_in,
            )
            if plan.waiting_room:
                terms = WaitingRoomTerms(math.ceil(opens_in.total_seconds() / 60), _per_minute(plan))
                await put_room(tx, event.event_id, terms, now)
            await rehearsing.add_sandbox(tx, event.event_id, buyers, now + rehearsing.SANDBOX_UNFINISHED)
            await rehearsing.note_copy(tx, self._rehearsal, event.event_id)
        tokens = Tokens(TokenOptions(self._options.secret), utc_now, frozenset())
        session_id = accounts.rehearsals.session_of(event.event_id)
        issued = [tokens.issue_access(buyer, "buyer", session_id) for buyer in buyers]
        ticketing = _ticketing(sale, buyers, issued, chosen=plan.seats == "chosen")
        if plan.waiting_room:
            opens_in = sale.on_sale_at - utc_now()
            opens_at = time.perf_counter() + opens_in.total_seconds()
            ticketing = msgspec.structs.replace(ticketing, opens_at=opens_at)
        return event.title, ticketing

    # The sale -----------------------------------------------------------------------------------------------

    async def _sell(self, rush: Rush, ticketing: Ticketing) -> None:
        plan = self._plan
        crowd = make_crowd(
            CrowdOptions(plan.buyers, plan.seed, plan.seconds / SPREADS_MAX, plan.abandon_percent / 100)
        )

        if ticketing.opens_at is not None:
            crowd = call_early(crowd, max(0.0, ticketing.opens_at - time.perf_counter()), plan.seed)

        async def sell() -> None:
            await rush.run(crowd)
            await rush.sell_returned_tickets()

        selling = asyncio.ensure_future(sell())
        try:
            while not selling.done():
                await asyncio.wait({selling}, timeout=PROGRESS_SECONDS)
                await self._note(rush, ticketing.places)
                await self._check(rush)
            await selling
        finally:
            selling.cancel()
            with suppress(asyncio.CancelledError):
                await selling

    async def _note(self, rush: Rush, places: int) -> None:
        """Write down how far the sale is; raise when it is to stop."""
        journal, recording = rush.journal, rush.recording
        refused = recording.count(*_REFUSED)
        if (elapsed := rush.elapsed()) >= 0:  # before that, buyers enter the waiting room
            self._curve.append((round(elapsed, 1), max(0, journal.sold_units), refused))
        waits = recording.sorted_latencies(*BOOKING_OUTCOMES)
        progress = RehearsalProgress(
            seconds=max(0.0, round(elapsed, 1)),
            arrived=journal.arrived,
            requests=len(recording),
            places=places,
            sold=max(0, journal.sold_units),
            bookings=len(journal.bookings),
            refused=refused,
            p50_ms=_ms(percentile(waits, 50)),
            p99_ms=_ms(percentile(waits, 99)),
            curve=self._curve,
        )
        try:
            async with self._database.transaction() as tx:
                goes_on = await rehearsing.note_progress(tx, self._rehearsal, progress)
        except Trouble:  # the database is away: the next second may find it again
            return
        if not goes_on:
            raise _Ended("stopped", "asked")

    async def _check(self, rush: Rush) -> None:
        """Raise when real buyers have come, or when the sale takes too long."""
        if rush.elapsed() > SELLING_SECONDS_MAX:
            raise _Ended("stopped", "too_long")
        if time.monotonic() - self._calm_at < CALM_SECONDS:
            return
        self._calm_at = time.monotonic()
        with suppress(Trouble):
            if not await is_calm(self._database, utc_now()):
                raise _Ended("stopped", "busy")

    # After the sale -----------------------------------------------------------------------------------------

    async def _read(self, ticketing: Ticketing) -> tuple[ServerRecords, list[Finding]]:
        """Return what the database has of the copy, and what the audit finds in it."""
        event_id = await self._copy_id()
        bookings: list[BookingShown] = []
        after: str | None = None
        while True:
            page = await list_bookings_of_event(self._database, event_id, None, _PAGE, after)
            bookings += [_booking(booking) for booking in page.data]
            if (after := page.next_cursor) is None:
                break
        proof = await prove(self._database, event_id)
        async with self._database.snapshot() as snapshot:
            available = await _available(snapshot, event_id, utc_now())
        assert ticketing.event_id == show_id("evt", event_id), "it is the copy"
        found = await inspect(self._database, event_id)
        return ServerRecords(bookings, _proof(proof), available), found

    async def _read_draw(self) -> DrawShown:
        """Return the draw of the waiting room of the copy, as anybody can read it."""
        event_id = await self._copy_id()
        room = await find_room(self._database, event_id, utc_now())
        assert room is not None, "the copy has one"
        entries: list[str] = []
        while page := await list_entries(
            self._database, event_id, UUID(entries[-1]) if entries else NO_ID, _ENTRIES
        ):
            entries += page
        return DrawShown(
            room.seed_hash.hex(),
            None if room.drawn_at is None else room.seed.hex(),
            None if room.list_hash is None else room.list_hash.hex(),
            room.public_value,
            entries,
            None,
        )

    async def _copy_id(self) -> UUID:
        found = await rehearsing.get_rehearsal(
            self._database, self._rehearsal.event_id, self._rehearsal.rehearsal_id
        )
        if found.copy_id is None:
            raise _Ended("failed", "refused")
        return found.copy_id


def _per_minute(plan: RehearsalSpec) -> int:
    """Return how many people the waiting room admits in a minute."""
    return min(PER_MINUTE_MAX, max(PER_MINUTE_MIN, math.ceil(plan.buyers / ADMITTED_MINUTES)))


def _waiting_room(journal: RoomJournal, per_minute: int) -> RehearsedWaitingRoom:
    places, told = journal.places.values(), sorted(journal.sold_out.values())
    return RehearsedWaitingRoom(
        per_minute=per_minute,
        entered=len(places),
        late=sum(each.late for each in places),
        tabs=journal.tabs,
        admitted=sum(each.admission is not None for each in places),
        told_sold_out=len(told),
        told_first_seconds=round(told[0], 1) if told else None,
        told_last_seconds=round(told[-1], 1) if told else None,
    )


async def _available(snapshot: Connection, event_id: UUID, now: datetime) -> int:
    sale = await read_sale(snapshot, event_id)
    return sum(sale.available_at(terms, now) for terms in public_types(sale))


def _ticketing(sale: Sale, buyers: Sequence[UUID], tokens: list[str], *, chosen: bool) -> Ticketing:
    """Return what the buyers need to know. They see no hidden ticket types."""
    types = [
        TypeOnSale(
            show_id("tty", terms.ticket_type_id),
            terms.name,
            terms.price_minor,
            min(terms.per_booking_max, terms.per_buyer_max or terms.per_booking_max),
            [show_id("pol", pool_id) for pool_id in terms.pool_ids],
        )
        for terms in public_types(sale)
    ]
    _, conditions = sale.conditions_now()
    drawn_on = {pool_id for terms in public_types(sale) for pool_id in terms.pool_ids}
    return Ticketing(
        show_id("evt", sale.event_id),
        sum(pool.capacity for pool in sale.pools.values() if pool.pool_id in drawn_on),
        types,
        [show_id("per", buyer) for buyer in buyers],
        tokens,
        conditions.hold_seconds if conditions.payment == "online" else None,
        [] if sale.hall is None or not chosen else list(sale.hall.plan.ids),
    )


def _booking(booking: Booking) -> BookingShown:
    tickets = [
        TicketShown(
            show_id("tty", ticket.ticket_type_id),
            MoneyShown(ticket.price_minor, booking.currency),
            ticket.state,
        )
        for ticket in booking.tickets
    ]
    total = MoneyShown(booking.total_minor(), booking.currency)
    return BookingShown(
        show_id("bkg", booking.booking_id), show_id("per", booking.buyer_id), booking.state, total, tickets
    )


def _proof(proof: Proof) -> ProofShown:
    pools = [
        PoolShown(
            show_id("pol", pool.pool_id), pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside
        )
        for pool in proof.stored
    ]
    differences = proof.differences
    return ProofShown(proof.seq, proof.head_hash.hex(), not differences, differences, pools)


def _shown(audit: Literal["buyers", "database"], findings: Sequence[Finding]) -> list[RehearsalFinding]:
    return [
        RehearsalFinding(audit, each.code, each.title, each.count, list(each.examples)) for each in findings
    ]


def _report(
    title: str, rush: Rush, sizes: tuple[int, int], records: ServerRecords, findings: list[RehearsalFinding]
) -> RehearsalReport:
    places, at_once = sizes
    journal, recording = rush.journal, rush.recording
    line = timeline(recording, journal.sales)
    waits = recording.sorted_latencies(*BOOKING_OUTCOMES)
    counts = recording.counts()
    sold_out = journal.sold_out_at
    return RehearsalReport(
        title=title,
        places=places,
        sold=records.sold(),
        bookings=len(journal.bookings),
        cancelled=sum(each.cancelled is True for each in journal.bookings.values()),
        paid=sum(each.paid is True for each in journal.bookings.values()),
        abandoned=journal.abandoned,
        without_tickets=len(journal.without_tickets),
        gave_up=journal.gave_up,
        requests=len(recording),
        requests_at_once=at_once,
        seconds=round(recording.last_answer_at(), 2),
        sold_out_seconds=None if sold_out is None else round(sold_out, 2),
        peak_per_second=round(max(line.booked, default=0.0), 1),
        p50_ms=_ms(percentile(waits, 50)),
        p95_ms=_ms(percentile(waits, 95)),
        p99_ms=_ms(percentile(waits, 99)),
        answers={each.name.lower(): counts[each] for each in RequestOutcome if counts.get(each)},
        findings=findings,
        timeline=RehearsalTimeline(
            seconds=bin_seconds(recording.last_answer_at()),
            at=[round(at, 2) for at in line.at],
            booked=[round(each, 1) for each in line.booked],
            refused=[round(each, 1) for each in line.refused],
            p50_ms=[round(each, 1) for each in line.p50],
            p99_ms=[round(each, 1) for each in line.p99],
            sold=[int(each) for each in line.sold],
        ),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 1)
