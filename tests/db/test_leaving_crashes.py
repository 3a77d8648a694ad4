"""The process dies between any two steps of closing an account, and a job ends what the person claims.

Before the commit nothing has happened. After it the person is erased, and the job is stored; it ends each
claim once, whichever process dies in the middle of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest_asyncio

from evently import sales
from evently.accounts import Accounts, TokenOptions
from evently.catalogue import Event
from evently.checkout import Checkout
from evently.db import Database
from evently.kit.ids import new_id, show_id
from evently.reactions import TASKS, Services
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.leaving import JOB
from evently.sales.reads import find_sale
from tests.support.accounts import CHEAP, ORIGIN, PASSWORD, SECRET, log_in
from tests.support.catalogue import sale_terms
from tests.support.crash_points import CrashingDatabase, CrashingEngine, CrashPoint, ProcessCrashed
from tests.support.mail import make_mail
from tests.support.push import make_push
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.webhooks import make_webhooks

POINTS_MAX: Final = 60  # closing an account with these claims has fewer
BEFORE: Final = ["confirmed", "held", "held"], ["offered", "waiting"]
AFTER: Final = ["cancelled", "cancelled", "cancelled"], ["withdrawn", "withdrawn"]


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


def open_process(desk: SalesDesk, crash_point: CrashPoint) -> Services:
    """Return what a process works with that crashes at the crash point."""
    database = CrashingDatabase(desk.db, crash_point)
    engine = CrashingEngine(desk.engine, desk.db, desk.clock, crash_point)
    accounts = Accounts(database, desk.clock, TokenOptions(SECRET), CHEAP)
    checkout = Checkout(database, engine, {}, None, desk.clock, new_id)
    return Services(
        database,
        engine,
        checkout,
        accounts,
        make_mail(database, desk.clock),
        make_push(database, desk.clock),
        make_webhooks(database, desk.clock),
        desk.clock,
    )


async def claim(desk: SalesDesk, number: int) -> tuple[UUID, list[Event]]:
    """Return a person with tickets, a hold, a place in a waitlist, and an offer; and the events."""
    accounts = open_process(desk, CrashPoint(POINTS_MAX)).accounts
    person_id = (await log_in(accounts, f"ada{number}@example.org")).person.person_id
    await accounts.stop()
    full, other = await desk.event(sale_terms(capacity=9)), await desk.event(sale_terms(capacity=1))
    await desk.book(full, 2, buyer=person_id)
    await desk.book(full, 1, buyer=person_id, hold_seconds=600)
    await desk.book(full, 6)
    last = await desk.book(other, 1)
    for event, units in ((full, 2), (other, 1)):
        (type_id,) = (await desk.types(event)).values()
        await desk.engine.submit(JoinWaitlist(event.event_id, person_id, type_id, units))
    await desk.cancel(last)
    return person_id, [full, other]


async def claims_of(db: Database, person_id: UUID) -> tuple[list[str], list[str]]:
    bookings = await db.fetch("SELECT state FROM bookings WHERE buyer_id = $1", person_id)
    entries = await db.fetch("SELECT state FROM waitlist_entries WHERE buyer_id = $1", person_id)
    return sorted(row["state"] for row in bookings), sorted(row["state"] for row in entries)


async def close(services: Services, person_id: UUID) -> None:
    """Close an account as the API does."""
    now = services.clock()
    await services.accounts.close_account(
        person_id,
        PASSWORD,
        ORIGIN,
        partial(sales.leaving.end_claims_later, confirmed="cancel_tickets", now=now),
    )
    await sales.leaving.end_claims(services.database, services.engine, person_id, now, cancel_tickets=True)


async def stored_jobs(db: Database, person_id: UUID) -> list[dict[str, Any]]:
    rows = await db.fetch("SELECT args FROM procrastinate_jobs WHERE task_name = $1", JOB)
    found = [msgspec.json.decode(row["args"], type=dict[str, Any]) for row in rows]
    return [each for each in found if each["person_id"] == show_id("per", person_id)]


async def heads(db: Database, events: list[Event]) -> list[int]:
    return [(await find_sale(db, event.event_id)).seq for event in events]


async def test_whoever_leaves_has_left_or_is_still_there(db: Database, desk: SalesDesk) -> None:
    stayed = left = 0
    for points in range(1, POINTS_MAX):
        person_id, events = await claim(desk, points)
        assert await claims_of(db, person_id) == BEFORE
        crash_point = CrashPoint(points)
        services = open_process(desk, crash_point)
        with suppress(ProcessCrashed):
            await close(services, person_id)
        await services.accounts.stop()
        erased = await db.fetch_value("SELECT erased_at FROM people WHERE person_id = $1", person_id)
        jobs = await stored_jobs(db, person_id)
        if erased is None:
            assert crash_point.reached
            assert not jobs
            assert await claims_of(db, person_id) == BEFORE, crash_point.passed
            stayed += 1
            continue
        (job,) = jobs
        left += 1
        await run_job(desk, job)
        assert await claims_of(db, person_id) == AFTER, crash_point.passed
        assert [await taken(db, event) for event in events] == [6, 0]
        ended = await heads(db, events)
        await run_job(desk, job)
        assert await heads(db, events) == ended, "a second time there is nothing to do"
        if not crash_point.reached:
            break
    assert not crash_point.reached, "POINTS_MAX is too small"
    assert stayed > 0
    assert left > 5


async def run_job(desk: SalesDesk, job: dict[str, Any]) -> None:
    """Run the job; its process dies one step later each time, until it has done all."""
    for points in range(1, POINTS_MAX):
        services = open_process(desk, CrashPoint(points))
        with suppress(ProcessCrashed):
            await TASKS[JOB](services, **job)
            return
    raise AssertionError("the job never ends")


async def taken(db: Database, event: Event) -> int:
    (pool,) = (await find_sale(db, event.event_id)).pools.values()
    return pool.taken()
