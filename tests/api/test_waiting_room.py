"""The waiting room over HTTP: put, entered, drawn, admitted, booked; and everything that is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from msgspec.structs import replace

from evently.audit import inspect
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import sale_terms

DOCS = Path(__file__).parents[2] / "docs"
HOUR = timedelta(hours=1)


class MovedClock:
    """The clock of the process, that a test moves ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    made = MovedClock()
    monkeypatch.setattr("evently.app.utc_now", made)
    # The clock of the database does not move
    monkeypatch.setattr("evently.db.probing.CLOCK_SECONDS_OFF_MAX", float("inf"))
    return made


@pytest.fixture
async def office(database_url: str, clock: MovedClock) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


class Room:
    """The waiting room of an event that is on sale two hours later."""

    def __init__(self, office: BoxOffice, clock: MovedClock, event: Event) -> None:
        self.office = office
        self.clock = clock
        self.event = event
        self.path = f"/v1/events/{show_id('evt', event.event_id)}/waiting-room"

    def move(self, ahead: timedelta) -> None:
        self.clock.ahead += ahead
        self.office.context.waiting_rooms.forget_room(self.event.event_id)
        self.office.context.engine._glances.forget(self.event.event_id)

    async def put(self, headers: dict[str, str] | None = None, **terms: Any) -> httpx2.Response:
        headers = headers or await self.office.as_member("manager")
        return await self.office.client.put(self.path, json=terms, headers=headers)

    async def enter(self, person_id: UUID) -> httpx2.Response:
        return await self.office.client.post(f"{self.path}/entries", headers=self.office.as_person(person_id))

    async def poll(self, token: str) -> httpx2.Response:
        return await self.office.client.get(f"{self.path}/place", headers={"place-token": token})

    async def show(self, what: str = "") -> dict[str, Any]:
        answer = await self.office.client.get(self.path + what)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def book(self, person_id: UUID, admission: str | None = None) -> httpx2.Response:
        headers = self.office.as_person(person_id)
        return await self.office.book(
            self.event, headers | ({"Admission-Token": admission} if admission is not None else {})
        )


@pytest.fixture
async def room(office: BoxOffice, clock: MovedClock) -> Room:
    terms = replace(sale_terms(capacity=100), on_sale_at=office.context.clock() + 2 * HOUR)
    return Room(office, clock, await office.open_event(terms=terms))


async def test_a_person_enters_waits_is_admitted_and_books(room: Room) -> None:
    answer = await room.put(per_minute=60)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["stage"], answer.headers["etag"]) == ("upcoming", '"1"')
    people = [new_id() for _ in range(3)]
    assert problem_of(await room.enter(people[0]), 409) == "waiting-room-not-open"
    room.move(HOUR)
    assert (await room.show())["stage"] == "open"
    entered = [(await room.enter(person)).json() for person in people]
    assert [each["state"] for each in entered] == ["entered"] * 3
    assert (await room.enter(people[0])).json()["id"] == entered[0]["id"], "one place for each account"
    draw = await room.show("/draw")
    assert (draw["seed"], draw["list_hash"], draw["data"]) == (None, None, [])
    assert problem_of(await room.book(people[0]), 409) == "not-on-sale-yet"
    room.move(HOUR)
    places = [(await room.poll(each["token"])).json() for each in entered]
    assert sorted(each["position"] for each in places) == [1, 2, 3]
    shown = await room.show()
    assert (shown["stage"], shown["listed"], shown["entries"]) == ("admitting", 3, 3)
    assert problem_of(await room.book(people[0]), 409) == "not-admitted"
    room.move(timedelta(seconds=1))
    places = [(await room.poll(each["token"])).json() for each in entered]
    states = {each["position"]: each["state"] for each in places}
    assert states[1] == "admitted"
    first = next(number for number, each in enumerate(places) if each["position"] == 1)
    admission = places[first]["admission"]["token"]
    assert problem_of(await room.book(people[first], admission[:-4] + "AAAA"), 409) == "not-admitted"
    assert problem_of(await room.book(people[first - 1], admission), 409) == "not-admitted"
    assert (await room.book(people[first], admission)).status_code == 201
    findings = await inspect(room.office.context.database)
    assert {each.code for each in findings if each.count} <= {"I9", "I12"}


