"""Rehearsals that organizers start: a process sells a copy beside the server, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from evently.audit import inspect
from evently.catalogue import Event
from evently.db.leases import take_lease
from evently.kit.clock import utc_now
from evently.kit.ids import find_id, new_id, show_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms, rehearsing
from evently.reactions.rehearsing import REAL_TICKETS_MAX, is_calm, remove_next_sandbox
from evently.sales.terms import Conditions, Fees
from tests.support.box_office import SECRET, BoxOffice, open_box_office, problem_of
from tests.support.desk import open_desk
from tests.support.serving import Serving, all_gone, children_of, serving, until
from tests.support.visitor import Visitor

SETTINGS: Final = {"secret": SECRET, "gateway": "demo", "workers": "1", "access_log": "false"}
PATIENCE_SECONDS: Final = 90.0
PAID_ONLINE: Final = Conditions(payment="online", hold_seconds=600, fees=Fees(fixed_minor=150))
# What belongs to a sale, besides tables that only sandboxes never have rows in
TABLES: Final = """
SELECT c.relname
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'event_id'
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'rehearsals'
"""


@pytest.fixture
def server(database_url: str) -> Iterator[Serving]:
    with serving(database_url=database_url, **SETTINGS) as running:
        yield running


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def paid_online(capacity: int) -> SaleTerms:
    """Return terms with a hidden ticket type, fees, and a payment online."""
    return SaleTerms(
        currency="EUR",
        capacity=capacity,
        ticket_types=(
            NewTicketType(name="Regular", price=Money(2_900, "EUR")),
            NewTicketType(name="Crew", price=Money(0, "EUR"), hidden=True),
        ),
        conditions=PAID_ONLINE,
    )


def address(event: Event, rest: str = "") -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}/rehearsals{rest}"


async def start(office: BoxOffice, event: Event, manager: dict[str, str], **plan: Any) -> str:
    """Start a rehearsal; return its address."""
    answer = await office.client.post(address(event), json=plan, headers=manager)
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "waiting"
    found: str = answer.headers["location"]
    assert found == address(event, f"/{answer.json()['id']}")
    return found


async def ended(office: BoxOffice, where: str, manager: dict[str, str]) -> dict[str, Any]:
    """Wait until a rehearsal has ended, and return it."""
    return await reached(office, where, manager, "done", "failed", "stopped")


async def reached(office: BoxOffice, where: str, manager: dict[str, str], *states: str) -> dict[str, Any]:
    """Wait until a rehearsal is in one of these states, and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found: dict[str, Any] = (await office.client.get(where, headers=manager)).json()
        if found["state"] in states:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def remaining(office: BoxOffice, event_id: UUID) -> dict[str, int]:
    """Return the tables that have rows of an event."""
    database = office.context.database
    found = {}
    for row in await database.fetch(TABLES):
        count = await database.fetch_value(f"SELECT count(*) FROM {row[0]} WHERE event_id = $1", event_id)
        if count:
            found[row[0]] = count
    return found


