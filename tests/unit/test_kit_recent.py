"""What was read a moment ago."""

from __future__ import annotations

import asyncio

import pytest

from evently.kit.errors import Unavailable
from evently.kit.recent import Recent


class Shelf:
    """Counts how often each thing was looked up; `recent` keeps two of them for ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looked: list[str] = []
        self.trouble = False
        self.recent: Recent[str, tuple[str, int]] = Recent(self.look, 10.0, 2, lambda: self.now)

    async def look(self, key: str) -> tuple[str, int]:
        self.looked.append(key)
        await asyncio.sleep(0)
        self.now += 1
        if self.trouble:
            raise Unavailable("dark")
        return key, len(self.looked)


async def test_one_look_serves_all_who_ask_meanwhile() -> None:
    shelf = Shelf()
    assert await asyncio.gather(*[shelf.recent.get("a") for _ in range(5)]) == [("a", 1)] * 5
    assert await shelf.recent.get("a") == ("a", 1)
    shelf.now = 10.0  # since it was asked for, not since it came
    assert await shelf.recent.get("a") == ("a", 2)


async def test_whoever_misses_something_has_it_looked_up_again_once() -> None:
    shelf = Shelf()
    seen = await shelf.recent.get("a")
    assert await asyncio.gather(*[shelf.recent.get("a", seen) for _ in range(5)]) == [("a", 2)] * 5
    assert await shelf.recent.get("a", seen) == ("a", 2)


async def test_what_was_asked_for_longest_ago_is_forgotten() -> None:
    shelf = Shelf()
    for key in ("a", "b", "a", "c", "a", "b"):
        await shelf.recent.get(key)
    assert shelf.looked == ["a", "b", "c", "b"]


async def test_trouble_is_told_to_all_and_kept_for_nobody() -> None:
    shelf = Shelf()
    shelf.trouble = True
    told = await asyncio.gather(*[shelf.recent.get("a") for _ in range(3)], return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable] * 3
    shelf.trouble = False
    assert await shelf.recent.get("a") == ("a", 2)


async def test_whoever_goes_away_takes_nothing_with_them() -> None:
    shelf = Shelf()
    impatient = asyncio.create_task(shelf.recent.get("a"))
    patient = asyncio.create_task(shelf.recent.get("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == ("a", 1)
    with pytest.raises(asyncio.CancelledError):
        await impatient
