"""The outbox: messages as rows. Stored in the caller's transaction, sent later.

add(tx, ...)                    what a person has requested: a sign-in code, a password reset
add_for_notifications(tx, ...)  the e-mails of notifications
TicketMailReader.find(...)      what became of the message with the tickets of a booking
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from evently.accounts import people
from evently.db import Connection, Database, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import new_id, show_id
from evently.kit.together import Together
from evently.mail.nouns import (
    KINDS,
    MailRefusal,
    Message,
    MessageState,
    Notified,
    Requested,
    TicketOffered,
    decode_subject,
    encode_subject,
)
from evently.notifications import Notification
from evently.sales.nouns import Booking

sql: Final = load_queries(__name__)
_log: Final = structlog.get_logger(__name__)

KEPT: Final = timedelta(days=30)  # long enough to answer "I never got it"
FORGOTTEN_MAX: Final = 10_000  # deleted at a time
EXPIRED_MAX: Final = 5_000  # at a time
ANSWER_CHARACTERS_MAX: Final = 500  # of what a server answers
# A buyer who does not find five messages does not find the sixth; and nobody fills another's mailbox
RESENT_MAX: Final = 5
RESENT_WITHIN: Final = timedelta(days=1)
_RESENT: Final = "tickets_resent"
_CANCELLED: Final = frozenset({"booking_cancelled", "tickets_cancelled", "ticket_lost"})  # with a reason
_WITH_TICKETS: Final = ["booking_confirmed", _RESENT]
_SECRET_KINDS: Final = [kind for kind, terms in KINDS.items() if terms.topic is None]


async def add(
    tx: Connection,
    about: Requested,
    *,
    address: str,
    person_id: UUID | None,
    expires_at: datetime,
    now: datetime,
) -> UUID:
    """Store a message that a person has requested, and return its id.

    `address` is normalised; `person_id` is None for an address without an account. What is secret in it is
    deleted when it was sent, and at `expires_at`.
    """
    message_id, kind = new_id(), about.__struct_config__.tag
    await tx.execute(
        *sql.add(
            message_id=message_id,
            kind=kind,
            person_id=person_id,
            address=address,
            data=encode_subject(about),
            urgent=KINDS[str(kind)].urgent,
            now=now,
            expires_at=expires_at,
        )
    )
    return message_id


async def add_for_notifications(tx: Connection, new: Sequence[Notification]) -> None:
    """Store an e-mail for each notification whose person wants it: one statement. Harmless to repeat.

    An address that has refused a message gets only what cannot be refused.
    """
    wanted = [(each, KINDS[each.kind]) for each in new if each.kind in KINDS]
    if wanted:
        await tx.execute(
            *sql.add_for_notifications(
                ids=[each.notification_id for each, _ in wanted],
                kinds=[each.kind for each, _ in wanted],
                person_ids=[each.person_id for each, _ in wanted],
                datas=[encode_subject(subject_of(each)) for each, _ in wanted],
                topics=[terms.refusable for _, terms in wanted],
                urgents=[terms.urgent for _, terms in wanted],
                ats=[each.created_at for each, _ in wanted],
                expires_ats=[each.created_at + terms.kept for each, terms in wanted],
            )
        )


async def add_ticket_offers(tx: Connection, transfer_ids: Sequence[UUID], now: datetime) -> None:
    """Store an e-mail for each of these offers of tickets that is still open."""
    for row in await tx.fetch(*sql.list_ticket_offers(transfer_ids=transfer_ids)):
        offered = TicketOffered(
            row["event_id"],
            row["giver"],
            _name_ticket(row["type_name"], row["seat_label"]),
            f"/transfers/{show_id('trf', row['transfer_id'])}",
            row["transfer_id"],
        )
        await add(
            tx,
            offered,
            address=row["address"],
            person_id=None,
            expires_at=row["expires_at"],
            now=now,
        )


def _name_ticket(type_name: str, seat: str | None) -> str:
    """Return the ticket type and the seat, of which the label may begin with the same word."""
    if seat is None:
        return type_name
    return seat if seat.startswith(type_name) else f"{type_name}, {seat}"


async def resend_tickets(
    tx: Connection, event_id: UUID, booking_id: UUID, buyer_id: UUID, now: datetime
) -> str:
    """Store the tickets of a booking once more, to the address of its buyer alone; return that address.

    Refuses `no-address` when the buyer has none, and `resent-too-often`.
    """
    buyer = await people.find_locked(tx, buyer_id)
    if buyer is None or buyer.email is None:
        raise Refused(MailRefusal.NO_ADDRESS)
    data = encode_subject(Notified(event_id, booking_id))
    times = await tx.fetch(
        *sql.list_resent(person_id=buyer_id, kind=_RESENT, data=data, since=now - RESENT_WITHIN)
    )
    if len(times) >= RESENT_MAX:
        raise Refused(
            MailRefusal.RESENT_TOO_OFTEN,
            "again_at",
            resent_max=RESENT_MAX,
            again_at=times[-RESENT_MAX]["created_at"] + RESENT_WITHIN,
        )
    terms = KINDS[_RESENT]
    await tx.execute(
        *sql.add(
            message_id=new_id(),
            kind=_RESENT,
            person_id=buyer_id,
            address=buyer.email,
            data=data,
            urgent=terms.urgent,
            now=now,
            expires_at=now + terms.kept,
        )
    )
    return buyer.email


class TicketMail(msgspec.Struct, frozen=True):
    """The message with the tickets of a booking: to which address it goes, and what became of it."""

    address: str
    state: MessageState


class TicketMailReader:
    """Reads what became of the messages with tickets. Those that are asked for together share a statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._read)

    async def find(self, booking: Booking) -> TicketMail | None:
        """Return the newest message with the tickets of a booking to its buyer; None if there is none."""
        return await self._together.add(booking)

    async def _read(self, bookings: Sequence[Booking]) -> list[TicketMail | None]:
        rows = await self._database.fetch(
            *sql.list_last_with_tickets(
                person_ids=[each.buyer_id for each in bookings],
                datas=[encode_subject(Notified(each.event_id, each.booking_id)) for each in bookings],
                kinds=_WITH_TICKETS,
            )
        )
        found = {row["number"]: TicketMail(row["address"], row["state"]) for row in rows}
        return [found.get(number) for number in range(1, len(bookings) + 1)]


