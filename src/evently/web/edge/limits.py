"""How often somebody may ask, and how many reports run at a time.

A limit is counted per actor where there is one, else per client address; `login` and `register` always per
address. (Never per e-mail address: a stranger could lock its owner out. `accounts/attempts.py` slows guessing
down.) Answers say what is left: `RateLimit-Policy: "bookings";q=120;w=60` and `RateLimit:
"bookings";r=119;t=1` (draft-ietf-httpapi-ratelimit-headers).

In memory the limits are this process's own (GCRA: one number per key, no bursts at the edges of windows; 1
us). The memory of the `limits` library was measured at 12-22 us and walks through all keys a hundred times a
second, so the library is used for what it does well: one count for all processes, in Valkey or Redis. When
that is away, each process counts for itself; no ticket depends on it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

from evently.kit.errors import Busy, Refused
from evently.web.edge.exchange import Exchange
from evently.web.edge.options import RateOptions
from evently.web.edge.refusals import EdgeRefusal

WINDOW_SECONDS: Final = 60
KEYS_MAX: Final = 200_000  # then those that owe nothing are dropped; about 30 MB
HEAVY_WAIT_SECONDS_MAX: Final = 5.0  # a report may wait this long for its turn
ADDRESSES_REMEMBERED_MAX: Final = 4_096
STORE_SECONDS_MAX: Final = 0.05  # a store that takes longer costs more than it is worth
STORE_PAUSE_SECONDS: Final = 5.0  # after a failure, before it is asked again
_log: Final = structlog.get_logger(__name__)


class RateState(NamedTuple):
    """How a key stands after a request: allowed or not, requests left, seconds until one more is allowed or, while some are, all."""

    allowed: bool
    left: int
    seconds: int


class Limit:
    """One limit, counted in this process by the instant at which a key owes nothing: the generic cell rate algorithm (ITU-T I.371)."""

    def __init__(self, name: str, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.per_minute = per_minute
        self.policy_header = f'"{name}";q={per_minute};w={WINDOW_SECONDS}'.encode()
        self._interval = WINDOW_SECONDS / per_minute
        self._even_at: dict[object, float] = {}
        self._keys_max = KEYS_MAX
        self._now = now

    def hit(self, key: object) -> RateState:
        """Count one request."""
        now = self._now()
        even_at = self._even_at.get(key, now)
        even_at = max(now, even_at) + self._interval
        owed = even_at - now
        if owed > WINDOW_SECONDS + 1e-9:
            return RateState(allowed=False, left=0, seconds=math.ceil(owed - WINDOW_SECONDS))
        self._even_at[key] = even_at
        if len(self._even_at) > self._keys_max:
            self._forget(now)
        return RateState(
            allowed=True, left=int((WINDOW_SECONDS - owed) / self._interval + 1e-6), seconds=math.ceil(owed)
        )

    def _forget(self, now: float) -> None:
        """Drop the keys that owe nothing; when too many owe something, wait longer before the next look."""
        self._even_at = {key: even_at for key, even_at in self._even_at.items() if even_at > now}
        self._keys_max = max(KEYS_MAX, 2 * len(self._even_at))


class Limits:
    """The limits of one process. `close` when done."""

    def __init__(self, options: RateOptions, heavy_reads_max: int) -> None:
        named = {name: getattr(options, name) for name in options.__struct_fields__ if name != "store_url"}
        self._limits = {
            name: Limit(name.replace("_", "-"), per_minute)
            for name, per_minute in named.items()
            if per_minute
        }
        self._shared = SharedCounts(options.store_url) if options.store_url else None
        self._heavy = asyncio.Semaphore(heavy_reads_max)

    async def check(self, name: str, key: object, exchange: Exchange) -> None:
        """Count one request; refuses when there were too many."""
        limit = self._limits.get(name)
        if limit is None:
            return
        standing = limit.hit(key) if self._shared is None else await self._shared.hit(limit, key)
        exchange.rate_limit = (
            (b"ratelimit-policy", limit.policy_header),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (limit.name.encode(), standing[1], standing[2])),
        )
        if not standing.allowed:
            raise Refused(
                EdgeRefusal.RATE_LIMITED,
                "limit",
                limit=limit.per_minute,
                window_seconds=WINDOW_SECONDS,
                retry_after=standing.seconds,
            )

    async def enter_heavy(self, exchange: Exchange) -> None:
        """Wait for the turn of a report, which ends with the answer; raises Busy when that takes too long."""
        try:
            async with asyncio.timeout(HEAVY_WAIT_SECONDS_MAX):
                await self._heavy.acquire()
        except TimeoutError as exc:
            raise Busy("Too many reports are being made; come back in a moment.") from exc
        exchange.release = self._heavy.release

    async def close(self) -> None:
        """Close the connection to the store."""
        if self._shared is not None:
            await self._shared.close()


class SharedCounts:
    """Counts that all processes share.

    Whenever the store does not answer, the process's own counts are used for a while.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        # The valkey client speaks to Redis as well; `limits` picks another one by itself.
        client = {"implementation": "valkey"} if scheme.startswith(("redis", "valkey")) else {}
        self._storage = storage_from_string(
            f"async+{scheme}{separator}{rest}", wrap_exceptions=True, **client
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._away_until = 0.0

    async def hit(self, limit: Limit, key: object) -> RateState:
        """Count one request."""
        if time.monotonic() < self._away_until:
            return limit.hit(key)
        item = RateLimitItemPerMinute(limit.per_minute, namespace="evently")
        try:
            async with asyncio.timeout(STORE_SECONDS_MAX):
                allowed = await self._limiter.hit(item, limit.name, str(key))
                stats = await self._limiter.get_window_stats(item, limit.name, str(key))
        except (StorageError, OSError, TimeoutError) as exc:
            self._away_until = time.monotonic() + STORE_PAUSE_SECONDS
            _log.warning("rate limit store away", cause=repr(exc))
            return limit.hit(key)
        return RateState(allowed, stats.remaining, max(1, math.ceil(stats.reset_time - time.time())))

    async def close(self) -> None:
        """Close the connections. The library has no word for it."""
        bridge = getattr(self._storage, "bridge", None)
        if bridge is not None:
            await bridge.storage.aclose()


class ClientAddress:
    """Finds out who is at the other end: the peer, or, when that is a proxy we trust, whom the proxies we trust saw."""

    def __init__(self, trusted_proxies: tuple[str, ...]) -> None:
        self._trusted: list[IPv4Network | IPv6Network] = [
            ip_network(each, strict=False) for each in trusted_proxies
        ]
        # Parsing an address costs as much as a twentieth of a booking, and the proxies' are always the same
        # few.
        self._trusts = lru_cache(ADDRESSES_REMEMBERED_MAX)(self._is_trusted)

    def find(self, peer: str, headers: dict[bytes, bytes]) -> str:
        """Return the client's address: the right-most one in X-Forwarded-For that is no proxy of ours."""
        forwarded = headers.get(b"x-forwarded-for")
        if forwarded is None or not self._trusted or not self._trusts(peer):
            return peer
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            address = hop.strip()
            if not self._is_address(address):
                return peer
            if not self._trusts(address):
                return address
            peer = address
        return peer

    def _is_trusted(self, address: str) -> bool:
        with suppress(ValueError):
            return any(ip_address(address) in network for network in self._trusted)
        return False

    @staticmethod
    def _is_address(text: str) -> bool:
        with suppress(ValueError):
            ip_address(text)
            return True
        return False
