"""What the mailbox of the demo shows: messages as they would have been sent, read from their bytes."""

from __future__ import annotations

from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.db import Database
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.mail.outbox import sql

_NO_NAME: Final = "attachment"


class Enclosed(msgspec.Struct, frozen=True):
    """An attachment of a message."""

    filename: str
    media_type: str
    content: bytes


class Shown(msgspec.Struct, frozen=True):
    """A message of the mailbox, taken apart."""

    message_id: UUID
    address: str
    sent_at: datetime
    headers: tuple[tuple[str, str], ...]
    subject: str
    text: str
    html: str
    enclosed: tuple[Enclosed, ...]


async def list_shown(database: Database, search: str, limit: int, after: str | None) -> Page[Shown]:
    """Return a page of messages, newest first. `search`: a part of an address, or empty."""
    before = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_rendered(search=search.strip().lower(), before=before, limit=limit + 1)
    )
    page = [_read(row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].message_id,)) if len(rows) > limit else None)


async def get_shown(database: Database, message_id: UUID) -> Shown:
    """Return a message; refuses with `not-found`."""
    row = await database.fetch_row(*sql.find_rendered(message_id=message_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    return _read(row)


def _read(row: Any) -> Shown:
    message = message_from_bytes(row["rendered"], policy=default)
    assert isinstance(message, EmailMessage), "the policy makes such messages"
    return Shown(
        row["message_id"],
        row["address"],
        row["finished_at"],
        tuple((name, str(value)) for name, value in message.items()),
        str(message["subject"]),
        _body(message, "plain"),
        _body(message, "html"),
        tuple(
            Enclosed(part.get_filename(_NO_NAME), part.get_content_type(), _bytes(part))
            for part in message.iter_attachments()
        ),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part: Any = message.get_body((kind,))
    content: str = "" if part is None else part.get_content()
    return content


def _bytes(part: Any) -> bytes:
    content: bytes = part.get_payload(decode=True)
    return content
