"""Many of one thing, done together: what is asked for while it is being done is done next, all at once.

No timer, no waiting when idle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from evently.kit.errors import Trouble

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ITEMS_MAX: Final = 200  # at a time: more gain little, and the first of them waits for all


class _Asked(NamedTuple, Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer]


class Together(Generic[Item, Answer]):
    """Does things in batches.

    `do` answers every item of a batch, in order; it never gets two items of one `key` at once.

    Where a batch fails on its data, each of it is done by itself, so that only the bad one fails.
    """

    def __init__(
        self, do: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], key: Callable[[Item], Hashable]
    ) -> None:
        self._do = do
        self._key = key
        self._asked: list[_Asked[Item, Answer]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Answer:
        """Return the answer to an item, or raise what became of it.

        Whoever goes away takes nothing with them.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(item, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="together")
        return await answer

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # whoever asks in the same moment comes along
            while self._asked:
                await self._carry_out(self._take())
        finally:
            self._running = None
            for _, answer in self._asked:  # only when this was cancelled: the loop ends
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
            answers = await self._do([asked.item for asked in taken])
        except asyncio.CancelledError:
            for asked in taken:
                asked.answer.cancel()
            raise
        except BaseException as exc:  # noqa: BLE001  # the outermost loop: whoever waits hears what happened
            if len(taken) > 1 and isinstance(exc, Exception) and not isinstance(exc, Trouble):
                for asked in taken:
                    await self._carry_out([asked])
                return
            for asked in taken:
                if not asked.answer.done():
                    asked.answer.set_exception(exc)
        else:
            for asked, answer in zip(taken, answers, strict=True):
                if not asked.answer.done():
                    asked.answer.set_result(answer)
