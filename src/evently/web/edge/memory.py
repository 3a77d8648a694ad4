"""Public answers kept for a quarter of a second, encoded: a million refreshes of one page cost a handful of statements.

An answer is made once for all who ask for it at the same moment; who asks a little later gets the same bytes.
What is kept was true when the database was asked, so nobody is given anything older than `KEPT_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

# As long as the till may refuse from memory; a person does not notice, a database does
KEPT_SECONDS: Final = 0.25
BYTES_MAX: Final = 32 * 1024 * 1024  # of one process: the largest pages there can be, a hundred of them
# More are not asked for in a quarter of a second; also bounds what their keys take
ANSWERS_MAX: Final = 5_000
_TAG_BYTES: Final = 8


class Kept(NamedTuple):
    """An answer as it is sent.

    `seconds`: how long it may be given again; `organizer_id`: whose it is, where that matters.
    """

    body: bytes
    etag: str
    cache_control: str
    headers: dict[str, str]
    seconds: float = KEPT_SECONDS
    organizer_id: UUID | None = None


class AnswerMemory:
    """Keeps answers by key, forgetting first those that nobody asked for."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        bytes_max: int = BYTES_MAX,
        answers_max: int = ANSWERS_MAX,
    ) -> None:
        self._monotonic = monotonic
        self._bytes_max = bytes_max
        self._answers_max = answers_max
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[float, Kept]] = OrderedDict()
        self._making: dict[Hashable, asyncio.Task[Kept]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Kept]]) -> Kept:
        """Return the answer under `key`, or have it made; what the making refuses, all who wait for it are refused."""
        found = self._kept.get(key)
        if found is not None and self._monotonic() < found[0]:
            self._kept.move_to_end(key)
            return found[1]
        making = self._making.get(key)
        if making is None:
            making = asyncio.create_task(self._make(key, make), name="make answer")
            self._making[key] = making
            making.add_done_callback(lambda done: self._made(key, done))
        return await asyncio.shield(making)

    def forget(self, key: Hashable) -> None:
        """Have the answer made anew for whoever asks next: this process has changed what it says."""
        self._making.pop(key, None)
        if (found := self._kept.pop(key, None)) is not None:
            self._bytes -= len(found[1].body)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[Kept]]) -> Kept:
        asked_at = self._monotonic()
        made = await make()
        if made.seconds > 0 and self._making.get(key) is asyncio.current_task():
            self._keep(key, asked_at + made.seconds, made)
        return made

    def _made(self, key: Hashable, done: asyncio.Task[Kept]) -> None:
        if self._making.get(key) is done:
            del self._making[key]
        if not done.cancelled():
            done.exception()  # those who wait have it; nobody may be left

    def _keep(self, key: Hashable, until: float, made: Kept) -> None:
        self.forget(key)
        self._kept[key] = (until, made)
        self._bytes += len(made.body)
        while self._bytes > self._bytes_max or len(self._kept) > self._answers_max:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= len(dropped.body)


def kept(
    body: bytes,
    cache_control: str,
    *,
    version: int | None = None,
    headers: dict[str, str] | None = None,
    seconds: float = KEPT_SECONDS,
) -> Kept:
    """Return an answer whose tag is made from its bytes, after the version that an editor names: `"7.9f86d081884c7d65"`."""
    digest = blake2b(body, digest_size=_TAG_BYTES).hexdigest()
    etag = f'"{digest}"' if version is None else f'"{version}.{digest}"'
    return Kept(
        body, etag, cache_control, {**(headers or {}), "etag": etag, "cache-control": cache_control}, seconds
    )
