"""Sends what is in the outbox, outside of any transaction, at least once.

    Mail.run_once     claim messages that are due, render them, hand them to the transport, write the answers
    Mail.on           whether messages reach anybody

A message is claimed for `CLAIM`: a process that dies in between leaves it to another one, which sends it
again with the same Message-ID. Every process with background work sends; none waits for another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

import structlog
from prometheus_client import Counter, Histogram

from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.mail import outbox
from evently.mail.account_letters import (
    write_account_change,
    write_email_change,
    write_invitation,
    write_webhook_paused,
)
from evently.mail.envelope import Attachment, address_of, compose
from evently.mail.letters import Letter
from evently.mail.nouns import (
    KINDS,
    AccountChange,
    EmailChange,
    MailOptions,
    MemberInvited,
    Message,
    MessageState,
    Notified,
    TicketOffered,
    WebhookPaused,
)
from evently.mail.phrases import Setting
from evently.mail.reading import Dropped, Reader, Story
from evently.mail.smtp import Answer, MailTrouble, Smtp, read_server
from evently.mail.unsubscribing import Unsubscriptions
from evently.mail.writing import write_notified, write_offered, write_requested

IDLE_SECONDS: Final = 1.0  # a person who waits for a code waits no longer
CLAIMED_MAX: Final = 20  # messages of one run: few wait for the end of the claim when a process is killed
# Longer than a run, and short enough for a sign-in code to come to its second attempt
CLAIM: Final = timedelta(minutes=3)
BEGUN_WITHIN: Final = timedelta(minutes=1)  # of the claim; what was not begun by then is given back
FIRST_RETRY: Final = timedelta(seconds=5)
RETRY_MAX: Final = timedelta(hours=1)  # the pauses double until here, and go on for days
JITTER: Final = 0.25  # part of a pause, up or down, so that a crowd of messages does not come back at once
PAUSE_SECONDS_MAX: Final = 60.0  # while the server is down
# Rests between full runs, in times of what rendering took: twenty thousand confirmations with tickets as PDF
# take at most a third of a core from the bookings of an on-sale. What is urgent waits for a second at most
RESTS: Final = 2.0
_DOUBLINGS_MAX: Final = 20  # keeps the power small

_log: Final = structlog.get_logger(__name__)
_finished = Counter(
    "evently_mail_messages", "E-mails that need no further attempt, by kind and result.", ["kind", "result"]
)
_postponed = Counter("evently_mail_retries", "Attempts that the mail server put off, by kind.", ["kind"])
_waited = Histogram(
    "evently_mail_seconds",
    "Seconds from the storing of an e-mail until the mail server accepted it.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200, 86_400),
)

AttachFiles = Callable[[Message, Story], Awaitable[tuple[Attachment, ...]]]


class Transport(Protocol):
    """Where messages go."""

    async def send(self, sender: str, address: str, raw: bytes) -> Answer:
        """Hand a message over. Raises MailTrouble when no message can be."""

    async def close_idle(self) -> None:
        """Close what is not in use."""

    async def stop(self) -> None:
        """Close everything."""


class DemoMailbox:
    """The transport of the demo: nothing leaves the machine, the page `/demo/mail` shows the messages."""

    async def send(self, sender: str, address: str, raw: bytes) -> Answer:  # noqa: ARG002  # a transport
        """Accept a message."""
        return Answer("accepted", "kept for the mailbox of the demo")

    async def close_idle(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


class Mail:
    """The e-mail of one process."""

    def __init__(
        self,
        database: Database,
        options: MailOptions,
        secret: bytes,
        clock: Clock,
        *,
        attach: AttachFiles | None = None,
        transport: Transport | None = None,
        random: Random | None = None,
    ) -> None:
        self.options = options
        self.unsubscriptions = Unsubscriptions(secret)
        self._database = database
        self._clock = clock
        self._attach = attach
        self._transport = transport or _open_transport(options)
        self._random = random or Random()  # noqa: S311  # only spreads attempts
        self._reader = Reader(database)
        self._down = 0  # runs in a row that found the server down
        self._rendering_seconds = 0.0  # in this run

    @property
    def on(self) -> bool:
        """Whether messages reach anybody: a server is named, or the demo shows them."""
        return self._transport is not None

    @property
    def shows_mailbox(self) -> bool:
        """Whether the demo's mailbox shows the messages."""
        return isinstance(self._transport, DemoMailbox)

    async def run_once(self) -> float:
        """Send messages that are due; return the seconds until the next run."""
        if self._transport is None:
            return PAUSE_SECONDS_MAX
        now, self._rendering_seconds = self._clock(), 0.0
        async with self._database.transaction() as tx:
            claimed = await outbox.claim(tx, now, now + CLAIM, CLAIMED_MAX)
        if not claimed:
            await self._transport.close_idle()
            return IDLE_SECONDS
        try:
            await self._send_all(claimed, now + BEGUN_WITHIN)
        except MailTrouble as exc:
            self._down += 1
            pause = min(2.0 ** min(self._down - 1, _DOUBLINGS_MAX), PAUSE_SECONDS_MAX)
            _log.warning("mail server is down", cause=str(exc), pause_seconds=pause)
            return pause
        self._down = 0
        if len(claimed) < CLAIMED_MAX:
            return IDLE_SECONDS
        return min(self._rendering_seconds * RESTS, IDLE_SECONDS)

    async def stop(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.stop()

    async def _send_all(self, claimed: Sequence[Message], until: datetime) -> None:
        """Send messages, some at a time, in their order; give back those that were not begun."""
        waiting = list(reversed(claimed))

        async def work() -> None:
            while waiting and self._clock() <= until:
                message = waiting.pop()
                try:
                    await self._send(message)
                except Trouble as exc:
                    with suppress(Trouble):
                        await self._give_back([message], str(exc))
                    raise

        try:
            workers = [work() for _ in range(min(self.options.connections_max, len(claimed)))]
            results = await asyncio.gather(*workers, return_exceptions=True)
        finally:
            await asyncio.shield(self._give_back(waiting, ""))
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _send(self, message: Message) -> None:
        """Render a message, hand it over, and write the answer."""
        assert self._transport is not None, "only a process with a transport claims messages"
        now = self._clock()
        if message.expires_at <= now:
            await self._finish(message, "expired", "")
            return
        try:
            raw = await self._render(message, now)
        except Dropped as exc:
            await self._finish(message, "dropped", str(exc))
            return
        except Trouble:
            raise
        except Exception:  # noqa: BLE001  # a message that cannot be written must not stop the others
            _log.exception("message cannot be written", message_id=str(message.message_id), kind=message.kind)
            await self._put_off(message, "it could not be written; the log says why")
            return
        answer = await self._transport.send(address_of(self.options.sender), message.address, raw)
        await self._write(message, answer, raw)

    async def _write(self, message: Message, answer: Answer, raw: bytes) -> None:
        match answer.result:
            case "accepted":
                await self._finish(message, "sent", answer.text, raw if self.shows_mailbox else None)
                _waited.observe(max(0.0, (self._clock() - message.created_at).total_seconds()))
            case "later":
                await self._put_off(message, answer.text)
            case "bounced" | "refused":
                _log.warning(
                    "message refused",
                    message_id=str(message.message_id),
                    kind=message.kind,
                    result=answer.result,
                    code=answer.text[:3],
                )
                await self._finish(
                    message, "bounced" if answer.result == "bounced" else "failed", answer.text
                )

    async def _render(self, message: Message, now: datetime) -> bytes:
        began = time.perf_counter()
        try:
            return await self._compose(message, now)
        finally:
            self._rendering_seconds += time.perf_counter() - began

    async def _compose(self, message: Message, now: datetime) -> bytes:
        name = await self._reader.find_name(message.person_id)
        letter, files = await self._letter(message, now)
        return await asyncio.to_thread(
            compose,
            message,
            letter,
            name=name,
            sender=self.options.sender,
            now=now,
            attachments=files,
        )

    async def _letter(self, message: Message, now: datetime) -> tuple[Letter, tuple[Attachment, ...]]:
        base = self.options.base_url
        if isinstance(message.data, TicketOffered):
            if message.data.transfer_id is not None:
                await self._reader.check_offered(message.data.transfer_id)
            about = await self._reader.read_about(message.data.event_id, now)
            return write_offered(message, message.data, about, Setting(base, now)), ()
        if isinstance(message.data, MemberInvited):
            return write_invitation(message, message.data, base), ()
        if isinstance(message.data, WebhookPaused):
            return write_webhook_paused(message, message.data, base), ()
        if isinstance(message.data, EmailChange):
            return write_email_change(message, message.data, base), ()
        if isinstance(message.data, AccountChange):
            return write_account_change(message, message.data, base), ()
        if not isinstance(message.data, Notified):
            return write_requested(message, message.data, Setting(base, now)), ()
        story = await self._reader.read(message.kind, message.data, now, message.person_id)
        files = () if self._attach is None else await self._attach(message, story)
        topic, unsubscribe = KINDS[message.kind].refusable, None
        if topic is not None and message.person_id is not None:
            unsubscribe = f"{base}/unsubscribe/{self.unsubscriptions.token_of(message.person_id, topic)}"
        setting = Setting(base, now, tuple(file.words for file in files), unsubscribe)
        return write_notified(message.kind, story, setting), files

    async def _finish(
        self, message: Message, state: MessageState, answer: str, rendered: bytes | None = None
    ) -> None:
        async with self._database.transaction() as tx:
            await outbox.finish(tx, message, state, answer, self._clock(), rendered)
        _finished.labels(message.kind, state).inc()

    async def _put_off(self, message: Message, answer: str) -> None:
        """Write when the message is attempted again; at the latest when it expires, which finishes it."""
        pause = FIRST_RETRY * 2 ** min(message.attempts - 1, _DOUBLINGS_MAX)
        pause = min(pause, RETRY_MAX) * self._random.uniform(1 - JITTER, 1 + JITTER)
        async with self._database.transaction() as tx:
            await outbox.postpone(tx, message, min(self._clock() + pause, message.expires_at), answer)
        _postponed.labels(message.kind).inc()

    async def _give_back(self, messages: Sequence[Message], answer: str) -> None:
        """Write that messages were not attempted: another run takes them at once, the oldest first."""
        for message in messages:
            async with self._database.transaction() as tx:
                await outbox.postpone(tx, message, message.created_at, answer, attempted=False)


def _open_transport(options: MailOptions) -> Transport | None:
    if options.server_url is not None:
        return Smtp(read_server(options.server_url), options.connections_max)
    return DemoMailbox() if options.mailbox else None
