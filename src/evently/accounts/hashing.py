"""Hashing passwords: argon2id, off the event loop, a few at a time, in a line that has an end.

The parameters are OWASP's floor: 19 MiB, two passes, one lane. One hash costs about 20 ms of a core here; the
library's defaults cost 107 ms, which on two cores is a denial of service of one's own making.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from evently.kit.errors import Busy

Result = TypeVar("Result")


class HashingOptions(msgspec.Struct, frozen=True):
    """How much of the machine passwords may have."""

    memory_kib: int = 19_456
    passes: int = 2
    threads_max: int = 2
    waiting_max: int = 100  # a second of work for two cores: whoever would wait longer is told at once


class Hasher:
    """Hashes and verifies in threads of its own, for those who have a place in the line.

    Close it when done.
    """

    def __init__(self, options: HashingOptions) -> None:
        self._options = options
        self._argon2: Final = PasswordHasher(
            time_cost=options.passes, memory_cost=options.memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(options.threads_max, thread_name_prefix="passwords")
        self._in_line = 0
        # Verified where there is no such person, so that a stranger cannot tell by the time it takes.
        self._nobody = self._argon2.hash("nobody has this password")

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have a place in the line; raises Busy where it is full.

        Take it before anything else: who must be turned away should not have waited for a connection first.
        """
        if self._in_line >= self._options.threads_max + self._options.waiting_max:
            raise Busy("Too many people are logging in at this moment.")
        self._in_line += 1
        try:
            yield
        finally:
            self._in_line -= 1

    async def hash(self, password: str) -> str:
        """Return the hash of a normalised password."""
        return await self._run(lambda: self._argon2.hash(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether this is the password. Without a hash it is not, which takes as long to say."""
        return (
            await self._run(lambda: self._verify(password_hash or self._nobody, password))
            and password_hash is not None
        )

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether a hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        assert self._in_line, "whoever hashes has a place in the line"
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
