"""The rows of payments and refunds.

Each change names the state before it: of two processes that move a row from the same state, one succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from evently.checkout.nouns import (
    PAYMENT_REFUND_TRANSITIONS,
    PAYMENT_TRANSITIONS,
    CancellationPreview,
    CancellationProgress,
    DueBooking,
    FailedRefunds,
    ListedRefund,
    NextAction,
    Payment,
    PaymentRefundState,
    PaymentState,
    RefundRow,
)
from evently.db import Connection, Database, Record, load_queries, lock_by_event
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.kit.together import Together
from evently.sales.outcomes import SalesRefusal

sql: Final = load_queries(__name__)

EVENTS_WITH_FAILED_REFUNDS_MAX: Final = 20  # more than a person mends before reading the list again

# Until a row that was due is due again. The pause doubles each time, up to the longest pause.
FIRST_PAUSE: Final = timedelta(seconds=2)
LONGEST_PAUSE: Final = timedelta(minutes=5)
_DOUBLED_MAX: Final = 20  # times: far beyond the longest pause
# The relay begins a refund within seconds of its decision. One that it has not begun by then is begun without
# it; the audit allows twice as long (audit/__init__.py).
FORGOTTEN_AFTER: Final = timedelta(minutes=5)
FORGOTTEN_BEGUN_MAX: Final = 1_000  # at a time, every second: a cancelled event of 100,000 in two minutes
ATTEMPTS_SHOWN_MAX: Final = 100  # of one booking
CARDS_SHOWN_MAX: Final = 10_000  # of one person: more than a person books in a life
REFUNDS_OF_PAYMENT_MAX: Final = 100  # as many as a booking has tickets

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(NextAction).decode


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The change that a step makes. None keeps the old value, except in `next_action`, which it clears."""

    state: PaymentState
    reference: str | None = None
    next_action: NextAction | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    card_digits: str | None = None


class Move(NamedTuple):
    """A payment and its next change."""

    payment: Payment
    change: Change
    at: datetime
    resume_at: datetime | None


class Begin(NamedTuple):
    """An attempt to begin. The statement that stores it counts `attempt`."""

    payment: Payment
    key: str | None


