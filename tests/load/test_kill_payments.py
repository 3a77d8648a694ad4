"""Many buyers pay while processes are killed: each booking ends paid and confirmed, or not paid.

The rows are compared with the demo gateway's own journal.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evently.accounts import TokenOptions
from evently.accounts.tokens import Tokens
from evently.audit import inspect
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.rehearsal.driver import HttpClient, request_for
from tests.load.test_kill import (
    CLIENTS,
    RUN_SECONDS_MAX,
    SECRET,
    Server,
    data_directory,
    kill,
    open_event,
    serving,
)
from tests.support.paying import ONLINE, sold_under

PAYMENTS = 240
CARDS = ("succeeds", "succeeds", "declined", "succeeds", "answer-lost", "capture-fails")
SETTLED_SECONDS_MAX = 300  # a payment whose process died is due after ten seconds

pytestmark = pytest.mark.timeout(900)


class Buyers:
    """Clients that hold a ticket and pay for it, and repeat both with the same keys until they get an answer.

    `heard`: the state of the payment in that answer, by booking.
    """

    def __init__(self, server: Server, path: str, body: bytes) -> None:
        self._client = HttpClient(server.target, CLIENTS)
        self._tokens = Tokens(TokenOptions(SECRET.encode()), utc_now, set())
        self._server = server
        self._path = f"{path}/bookings"
        self._body = body
        self._cards = itertools.cycle(CARDS)
        self.heard: dict[str, str] = {}

    async def buy(self, wishes: int) -> None:
        """Buy with one client several times, each time as another buyer."""
        for _ in range(wishes):
            buyer_id = new_id()
            token = self._tokens.issue_access(buyer_id, "buyer", new_id())
            held = await self._ask(self._path, token, self._body)
            pay = msgspec.json.encode({"method": next(self._cards)})
            paid = await self._ask(f"/v1/bookings/{held['id']}/payments", token, pay)
            self.heard[held["id"]] = paid["state"]

    async def _ask(self, path: str, token: str, body: bytes) -> dict[str, Any]:
        request = request_for("POST", path, self._server.target, token=token, key="once", body=body)
        while (answer := await self._client.exchange(request)).status != 201:
            assert answer.status in {0, 503}, answer
            await asyncio.sleep(0.05)
        said: dict[str, Any] = msgspec.json.decode(answer.body)
        return said


async def judge(database: Database, heard: dict[str, str]) -> None:
    """Compare answers, charges and bookings once every payment is final."""
    until = time.monotonic() + SETTLED_SECONDS_MAX
    while unsettled := await database.fetch(
        "SELECT state, tries, reference, changed_at, resume_at, now() FROM payments"
        " WHERE state NOT IN ('captured', 'declined', 'voided', 'lost') ORDER BY changed_at"
    ):
        assert time.monotonic() < until, [dict(row) for row in unsettled]
        await asyncio.sleep(0.2)
    rows = await database.fetch(
        "SELECT bookings.booking_id, bookings.state AS booking, payments.state AS payment,"
        " charge.state AS charge, charge.captured_minor,"
        " payments.amount_minor, (SELECT count(*) FROM demo_effects"
        " WHERE reference = charge.reference AND kind = 'captured') AS captures"
        " FROM bookings JOIN payments USING (event_id, booking_id)"
        " JOIN demo_charges charge ON charge.payment_id = payments.payment_id"
        " AND charge.attempt = payments.attempt"
    )
    assert len(rows) == PAYMENTS == len(heard), "each key began one payment, however often it was sent"
    for row in rows:
        told = heard[show_id("bkg", row["booking_id"])]
        ended = (row["booking"], row["payment"], row["charge"])
        match row["payment"]:
            case "captured":
                assert ended == ("confirmed", "captured", "captured")
                assert (row["captured_minor"], row["captures"]) == (row["amount_minor"], 1)
                assert told in {"confirmed", "captured", "waiting"}
            case "declined":
                assert ended == ("held", "declined", "declined")
                assert told in {"declined", "waiting"}
            case "lost":
                assert ended == ("cancelled", "lost", "lost")
                assert told in {"confirmed", "lost", "waiting"}
            case _:
                raise AssertionError(f"every hold lasts for ten minutes: {ended}")
    assert {finding.code: finding.count for finding in await inspect(database) if finding.count} == {}


async def pay_and_kill(server: Server, killed: Sequence[int | None]) -> None:
    """Kill processes while all buyers pay, then judge. None in `killed` is the first worker."""
    database = await Database.open(server.database_options())
    buyers = Buyers(server, *await open_event(database, sold_under(ONLINE, PAYMENTS)))
    async with asyncio.timeout(RUN_SECONDS_MAX), asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(buyers.buy(PAYMENTS // CLIENTS))
        for number, pid in enumerate(killed, start=1):
            while len(buyers.heard) < number * PAYMENTS // (len(killed) + 1):
                await asyncio.sleep(0.005)
            await kill(server, pid)
    await database.close()
    database = await Database.open(server.database_options())
    await judge(database, buyers.heard)
    await database.close()


async def test_workers_are_killed_while_everybody_pays() -> None:
    with data_directory() as directory, serving(Path(directory), workers=2) as server:
        await pay_and_kill(server, [None, None])


async def test_postgres_is_killed_while_everybody_pays() -> None:
    with data_directory() as directory, serving(Path(directory), workers=2) as server:
        await pay_and_kill(server, [server.postgres()])
