"""Failovers and switchovers by Patroni, while two installations sell."""

from __future__ import annotations

import asyncio

import pytest

from tests.cluster.test_standbys import BACK_SECONDS_MAX, two_installations
from tests.support.diary import CLEAN, Diary, breaches, judge, put_on_sale
from tests.support.patroni import (
    Member,
    patroni_pair,
    primary_of,
    reason_to_skip,
    wait_for_primary,
    wait_until_whole,
)

pytestmark = [pytest.mark.timeout(3600), pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())]

CLIENTS = 16
TIMES, TIMES_TO_PROVE = 1, 20


async def test_failovers_and_switchovers_lose_nothing(*, prove: bool) -> None:
    with patroni_pair() as members, two_installations(*members) as servers:
        diary = Diary([each.url for each in servers], await put_on_sale(members[0].url), CLIENTS)
        took: dict[str, list[float]] = {"failover": [], "switchover": []}
        async with diary.writing(3600):
            for number in range(TIMES_TO_PROVE if prove else TIMES):
                took["failover"].append(await fail_over(members, diary, whole=number % 2 == 1))
                took["switchover"].append(await switch_over(members, diary))
        diary.close()
        primary = primary_of(members)
        assert primary is not None
        print({kind: f"{max(seconds):.2f} s at most" for kind, seconds in took.items()}, diary.codes())
        assert max(*took["failover"], *took["switchover"]) < BACK_SECONDS_MAX
        assert await judge(primary.url, diary) == CLEAN
        assert await breaches(primary.url) == {}


async def fail_over(members: list[Member], diary: Diary, *, whole: bool) -> float:
    """Kill the primary, with its Patroni if `whole`; return the seconds from the promotion to a booking."""
    old, new = await _roles(members)
    await diary.until_booked(50)
    (old.kill if whole else old.kill_postgres)()
    seconds = await _until_back(new, diary)
    if whole:
        await asyncio.to_thread(old.start)
    return seconds


async def switch_over(members: list[Member], diary: Diary) -> float:
    old, new = await _roles(members)
    await diary.until_booked(50)
    await asyncio.to_thread(old.hand_over, new)
    return await _until_back(new, diary)


async def _roles(members: list[Member]) -> tuple[Member, Member]:
    """Wait until both members do their part; return the primary and the standby."""
    await asyncio.to_thread(wait_until_whole, members)
    old = primary_of(members)
    assert old is not None
    return old, next(each for each in members if each is not old)


async def _until_back(new: Member, diary: Diary) -> float:
    promoted_at = await asyncio.to_thread(wait_for_primary, new)
    await diary.until_booked(50)
    return diary.first_booked_at(promoted_at) - promoted_at
