"""The draw: an order of the entries on a closed list that anybody can compute again. Pure.

    list hash  SHA-256 of the ids of all entries, in order, one after the other
    rank       HMAC-SHA-256 of (entry id, list hash, public value), under the seed; the smallest is first

Ids and hashes are text, in small hexadecimal digits. docs/waiting-room.md says what that proves.
"""

from __future__ import annotations

import hashlib
import hmac
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

RANK_BYTES: Final = 16  # of a rank in memory: enough to tell a million of them apart
_BLOCK_BYTES: Final = 64  # of SHA-256


class HmacPads(NamedTuple):
    """The two pads of a key in HMAC (RFC 2104), for a database that has a hash and no HMAC."""

    inner: bytes
    outer: bytes


def pads_of(seed: bytes) -> HmacPads:
    """Return the pads of a seed."""
    key = seed.ljust(_BLOCK_BYTES, b"\0")
    return HmacPads(bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key))


def hash_list(entry_ids: Iterable[UUID]) -> bytes:
    """Return the hash of a list."""
    return hashlib.sha256("".join(sorted(entry_id.hex for entry_id in entry_ids)).encode()).digest()


def suffix_of(list_hash: bytes, public_value: str) -> str:
    """Return what follows the id of an entry in what is hashed."""
    return list_hash.hex() + public_value


def rank_of(seed: bytes, entry_id: UUID, suffix: str) -> bytes:
    """Return the rank of an entry."""
    return hmac.digest(seed, (entry_id.hex + suffix).encode(), "sha256")


class DrawnList:
    """The order that was drawn. It has no ids: the rank of an entry is computed, and looked for."""

    __slots__ = ("_firsts", "_seed", "_suffix", "count", "ranks")

    def __init__(self, seed: bytes, suffix: str, ranks: bytes) -> None:
        self._seed = seed
        self._suffix = suffix.encode()
        self.ranks = ranks  # the first bytes of each, in order
        self.count = len(ranks) // RANK_BYTES
        # The first half of each rank, as numbers: they are searched in C. Two of them may be the same
        self._firsts = array("Q", ranks)[::2]
        if sys.byteorder == "little":
            self._firsts.byteswap()

    @property
    def memory_bytes(self) -> int:
        """How many bytes it takes."""
        return len(self.ranks) + len(self._firsts) * self._firsts.itemsize

    def position_of(self, entry_id: UUID) -> int | None:
        """Return the position of an entry, from 1; None: it is not on the list."""
        # As `rank_of` computes it
        rank = hmac.digest(self._seed, entry_id.hex.encode() + self._suffix, "sha256")[:RANK_BYTES]
        first = int.from_bytes(rank[: RANK_BYTES // 2])
        index = bisect_left(self._firsts, first)
        while index < self.count and self._firsts[index] == first:
            if self.ranks[index * RANK_BYTES : (index + 1) * RANK_BYTES] == rank:
                return index + 1
            index += 1
        return None