async def test_the_program_of_the_documents_computes_the_same_positions(room: Room) -> None:
    source = "The number that the notary draws at noon"
    assert (await room.put(per_minute=6_000, public_source=source)).status_code == 200
    room.move(HOUR)
    entered = [(await room.enter(new_id())).json() for _ in range(25)]
    room.move(HOUR)
    assert (await room.show())["stage"] == "drawing"
    manager = await room.office.as_member("manager")
    value = {"value": "Neun"}
    answer = await room.office.client.post(f"{room.path}/public-value", json=value, headers=manager)
    assert answer.status_code == 200, answer.text
    room.move(timedelta(seconds=1))
    positions = {each["id"]: (await room.poll(each["token"])).json()["position"] for each in entered}
    assert sorted(positions.values()) == list(range(1, 26))
    drawn = await room.show("/draw")
    assert (drawn["public_value"], drawn["public_source"]) == ("Neun", source)
    pages = {"": drawn | {"data": drawn["data"][:20], "next_cursor": drawn["data"][19]}}
    pages[drawn["data"][19]] = drawn | {"data": drawn["data"][20:]}
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "waiting-room.md").read_text(), re.DOTALL)
    with _serving(pages) as address:
        done = subprocess.run(  # noqa: ASYNC221  # our own program, beside a server in a thread
            [sys.executable, "-c", program, address, *positions],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    printed = dict(line.split() for line in done.stdout.splitlines()[1:])
    assert {entry: int(position) for entry, position in printed.items()} == positions
    pages[""]["seed"] = "00" * 32
    with _serving(pages) as address:
        forged = subprocess.run(  # noqa: ASYNC221  # as above
            [sys.executable, "-c", program, address], capture_output=True, text=True, check=False, timeout=60
        )
    assert "this is not the promised seed" in forged.stderr


class _serving:  # noqa: N801  # used like a function
    """Serve pages of a draw by their cursor, in a thread."""

    def __init__(self, pages: dict[str, Any]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(pages[self.path.partition("after=")[2]]).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}/draw"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


async def test_an_organizer_changes_and_removes_it_until_it_opens(room: Room) -> None:
    manager = await room.office.as_member("manager")
    answer = await room.put(manager, opens_minutes_before=30)
    assert answer.status_code == 200, answer.text
    assert problem_of(await room.put(manager, per_minute=10), 428) == "if-match-missing"
    assert problem_of(await room.put(manager | {"if-match": '"9"'}, per_minute=10), 412) == "stale"
    answer = await room.put(manager | {"if-match": '"1"'}, per_minute=10)
    assert (answer.json()["per_minute"], answer.headers["etag"]) == (10, '"2"')
    assert problem_of(await room.put(manager | {"if-match": "*"}, per_minute=0), 422) == "invalid"
    room.move(timedelta(minutes=91))
    manager = await room.office.as_member("manager")
    fixed = await room.office.client.delete(room.path, headers=manager | {"if-match": "*"})
    assert problem_of(fixed, 409) == "waiting-room-fixed"
    room.move(-HOUR)
    manager = await room.office.as_member("manager")
    gone = await room.office.client.delete(room.path, headers=manager | {"if-match": "*"})
    assert gone.status_code == 204, gone.text
    assert problem_of(await room.office.client.get(room.path), 404) == "no-waiting-room"
    room.move(HOUR + HOUR)
    assert (await room.book(new_id())).status_code == 201


async def test_who_may_not_put_it(room: Room) -> None:
    assert problem_of(await room.put(await room.office.as_member("door")), 403) == "forbidden"
    assert problem_of(await room.put(room.office.as_buyer()), 403) == "forbidden"
    entering = await room.office.client.post(f"{room.path}/entries")
    assert problem_of(entering, 401) == "unauthenticated"


async def test_a_token_of_nothing_is_no_place(room: Room) -> None:
    await room.put()
    assert problem_of(await room.poll("made-up"), 409) == "place-not-valid"
    assert (await room.office.client.get(f"{room.path}/place")).status_code == 422
    wrong = await room.office.client.get(f"{room.path}/draw?after=xyz")
    assert problem_of(wrong, 422) == "invalid"


async def test_a_poll_says_when_to_ask_again_and_no_cache_stores_it(room: Room) -> None:
    await room.put(per_minute=10)
    early = await room.enter(new_id())
    assert problem_of(early, 409) == "waiting-room-not-open"
    assert 3_590 <= int(early.headers["retry-after"]) <= 3_600
    room.move(HOUR)
    entered = [await room.enter(new_id()) for _ in range(12)]
    room.move(HOUR)
    polls = [await room.poll(each.json()["token"]) for each in entered]
    for answer in (*entered, *polls):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["retry-after"] == str(answer.json()["poll_after_seconds"])
    last = max((answer.json() for answer in polls), key=lambda place: place["position"])
    assert (last["position"], last["ahead"]) == (12, 11)
    assert 60 <= last["wait_from_seconds"] <= last["wait_to_seconds"] <= 80


async def test_a_poll_counts_as_its_persons(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of people behind one address wait; who has no token counts as the address."""
    await room.put()
    room.move(HOUR)
    person_id = new_id()
    token = (await room.enter(person_id)).json()["token"]
    counted: list[tuple[str, object]] = []

    async def check(name: str, key: object, _: object) -> None:
        counted.append((name, key))

    monkeypatch.setattr(room.office.context.limits, "check", check)
    assert (await room.poll(token)).status_code == 200
    assert problem_of(await room.poll("made-up"), 409) == "place-not-valid"
    assert [each for each in counted if each[0] == "reads"] == [("reads", person_id), ("reads", "127.0.0.1")]


async def test_polls_end_when_the_event_is_cancelled(room: Room) -> None:
    await room.put(per_minute=10)
    room.move(HOUR)
    token = (await room.enter(new_id())).json()["token"]
    manager = await room.office.as_member("manager")
    event = room.path.removesuffix("/waiting-room")
    shown = await room.office.client.get(event, headers=manager)
    cancelled = await room.office.client.post(
        f"{event}/cancel", json={}, headers=manager | {"if-match": shown.headers["etag"]}
    )
    assert cancelled.status_code == 200, cancelled.text
    room.move(timedelta(seconds=1))
    assert problem_of(await room.poll(token), 409) == "event-cancelled"
    assert problem_of(await room.enter(new_id()), 409) == "event-cancelled"


async def test_a_poll_reads_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    await room.put(per_minute=6_000)
    room.move(HOUR)
    entered = [(await room.enter(new_id())).json() for _ in range(3)]
    room.move(HOUR)
    for each in entered:
        await room.poll(each["token"])
    monkeypatch.setattr("evently.kit.memory.Memory._monotonic", lambda: 0.0, raising=False)
    rooms = room.office.context.waiting_rooms
    monkeypatch.setattr(rooms._rooms, "_monotonic", lambda: 0.0)
    monkeypatch.setattr(room.office.context.engine._glances, "_monotonic", lambda: 0.0)

    async def refuse(*_: object) -> None:
        raise AssertionError("a poll has read")

    monkeypatch.setattr(rooms._database, "fetch_row", refuse)
    monkeypatch.setattr(rooms._database, "fetch_value", refuse)
    for each in entered:
        assert (await room.poll(each["token"])).json()["state"] in ("waiting", "admitted")
