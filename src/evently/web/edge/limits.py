"""Rate limits, and the number of reports that run at a time.

A limit counts per actor, or per client address for anonymous callers; `login` and `register` always count per
address. Clients whose address a trusted proxy does not tell are counted together, and may do UNKNOWN_TIMES as
much: one of them cannot use up the limit of all. (Never per e-mail address: a stranger could lock its owner
out. `accounts/attempts.py` slows guessing down.) Responses state what is left: `RateLimit-Policy:
"bookings";q=120;w=60` and `RateLimit: "bookings";r=119;t=1` (draft-ietf-httpapi-ratelimit-headers).

The counts in memory belong to this process (GCRA: one number per key, no bursts at the edges of windows; 1
us). The memory of the `limits` library was measured at 12-22 us and iterates over all keys a hundred times a
second, so the library is used only for one count for all processes, in Valkey or Redis. While that store is
unreachable, each process counts for itself; no ticket depends on it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
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
KEYS_MAX: Final = 200_000  # then keys with no recent request are dropped; about 30 MB
HEAVY_WAIT_SECONDS_MAX: Final = 5.0  # a report may wait this long for its turn
# Where nobody knows how many people share an address, these are limited together: fifty of them may do as
# much as they like. Log-ins by default: 3,000 a minute, which take one processor core.
UNKNOWN_TIMES: Final = 50
STORE_SECONDS_MAX: Final = 0.05  # a slower store delays requests more than it helps
STORE_PAUSE_SECONDS: Final = 5.0  # after a failure, before the store is used again
SHOWN_MAX: Final = 80  # characters of a header in the log
_log: Final = structlog.get_logger(__name__)


class UnknownClients(NamedTuple):
    """The key of all clients of a trusted proxy that does not tell their addresses."""

    proxy: str


class RateState(NamedTuple):
    """The state of a key after a request.

    `left`: the requests that are left. `seconds`: until all are allowed again, or until one is if none is
    left.
    """

    allowed: bool
    left: int
    seconds: int


class Limit:
    """One limit, counted in this process with the generic cell rate algorithm (ITU-T I.371).

    It stores for each key the instant at which all its requests are allowed again.
    """

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
        """Drop the keys without a recent request. If many are left, wait for twice as many the next time."""
        self._even_at = {key: even_at for key, even_at in self._even_at.items() if even_at > now}
        self._keys_max = max(KEYS_MAX, 2 * len(self._even_at))


class _Turn:
    """Whose report runs, of those of one owner; `users` counts those that run or wait."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Limits:
    """The limits of one process. `close` when done."""

    def __init__(self, options: RateOptions, heavy_reads_max: int) -> None:
        named = {name: getattr(options, name) for name in options.__struct_fields__ if name != "store_url"}
        self._limits = _limits_of(named, 1)
        self._wide_limits = _limits_of(named, UNKNOWN_TIMES)
        self._warned = False
        self._shared = SharedCounts(options.store_url) if options.store_url else None
        self._heavy = asyncio.Semaphore(heavy_reads_max)
        self._turns: dict[object, _Turn] = {}

    async def check(self, name: str, key: object, exchange: Exchange) -> None:
        """Count one request; refuse if there were too many."""
        limit = self._limits.get(name)
        if limit is None:
            return
        if type(key) is UnknownClients:
            limit = self._wide_limits[name]
            self._warn(key.proxy, exchange)
        state = limit.hit(key) if self._shared is None else await self._shared.hit(limit, key)
        exchange.rate_limit = (
            (b"ratelimit-policy", limit.policy_header),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (limit.name.encode(), state[1], state[2])),
        )
        if not state.allowed:
            raise Refused(
                EdgeRefusal.RATE_LIMITED,
                "limit",
                limit=limit.per_minute,
                window_seconds=WINDOW_SECONDS,
                retry_after=state.seconds,
            )

    def _warn(self, proxy: str, exchange: Exchange) -> None:
        """Log once that clients are unknown: the configuration of a proxy is wrong, or ours."""
        if self._warned:
            return
        self._warned = True
        _log.warning(
            "a trusted proxy does not tell who its client is: see EVENTLY_CLIENT_HEADER",
            proxy=proxy,
            sent={
                name.decode("latin-1"): value.decode("latin-1")[:SHOWN_MAX]
                for name, value in exchange.headers.items()
                if name.startswith((b"x-forwarded", b"forwarded", b"x-real", b"via"))
            },
        )

    async def enter_heavy(self, exchange: Exchange, owner: object) -> None:
        """Wait until one more report may run, up to its response; raise Busy if that takes too long.

        Each owner, an organizer, has one at a time, so that nobody takes the slots of all others.
        """
        turn = self._turns.setdefault(owner, _Turn())
        turn.users += 1
        try:
            async with asyncio.timeout(HEAVY_WAIT_SECONDS_MAX), AsyncExitStack() as taken:
                await taken.enter_async_context(turn.lock)
                await self._heavy.acquire()
                taken.pop_all()
        except BaseException as exc:
            self._leave(owner, turn)
            if isinstance(exc, TimeoutError):
                raise Busy("reports") from exc
            raise
        exchange.release = partial(self._leave_heavy, owner, turn)

    def _leave_heavy(self, owner: object, turn: _Turn) -> None:
        self._heavy.release()
        turn.lock.release()
        self._leave(owner, turn)

    def _leave(self, owner: object, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users:
            del self._turns[owner]

    async def close(self) -> None:
        """Close the connection to the store."""
        if self._shared is not None:
            await self._shared.close()


def _limits_of(named: dict[str, int], times: int) -> dict[str, Limit]:
    return {
        name: Limit(name.replace("_", "-"), per_minute * times)
        for name, per_minute in named.items()
        if per_minute
    }


class SharedCounts:
    """Counts that all processes share.

    After a failure of the store, the process uses its own counts for a while.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        # The valkey client works with Redis too; `limits` would choose another one.
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
            _log.warning("rate limit store unreachable", cause=repr(exc))
            return limit.hit(key)
        return RateState(allowed, stats.remaining, max(1, math.ceil(stats.reset_time - time.time())))

    async def close(self) -> None:
        """Close the connections; the library has no method for this."""
        bridge = getattr(self._storage, "bridge", None)
        if bridge is not None:
            await bridge.storage.aclose()