async def test_a_rehearsal_sells_a_copy_and_leaves_nothing(office: BoxOffice, server: Serving) -> None:
    event, manager = await office.open_event(terms=paid_online(40)), await office.as_member("manager")
    database = office.context.database
    people_before = await database.fetch_value("SELECT count(*) FROM people")
    where = await start(office, event, manager, buyers=60, seconds=2, abandon_percent=10)
    assert server.url
    done = await ended(office, where, manager)
    assert (done["state"], done["reason"], done["clean"]) == ("done", "", True), done["report"]
    report = done["report"]
    assert (report["places"], report["sold"]) == (40, 40), "the hidden type is not for these buyers"
    assert report["paid"] > 0
    assert report["bookings"] >= report["paid"]
    assert report["answers"]["sold_out"] > 0
    assert {each["count"] for each in report["findings"]} == {0}
    assert {each["audit"] for each in report["findings"]} == {"buyers", "database"}
    line = report["timeline"]
    assert {len(line[name]) for name in ("booked", "refused", "p50_ms", "p99_ms", "sold")} == {
        len(line["at"])
    }
    assert line["sold"][-1] == 40
    assert done["progress"]["arrived"] == 60
    listed = (await office.client.get(address(event), headers=manager)).json()["data"]
    assert [(each["id"], each["state"], each["sold"], each["clean"]) for each in listed] == [
        (done["id"], "done", 40, True)
    ]
    untouched = await office.client.get(f"/v1/events/{done['event_id']}/availability")
    assert untouched.json()["ticket_types"][0]["available"] == 40

    copy_id = find_id("evt", done["copy_id"])
    assert copy_id is not None
    assert {"bookings", "tickets", "payments", "ledger", "journal", "event_totals"} <= (
        await remaining(office, copy_id)
    ).keys()
    await until_delivered(office)
    assert await remove_next_sandbox(database, utc_now, set()) is False, (
        "its members may look at it for a while"
    )
    later = utc_now() + rehearsing.SANDBOX_KEPT
    assert await remove_next_sandbox(database, lambda: later, set()) is True
    assert await remove_next_sandbox(database, lambda: later, set()) is False
    assert await remaining(office, copy_id) == {}
    assert await database.fetch_value("SELECT count(*) FROM people") == people_before
    assert await database.fetch_value("SELECT count(*) FROM demo_charges") == 0
    assert (await office.client.get(where, headers=manager)).json()["copy_id"] is None
    assert {each.code: each.count for each in await inspect(database) if each.count} == {}


async def test_a_rehearsal_through_a_waiting_room(office: BoxOffice, server: Serving) -> None:
    event, manager = await office.open_event(capacity=600), await office.as_member("manager")
    where = await start(office, event, manager, buyers=40, seconds=2, waiting_room=True)
    assert server.url
    done = await ended(office, where, manager)
    assert (done["state"], done["reason"], done["clean"]) == ("done", "", True), done["report"]
    assert {each["code"] for each in done["report"]["findings"]} >= {"W1", "W2", "W3", "W4", "I14"}
    room = done["report"]["waiting_room"]
    assert (room["entered"], room["admitted"], room["told_sold_out"]) == (40, 40, 0)
    assert room["tabs"] >= 40
    assert done["report"]["answers"]["polled"] >= 40
    assert done["report"]["seconds"] > 0
    office.context.accounts.roles.forget(office.venue.organizer_id)
    page = f"/organize/events/{done['event_id']}/rehearse/{done['id']}"
    shown = await Visitor(office, manager).read(page)
    assert "40 people entered the waiting room" in shown
    copy_id = find_id("evt", done["copy_id"])
    assert copy_id is not None
    of_the_room = {"waiting_rooms", "waiting_room_entries", "waiting_room_paces"}
    assert of_the_room <= (await remaining(office, copy_id)).keys()
    await until_delivered(office)
    later = utc_now() + rehearsing.SANDBOX_KEPT
    assert await remove_next_sandbox(office.context.database, lambda: later, set()) is True
    assert await remaining(office, copy_id) == {}


