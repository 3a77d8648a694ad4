"""Public answers kept for a quarter of a second, encoded: a million refreshes of one page cost a handful of statements.

An answer is made once for all who ask for it at the same moment; who asks a little later gets the same bytes.
What is kept was true when the database was asked, so nobody is given anything older than `KEPT_SECONDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from evently.kit.memory import Memory

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


AnswerMemory = Memory[Hashable, Kept]


def create_answer_memory(
    bytes_max: int = BYTES_MAX,
    answers_max: int = ANSWERS_MAX,
    monotonic: Callable[[], float] = time.monotonic,
) -> AnswerMemory:
    """Return an empty memory of answers. An answer says itself for how many seconds it is kept."""
    return Memory(
        lambda answer: answer.seconds,
        answers_max,
        bytes_max=bytes_max,
        size_of=lambda answer: len(answer.body),
        monotonic=monotonic,
    )


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
