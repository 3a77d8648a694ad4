from __future__ import annotations

import asyncio

import pytest

from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.memory import KEPT_SECONDS, Kept, create_response_memory, kept


class Now:
    """A monotonic clock that is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Maker:
    """Makes answers and counts them; `hold` keeps the makers waiting until it is set."""

    def __init__(self, body: bytes = b"x", seconds: float = KEPT_SECONDS) -> None:
        self.made = 0
        self.body = body
        self.seconds = seconds
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self) -> Kept:
        self.made += 1
        number = self.made
        await self.hold.wait()
        return kept(self.body + b"%d" % number, "public", seconds=self.seconds)


async def test_an_answer_is_given_again_for_a_quarter_of_a_second() -> None:
    now, make = Now(), Maker()
    memory = create_response_memory(monotonic=now)
    first = await memory.get("a", make)
    now.seconds += 0.249
    assert await memory.get("a", make) is first
    now.seconds += 0.001
    assert (await memory.get("a", make)).body == b"x2"


async def test_what_took_long_to_make_is_kept_from_when_it_was_asked_for() -> None:
    now, make = Now(), Maker()
    memory = create_response_memory(monotonic=now)
    make.hold.clear()
    asked = asyncio.create_task(memory.get("a", make))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now.seconds += 0.3
    make.hold.set()
    assert (await asked).body == b"x1"
    assert (await memory.get("a", make)).body == b"x2"


async def test_everybody_who_asks_at_once_waits_for_one_answer() -> None:
    make = Maker()
    memory = create_response_memory(monotonic=Now())
    make.hold.clear()
    asked = [asyncio.create_task(memory.get("a", make)) for _ in range(50)]
    other = asyncio.create_task(memory.get("b", make))
    await asyncio.sleep(0)
    asked[0].cancel()
    make.hold.set()
    assert {(await each).body for each in asked[1:]} == {b"x1"}
    assert (await other).body == b"x2"
    assert make.made == 2


async def test_a_refusal_is_for_all_who_wait_and_for_nobody_after() -> None:
    memory, make = create_response_memory(monotonic=Now()), Maker()

    async def refuse() -> Kept:
        await asyncio.sleep(0)
        raise Refused(CommonRefusal.NOT_FOUND)

    asked = await asyncio.gather(memory.get("a", refuse), memory.get("a", refuse), return_exceptions=True)
    assert all(isinstance(each, Refused) for each in asked)
    assert (await memory.get("a", make)).body == b"x1"


async def test_what_was_changed_is_forgotten_even_while_it_is_being_made() -> None:
    memory, make = create_response_memory(monotonic=Now()), Maker()
    make.hold.clear()
    old = asyncio.create_task(memory.get("a", make))
    await asyncio.sleep(0)
    memory.forget("a")
    new = asyncio.create_task(memory.get("a", make))
    await asyncio.sleep(0)
    make.hold.set()
    assert [(await each).body for each in (old, new)] == [b"x1", b"x2"]
    assert (await memory.get("a", make)).body == b"x2"
    memory.forget("a")
    memory.forget("never there")
    assert (await memory.get("a", make)).body == b"x3"


async def test_what_may_not_be_kept_is_not() -> None:
    memory, make = create_response_memory(monotonic=Now()), Maker(seconds=0)
    assert [(await memory.get("a", make)).body for _ in range(2)] == [b"x1", b"x2"]


@pytest.mark.parametrize("bounds", [{"bytes_max": 300}, {"responses_max": 3}])
async def test_memory_is_bounded_and_forgets_what_nobody_asks_for(bounds: dict[str, int]) -> None:
    memory, make = create_response_memory(**bounds, monotonic=Now()), Maker(b"x" * 99)
    for key in ("a", "b", "c"):
        await memory.get(key, make)
    await memory.get("a", make)
    await memory.get("d", make)
    assert make.made == 4
    for key, made in (("a", 4), ("d", 4), ("c", 4), ("b", 5)):
        await memory.get(key, make)
        assert make.made == made, key


@pytest.mark.parametrize(("version", "start"), [(None, '"'), (7, '"7.')])
def test_the_tag_is_of_the_bytes(version: int | None, start: str) -> None:
    first, second = kept(b"a", "public", version=version), kept(b"b", "public", version=version)
    assert first.etag.startswith(start)
    assert first.etag != second.etag
    assert first.headers == {"etag": first.etag, "cache-control": "public"}