async def list_resent(database: Database, booking: Booking) -> list[datetime]:
    """Return when the tickets of a booking were sent again, oldest first, as far as messages are kept."""
    data = encode_subject(Notified(booking.event_id, booking.booking_id))
    rows = await database.fetch(
        *sql.list_resent(person_id=booking.buyer_id, kind=_RESENT, data=data, since=booking.placed_at)
    )
    return [row["created_at"] for row in rows]


async def claim(tx: Connection, now: datetime, until: datetime, limit: int) -> list[Message]:
    """Claim messages that are due until an instant: what is urgent first. No other process has them then."""
    rows = await tx.fetch(*sql.claim(now=now, until=until, limit=limit))
    claimed = []
    for row in rows:
        try:
            claimed.append(Message(**{**row, "data": decode_subject(row["data"])}))
        except msgspec.ValidationError as exc:  # of a newer version, which sends it after this claim
            _log.warning("unknown_message", message_id=str(row["message_id"]), reason=str(exc))
    return claimed


async def finish(
    tx: Connection,
    message: Message,
    state: MessageState,
    answer: str,
    now: datetime,
    rendered: bytes | None = None,
) -> None:
    """Write that a message needs no further attempt, and delete what is secret in it."""
    await tx.execute(
        *sql.finish(
            message_id=message.message_id,
            state=state,
            answer=answer[:ANSWER_CHARACTERS_MAX],
            now=now,
            rendered=rendered,
            secret_kinds=_SECRET_KINDS,
        )
    )
    if state == "bounced":
        await tx.execute(
            *sql.note_bounce(address=message.address, answer=answer[:ANSWER_CHARACTERS_MAX], now=now)
        )
    elif state == "sent" and message.bounced:
        await tx.execute(*sql.forget_bounce(address=message.address))


async def postpone(
    tx: Connection, message: Message, due_at: datetime, answer: str, *, attempted: bool = True
) -> None:
    """Write when a message is attempted again; `attempted`: whether this attempt counts."""
    await tx.execute(
        *sql.postpone(
            message_id=message.message_id,
            due_at=due_at,
            answer=answer[:ANSWER_CHARACTERS_MAX],
            attempts=message.attempts - (not attempted),
        )
    )


async def expire(database: Database, now: datetime) -> bool:
    """Finish messages that were not sent in time, and delete their secrets; return whether more are late."""
    async with database.transaction() as tx:
        rows = await tx.fetch(*sql.expire(now=now, secret_kinds=_SECRET_KINDS, limit=EXPIRED_MAX))
    return len(rows) == EXPIRED_MAX


async def forget_old(database: Database, now: datetime) -> None:
    """Delete some of the messages that are older than `KEPT`."""
    milliseconds = int((now - KEPT).timestamp() * 1000)
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_old(before=UUID(int=milliseconds << 80), limit=FORGOTTEN_MAX))


async def forget_person(tx: Connection, person_id: UUID) -> None:
    """Delete the messages to a person who is being erased, and whether their address has bounced."""
    await tx.execute(*sql.forget_person(person_id=person_id))


async def oldest_due(database: Database) -> datetime | None:
    """Return since when the message that has waited longest is due; None when none waits.

    A message that is put off, or being sent, is due in the future.
    """
    due: datetime | None = await database.fetch_value(*sql.oldest_due())
    return due


class Bounce(msgspec.Struct, frozen=True):
    """An address that the mail server has refused for good, since when, and what it answered."""

    bounced_at: datetime
    answer: str


async def find_bounce(database: Database, address: str) -> Bounce | None:
    """Return the bounce of an address; None when nothing is known against it."""
    row = await database.fetch_row(*sql.find_bounce(address=address))
    return None if row is None else Bounce(**row)


def subject_of(notification: Notification) -> Notified:
    """Return what the messages of a notification are about."""
    place = (notification.seq, notification.line) if notification.kind in _CANCELLED else (0, 0)
    return Notified(
        notification.event_id, notification.booking_id, notification.entry_id, notification.refund_id, *place
    )
