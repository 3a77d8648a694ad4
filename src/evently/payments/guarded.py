"""Bounded retries and a circuit breaker around a gateway, so that one that is down costs little.

A decline is an answer, not a failure. While the breaker is open, calls fail at once with `GatewayDown`: a
gateway that is down takes neither time nor connections. After a while the breaker lets one call at a time
through, to find out whether the gateway is back. Each process has its own breaker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

import msgspec
import stamina
from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, CircuitBreaker
from prometheus_client import Counter, Gauge

from evently.kit.denominations import Denomination
from evently.payments.gateway import (
    Authorisation,
    Captured,
    Found,
    Gateway,
    GatewayTrouble,
    Intent,
    Lost,
    Notice,
    NoticePage,
    PaidBack,
    Refunding,
    Step,
    Voided,
)

Answer = TypeVar("Answer")

_CALLS: Final = Counter(
    "evently_gateway_calls", "Calls to a payment gateway, each try counted.", ["gateway", "step", "outcome"]
)
_OPEN: Final = Gauge(
    "evently_gateway_breaker_open",
    "1 while calls to a payment gateway fail at once.",
    ["gateway"],
    multiprocess_mode="livemax",
)


class GuardOptions(msgspec.Struct, frozen=True):
    """Limits of retries and of the breaker.

    These retries only bridge failures of a moment: the checkout resumes each payment by its row.
    """

    tries_max: int = 3
    # Before the second try; doubled for each further try, plus up to as much at random
    wait_seconds: float = 0.1
    wait_seconds_max: float = 2.0
    failures_max: int = 5  # in a row; then the breaker opens
    # A useful hold lasts two minutes or more: with a call every quarter of a minute, few buyers lose theirs
    open_seconds: int = 15


class GatewayDown(GatewayTrouble):
    """The breaker is open: no call was made."""

    def __init__(self, message: str, retry_after_seconds: int, *, effect_unknown: bool) -> None:
        super().__init__(message, effect_unknown=effect_unknown)
        self.retry_after_seconds = retry_after_seconds


class Guarded:
    """A gateway with retries and a breaker. `inner` is the gateway itself."""

    def __init__(self, inner: Gateway, options: GuardOptions | None = None) -> None:
        self.inner = inner
        self._options = options or GuardOptions()
        self._breaker = CircuitBreaker(
            self._options.failures_max, self._options.open_seconds, GatewayTrouble, inner.name
        )
        self._probing = False  # a call is under way that finds out whether the gateway is back
        _OPEN.labels(inner.name).set(0)

    @property
    def name(self) -> str:
        """The name of the gateway."""
        return self.inner.name

    def is_down(self) -> bool:
        """Whether calls fail at once."""
        down = bool(self._breaker.opened)
        _OPEN.labels(self.name).set(down)
        return down

    def calls_max(self) -> int | None:
        """How many calls are made at once: none while it is down, then one to find out; None: any number."""
        if self.is_down() or self._probing:
            return 0
        return 1 if self._breaker.state == STATE_HALF_OPEN else None

    def denomination(self, currency: str) -> Denomination:
        """See `Gateway`."""
        return self.inner.denomination(currency)

    async def authorise(self, intent: Intent) -> Authorisation:
        """See `Gateway`."""
        return await self._ask("authorise", lambda: self.inner.authorise(intent))

    async def find(self, intent: Intent, reference: str | None) -> Found | None:
        """See `Gateway`."""
        return await self._ask("find", lambda: self.inner.find(intent, reference))

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured | Lost:
        """See `Gateway`."""
        return await self._ask("capture", lambda: self.inner.capture(reference, amount_minor, key))

    async def void(self, reference: str, key: str) -> Voided | Captured:
        """See `Gateway`."""
        return await self._ask("void", lambda: self.inner.void(reference, key))

    async def refund(
        self, reference: str, amount_minor: int, key: str, refund_id: UUID, *, of_rest: bool = False
    ) -> Refunding:
        """See `Gateway`."""
        return await self._ask(
            "refund",
            lambda: self.inner.refund(reference, amount_minor, key, refund_id, of_rest=of_rest),
        )

    async def list_paid_back(self, reference: str) -> list[PaidBack]:
        """See `Gateway`."""
        return await self._ask("paid_back", lambda: self.inner.list_paid_back(reference))

    async def list_notices(self, since: datetime, after: str | None) -> NoticePage:
        """See `Gateway`."""
        return await self._ask("notices", lambda: self.inner.list_notices(since, after))

    async def find_payment_id(self, reference: str) -> UUID | None:
        """See `Gateway`."""
        return await self._ask("find", lambda: self.inner.find_payment_id(reference))

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:
        """See `Gateway`."""
        return self.inner.read_webhook(headers, body, now)

    def storable_method(self, method: str | None) -> str | None:
        """See `Gateway`."""
        return self.inner.storable_method(method)

    async def close(self) -> None:
        """See `Gateway`."""
        await self.inner.close()

    async def _ask(self, step: Step, call: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await self._once(step, call)
        except GatewayTrouble as trouble:
            # The first of the tries below. Their loop for each call took a seventh of a payment's time.
            first = trouble
        options = self._options
        unknown = False  # an earlier try may have had its effect, even if the last one did not
        async for attempt in stamina.retry_context(
            on=_is_transient,
            attempts=options.tries_max,
            timeout=None,
            wait_initial=options.wait_seconds,
            wait_jitter=options.wait_seconds,
            wait_max=options.wait_seconds_max,
        ):
            with attempt:
                try:
                    if attempt.num == 1:
                        raise first
                    return await self._once(step, call)
                except GatewayTrouble as trouble:
                    trouble.effect_unknown = unknown = unknown or trouble.effect_unknown
                    raise
        raise AssertionError("the last try returns or raises")

    async def _once(self, step: Step, call: Callable[[], Awaitable[Answer]]) -> Answer:
        half_open = self._breaker.state == STATE_HALF_OPEN
        if self.is_down() or (half_open and self._probing):
            _CALLS.labels(self.name, step, "not_asked").inc()
            wait = max(int(self._breaker.open_remaining), 1)
            raise GatewayDown(f"the gateway {self.name} is down", wait, effect_unknown=False)
        self._probing = half_open
        try:
            answer: Answer = await self._breaker.call_async(call)
        except GatewayTrouble:
            _CALLS.labels(self.name, step, "trouble").inc()
            raise
        finally:
            self._probing = self._probing and not half_open
            _OPEN.labels(self.name).set(self._breaker.state != STATE_CLOSED)
        _CALLS.labels(self.name, step, _outcome(answer)).inc()
        return answer


def _is_transient(error: Exception) -> bool:
    return isinstance(error, GatewayTrouble) and not isinstance(error, GatewayDown)


def _outcome(answer: object) -> str:
    return "nothing" if answer is None else type(answer).__name__.lower()
