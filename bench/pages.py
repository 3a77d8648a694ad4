"""Load for pages: the page of an event, kept and rendered, and a booking over the page."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Final

from bench.load import BROWSER, CREATED, OK, Measured, measured
from bench.stage import OnSale, Stage
from evently.rehearsal.driver import HttpClient, request_for
from evently.rehearsal.loops import LoopResult, NextRequest, closed_loop
from evently.rehearsal.plan import run as run_in_loop
from evently.rehearsal.recording import Recording

_SEE_OTHER: Final = 303
_END: Final = b"\r\n\r\n"
_numbers: Final = itertools.count()  # so that no key is used twice in one benchmark


def read_kept(stage: Stage, sale: OnSale, clients: int, seconds: float) -> Measured:
    """Measure visitors who read the page of an event, compressed."""
    addresses = itertools.count()
    head = _with(request_for("GET", f"/events/{sale.event}", stage.target), BROWSER)

    def following() -> bytes:
        number = next(addresses)
        return _with(head, b"\r\nx-forwarded-for: 10.%d.%d.1" % (number // 250 % 250, number % 250))

    return measured(run_in_loop(closed_loop(stage.target, clients, following, seconds)), OK)


def read_rendered(stage: Stage, sale: OnSale, clients: int, seconds: float) -> Measured:
    """Measure buyers who have logged in and read the page of an event, which has a key of its own."""
    return measured(
        run_in_loop(closed_loop(stage.target, clients, _signed_in(stage, f"/events/{sale.event}"), seconds)),
        OK,
    )


def book(stage: Stage, sale: OnSale, clients: int, seconds: float) -> Measured:
    """Measure buyers who send the form of an event and read the page of their booking."""
    return run_in_loop(_book(stage, sale, clients, seconds))


async def _book(stage: Stage, sale: OnSale, clients: int, seconds: float) -> Measured:
    client, recording = HttpClient(stage.target, clients), Recording()
    people, numbers, first = itertools.cycle(stage.buyers), itertools.count(), next(_numbers)
    path = f"/events/{sale.event}/bookings"
    began = time.perf_counter()

    async def shop() -> None:
        while (started := time.perf_counter()) < began + seconds:
            cookie = _cookie(next(people).token)
            form = f"{sale.ticket_type}=1&key=b{first}-{next(numbers)}".encode()
            head = request_for("POST", path, stage.target)[: -len(_END)]
            sent = (
                head
                + cookie
                + b"\r\nsec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded"
                + b"\r\ncontent-length: %d\r\n\r\n%b" % (len(form), form)
            )
            booked = await client.exchange(sent)
            status, location = booked.status, booked.header("location")
            if status == _SEE_OTHER and location is not None:
                page = await client.exchange(
                    _with(request_for("GET", location, stage.target), cookie + BROWSER)
                )
                status = CREATED if page.status == OK and "/bookings/" in location else page.status
            recording.add(started - began, time.perf_counter() - started, status)

    await asyncio.gather(*[shop() for _ in range(clients)])
    client.close()
    return measured(LoopResult(recording, []), CREATED)


def _signed_in(stage: Stage, path: str) -> NextRequest:
    head = request_for("GET", path, stage.target)
    return itertools.cycle([_with(head, _cookie(buyer.token) + BROWSER) for buyer in stage.buyers]).__next__


def _cookie(token: str) -> bytes:
    return b"\r\ncookie: evently=evb_bench.%b" % token.encode()


def _with(request: bytes, headers: bytes) -> bytes:
    return request.replace(_END, headers + _END, 1)
