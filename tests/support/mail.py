"""Mail for tests: without a server, with one in this process, or with the demo's mailbox."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.ids import new_id
from evently.mail import Mail, MailOptions
from evently.mail.smtp import Answer, MailTrouble
from evently.reactions import EFFECTS
from evently.reactions.relay import Relay

SECRET = bytes(range(32))
BASE = "https://tickets.example"
SENDER = "Evently <tickets@evently.example>"


def make_mail(
    db: Database, clock: Clock, *, server_url: str | None = None, mailbox: bool = False, **more: Any
) -> Mail:
    """Return the mail of a process: off, unless there is a server, a `transport`, or the mailbox."""
    return Mail(db, MailOptions(server_url, SENDER, BASE, mailbox), SECRET, clock, **more)


class Post:
    """A transport that keeps what it accepts, and answers as the test says. `down`: no server is there."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, EmailMessage]] = []
        self.answers: dict[str, Answer] = {}
        self.down = False

    async def send(self, sender: str, address: str, raw: bytes) -> Answer:
        """Hand a message over."""
        assert "@" in sender
        if self.down:
            raise MailTrouble("no server")
        answer = self.answers.get(address, Answer("accepted", "250 Ok"))
        if answer.result == "accepted":
            message = message_from_bytes(raw, policy=default)
            assert isinstance(message, EmailMessage)
            self.sent.append((address, message))
        return answer

    async def close_idle(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    @property
    def subjects(self) -> list[str]:
        """The subjects of what was sent."""
        return [str(message["subject"]) for _, message in self.sent]

    def text_of(self, number: int = -1) -> str:
        """Return the text of a message."""
        part: Any = self.sent[number][1].get_body(("plain",))
        text: str = part.get_content()
        return text


async def add_person(db: Database, email: str | None, name: str = "Robin Roe") -> UUID:
    """Add a person with an address."""
    person_id = new_id()
    async with db.transaction() as tx:
        await tx.execute(
            "INSERT INTO people (person_id, email, name, role, version, created_at) "
            "VALUES ($1, $2, $3, 'buyer', 1, now())",
            person_id,
            email,
            name,
        )
    return person_id


async def deliver(db: Database, clock: Clock) -> None:
    """Run the relay until every fact is delivered."""
    relay = Relay(db, clock, EFFECTS)
    while await db.fetch_value("SELECT count(*) FROM journal WHERE delivered_at IS NULL"):
        await relay.run_once()
    await relay.retire()
