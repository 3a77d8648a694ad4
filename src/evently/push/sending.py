"""Sends what is in the outbox, outside of any transaction, at least once.

A message is claimed for `CLAIM`: a process that dies in between leaves it to another one. The push service
replaces a message that is repeated, by its `Topic`, and so does the device, by its tag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
from prometheus_client import Counter

from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.mail.letters import Letter
from evently.mail.nouns import Notified, decode_subject
from evently.mail.phrases import Setting
from evently.mail.reading import Dropped, Reader
from evently.mail.writing import write_notified
from evently.push import outbox
from evently.push.delivering import CONNECTIONS_MAX, Delivery, PushServices
from evently.push.encrypting import Proofs, encrypt, public_text, read_key
from evently.push.keys import read_stored_key
from evently.push.nouns import PushMessage, PushOptions, PushState

IDLE_SECONDS: Final = 1.0
OFF_SECONDS: Final = 60.0
CLAIMED_MAX: Final = 40  # messages of one run: some seconds, and as many timeouts fit into the claim
CLAIM: Final = timedelta(minutes=2)
BEGUN_WITHIN: Final = timedelta(minutes=1)  # of the claim; what was not begun by then is given back
FIRST_RETRY: Final = timedelta(seconds=10)
RETRY_MAX: Final = timedelta(hours=1)
JITTER: Final = 0.25  # part of a pause, up or down
TITLE_CHARACTERS_MAX: Final = 100  # a device shows no more
BODY_CHARACTERS_MAX: Final = 200
_DOUBLINGS_MAX: Final = 20  # keeps the power small

_log: Final = structlog.get_logger(__name__)
_finished = Counter(
    "evently_push_messages", "Pushes that need no further attempt, by kind and result.", ["kind", "result"]
)


class _Shown(msgspec.Struct, frozen=True):
    """What a device gets: a title and a text to show, the page that it opens, and what it replaces."""

    title: str
    body: str
    path: str
    tag: str


class Push:
    """The pushes of one process."""

    def __init__(
        self,
        database: Database,
        options: PushOptions,
        clock: Clock,
        *,
        services: PushServices | None = None,
        random: Random | None = None,
    ) -> None:
        self.options = options
        self._database = database
        self._clock = clock
        self._services = services
        self._random = random or Random()  # noqa: S311  # only spreads attempts
        self._reader = Reader(database)
        self._proofs: Proofs | None = None
        self._public: str | None = None

    @property
    def on(self) -> bool:
        """Whether pushes are sent: a contact for push services is named."""
        return self.options.contact is not None

    async def public_key(self) -> str:
        """Return the public key, with which a browser turns pushes on."""
        await self._prepare()
        assert self._public is not None, "it is prepared"
        return self._public

    async def run_once(self) -> float:
        """Send messages that are due; return the seconds until the next run."""
        if not self.on:
            return OFF_SECONDS
        now = self._clock()
        async with self._database.transaction() as tx:
            claimed = await outbox.claim(tx, now, now + CLAIM, CLAIMED_MAX)
        if claimed:
            await self._prepare()
            await self._send_all(claimed, now + BEGUN_WITHIN)
        return IDLE_SECONDS if len(claimed) < CLAIMED_MAX else 0.0

    async def stop(self) -> None:
        """Close the connections."""
        if self._services is not None:
            await self._services.close()

    async def _prepare(self) -> None:
        if self._proofs is not None:
            return
        assert self.options.contact is not None, "only with a contact is anything sent"
        if self.options.key is not None:
            key = read_key(self.options.key)
        else:
            key = await read_stored_key(self._database, self._clock())
        self._public = public_text(key)
        self._proofs = Proofs(key, self.options.contact)
        self._services = self._services or PushServices()

    async def _send_all(self, claimed: Sequence[PushMessage], until: datetime) -> None:
        """Send messages, some at a time, what is urgent first; give back those that were not begun."""
        waiting = sorted(claimed, key=lambda each: (not each.urgent, each.created_at), reverse=True)

        async def work() -> None:
            while waiting and self._clock() <= until:
                message = waiting.pop()
                try:
                    await self._send(message)
                except Trouble:
                    raise  # of the database: the claim ends by itself
                except Exception:  # noqa: BLE001  # one message must not stop the others
                    _log.exception("push cannot be written", kind=message.kind)
                    await self._put_off(message, "it could not be written; the log says why", None)

        try:
            workers = [work() for _ in range(min(CONNECTIONS_MAX, len(claimed)))]
            results = await asyncio.gather(*workers, return_exceptions=True)
        finally:
            await asyncio.shield(self._give_back(waiting))
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _send(self, message: PushMessage) -> None:
        now = self._clock()
        if message.expires_at <= now:
            await self._finish(message, "expired", "")
            return
        subject = decode_subject(message.data)
        assert isinstance(subject, Notified), "a push is about a notification"
        try:
            story = await self._reader.read(message.kind, subject, now, message.person_id)
        except Dropped as exc:
            await self._finish(message, "dropped", str(exc))
            return
        letter = write_notified(message.kind, story, Setting(self.options.base_url, now))
        content = msgspec.json.encode(_shown(letter, message, self.options.base_url))
        assert self._services is not None, "it is prepared"
        encrypted = encrypt(content, message.device_key, message.auth)
        delivery = await self._services.send(message.endpoint, self._headers(message, now), encrypted)
        await self._write(message, delivery)

    def _headers(self, message: PushMessage, now: datetime) -> dict[str, str]:
        assert self._proofs is not None, "it is prepared"
        return {
            "authorization": self._proofs.header_for(message.endpoint, now),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(int((message.expires_at - now).total_seconds())),
            "urgency": "high" if message.urgent else "normal",
            "topic": message.notification_id.hex,
        }

    async def _write(self, message: PushMessage, delivery: Delivery) -> None:
        match delivery.result:
            case "accepted":
                await self._finish(message, "sent", delivery.text)
            case "gone":
                await self._finish(message, "gone", delivery.text)
            case "later":
                await self._put_off(message, delivery.text, delivery.seconds)
            case "refused":
                host = urlsplit(message.endpoint).hostname
                _log.warning("push refused", kind=message.kind, service=host, answer=delivery.text)
                await self._finish(message, "failed", delivery.text)

    async def _finish(self, message: PushMessage, state: PushState, answer: str) -> None:
        async with self._database.transaction() as tx:
            await outbox.finish(tx, message, state, answer, self._clock())
        _finished.labels(message.kind, state).inc()

    async def _put_off(self, message: PushMessage, answer: str, seconds: float | None) -> None:
        """Write when the message is attempted again; at the latest when it expires, which finishes it."""
        pause = FIRST_RETRY * 2 ** min(message.attempts - 1, _DOUBLINGS_MAX)
        pause = min(pause, RETRY_MAX) * self._random.uniform(1 - JITTER, 1 + JITTER)
        pause = max(pause, timedelta(seconds=seconds or 0))
        async with self._database.transaction() as tx:
            await outbox.postpone(tx, message, min(self._clock() + pause, message.expires_at), answer)

    async def _give_back(self, messages: Sequence[PushMessage]) -> None:
        """Write that messages were not attempted: another run takes them at once."""
        for message in messages:
            async with self._database.transaction() as tx:
                await outbox.postpone(tx, message, message.created_at, "", attempted=False)


def _shown(letter: Letter, message: PushMessage, base_url: str) -> _Shown:
    """Return a letter in one line each: what happened, to what, when. The page has the rest."""
    url = letter.action.url if letter.action is not None else base_url
    return _Shown(
        letter.subject[:TITLE_CHARACTERS_MAX],
        letter.preview[:BODY_CHARACTERS_MAX],
        url.removeprefix(base_url) or "/",
        message.notification_id.hex,
    )
