"""How long others wait while the server does something large for an organizer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from bench.load import OK, Measured, measured
from bench.stage import HALL_SEATS, OnSale, Stage
from evently.organizing import plain_hall
from evently.rehearsal.driver import HttpClient, request_for
from evently.rehearsal.loops import LoopResult
from evently.rehearsal.plan import run as run_in_loop
from evently.rehearsal.recording import Recording

_READERS: Final = 8  # on connections of their own, so that every process has some
_BETWEEN_SECONDS: Final = 0.005  # a reader sees a pause that is longer than this
_WORK_SECONDS_MAX: Final = 60.0


def wait_for_others(stage: Stage, hall: OnSale, sale: OnSale) -> Measured:
    """Measure readers of availability while all seats of a hall are blocked and put back on sale.

    Then while an event with many bookings is proved and exported.
    """
    return run_in_loop(_wait(stage, hall, sale))


async def _wait(stage: Stage, hall: OnSale, sale: OnSale) -> Measured:
    recording, done, began = Recording(), asyncio.Event(), time.perf_counter()
    request = request_for("GET", f"/v1/events/{sale.event}/availability", stage.target)

    async def read() -> None:
        client = HttpClient(stage.target, 1)
        while not done.is_set():
            started = time.perf_counter()
            answer = await client.exchange(request)
            recording.add(started - began, time.perf_counter() - started, answer.status)
            await asyncio.sleep(_BETWEEN_SECONDS)
        client.close()

    readers = [asyncio.create_task(read()) for _ in range(_READERS)]
    client = HttpClient(stage.target, 1)
    try:
        for work in _works(stage, hall, sale):
            answer = await client.exchange(work, seconds_max=_WORK_SECONDS_MAX)
            assert answer.status == OK, answer
    finally:
        done.set()
        await asyncio.gather(*readers)
        client.close()
    return measured(LoopResult(recording, []), OK)


def _works(stage: Stage, hall: OnSale, sale: OnSale) -> Iterator[bytes]:
    seats = msgspec.json.encode({"seats": [seat.id for seat in plain_hall(HALL_SEATS).seats()]})
    for method, path, body in (
        ("POST", f"/v1/events/{hall.event}/seats/block", seats),
        ("POST", f"/v1/events/{hall.event}/seats/unblock", seats),
        ("GET", f"/v1/events/{sale.event}/proof", None),
        ("GET", f"/v1/events/{sale.event}/bookings.csv", None),
    ):
        yield request_for(method, path, stage.target, token=stage.owner.token, body=body)