class Rows:
    """The rows of payments, read and written many at a time.

    With 64 payments at once, this took the Python of each payment from 5.2 ms down to 1.9 ms.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = Together(self._find_due, lambda booking_id: booking_id)
        self._begun = Together(self._begin, lambda begin: begin.payment.booking_id)
        self._moved = Together(self._move, lambda move: move.payment.payment_id)
        self._latest = Together(self._find_latest)

    async def get_due_booking(self, booking_id: UUID) -> DueBooking:
        """Return what a payment needs to know about a booking, or refuse: not found."""
        found = await self._due.add(booking_id)
        if found is None:
            raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
        return found

    async def find_latest(self, booking_id: UUID) -> Payment | None:
        """Return the latest payment of a booking."""
        return await self._latest.add(booking_id)

    async def begin(self, payment: Payment, key: str | None) -> Payment | None:
        """Begin an attempt; None when the booking has a live payment or the key was used."""
        return await self._begun.add(Begin(payment, key))

    async def move(
        self, payment: Payment, change: Change, at: datetime, resume_at: datetime | None
    ) -> Payment | None:
        """Move a payment to a state; None when another process has moved it from its own."""
        assert change.state == payment.state or change.state in PAYMENT_TRANSITIONS[payment.state], (
            f"a payment goes from {payment.state} to {change.state}"
        )
        return await self._moved.add(Move(payment, change, at, resume_at))

    async def _find_due(self, booking_ids: Sequence[UUID]) -> list[DueBooking | None]:
        rows = await self._database.fetch(*sql.find_due_bookings(booking_ids=list(booking_ids)))
        found = {row["booking_id"]: DueBooking(**row) for row in rows}
        return [found.get(booking_id) for booking_id in booking_ids]

    async def _find_latest(self, booking_ids: Sequence[UUID]) -> list[Payment | None]:
        rows = await self._database.fetch(*sql.list_latest_payments(booking_ids=list(booking_ids)))
        found = {row["booking_id"]: payment_of(row) for row in rows}
        return [found.get(booking_id) for booking_id in booking_ids]

    async def _begin(self, begins: Sequence[Begin]) -> list[Payment | None]:
        columns = {f"{name}s": [getattr(begin.payment, name) for begin in begins] for name in _INSERTED}
        async with self._database.transaction() as tx:
            rows = await tx.fetch(
                *sql.insert_payments(**columns, idempotency_keys=[begin.key for begin in begins])
            )
        return _in_order(rows, [begin.payment for begin in begins])

    async def _move(self, moves: Sequence[Move]) -> list[Payment | None]:
        changes = [move.change for move in moves]
        actions = [change.next_action for change in changes]
        query = sql.move_payments(
            event_ids=[move.payment.event_id for move in moves],
            payment_ids=[move.payment.payment_id for move in moves],
            was=[move.payment.state for move in moves],
            states=[change.state for change in changes],
            refs=[change.reference for change in changes],
            next_actions=[None if action is None else _encode(action).decode() for action in actions],
            failure_codes=[change.failure_code for change in changes],
            failure_messages=[change.failure_message for change in changes],
            card_digits=[change.card_digits for change in changes],
            ats=[move.at for move in moves],
            resume_ats=[move.resume_at for move in moves],
        )
        async with self._database.transaction() as tx:
            if len(moves) > 1:  # one alone waits for nobody while it holds something
                event_ids = [move.payment.event_id for move in moves]
                payment_ids = [move.payment.payment_id for move in moves]
                await lock_by_event(tx, sql.lock_payments, event_ids, payment_ids=payment_ids)
            rows = await tx.fetch(*query)
        return _in_order(rows, [move.payment for move in moves])


def _in_order(rows: Sequence[Record], payments: Sequence[Payment]) -> list[Payment | None]:
    found = {row["payment_id"]: payment_of(row) for row in rows}
    return [found.get(payment.payment_id) for payment in payments]


async def find_payment(database: Database, payment_id: UUID) -> Payment | None:
    """Return a payment of any event."""
    return _found(await database.fetch_row(*sql.find_payment(payment_id=payment_id)))


async def find_payment_by_reference(database: Database, gateway: str, reference: str) -> Payment | None:
    """Return the payment with this reference at a gateway."""
    return _found(
        await database.fetch_row(*sql.find_payment_by_reference(gateway=gateway, reference=reference))
    )


async def find_payment_by_key(database: Database, event_id: UUID, buyer_id: UUID, key: str) -> Payment | None:
    """Return the payment that an earlier request of this buyer began with this key."""
    return _found(
        await database.fetch_row(*sql.find_payment_by_key(event_id=event_id, buyer_id=buyer_id, key=key))
    )


async def find_latest_payment(database: Database, booking_id: UUID) -> Payment | None:
    """Return the latest payment of a booking."""
    return _found(await database.fetch_row(*sql.list_latest_payments(booking_ids=[booking_id])))


async def find_latest_gateway(database: Database) -> str | None:
    """Return the gateway of the latest payment of all; None before the first payment."""
    gateway: str | None = await database.fetch_value(*sql.find_latest_gateway())
    return gateway


async def list_payments(database: Database, booking_id: UUID) -> list[Payment]:
    """Return the payments of a booking, the latest first."""
    return [
        payment_of(row)
        for row in await database.fetch(*sql.list_payments(booking_id=booking_id, limit=ATTEMPTS_SHOWN_MAX))
    ]


async def list_attempted(tx: Connection, bookings: Sequence[tuple[UUID, UUID]]) -> frozenset[UUID]:
    """Return those of these bookings (event and booking) with a payment, even one that failed."""
    event_ids, booking_ids = (
        [event_id for event_id, _ in bookings],
        [booking_id for _, booking_id in bookings],
    )
    rows = await tx.fetch(*sql.list_attempted(event_ids=event_ids, booking_ids=booking_ids))
    return frozenset(row["booking_id"] for row in rows)


async def list_refunds_of_booking(
    database: Database, event_id: UUID, booking_id: UUID, payment_id: UUID
) -> list[ListedRefund]:
    """Return the refunds of a booking that was paid online, oldest first; those by another hand, too."""
    query = sql.list_refunds_of_booking(
        event_id=event_id, booking_id=booking_id, payment_id=payment_id, limit=REFUNDS_OF_PAYMENT_MAX
    )
    return [ListedRefund(**row) for row in await database.fetch(*query)]


async def list_refunds(
    database: Database, event_id: UUID, state: str | None, limit: int, after: str | None
) -> Page[ListedRefund]:
    """Return a page of an event's refunds, the latest first: of one state, or all; by another hand, too."""
    after_id = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_refunds(event_id=event_id, state=state, after=after_id, limit=limit + 1)
    )
    page = [ListedRefund(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].refund_id,)) if len(rows) > limit else None)