async def until_delivered(office: BoxOffice) -> None:
    """Wait until the relay of the server has delivered everything."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await office.context.database.fetch_value(
        "SELECT count(*) FROM journal WHERE delivered_at IS NULL"
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_seats_that_buyers_choose(office: BoxOffice, server: Serving) -> None:
    hall, manager = await office.open_hall(payment="door"), await office.as_member("owner")
    assert server.url
    where = await start(office, hall, manager, buyers=30, seconds=1, seats="chosen", seed=4)
    done = await ended(office, where, manager)
    assert (done["state"], done["clean"]) == ("done", True), done
    assert done["report"]["places"] == 66
    refused = await office.client.post(address(hall), json={"buyers": 5, "places": 9}, headers=manager)
    assert problem_of(refused, 422) == "invalid"


async def test_a_person_stops_it(office: BoxOffice, server: Serving) -> None:
    event, manager = await office.open_event(capacity=50), await office.as_member("manager")
    assert server.url
    where = await start(office, event, manager, buyers=20, seconds=120)
    second = await office.client.post(address(event), json={"buyers": 1}, headers=manager)
    assert problem_of(second, 409) == "rehearsal-under-way"
    await reached(office, where, manager, "running")
    stopped = await office.client.post(f"{where}/stop", headers=manager)
    assert (stopped.status_code, stopped.json()["state"]) == (200, "running")
    found = await ended(office, where, manager)
    assert (found["state"], found["reason"], found["report"]) == ("stopped", "asked", None)
    again = await office.client.post(f"{where}/stop", headers=manager)
    assert again.json()["finished_at"] == found["finished_at"], "safe to repeat"


async def test_the_original_sells_on_while_it_is_stopped_from_the_page(
    office: BoxOffice, server: Serving
) -> None:
    """Real buyers book before, in the same moment, and afterwards; each gets what the original has."""
    desk = await open_desk(office, "manager", capacity=70)
    event, database = desk.event, office.context.database
    where = await start(office, event, desk.headers, buyers=60, seconds=120)
    assert server.url
    while not ((found := await reached(office, where, desk.headers, "running"))["progress"] or {}).get(
        "sold"
    ):
        await asyncio.sleep(0.2)
    copy_id = find_id("evt", found["copy_id"])
    assert copy_id is not None
    bought = list[str]()

    async def buy() -> None:
        answer = await office.book(event, office.as_buyer())
        assert answer.status_code == 201, answer.text
        bought.append(answer.json()["id"])

    async def stop() -> None:
        page = f"{desk.address}/rehearse/{where.rpartition('/')[2]}"
        await desk.visitor.read(page)
        await desk.visitor.submit(f"{page}/stop")
        assert desk.visitor.status == 200

    await asyncio.gather(*[buy() for _ in range(20)])
    await asyncio.gather(stop(), *[buy() for _ in range(30)])
    found = await ended(office, where, desk.headers)
    assert (found["state"], found["reason"]) == ("stopped", "asked")
    await asyncio.gather(*[buy() for _ in range(20)])
    assert problem_of(await office.book(event, office.as_buyer()), 409) == "sold-out", (
        "not one more, nor less"
    )

    await until_delivered(office)
    assert await remaining(office, copy_id), "the copy was sold, too"
    later = utc_now() + rehearsing.SANDBOX_KEPT
    assert await remove_next_sandbox(database, lambda: later, set()) is True
    assert await remaining(office, copy_id) == {}
    rows = await database.fetch("SELECT booking_id FROM bookings WHERE event_id = $1", event.event_id)
    assert sorted(show_id("bkg", row["booking_id"]) for row in rows) == sorted(bought)
    sold = "SELECT sum(tickets) FROM event_minutes WHERE event_id = $1"
    assert await database.fetch_value(sold, event.event_id) == 70
    assert {each.code: each.count for each in await inspect(database) if each.count} == {}


async def test_it_ends_with_the_server(office: BoxOffice, server: Serving) -> None:
    event, manager = await office.open_event(capacity=50), await office.as_member("manager")
    where = await start(office, event, manager, buyers=20, seconds=120)
    await reached(office, where, manager, "running")
    (worker,) = server.workers()
    until(lambda: len(children_of(worker)) == 1, "a process of its own begins")
    processes = children_of(worker)
    assert server.stop() == 0
    assert all_gone(processes)
    found = (await office.client.get(where, headers=manager)).json()
    assert (found["state"], found["reason"]) == ("stopped", "server")


async def test_one_whose_server_was_killed_has_failed(
    office: BoxOffice, server: Serving, database_url: str
) -> None:
    event, manager = await office.open_event(capacity=50), await office.as_member("manager")
    where = await start(office, event, manager, buyers=20, seconds=120)
    await reached(office, where, manager, "running")
    (worker,) = server.workers()
    until(lambda: len(children_of(worker)) == 1, "a process of its own begins")
    (process,) = children_of(worker)
    server.process.kill()
    until(lambda: all_gone([worker, process]), "the process ends with the server")
    # The lease of a killed process runs out by itself; here it need not take half a minute
    await office.context.database.fetch("DELETE FROM leases WHERE name = 'rehearsals' RETURNING name")
    with serving(database_url=database_url, **SETTINGS):
        found = await ended(office, where, manager)
    assert found["state"] in ("failed", "stopped")
    assert found["reason"] in ("lost", "server")


async def test_one_runs_at_a_time(office: BoxOffice) -> None:
    """While another process holds the lease, nothing runs; what waits can be stopped at once."""
    event, manager = await office.open_event(capacity=50), await office.as_member("manager")
    database = office.context.database
    async with database.transaction() as tx:
        assert await take_lease(tx, "rehearsals", new_id(), utc_now(), timedelta(days=1))
    where = await start(office, event, manager, buyers=20)
    stopped = (await office.client.post(f"{where}/stop", headers=manager)).json()
    assert (stopped["state"], stopped["reason"]) == ("stopped", "asked")
    async with database.transaction() as tx:
        assert await rehearsing.take_rehearsal(tx, utc_now()) is None


async def test_it_waits_while_real_tickets_are_sold_quickly(office: BoxOffice) -> None:
    database, event = office.context.database, await office.open_event(capacity=5_000)
    assert await is_calm(database, utc_now())
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO event_minutes (event_id, minute_at, tickets) "
            "VALUES ($1, date_trunc('minute', now()), $2)",
            event.event_id,
            REAL_TICKETS_MAX + 1,
        )
    assert not await is_calm(database, utc_now())
    async with database.transaction() as tx:
        await tx.execute("UPDATE events SET sandbox = true")
    assert await is_calm(database, utc_now()), "copies do not count"


async def test_what_is_asked_for_is_limited(office: BoxOffice, database_url: str) -> None:
    event, manager = await office.open_event(capacity=50), await office.as_member("manager")
    for body, pointer in (
        ({"buyers": 0}, "/buyers"),
        ({"buyers": 5_001}, "/buyers"),
        ({"buyers": 1, "seconds": 121}, "/seconds"),
        ({"buyers": 1, "abandon_percent": 91}, "/abandon_percent"),
        ({"buyers": 1, "seats": "mine"}, "/seats"),
    ):
        answer = await office.client.post(address(event), json=body, headers=manager)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer], answer.text
    bare = await office.open_event(
        terms=SaleTerms(
            currency="EUR",
            capacity=5,
            ticket_types=(NewTicketType(name="Crew", price=Money(100, "EUR"), hidden=True),),
        ),
        publish=False,
    )
    answer = await office.client.post(address(bare), json={"buyers": 1}, headers=manager)
    assert problem_of(answer, 409) == "nothing-to-sell"
    async with open_box_office(database_url, rehearsal_buyers_max=0) as off:
        answer = await off.client.post(address(event), json={"buyers": 1}, headers=manager)
        assert problem_of(answer, 409) == "rehearsals-off"


async def test_who_may(office: BoxOffice) -> None:
    event, manager = await office.open_event(), await office.as_member("manager")
    where = await start(office, event, manager, buyers=1)
    for headers, status in (({}, 401), (office.as_buyer(), 403), (await office.as_member("door"), 403)):
        assert (
            await office.client.post(address(event), json={"buyers": 1}, headers=headers)
        ).status_code == status
        assert (await office.client.get(address(event), headers=headers)).status_code == status
        assert (await office.client.get(where, headers=headers)).status_code == status
        assert (await office.client.post(f"{where}/stop", headers=headers)).status_code == status
    other = await office.open_event()
    unknown = address(other, f"/{where.rpartition('/')[2]}")
    assert (await office.client.get(unknown, headers=manager)).status_code == 404
