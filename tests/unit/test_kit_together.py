"""Doing many of one thing together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from evently.kit.errors import Unavailable
from evently.kit.together import ITEMS_MAX, Together


class Oven:
    """Doubles what it is given, a batch at a time."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.trouble = False

    async def bake(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await asyncio.sleep(0)
        if self.trouble:
            raise Unavailable("cold")
        if 13 in items:
            raise ValueError("unlucky")
        return [2 * item for item in items]


async def test_items_that_arrive_during_a_batch_form_the_next_batch() -> None:
    oven = Oven()
    together = Together(oven.bake, lambda item: item)
    assert await together.add(1) == 2
    first = [asyncio.create_task(together.add(item)) for item in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(together.add(item)) for item in (7, 8)]
    assert await asyncio.gather(*first, *later) == [0, 2, 4, 6, 8, 14, 16]
    assert oven.batches == [[1], [0, 1, 2, 3, 4], [7, 8]]


async def test_two_of_one_key_are_not_done_at_once_and_no_batch_is_endless() -> None:
    oven = Oven()
    together = Together(oven.bake, lambda item: item % 1000)
    assert await asyncio.gather(*[together.add(item) for item in (1, 1001, 2)]) == [2, 2002, 4]
    assert oven.batches == [[1, 2], [1001]]
    oven.batches.clear()
    await asyncio.gather(*[together.add(item) for item in range(500, 500 + ITEMS_MAX + 1)])
    assert [len(batch) for batch in oven.batches] == [ITEMS_MAX, 1]


async def test_a_bad_item_fails_alone_and_trouble_is_everybodys() -> None:
    oven = Oven()
    together = Together(oven.bake, lambda item: item)
    told: list[object] = list(
        await asyncio.gather(*[together.add(item) for item in (12, 13, 14, 15)], return_exceptions=True)
    )
    assert [told[0], *told[2:]] == [24, 28, 30]
    assert isinstance(told[1], ValueError)
    assert oven.batches == [[12, 13, 14, 15], [12, 13], [12], [13], [14, 15]]
    oven.trouble = True
    oven.batches.clear()
    told = list(await asyncio.gather(*[together.add(item) for item in (1, 2)], return_exceptions=True))
    assert [type(each) for each in told] == [Unavailable, Unavailable]
    assert len(oven.batches) == 1


async def test_a_cancelled_caller_cancels_no_work() -> None:
    oven = Oven()
    together = Together(oven.bake, lambda item: item)
    gone = asyncio.create_task(together.add(1))
    stays = asyncio.create_task(together.add(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert oven.batches == [[1, 2]]
