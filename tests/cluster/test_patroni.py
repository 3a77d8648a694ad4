"""Failovers and switchovers by Patroni while two installations sell: one knows all hosts, one HAProxy."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from tests.support.diary import CLEAN, DOCUMENTED, SETTINGS, Diary, breaches, judge, put_on_sale
from tests.support.marks import kills_processes, needs
from tests.support.patroni import (
    LOCK_SECONDS,
    MISSING,
    Member,
    haproxy_to_primary,
    patroni_cluster,
    wait_until_whole,
)
from tests.support.serving import serving_together
from tests.support.standbys import url_of

pytestmark = [
    pytest.mark.timeout(7_200),
    kills_processes,
    needs(MISSING),
]

CLIENTS = 16
PAUSE_SECONDS = 0.02  # some hundreds of bookings a second, and processor time for the others
TIMES_TO_PROVE = 20
# From the promotion to the next booking: what is promised, and what a busy machine may take
BACK_SECONDS_MAX, BACK_SECONDS_WHEN_BUSY = 5.0, 60.0
Seconds = dict[str, list[float]]


async def test_failovers_and_switchovers_lose_nothing(*, prove: bool) -> None:
    with patroni_cluster() as members, haproxy_to_primary(members) as one_url:
        settings = [{"database_url": url, **SETTINGS} for url in (url_of(members), one_url)]
        with serving_together(*[(("--workers", "1"), each) for each in settings]) as servers:
            diary = Diary(
                [each.url for each in servers], await put_on_sale(members[0].url), CLIENTS, PAUSE_SECONDS
            )
            evening = Evening(members, diary)
            async with diary.writing(7_000):
                for number in range(TIMES_TO_PROVE if prove else 1):
                    await evening.fail_over(("postgres", "machine", "patroni")[number % 3])
                    await evening.switch_over()
            diary.close()
        primary, _ = await asyncio.to_thread(wait_until_whole, members)
        evening.tell()
        assert set(diary.codes()) <= DOCUMENTED
        assert await judge(primary.url, diary) == CLEAN
        assert await breaches(primary.url) == {}
        assert max(evening.back) < (BACK_SECONDS_MAX if prove else BACK_SECONDS_WHEN_BUSY)


class Evening:
    """What happens to the members while people book, and how long it takes."""

    def __init__(self, members: Sequence[Member], diary: Diary) -> None:
        self._members = members
        self._diary = diary
        self._by_hosts, self._by_haproxy = diary.servers
        self.seconds: Seconds = defaultdict(list)
        self.back: list[float] = []  # from each promotion to the next booking

    async def fail_over(self, what: str) -> None:
        """Kill the primary's PostgreSQL, or its machine, or its Patroni alone."""
        old, _ = await self._begin()
        kill: Callable[[], None] = {
            "postgres": old.kill_postgres,
            "machine": old.kill,
            "patroni": old.kill_patroni,
        }[what]
        began = time.monotonic()
        kill()
        promoted_at = await self._until_promoted(old)
        self.seconds[f"{what} killed, until the promotion"].append(promoted_at - began)
        if what == "patroni":
            # The old primary knows nothing of the new one, and its commits wait for ever. HAProxy has turned
            # away from it; who knows all hosts stays, until the service manager has started Patroni again
            await self._until_back(promoted_at, what, self._by_haproxy)
            again_at = time.monotonic()
            await asyncio.to_thread(old.start)
            took = await self._until_booked(again_at, self._by_hosts)
            self.seconds["patroni started again, until a booking with all hosts in the URL"].append(took)
        else:
            await self._until_back(promoted_at, what, self._by_hosts, self._by_haproxy)
            if what == "machine":
                await asyncio.to_thread(old.start)

    async def switch_over(self) -> None:
        """Hand over, as before the upgrade of a machine."""
        old, new = await self._begin()
        began = time.monotonic()
        handing = asyncio.ensure_future(asyncio.to_thread(old.hand_over, new))
        promoted_at = await self._until_promoted(old)
        self.seconds["switchover, until the promotion"].append(promoted_at - began)
        await self._until_back(promoted_at, "switchover", self._by_hosts, self._by_haproxy)
        await handing

    def tell(self) -> None:
        for what, each in sorted(self.seconds.items()):
            print(f"{what}: {len(each)} times, {statistics.median(each):.2f} s, at most {max(each):.2f} s")
        print("hosts", self._diary.codes(server=self._by_hosts))
        print("haproxy", self._diary.codes(server=self._by_haproxy))

    async def _begin(self) -> tuple[Member, Member]:
        """Wait until all is well and people book; return the primary and its standby."""
        found = await asyncio.to_thread(wait_until_whole, self._members)
        await self._diary.until_booked(50)
        return found

    async def _until_promoted(self, old: Member) -> float:
        """Wait until another member takes writes; return when that was seen."""
        others = [each for each in self._members if each is not old]
        async with asyncio.timeout(LOCK_SECONDS + 240):
            while not any([await asyncio.to_thread(each.takes_writes) for each in others]):
                await asyncio.sleep(0.02)
        return time.monotonic()

    async def _until_back(self, promoted_at: float, what: str, *servers: str) -> None:
        for server in servers:
            self.back.append(await self._until_booked(promoted_at, server))
            by = "HAProxy" if server == self._by_haproxy else "all hosts in the URL"
            self.seconds[f"{what}, from the promotion to a booking by {by}"].append(self.back[-1])

    async def _until_booked(self, since: float, server: str) -> float:
        """Wait until a server has sold since; return how long that took."""
        async with asyncio.timeout(240):
            while not any(
                each.status == 201 and each.at >= since and each.server == server
                for each in reversed(self._diary.answers[-10_000:])
            ):
                await asyncio.sleep(0.05)
        return self._diary.first_booked_at(since, server) - since
