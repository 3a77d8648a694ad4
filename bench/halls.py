"""Load for seats and payments: a hall of twenty thousand seats, and an event that is paid online."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from bench.load import CREATED, OK, Measured, measured, with_audit
from bench.stage import HALL_SEATS, OnSale, Stage
from evently.organizing import plain_hall
from evently.rehearsal.driver import HttpClient, request_for
from evently.rehearsal.loops import LoopResult, NextRequest, closed_loop
from evently.rehearsal.plan import run as run_in_loop
from evently.rehearsal.recording import Recording
from evently.seating import Hall, Plan, canonical

_PAID: Final = ("confirmed", "captured")
_PENDING: Final = 202  # the recorded status of a payment that is still pending when it is answered
_PICKS: Final = 500  # as many as a batch holds
_PARTY: Final = 4
_TAKEN_SHARE: Final = 0.1  # share of the clients that choose taken seats
_numbers: Final = itertools.count()  # so that no key is used twice in one benchmark


def book_best(stage: Stage, hall: OnSale, clients: int, seconds: float) -> Measured:
    """Measure clients that book the two best available seats, again and again."""
    line = b'{"lines":[{"ticket_type_id":"%b","quantity":2}]}' % hall.ticket_type.encode()
    return run_in_loop(_book(stage, hall, clients, seconds, itertools.repeat(line, HALL_SEATS // 2)))


def book_named(stage: Stage, hall: OnSale, clients: int, seconds: float) -> Measured:
    """Measure clients that choose two seats beside each other; one in ten chooses seats just taken."""
    draw = random.Random(1)  # the same crowd each time
    ids = [seat.id for seat in plain_hall(HALL_SEATS).seats()]
    pairs = [ids[first : first + 2] for first in range(0, HALL_SEATS, 2)]
    draw.shuffle(pairs)
    wanted = (
        pairs[max(0, index - 1)] if draw.random() < _TAKEN_SHARE else pair for index, pair in enumerate(pairs)
    )
    bodies = (
        msgspec.json.encode({"lines": [{"ticket_type_id": hall.ticket_type, "seats": pair}]})
        for pair in wanted
    )
    return run_in_loop(_book(stage, hall, clients, seconds, bodies))


def buy(stage: Stage, sale: OnSale, clients: int, seconds: float) -> Measured:
    """Measure clients that hold a ticket and pay with the demo gateway; confirmed bookings count."""
    return run_in_loop(_buy(stage, sale, clients, seconds))


def read_seats(stage: Stage, hall: OnSale, clients: int, seconds: float) -> Measured:
    """Measure clients that read the states of all seats, compressed."""
    head = request_for("GET", f"/v1/events/{hall.event}/seats", stage.target)
    request = head.replace(b"\r\n\r\n", b"\r\naccept-encoding: gzip\r\n\r\n")
    addresses = itertools.count()

    def following() -> bytes:
        number = next(addresses)
        return request.replace(
            b"\r\n\r\n", b"\r\nx-forwarded-for: 10.%d.%d.1\r\n\r\n" % (number // 250 % 250, number % 250)
        )

    return measured(run_in_loop(closed_loop(stage.target, clients, following, seconds)), OK)


def pick_seconds() -> float:
    """Return the seconds to pick the best four of twenty thousand seats, as often as one batch may."""
    hall = Hall(Plan.of(canonical(plain_hall(HALL_SEATS))), ("all",), bytes(HALL_SEATS), (), ())
    began = time.perf_counter()
    for _ in range(_PICKS):
        seats = hall.pick("all", _PARTY)
        assert seats is not None, "there are enough"
        hall.take(seats)
    return time.perf_counter() - began


async def _book(
    stage: Stage, hall: OnSale, clients: int, seconds: float, bodies: Iterable[bytes]
) -> Measured:
    run = await closed_loop(
        stage.target, clients, _requests(stage, hall, bodies), seconds, keep_status=CREATED
    )
    return await with_audit(stage, [hall], run, None, check=True)


def _requests(stage: Stage, sale: OnSale, bodies: Iterable[bytes]) -> NextRequest:
    path, first = f"/v1/events/{sale.event}/bookings", next(_numbers)
    people = itertools.cycle(stage.buyers)
    numbered = enumerate(bodies)

    def following() -> bytes | None:
        if (numbered_body := next(numbered, None)) is None:
            return None
        number, body = numbered_body
        return request_for(
            "POST", path, stage.target, token=next(people).token, key=f"hall-{first}-{number}", body=body
        )

    return following


async def _buy(stage: Stage, sale: OnSale, clients: int, seconds: float) -> Measured:
    client, recording = HttpClient(stage.target, clients), Recording()
    path, first = f"/v1/events/{sale.event}/bookings", next(_numbers)
    body = msgspec.json.encode({"lines": [{"ticket_type_id": sale.ticket_type, "quantity": 1}]})
    numbers, people = itertools.count(), itertools.cycle(stage.buyers)
    began = time.perf_counter()

    async def shop() -> None:
        while (started := time.perf_counter()) < began + seconds:
            key, token = f"flow-{first}-{next(numbers)}", next(people).token
            held = await client.exchange(
                request_for("POST", path, stage.target, token=token, key=key, body=body)
            )
            status = held.status
            if status == CREATED:
                paying = f"/v1/bookings/{msgspec.json.decode(held.body)['id']}/payments"
                paid = await client.exchange(
                    request_for(
                        "POST", paying, stage.target, token=token, key=key, body=b'{"method":"succeeds"}'
                    )
                )
                confirmed = paid.status == CREATED and msgspec.json.decode(paid.body)["state"] in _PAID
                status = CREATED if confirmed else _PENDING if paid.status == CREATED else paid.status
            recording.add(started - began, time.perf_counter() - started, status)

    await asyncio.gather(*[shop() for _ in range(clients)])
    client.close()
    return measured(LoopResult(recording, []), CREATED)
