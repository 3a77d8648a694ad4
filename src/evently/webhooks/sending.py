"""Sends deliveries, outside of any transaction, at least once, and in order within one event.

    Webhooks.run_once     take webhooks that have something to be sent, and send in tasks of their own
    Webhooks.stop         end these tasks, close the connections

A process claims a webhook for `CLAIM` and is the only one that sends to it meanwhile: of a few events at the
same time, of one event one message after the other. A message that fails holds back the later ones of its
event, and nothing else. A process that dies leaves its webhooks to another one when the claim ends, which
sends again what was not finished: with the same id, so that programs can tell.

A slow or dead program delays nobody else: each webhook has a few calls at a time, and webhooks that fail or
answer slowly share places of their own in each process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from random import Random
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from evently import __version__
from evently.db import CONNECTION_ERRORS, Connection, Database, load_queries
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import new_id, show_id
from evently.mail import WebhookPaused
from evently.mail import add as add_mail
from evently.webhooks import secrets
from evently.webhooks.delivering import Answer, Caller
from evently.webhooks.messages import NamedPerson, with_person
from evently.webhooks.nouns import Claimed, PauseReason, Pending, WebhookOptions

sql: Final = load_queries(__name__)

IDLE_SECONDS: Final = 0.5  # between two looks for something to send
WELL_MAX: Final = 24  # webhooks that one process serves at a time
TROUBLED_MAX: Final = 8  # and of those that fail or answer slowly
EVENTS_MAX: Final = 4  # of which one webhook gets messages at the same time
DELIVERIES_MAX: Final = 10  # of an event, before it is looked again what is to be sent
CLAIM: Final = timedelta(seconds=60)
# A webhook is given back after this time, so that others get its place. It and a last call fit into the claim
SERVED: Final = timedelta(seconds=20)
SLOW_MILLISECONDS: Final = 2_000  # a program that takes longer to answer gets a place among the troubled ones
TROUBLE: Final = 3  # attempts in a row that failed: the program is down, so calls become rare
# Between two calls to a program that is down: doubled each time
QUIET_FIRST: Final = timedelta(minutes=1)
QUIET_MAX: Final = timedelta(minutes=30)
# The pauses of one message that fails while others arrive; the last one repeats until `GIVEN_UP`
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1_800, 3_600, 7_200))
GIVEN_UP: Final = timedelta(days=3)
JITTER: Final = 0.2  # part of a pause, up or down
_DOUBLINGS_MAX: Final = 20  # keeps the power small
_OWNERS_MAX: Final = 20  # that are told of a pause
_MAIL_KEPT: Final = timedelta(days=4)
_EXPECTED: Final = (Trouble, *CONNECTION_ERRORS)

_log: Final = structlog.get_logger(__name__)
_attempts = Counter(
    "evently_webhook_attempts", "Attempts at deliveries to webhooks, by kind and result.", ["kind", "result"]
)
_paused = Counter("evently_webhooks_paused", "Webhooks that were paused because they failed.")
_serving = Gauge(
    "evently_webhooks_serving", "Webhooks to which this machine sends now.", multiprocess_mode="livesum"
)
_waited = Histogram(
    "evently_webhook_seconds",
    "Seconds from a fact until the program has its message.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200, 86_400, 259_200),
)


class Webhooks:
    """The webhooks of one process."""

    def __init__(
        self,
        database: Database,
        options: WebhookOptions,
        clock: Clock,
        *,
        caller: Caller | None = None,
        random: Random | None = None,
    ) -> None:
        self.options = options
        self._database = database
        self._clock = clock
        self._caller = caller
        self._random = random or Random()  # noqa: S311  # only spreads attempts
        self._process_id = new_id()
        self._well: set[asyncio.Task[None]] = set()
        self._troubled: set[asyncio.Task[None]] = set()

    async def run_once(self) -> float:
        """Send what can be sent as long as there are free places; return the seconds until the next run."""
        self._drop_finished()
        now = self._clock()
        well, troubled = WELL_MAX - len(self._well), TROUBLED_MAX - len(self._troubled)
        if well or troubled:
            async with self._database.transaction() as tx:
                rows = await tx.fetch(
                    *sql.claim(
                        process_id=self._process_id,
                        now=now,
                        until=now + CLAIM,
                        well_max=well,
                        troubled_max=troubled,
                        trouble=TROUBLE,
                    )
                )
            for row in rows:
                in_trouble = row["in_trouble"]
                claimed = Claimed(**{name: row[name] for name in Claimed.__struct_fields__})
                place = self._troubled if in_trouble else self._well
                place.add(asyncio.create_task(self._serve(claimed, now + SERVED), name="webhook"))
        busy = self._well | self._troubled
        _serving.set(len(busy))
        if not busy:
            return IDLE_SECONDS
        await asyncio.wait(busy, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return 0.0

    async def finish(self) -> None:
        """Wait until nothing is being sent."""
        while busy := self._well | self._troubled:
            await asyncio.wait(busy)
            self._drop_finished()

    async def stop(self) -> None:
        """End what is being sent, and close the connections. Another process continues after the claims."""
        busy = self._well | self._troubled
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        if self._caller is not None:
            await self._caller.close()

    def _drop_finished(self) -> None:
        for place in (self._well, self._troubled):
            for task in [each for each in place if each.done()]:
                place.discard(task)
                if not task.cancelled() and (failure := task.exception()) is not None:
                    if not isinstance(failure, _EXPECTED):
                        _log.error("webhook_failed", exc_info=failure)
                        continue
                    _log.warning("webhook interrupted", cause=repr(failure))

    async def _serve(self, webhook: Claimed, until: datetime) -> None:
        """Send to a webhook until nothing is left, or others must get its place; then give it back."""
        try:
            keys = await secrets.list_live(self._database, webhook.webhook_id, self._clock())
            failures = webhook.failures
            while self._clock() < until:
                waiting = await self._list_next(webhook, in_trouble=failures >= TROUBLE)
                if not waiting:
                    break
                events = [list(group) for _, group in groupby(waiting, key=lambda each: each.about_event_id)]
                sent = await asyncio.gather(
                    *[self._send_in_order(webhook, keys, event, until) for event in events],
                    return_exceptions=True,
                )
                for result in sent:
                    if isinstance(result, BaseException):
                        raise result
                failures = 0 if all(sent) else failures + 1
        finally:
            with suppress(*_EXPECTED):
                await self._release(webhook)

    async def _list_next(self, webhook: Claimed, *, in_trouble: bool) -> list[Pending]:
        rows = await self._database.fetch(
            *sql.list_next(
                webhook_id=webhook.webhook_id,
                process_id=self._process_id,
                now=self._clock(),
                in_trouble=in_trouble,
                events_max=1 if in_trouble else EVENTS_MAX,
                deliveries_max=1 if in_trouble else DELIVERIES_MAX,
            )
        )
        return [Pending(**row) for row in rows]

    async def _release(self, webhook: Claimed) -> None:
        async with self._database.transaction() as tx:
            await tx.execute(*sql.release(webhook_id=webhook.webhook_id, process_id=self._process_id))

    async def _send_in_order(
        self, webhook: Claimed, keys: Sequence[bytes], waiting: Sequence[Pending], until: datetime
    ) -> bool:
        """Send messages of one event, until one fails; return whether none failed."""
        for delivery in waiting:
            if self._clock() >= until:
                break
            if not await self._send(webhook, keys, delivery):
                return False
        return True

    async def _send(self, webhook: Claimed, keys: Sequence[bytes], delivery: Pending) -> bool:
        now, body = self._clock(), delivery.body
        if webhook.personal_data and (delivery.booking_id or delivery.person_id):
            body = with_person(body, await self._find_person(delivery))
        message_id = show_id("whd", delivery.delivery_id)
        headers = {
            "content-type": "application/json",
            "user-agent": f"Evently/{__version__}",
            **secrets.sign(keys, message_id, now, body),
        }
        self._caller = self._caller or Caller(self.options.networks)
        answer = await self._caller.send(webhook.address, headers, body.encode())
        if answer.accepted:
            await self._note_success(webhook, delivery, answer)
        else:
            await self._note_failure(webhook, delivery, answer)
        _attempts.labels(delivery.kind, "delivered" if answer.accepted else "failed").inc()
        return answer.accepted

    async def _find_person(self, delivery: Pending) -> NamedPerson | None:
        row = await self._database.fetch_row(
            *sql.find_person(
                person_id=delivery.person_id, event_id=delivery.about_event_id, booking_id=delivery.booking_id
            )
        )
        return None if row is None else NamedPerson(**row)

    async def _note_success(self, webhook: Claimed, delivery: Pending, answer: Answer) -> None:
        now = self._clock()
        async with self._database.transaction() as tx:
            number = await tx.fetchval(*sql.finish(delivery_id=delivery.delivery_id, now=now))
            if number is not None:
                await self._add_attempt(tx, delivery, number, answer)
            slow = answer.milliseconds >= SLOW_MILLISECONDS
            failed = await tx.fetchval(*sql.note_success(webhook_id=webhook.webhook_id, slow=slow))
            if failed is not None and failed >= TROUBLE:
                await tx.execute(*sql.wake(webhook_id=webhook.webhook_id, now=now))
        _waited.observe(max(0.0, (now - delivery.created_at).total_seconds()))

    async def _note_failure(self, webhook: Claimed, delivery: Pending, answer: Answer) -> None:
        now = self._clock()
        end = (delivery.failing_since or now) + GIVEN_UP
        async with self._database.transaction() as tx:
            due_at = now + self._pause_of(PAUSES[min(delivery.tries, len(PAUSES) - 1)])
            due_at = max(due_at, now + timedelta(seconds=answer.retry_after or 0))
            number = await tx.fetchval(
                *sql.postpone(
                    delivery_id=delivery.delivery_id,
                    now=now,
                    due_at=min(due_at, end) if end > now else due_at,
                )
            )
            if number is not None:
                await self._add_attempt(tx, delivery, number, answer)
            await self._note_trouble(tx, webhook, answer, now)
            if answer.gone or end <= now:
                await self._pause(tx, webhook, "gone" if answer.gone else "failing", answer, now)

    async def _note_trouble(self, tx: Connection, webhook: Claimed, answer: Answer, now: datetime) -> None:
        slow = answer.milliseconds >= SLOW_MILLISECONDS
        failures = await tx.fetchval(*sql.note_failure(webhook_id=webhook.webhook_id, slow=slow))
        if failures >= TROUBLE:
            pause = min(QUIET_FIRST * 2 ** min(failures - TROUBLE, _DOUBLINGS_MAX), QUIET_MAX)
            quiet_until = now + max(self._pause_of(pause), timedelta(seconds=answer.retry_after or 0))
            await tx.execute(*sql.keep_quiet(webhook_id=webhook.webhook_id, quiet_until=quiet_until))

    async def _add_attempt(self, tx: Connection, delivery: Pending, number: int, answer: Answer) -> None:
        await tx.execute(
            *sql.add_attempt(
                delivery_id=delivery.delivery_id,
                number=number,
                at=self._clock(),
                milliseconds=answer.milliseconds,
                status=answer.status,
                answer=answer.text,
            )
        )

    def _pause_of(self, pause: timedelta) -> timedelta:
        return pause * self._random.uniform(1 - JITTER, 1 + JITTER)

    async def _pause(
        self, tx: Connection, webhook: Claimed, because: PauseReason, answer: Answer, now: datetime
    ) -> None:
        """Pause a webhook, and write to the owners of its organizer."""
        if await tx.fetchrow(*sql.pause(webhook_id=webhook.webhook_id, because=because, now=now)) is None:
            return
        _paused.inc()
        path = (
            f"/organize/{show_id('org', webhook.organizer_id)}/webhooks/{show_id('whk', webhook.webhook_id)}"
        )
        said = answer.text if answer.status is None else f"It answered {answer.status}."
        for owner in await tx.fetch(*sql.list_owners(organizer_id=webhook.organizer_id, limit=_OWNERS_MAX)):
            await add_mail(
                tx,
                WebhookPaused(owner["organizer"], webhook.address, because == "gone", said, path),
                address=owner["email"],
                person_id=owner["person_id"],
                expires_at=now + _MAIL_KEPT,
                now=now,
            )
        _log.warning("webhook paused", webhook_id=show_id("whk", webhook.webhook_id), because=because)