async def count_failed_refunds(database: Database, organizer_id: UUID) -> list[FailedRefunds]:
    """Return the events of an organizer with refunds that failed, at most a page of them."""
    rows = await database.fetch(
        *sql.count_failed_refunds(organizer_id=organizer_id, limit=EVENTS_WITH_FAILED_REFUNDS_MAX)
    )
    return [FailedRefunds(**row) for row in rows]


async def forget_cards(database: Database, person_id: UUID) -> None:
    """Forget the last digits of the cards that a person has paid with. Harmless to repeat."""
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_cards(person_id=person_id))


async def list_cards(database: Database, person_id: UUID) -> list[tuple[UUID, str]]:
    """Return the bookings of a person that were paid with a card, each with its last digits."""
    rows = await database.fetch(*sql.list_cards(person_id=person_id, limit=CARDS_SHOWN_MAX))
    return [(row["booking_id"], row["card_digits"]) for row in rows]


async def read_cancellation(database: Database, event_id: UUID) -> CancellationProgress:
    """Return how far the cancellation of an event is, or refuse: not found."""
    row = await database.fetch_row(*sql.read_cancellation(event_id=event_id))
    if row is None:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return CancellationProgress(**row)


async def preview_cancellation(database: Database, event_id: UUID) -> CancellationPreview:
    """Return what cancelling an event now would do, or refuse: not found."""
    row = await database.fetch_row(*sql.preview_cancellation(event_id=event_id))
    if row is None:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return CancellationPreview(**row)


async def take_due_payments(
    tx: Connection, now: datetime, limit: int, *, without: Sequence[str] = (), only: str | None = None
) -> list[Payment]:
    """Return due payments. Each is due again after its pause, in case this process does not move it.

    `without` and `only` name gateways.
    """
    due = await tx.fetch(*sql.list_due_payments(now=now, without=list(without), only=only, limit=limit))
    event_ids, payment_ids = _columns(due, "event_id", "payment_id")
    locked = due and await lock_by_event(
        tx, sql.lock_due_payments, event_ids, payment_ids=payment_ids, now=now
    )
    if not locked:
        return []
    event_ids, payment_ids, tries = _columns(locked, "event_id", "payment_id", "tries")
    query = sql.take_due_payments(
        event_ids=event_ids, payment_ids=payment_ids, resume_ats=[_due_again(now, each) for each in tries]
    )
    return [payment_of(row) for row in await tx.fetch(*query)]


