"""The load of a door: tickets of one event are checked in, one in each request, or in batches.

Single scans are what phones with a network send; batches are what they send when the network is back. Each
ticket is scanned once, so each scan is an admission; the audit of the whole database checks them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

import msgspec

from bench.load import CREATED, OK, Measured, measured
from bench.stage import OnSale, Stage
from evently.kit.clock import utc_now
from evently.rehearsal.driver import HttpClient, request_for
from evently.rehearsal.loops import closed_loop
from evently.rehearsal.plan import run as run_in_loop

BATCH: Final = 50  # scans of a request: what a busy gate gathers in two minutes without a network
_PER_BOOKING: Final = 10
_BOOKING_CLIENTS: Final = 64
_DEVICES: Final = 50  # each may write 600 times a minute


class _Ticket(msgspec.Struct, frozen=True):
    code: str


class _Booking(msgspec.Struct, frozen=True):
    tickets: list[_Ticket]


class _Scan(msgspec.Struct, frozen=True):
    result: str


class _Scans(msgspec.Struct, frozen=True):
    data: list[_Scan]


class _NewScanner(msgspec.Struct, frozen=True):
    code: str


class _Enrolment(msgspec.Struct, frozen=True):
    key: str


class Tickets:
    """The codes of tickets that were booked to be scanned, each once, and the devices that scan them."""

    def __init__(self, stage: Stage, sale: OnSale, count: int) -> None:
        self.sale = sale
        codes, self.keys = run_in_loop(_prepare(stage, sale, count))
        self._left: Iterator[str] = iter(codes)

    def take(self, count: int) -> list[str]:
        """Return the next codes; fewer than `count` when there are no more."""
        return list(itertools.islice(self._left, count))


def scan(stage: Stage, tickets: Tickets, clients: int, seconds: float, batch: int) -> Measured:
    """Measure admissions: `per_second` and `answers` count tickets, latencies are those of requests."""
    path = f"/v1/events/{tickets.sale.event}/scans"
    now, keys = utc_now().isoformat(), itertools.cycle(tickets.keys)

    def following() -> bytes | None:
        codes = tickets.take(batch)
        if not codes:
            return None
        scans = [{"id": str(uuid4()), "code": code, "scanned_at": now, "gate": "West"} for code in codes]
        body = msgspec.json.encode({"scans": scans})
        return request_for("POST", path, stage.target, token=next(keys), body=body)

    result = run_in_loop(closed_loop(stage.target, clients, following, seconds, keep_status=OK))
    answered = [msgspec.json.decode(body, type=_Scans).data for body in result.kept]
    admitted = sum(scan.result == "accepted" for scans in answered for scan in scans)
    scanned = sum(len(scans) for scans in answered)
    figures = measured(result, OK)
    requests = max(1, figures.answers)
    return msgspec.structs.replace(
        figures,
        per_second=figures.per_second * admitted / requests,
        answers=admitted,
        wrong=scanned - admitted,  # each code is scanned once
    )


async def _prepare(stage: Stage, sale: OnSale, count: int) -> tuple[list[str], list[str]]:
    return await _sell(stage, sale, count), [await _enrol(stage, sale) for _ in range(_DEVICES)]


async def _enrol(stage: Stage, sale: OnSale) -> str:
    """Return the key of a new device."""
    client = HttpClient(stage.target, 1)
    path = f"/v1/events/{sale.event}/scanners"
    made = await client.exchange(
        request_for("POST", path, stage.target, token=stage.owner.token, body=b'{"name":"Phone"}')
    )
    assert made.status == CREATED, made
    body = msgspec.json.encode({"code": msgspec.json.decode(made.body, type=_NewScanner).code})
    enrolled = await client.exchange(request_for("POST", "/v1/scanners/enrolments", stage.target, body=body))
    assert enrolled.status == CREATED, enrolled
    client.close()
    return msgspec.json.decode(enrolled.body, type=_Enrolment).key


async def _sell(stage: Stage, sale: OnSale, count: int) -> list[str]:
    """Book tickets, and return their codes."""
    path = f"/v1/events/{sale.event}/bookings"
    body = msgspec.json.encode({"lines": [{"ticket_type_id": sale.ticket_type, "quantity": _PER_BOOKING}]})
    left = iter(range(-(-count // _PER_BOOKING)))
    people = itertools.cycle(stage.buyers)
    client, codes = HttpClient(stage.target, _BOOKING_CLIENTS), list[str]()

    async def shop() -> None:
        for number in left:
            answer = await client.exchange(
                request_for(
                    "POST", path, stage.target, token=next(people).token, key=f"door-{number}", body=body
                )
            )
            assert answer.status == CREATED, answer
            codes.extend(ticket.code for ticket in msgspec.json.decode(answer.body, type=_Booking).tickets)

    await asyncio.gather(*[shop() for _ in range(_BOOKING_CLIENTS)])
    client.close()
    return codes
