"""The load of the benchmark: requests to a server, and the figures of each run."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.checks import Tally
from bench.processor import Clock, Cost
from bench.stage import OnSale, Stage
from evently.db import Database, DatabaseOptions
from evently.rehearsal.driver import HttpClient, Target, request_for
from evently.rehearsal.loops import LoopResult, NextRequest, closed_loop, volley
from evently.rehearsal.plan import run as run_in_loop
from evently.rehearsal.recording import LOST, percentile

CREATED: Final = 201
CONFLICT: Final = 409
OK: Final = 200
_POLL_SECONDS: Final = 0.05
_SETTLING_POLLS_MAX: Final = 400
_STRIDE: Final = 7919  # a prime: buyers who follow each other are far apart in the list
_METRIC: Final = re.compile(r"^(evently_\w+)(\{[^}]*\})? (\S+)$", re.MULTILINE)
# What a browser adds to each request. Answers are then compressed, which costs a server time and memory.
BROWSER: Final = (
    b"\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    b"\r\naccept: application/json, text/html;q=0.9, */*;q=0.8\r\naccept-language: en-US,en;q=0.5"
    b"\r\naccept-encoding: gzip, deflate, br, zstd"
)
_numbers: Final = itertools.count()  # so that no key is used twice in one benchmark


class Measured(msgspec.Struct, frozen=True):
    """The figures of one run: rate of wanted answers, their latencies in ms, other answers by status.

    `wrong` is the number of breaches; None without an audit.
    """

    per_second: float
    p50: float
    p99: float
    longest: float
    answers: int
    others: dict[int, int]
    last_answer_seconds: float
    wrong: int | None = None
    per_commit: float | None = None
    audit_seconds: float = 0.0
    cost: Cost | None = None  # of a booking


def book(
    stage: Stage,
    sales: Sequence[OnSale],
    clients: int,
    seconds: float,
    *,
    bookings_max: int | None = None,
    audited: bool = True,
    headers: bytes = b"",
) -> Measured:
    """Measure clients that book one ticket each, again and again, spread over `sales`.

    `audited`: audit the events now; otherwise a later run of the same events does it. `headers`: more headers
    of each request, such as `BROWSER`.
    """
    return run_in_loop(_book(stage, sales, clients, seconds, bookings_max, audited=audited, headers=headers))


def browse(stage: Stage, clients: int, pages: int) -> Measured:
    """Measure visitors whose browsers read long, compressed pages of events."""
    request = request_for("GET", "/v1/events?limit=20", stage.target)
    request = request.replace(b"\r\n\r\n", BROWSER + b"\r\n\r\n")
    left = iter(range(pages))

    def following() -> bytes | None:
        return None if next(left, None) is None else request

    return measured(run_in_loop(closed_loop(stage.target, clients, following, 600.0)), OK)


def refuse(stage: Stage, sale: OnSale, clients: int, seconds: float, *, keyed: bool) -> Measured:
    """Sell an event out, then measure the refusals of bookings."""
    return run_in_loop(_refuse(stage, sale, clients, seconds, keyed=keyed))


def read(stage: Stage, sale: OnSale, clients: int, seconds: float, *, signed_in: bool) -> Measured:
    """Measure reads of an event and of its availability in turn.

    Readers are visitors from many addresses, as behind a proxy, or `signed_in` buyers.
    """
    paths = itertools.cycle([f"/v1/events/{sale.event}", f"/v1/events/{sale.event}/availability"])
    addresses = itertools.count()

    def request(token: str) -> bytes:
        if signed_in:
            return request_for("GET", next(paths), stage.target, token=token)
        number = next(addresses)
        head = request_for("GET", next(paths), stage.target)
        return head.replace(
            b"\r\n\r\n", b"\r\nx-forwarded-for: 10.%d.%d.1\r\n\r\n" % (number // 250 % 250, number % 250)
        )

    return measured(run_in_loop(closed_loop(stage.target, clients, _rotating(stage, request), seconds)), OK)


def stampede(stage: Stage, sale: OnSale, clients: int) -> Measured:
    """Measure many clients that book at one instant, each on a connection of its own; audited."""
    return run_in_loop(_stampede(stage, sale, clients))


def measured(run: LoopResult, wanted: int) -> Measured:
    """Return the figures of a run."""
    latencies = run.recording.sorted_latencies(wanted)
    counts = run.recording.counts()
    return Measured(
        per_second=run.per_second(wanted),
        p50=percentile(latencies, 50) * 1000,
        p99=percentile(latencies, 99) * 1000,
        longest=(latencies[-1] if latencies else 0.0) * 1000,
        answers=counts.pop(wanted, 0),
        others=counts,
        last_answer_seconds=run.recording.last_answer_at(),
    )


def memory_of(stage: Stage) -> float:
    """Return the resident memory of the worker in MB: the largest of the server and its children."""
    family = [stage.server.process_id, *children_of(stage.server.process_id)]
    return max(_resident_megabytes(process_id) for process_id in family)


# Bookings ---------------------------------------------------------------------------------------------------


async def _book(
    stage: Stage,
    sales: Sequence[OnSale],
    clients: int,
    seconds: float,
    bookings_max: int | None,
    *,
    audited: bool,
    headers: bytes,
) -> Measured:
    before = await _metrics(stage.target)
    requests = bookings(stage, sales, bookings_max, headers)
    clock = Clock(stage.server.process_id, stage.postgres_process_id)
    run = await closed_loop(stage.target, clients, requests, seconds, keep_status=CREATED)
    cost = clock.cost_of(run.recording.count(CREATED))
    after = await _metrics(stage.target)
    booked = await with_audit(stage, sales, run, _per_commit(before, after), check=audited)
    return msgspec.structs.replace(booked, cost=cost)


async def _stampede(stage: Stage, sale: OnSale, clients: int) -> Measured:
    following = bookings(stage, [sale], clients)
    requests = [request for _ in range(clients) if (request := following()) is not None]
    return await with_audit(
        stage, [sale], await volley(stage.target, requests, keep_status=CREATED), None, check=True
    )


async def with_audit(
    stage: Stage, sales: Sequence[OnSale], run: LoopResult, per_commit: float | None, *, check: bool
) -> Measured:
    """Return the figures of a run that booked, with the number of breaches if `check` is set."""
    began = time.perf_counter()
    tally = _tallies.setdefault((stage.database_url, tuple(sale.event for sale in sales)), Tally(stage))
    tally.add(sales, run.kept, run.recording.count(LOST, 503, 500))
    wrong = await tally.check() if check else None
    return msgspec.structs.replace(
        measured(run, CREATED), wrong=wrong, per_commit=per_commit, audit_seconds=time.perf_counter() - began
    )


# Events that several runs book are audited over all these runs.
_tallies: Final[dict[tuple[str, tuple[str, ...]], Tally]] = {}


def bookings(
    stage: Stage, sales: Sequence[OnSale], bookings_max: int | None = None, headers: bytes = b""
) -> NextRequest:
    """Return a function that makes the next booking request: another buyer, key and event each time.

    A request takes 0.6 us.
    """
    host = stage.target.authority().encode()
    heads = [
        b"POST /v1/events/%b/bookings HTTP/1.1\r\nhost: %b%b\r\nauthorization: Bearer "
        % (sale.event.encode(), host, headers)
        for sale in sales
    ]
    ends = [
        _end(b'{"lines":[{"ticket_type_id":"%b","quantity":1}]}' % sale.ticket_type.encode())
        for sale in sales
    ]
    tokens = [buyer.token.encode() for buyer in stage.buyers]
    several, people, first = len(sales), len(tokens), next(_numbers) * 1_000_003
    left = iter(range(bookings_max)) if bookings_max is not None else itertools.count()

    def following() -> bytes | None:
        number = next(left, None)
        if number is None:
            return None
        which = number % several
        return b"%b%b\r\nidempotency-key: bench-%d-%d%b" % (
            heads[which],
            tokens[number * _STRIDE % people],
            first,
            number,
            ends[which],
        )

    return following


def _end(body: bytes) -> bytes:
    return b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def _refuse(stage: Stage, sale: OnSale, clients: int, seconds: float, *, keyed: bool) -> Measured:
    following = bookings(stage, [sale])
    client = HttpClient(stage.target, 1)
    while (answer := await client.exchange(following() or b"")).status != CONFLICT:
        assert answer.status == CREATED, answer
    client.close()
    if not keyed:
        body = b'{"lines":[{"ticket_type_id":"%b","quantity":1}]}' % sale.ticket_type.encode()
        path = f"/v1/events/{sale.event}/bookings"
        following = _rotating(
            stage, lambda token: request_for("POST", path, stage.target, token=token, body=body)
        )
    return measured(await closed_loop(stage.target, clients, following, seconds), CONFLICT)


def _rotating(stage: Stage, make: Callable[[str], bytes]) -> NextRequest:
    """Return a function that returns requests prepared in advance, one per buyer, in turn."""
    return itertools.cycle([make(buyer.token) for buyer in stage.buyers]).__next__


# Metrics of the server --------------------------------------------------------------------------------------


async def _metrics(target: Target) -> dict[str, float]:
    client = HttpClient(target, 1)
    answer = await client.exchange(request_for("GET", "/metrics", target))
    client.close()
    return {
        name + (labels or ""): float(value) for name, labels, value in _METRIC.findall(answer.body.decode())
    }


def _per_commit(before: dict[str, float], after: dict[str, float]) -> float | None:
    """Return the average number of commands per batch; None for a baseline, which has no batches."""
    commands, batches = [
        after.get(name, 0.0) - before.get(name, 0.0)
        for name in ("evently_batch_commands_sum", "evently_batch_commands_count")
    ]
    return commands / batches if batches else None


def children_of(process_id: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    found = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in found.read_text(encoding="ascii").split()] if found.exists() else []


def _resident_megabytes(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


async def settle(stage: Stage) -> None:
    """Return when the relay has delivered all facts of the last run, so that it does not slow the next."""
    database = await Database.open(DatabaseOptions(stage.database_url))
    try:
        for _ in range(_SETTLING_POLLS_MAX):
            if not await database.fetch_value(
                "SELECT EXISTS (SELECT FROM journal WHERE delivered_at IS NULL)"
            ):
                return
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await database.close()