async def take_due_refunds(tx: Connection, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Return event and id of due refunds, as `take_due_payments`. Refunds that were never begun are due."""
    await tx.execute(
        *sql.begin_forgotten_refunds(now=now, before=now - FORGOTTEN_AFTER, limit=FORGOTTEN_BEGUN_MAX)
    )
    due = await tx.fetch(*sql.list_due_refunds(now=now, limit=limit))
    event_ids, refund_ids = _columns(due, "event_id", "refund_id")
    locked = due and await lock_by_event(tx, sql.lock_due_refunds, event_ids, refund_ids=refund_ids, now=now)
    if not locked:
        return []
    event_ids, refund_ids, tries = _columns(locked, "event_id", "refund_id", "tries")
    query = sql.take_due_refunds(
        event_ids=event_ids, refund_ids=refund_ids, resume_ats=[_due_again(now, each) for each in tries]
    )
    return [(row["event_id"], row["refund_id"]) for row in await tx.fetch(*query)]


def _due_again(now: datetime, tries: int) -> datetime:
    """Return when a row is due again that was tried so often before."""
    pause: timedelta = FIRST_PAUSE * 2 ** min(tries, _DOUBLED_MAX)
    return now + min(pause, LONGEST_PAUSE)


def _columns(rows: Sequence[Record], *names: str) -> list[list[Any]]:
    return [[row[name] for row in rows] for name in names]


async def begin_refunds(
    tx: Connection, decided: Sequence[tuple[UUID, UUID, datetime]], pause: timedelta = timedelta()
) -> None:
    """Begin refunds, each given by event, id and instant; each is due after `pause`. Harmless to repeat."""
    event_ids, refund_ids, ats = map(list, zip(*decided, strict=True))
    await tx.execute(*sql.insert_refunds(event_ids=event_ids, refund_ids=refund_ids, ats=ats, pause=pause))


async def begin_refund(
    database: Database, event_id: UUID, refund_id: UUID, now: datetime
) -> RefundRow | None:
    """Return a refund, and begin it if need be; None when the gateway has nothing to pay back."""
    if (found := await find_refund(database, event_id, refund_id)) is not None:
        return found
    async with database.transaction() as tx:
        await begin_refunds(tx, [(event_id, refund_id, now)], FIRST_PAUSE)
    return await find_refund(database, event_id, refund_id)


async def find_refund(database: Database, event_id: UUID, refund_id: UUID) -> RefundRow | None:
    """Return a refund at the gateway; None: it has not begun."""
    row = await database.fetch_row(*sql.find_refund(event_id=event_id, refund_id=refund_id))
    return None if row is None else RefundRow(**row)


async def list_settled_refunds(database: Database, payment: Payment) -> list[UUID]:
    """Return the settled refunds of a payment."""
    query = sql.list_refunds_of_payment(
        event_id=payment.event_id, payment_id=payment.payment_id, limit=REFUNDS_OF_PAYMENT_MAX
    )
    return [row["refund_id"] for row in await database.fetch(*query)]


async def move_refund(
    database: Database,
    refund: RefundRow,
    state: PaymentRefundState,
    now: datetime,
    *,
    reference: str | None = None,
    failure_code: str | None = None,
    failure_message: str | None = None,
) -> bool:
    """Move this attempt at a refund to a state; False when another process has moved it from its own."""
    assert state == refund.state or state in PAYMENT_REFUND_TRANSITIONS[refund.state], (
        f"a refund goes from {refund.state} to {state}"
    )
    query = sql.move_refund(
        event_id=refund.event_id,
        refund_id=refund.refund_id,
        attempt=refund.attempt,
        was=refund.state,
        state=state,
        reference=reference,
        failure_code=failure_code,
        failure_message=failure_message,
        now=now,
    )
    async with database.transaction() as tx:
        return await tx.fetchrow(*query) is not None


async def retry_refund(tx: Connection, event_id: UUID, refund_id: UUID, now: datetime) -> bool:
    """Begin the next attempt at a failed refund; False when it has not failed."""
    return await tx.fetchrow(*sql.retry_refund(event_id=event_id, refund_id=refund_id, now=now)) is not None


def payment_of(row: Record) -> Payment:
    """Return a row as a payment."""
    fields = dict(row)
    fields["next_action"] = None if fields["next_action"] is None else _decode(fields["next_action"])
    return Payment(**fields)


def _found(row: Record | None) -> Payment | None:
    return None if row is None else payment_of(row)


_INSERTED: Final = (
    "event_id",
    "payment_id",
    "booking_id",
    "buyer_id",
    "fingerprint",
    "gateway",
    "method",
    "hosted",
    "return_url",
    "description",
    "expires_at",
    "amount_minor",
    "currency",
    "created_at",
    "resume_at",
)


async def forget_event(tx: Connection, event_id: UUID) -> list[UUID]:
    """Delete the payments of a sandbox event that is removed; return their ids."""
    return [row["payment_id"] for row in await tx.fetch(*sql.forget_event(event_id=event_id))]
