"""Password hashing: argon2id in threads, a few hashes at a time, and a bounded number of waiting callers.

The parameters are OWASP's minimum: 19 MiB, two passes, one lane. One hash costs about 20 ms of a core here.
The library's defaults cost 107 ms: on two cores, ordinary logins would then deny service to everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Final, TypeVar

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from evently.kit.errors import Busy

Result = TypeVar("Result")


class HashingOptions(msgspec.Struct, frozen=True):
    """How much of the machine password hashing may use."""

    memory_kib: int = 19_456
    passes: int = 2
    threads_max: int = 2
    waiting_max: int = 100  # a second of work for two cores; further callers are refused at once


@cache
def _unused_hash(options: HashingOptions) -> str:
    return _argon2(options).hash("nobody has this password")


def _argon2(options: HashingOptions) -> PasswordHasher:
    return PasswordHasher(time_cost=options.passes, memory_cost=options.memory_kib, parallelism=1)


class Hasher:
    """Hashes and verifies passwords in its own threads, for callers that have a permit.

    Close it at the end.
    """

    def __init__(self, options: HashingOptions) -> None:
        self._options = options
        self._argon2: Final = _argon2(options)
        self._threads = ThreadPoolExecutor(options.threads_max, thread_name_prefix="passwords")
        self._permits = 0
        # Verified when there is no such person, so that the time of the answer does not show it
        self._unused_hash = _unused_hash(options)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def permit(self) -> Iterator[None]:
        """Hold one of the permits to hash; raises Busy when none is left.

        Take it first: a caller that is refused must not have waited for a database connection before.
        """
        if self._permits >= self._options.threads_max + self._options.waiting_max:
            raise Busy("log_ins")
        self._permits += 1
        try:
            yield
        finally:
            self._permits -= 1

    async def hash(self, password: str) -> str:
        """Return the hash of a normalised password."""
        return await self._run(lambda: self._argon2.hash(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether this is the password. Without a hash the answer is no, after the same time."""
        return (
            await self._run(lambda: self._verify(password_hash or self._unused_hash, password))
            and password_hash is not None
        )

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether a hash was made with other parameters than the current ones."""
        return self._argon2.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        assert self._permits, "a caller that hashes has a permit"
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
