"""Public responses, kept encoded for a quarter of a second: many refreshes of a page need one read.

Requests at the same moment share one read; requests a little later get the same bytes. A kept response was
true when it was read, so no response is older than `KEPT_SECONDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from evently.kit.memory import Memory

# As long as sales may refuse from memory; too short for a person to notice
KEPT_SECONDS: Final = 0.25
BYTES_MAX: Final = 32 * 1024 * 1024  # of one process: the largest pages there can be, a hundred of them
# More are not requested in a quarter of a second; also limits the memory of their keys
RESPONSES_MAX: Final = 5_000
_TAG_BYTES: Final = 8


class Kept(NamedTuple):
    """A response as it is sent.

    `seconds`: how long it may be sent again; `organizer_id`: the owner of the resource, where that matters.
    """

    body: bytes
    etag: str
    cache_control: str
    headers: dict[str, str]
    seconds: float = KEPT_SECONDS
    organizer_id: UUID | None = None


ResponseMemory = Memory[Hashable, Kept]


def create_response_memory(
    bytes_max: int = BYTES_MAX,
    responses_max: int = RESPONSES_MAX,
    monotonic: Callable[[], float] = time.monotonic,
) -> ResponseMemory:
    """Return an empty memory. Each response states for how many seconds it is kept."""
    return Memory(
        lambda response: response.seconds,
        responses_max,
        bytes_max=bytes_max,
        size_of=lambda response: len(response.body),
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
    """Return a response to keep. Its tag is the version, if any, and a hash: `"7.9f86d081884c7d65"`."""
    digest = blake2b(body, digest_size=_TAG_BYTES).hexdigest()
    etag = f'"{digest}"' if version is None else f'"{version}.{digest}"'
    return Kept(
        body, etag, cache_control, {**(headers or {}), "etag": etag, "cache-control": cache_control}, seconds
    )
