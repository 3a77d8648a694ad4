"""Work in batches: items that arrive while a batch runs form the next batch. No timer, no waiting when idle.

`Together` gathers the items of many callers. `do_or_halve` finds the bad item of a batch that failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from evently.kit.errors import Trouble

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ITEMS_MAX: Final = 200  # at a time: more items gain little, and the first of them waits for all


async def do_or_halve(
    do: Callable[[Sequence[Item]], Awaitable[Answer]],
    items: Sequence[Item],
    shared: tuple[type[Exception], ...],
) -> AsyncIterator[tuple[Sequence[Item], Answer | Exception]]:
    """Do all items at once; where that fails on the data, do each half, until each bad item is alone.

    Yield the parts in order, each with its answer or its exception. An exception of the types `shared`
    concerns all items of its part, so that part is not halved.
    """
    parts = [items]
    while parts:
        part = parts.pop()
        result: Answer | Exception
        try:
            result = await do(part)
        except Exception as exc:  # noqa: BLE001  # the caller gets it
            if len(part) > 1 and not isinstance(exc, shared):
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            result = exc
        yield part, result


class _Asked(NamedTuple, Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer]


class Together(Generic[Item, Answer]):
    """Does items in batches.

    `do` answers every item of a batch, in order; it never gets two items of one `key` at once. Without a
    `key`, an item may be there twice, as reads may. Where a batch fails on its data, only the bad items fail.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        key: Callable[[Item], Hashable] = lambda _: object(),
    ) -> None:
        self._do = do
        self._key = key
        self._asked: list[_Asked[Item, Answer]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Answer:
        """Return the answer to an item, or raise its exception.

        A cancelled caller does not cancel the work: its item may share a batch with others.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(item, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="together")
        return await answer

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # items that arrive at this moment join the first batch
            while self._asked:
                await self._carry_out(self._take())
        finally:
            self._running = None
            for _, answer in self._asked:  # there are some only when this task was cancelled
                answer.cancel()

    def _take(self) -> list[_Asked[Item, Answer]]:
        taken: dict[Hashable, _Asked[Item, Answer]] = {}
        left = []
        for asked in self._asked:
            key = self._key(asked.item)
            if key in taken or len(taken) == ITEMS_MAX:
                left.append(asked)
            else:
                taken[key] = asked
        self._asked = left
        return list(taken.values())

    async def _carry_out(self, taken: Sequence[_Asked[Item, Answer]]) -> None:
        try:
            async for part, result in do_or_halve(self._do_asked, taken, (Trouble,)):
                for number, asked in enumerate(part):
                    if asked.answer.done():  # its caller was cancelled
                        continue
                    if isinstance(result, Exception):
                        asked.answer.set_exception(result)
                    else:
                        asked.answer.set_result(result[number])
        except asyncio.CancelledError:
            for asked in taken:
                asked.answer.cancel()
            raise
        except BaseException as exc:  # noqa: BLE001  # an outermost loop: the callers get the exception
            for asked in taken:
                if not asked.answer.done():
                    asked.answer.set_exception(exc)

    async def _do_asked(self, part: Sequence[_Asked[Item, Answer]]) -> Sequence[Answer]:
        answers = await self._do([asked.item for asked in part])
        assert len(answers) == len(part), "each item has an answer"
        return answers
