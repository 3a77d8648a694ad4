"""A database of the version before is migrated while the code of that version still sells from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from psycopg import sql

from evently.audit import HOLD_GRACE, inspect
from evently.db import Database, DatabaseOptions
from evently.db.migrations import head_revision, migrate
from evently.kit.ids import show_id
from tests.support.postgres import ServerAddress, in_database
from tests.support.serving import serving, until
from tests.support.versions import (
    BEFORE_REVISION,
    BUYERS,
    PASSWORD,
    restore,
    revision_of,
    unpack_code,
    until_settled,
)

SERVED: Final = {
    "access_log": "false",
    "gateway": "demo",
    "workers": "1",
    "rate_bookings": "0",
    "rate_login": "0",
    "rate_writes": "0",
}


class Sold(NamedTuple):
    """A booking as it was answered: at which server, and what its buyer did with it last."""

    server: str
    booking_id: str
    state: str


class Crowd:
    """Buyers who book, pay and cancel at a server until they are stopped."""

    def __init__(self) -> None:
        self.sold: list[Sold] = []
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(2 * BUYERS)
        self._running: list[Any] = []

    def buy(self, server: str, url: str) -> None:
        """Start every buyer at this server, too."""
        for number in range(BUYERS):
            self._running.append(self._pool.submit(self._shop, server, url, number))

    def count(self, server: str) -> int:
        return sum(each.server == server for each in self.sold)

    def stop(self) -> None:
        self._stop.set()
        for each in self._running:
            each.result(60)
        self._pool.shutdown()

    def _shop(self, server: str, url: str, number: int) -> None:
        with httpx2.Client(base_url=url, timeout=60) as http:
            account = {"email": f"buyer-{number}@evently.example", "password": PASSWORD}
            token = self._send(http, "/v1/auth/login", account)["access_token"]
            http.headers["authorization"] = f"Bearer {token}"
            events = {each["title"]: each["id"] for each in http.get("/v1/events").json()["data"]}
            turn = number
            while not self._stop.is_set():
                turn += 1
                title = "The seated evening" if turn % 2 else "The standing evening"
                self._buy_one(http, server, events[title], cancels=turn % 4 > 1)

    def _buy_one(self, http: httpx2.Client, server: str, event_id: str, *, cancels: bool) -> None:
        type_id = http.get(f"/v1/events/{event_id}").json()["ticket_types"][0]["id"]
        lines = [{"ticket_type_id": type_id, "quantity": 1}]
        booking = self._send(http, f"/v1/events/{event_id}/bookings", {"lines": lines})
        if booking.get("code") in ("sold-out", "over-buyer-limit", "too-many-holds"):
            self._stop.wait(0.05)
            return
        if "id" not in booking:
            self.wrong.append(f"{server}: {booking}")
            return
        path, state = f"/v1/bookings/{booking['id']}", booking["state"]
        if state == "held":
            paid = self._send(http, f"{path}/payments", {"method": "succeeds"})
            if paid.get("state") not in ("confirmed", "captured"):
                self.wrong.append(f"{server}: {paid}")
            state = "confirmed"
        if cancels:
            state = self._send(http, f"{path}/cancel", {}).get("state", "?")
        self.sold.append(Sold(server, booking["id"], state))

    def _send(self, http: httpx2.Client, path: str, body: Any) -> Any:
        return http.post(path, json=body, headers={"idempotency-key": str(uuid4())}).json()


@pytest.fixture
def before_url(
    postgres_address: ServerAddress, postgres_admin: psycopg.Connection[tuple[object, ...]]
) -> Iterator[str]:
    """Yield the URL of a database as the version before left it."""
    name = f"before_{uuid4().hex}"
    postgres_admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        url = in_database(postgres_address.socket_url, name)
        restore(url)
        yield url
    finally:
        postgres_admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def holds_expired(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM bookings WHERE state = 'held' AND expires_at < now() - %s", (HOLD_GRACE,)
        ).fetchone()
    assert row is not None
    return int(row[0])


async def findings_of(url: str) -> list[str]:
    database = await Database.open(DatabaseOptions(url=url))
    try:
        return [f"{each.code}: {each.count}" for each in await inspect(database) if each.count]
    finally:
        await database.close()


async def test_a_database_of_the_version_before_migrates_and_its_journals_still_replay(
    before_url: str,
) -> None:
    assert revision_of(before_url) == BEFORE_REVISION < head_revision()
    migrate(before_url)
    assert revision_of(before_url) == head_revision()
    stale = holds_expired(before_url)  # since the dump was made, and no server has swept them
    assert await findings_of(before_url) == ([f"I9: {stale}"] if stale else [])
    with psycopg.connect(before_url) as connection:
        states = {str(row[0]) for row in connection.execute("SELECT DISTINCT state FROM bookings")}
    assert {"confirmed", "cancelled", "held"} <= states, "the dump has bookings in every state"


@pytest.mark.timeout(180)
async def test_the_version_before_sells_while_the_database_is_migrated(
    before_url: str, tmp_path: Any
) -> None:
    """Migrations widen before they narrow: the older version sells before, during and after them."""
    source = unpack_code(tmp_path)
    crowd = Crowd()
    with serving(database_url=before_url, source=str(source), **SERVED) as older:
        assert revision_of(before_url) == BEFORE_REVISION, "the older code served its own schema"
        crowd.buy("older", older.url)
        until(lambda: crowd.count("older") >= 20 or bool(crowd.wrong), "the older version sells")
        migrate(before_url)
        migrated = crowd.count("older")
        until(
            lambda: crowd.count("older") >= migrated + 20 or bool(crowd.wrong),
            "the older version sells from the newer schema",
        )
        with serving(database_url=before_url, **SERVED) as newer:
            crowd.buy("newer", newer.url)
            both = crowd.count("older")
            until(
                lambda: (
                    (crowd.count("newer") >= 20 and crowd.count("older") >= both + 10) or bool(crowd.wrong)
                ),
                "both versions sell at the same time",
            )
            crowd.stop()
            assert crowd.wrong == []
            until_settled(before_url)
    assert await findings_of(before_url) == []
    with psycopg.connect(before_url) as connection:
        stored: dict[UUID, str] = dict(
            connection.execute("SELECT booking_id, state FROM bookings").fetchall()
        )
    answered = {each.booking_id: each.state for each in crowd.sold}
    assert answered == {
        show_id("bkg", booking_id): state
        for booking_id, state in stored.items()
        if show_id("bkg", booking_id) in answered
    }
