"""A primary dies, a standby stops, while two installations sell; the clients' diary is the judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.diary import CLEAN, DOCUMENTED, SETTINGS, Diary, Sold, breaches, judge, put_on_sale
from tests.support.marks import kills_processes
from tests.support.serving import Serving, serving_together, until
from tests.support.standbys import Host, Node, pair, url_of

pytestmark = [
    pytest.mark.timeout(1_800),
    kills_processes,
]

CLIENTS = 16
# What is promised, and what a machine that does much else at the same time may take
BACK_SECONDS_MAX, BACK_SECONDS_WHEN_BUSY = 5.0, 60.0  # from the promotion to the next booking
TOLD_SECONDS_MAX, TOLD_SECONDS_WHEN_BUSY = 5.0, 20.0  # until a buyer hears that commits wait: once it was 30
CONNECTIONS_MAX = 16  # of a worker: 15, and one that finds out whether commits still wait
COUNT_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
COUNT_WAITING = f"{COUNT_SESSIONS} AND wait_event = 'SyncRep'"


@contextmanager
def two_installations(*nodes: Host) -> Iterator[list[Serving]]:
    """Serve twice, as on two machines; both know both hosts."""
    arguments, settings = ("--workers", "1"), {"database_url": url_of(nodes), **SETTINGS}
    with serving_together((arguments, settings), (arguments, settings)) as servers:
        yield servers


async def test_a_standby_stops_a_primary_dies_and_a_judge_sees_what_is_lost(*, prove: bool) -> None:
    """One evening in three acts, because most of the time goes into starting servers."""
    more = 3_000 if prove else 200
    with pair(synchronous=True) as (primary, standby), two_installations(primary, standby) as servers:
        urls = [each.url for each in servers]
        events = await put_on_sale(primary.url)
        diary = Diary(urls, events, CLIENTS)
        await stop_the_standby(primary, standby, diary, events[0], more, prove=prove)
        assert await judge(primary.url, diary) == CLEAN
        assert await breaches(primary.url) == {}
        await fail_over(primary, standby, diary, more, prove=prove)
        assert await judge(standby.url, diary) == CLEAN
        assert await breaches(standby.url) == {}
        primary.follow(standby)
        lost = await lose_bookings(standby, primary, diary)
        verdict = await judge(primary.url, diary)
        assert verdict.lost >= lost, "a judge that finds nothing here would find nothing above, either"
        assert (verdict.twice, verdict.unasked) == (0, 0)
        assert await breaches(primary.url) == {}, "what is left is whole"
        diary.close()


async def stop_the_standby(
    primary: Node, standby: Node, diary: Diary, event: Sold, more: int, *, prove: bool
) -> None:
    """Buyers are told in time, nothing piles up, and all is well by itself when the standby is back."""
    async with diary.writing():
        await diary.until_booked(more)
        stopped_at = time.monotonic()
        await asyncio.to_thread(standby.stop)
        await until_told(diary, stopped_at)
        counts = await count_sessions(primary, diary, event.event_path, 60 if prove else 5)
        standby.start()
        back_at = time.monotonic()
        await diary.until_booked(more)
    waited = [each for each in diary.answers if each.sent_at >= stopped_at and each.status != 201]
    told, back = max(each.seconds for each in waited), diary.first_booked_at(back_at) - back_at
    print(f"told after {told:.2f} s, back after {back:.2f} s, {diary.codes(stopped_at)}, sessions {counts}")
    assert "commits-wait" in {each.code for each in waited} <= {"commits-wait", "busy"}
    assert told < (TOLD_SECONDS_MAX if prove else TOLD_SECONDS_WHEN_BUSY)
    assert back < (BACK_SECONDS_MAX if prove else BACK_SECONDS_WHEN_BUSY)
    assert max(counts) <= len(diary.servers) * CONNECTIONS_MAX
    until(lambda: primary.ask(COUNT_WAITING) == 0, "no session waits for the standby")
    async with asyncio.timeout(60):
        for url in diary.servers:
            while (await diary.get(url, "/health"))[1]["checks"]["writes"]["status"] != "pass":
                await asyncio.sleep(0.1)


async def fail_over(primary: Node, standby: Node, diary: Diary, more: int, *, prove: bool) -> None:
    """The primary dies, and the standby is promoted by hand."""
    async with diary.writing():
        await diary.until_booked(more)
        killed_at = time.monotonic()
        primary.kill()
        await asyncio.to_thread(standby.promote)
        promoted_at = time.monotonic()
        await diary.until_booked(more)
    back = diary.first_booked_at(promoted_at) - promoted_at
    print(f"back {back:.2f} s after the promotion, {diary.codes(killed_at)}")
    assert back < (BACK_SECONDS_MAX if prove else BACK_SECONDS_WHEN_BUSY)
    assert set(diary.codes()) <= DOCUMENTED


async def lose_bookings(primary: Node, standby: Node, diary: Diary) -> int:
    """Make certain that an asynchronous failover loses bookings; return how many at least."""
    async with diary.writing():
        await diary.until_booked(50)
        await asyncio.to_thread(standby.stop_streaming, primary)
        # Each client may hear once more about a booking that the standby has received
        known = len(diary.booked) + CLIENTS
        await diary.until_booked(CLIENTS + 50)
    lost = len(diary.booked) - known
    primary.kill()
    standby.promote()
    async with diary.writing():
        await diary.until_booked(50)
    return lost


async def until_told(diary: Diary, since: float) -> None:
    """Wait until both installations tell buyers that commits wait, and see what they tell operators."""
    async with asyncio.timeout(120):
        while sum(each.code == "commits-wait" for each in diary.answers) < 2 * CLIENTS:
            await asyncio.sleep(0.05)
        for url in diary.servers:
            while (found := await diary.get(url, "/health"))[1]["checks"]["writes"]["status"] != "warn":
                await asyncio.sleep(0.1)
            assert "Commits wait" in found[1]["checks"]["writes"]["output"]
            assert found[0] == 200
    assert diary.codes(since)["503 commits-wait"] > 0


async def count_sessions(primary: Node, diary: Diary, event_path: str, seconds: float) -> list[int]:
    """Count the sessions of all processes again and again, while clients repeat and balancers look."""
    counts = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for url in diary.servers:
            status, body, took = await diary.get(url, "/readyz")
            assert (status, body["status"]) == (200, "warn"), body
            assert took < TOLD_SECONDS_WHEN_BUSY
            status, _, took = await diary.get(url, event_path)
            assert (status, took < TOLD_SECONDS_WHEN_BUSY) == (200, True), "reads are served"
        counts.append(await asyncio.to_thread(primary.ask, COUNT_SESSIONS))
        await asyncio.sleep(0.25)
    return counts
