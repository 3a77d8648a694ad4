"""Compares the bookings of an event, their tickets, postings and answers, with a replay of its journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.audit.differences import Differences, Rows, differing
from evently.db import Connection, load_queries
from evently.sales.nouns import Booking, Ticket, WaitlistEntry
from evently.sales.replay import Replay, ReplayedBooking
from evently.sales.replay.state import NOTHING_MORE, ReplayedEntry, TicketDetails

sql: Final = load_queries(__name__)

_ROWS_PREFETCHED: Final = 1_000
_NO_SEAT: Final[tuple[str | None, str | None]] = (None, None)
_BOOKING: Final = (
    "state", "placed_at", "expires_at", "confirmed_at", "ended_at", "conditions_version", "promo_id",
    "entry_id", "extended", "payment", "payment_id", "paid_minor", "captured_at", "refunded_minor",
    "outside_minor",
)  # fmt: skip
_TICKET: Final = (
    "ticket_type_id", "price_minor", "void", "discount_minor", "surcharge_minor", "fee_minor", "tax_minor",
    "fee_tax_minor", "seat_number", "replaces", "returning_since", "seat_id", "seat_label", "holder_id",
)  # fmt: skip
_TICKET_FROM: Final = 2 + len(_BOOKING)  # in a row of `read_bookings`


async def compare_bookings(
    snapshot: Connection, replay: Replay, seats: Sequence[tuple[str, str]], differences: Differences
) -> None:
    """Compare the bookings of a part, and remove them from the replay.

    `seats`: the id and the label of each seat.
    """
    await _compare_money(snapshot, replay, differences)
    await _compare_answers(snapshot, replay, differences)
    left = replay.bookings
    async for booking_id, buyer_id, stored, tickets in _bookings(snapshot, differences.event_id):
        if not replay.follows(booking_id):
            continue
        replayed = left.pop(booking_id, None)
        if replayed is None:
            differences.add("I4", f"booking {booking_id} is not in the journal")
        elif replayed.buyer_id != buyer_id:
            differences.add(
                "I4", f"booking {booking_id} belongs to {buyer_id}; {replayed.buyer_id} requested it"
            )
        else:
            if (as_replayed := _as_stored(replayed)) != stored:
                differences.compare("I11", f"booking {booking_id}", _BOOKING, stored, as_replayed)
            _compare_tickets(booking_id, tickets, _tickets_replayed(replay, replayed, seats), differences)
    for booking_id in left:
        differences.add("I11", f"booking {booking_id} is only in the journal")


def _tickets_replayed(replay: Replay, booking: ReplayedBooking, seats: Sequence[tuple[str, str]]) -> Rows:
    """Return the `_TICKET` values of a booking's tickets."""
    replayed: Rows = {}
    for which, void in ((booking.tickets, False), (booking.voided, True)):
        for ticket_id, (type_id, price) in which.items():
            more = booking.more.get(ticket_id, NOTHING_MORE)
            seat = _NO_SEAT
            if more.seat is not None and more.seat < len(seats):
                seat = seats[more.seat]
            replayed[ticket_id] = (
                type_id,
                price,
                void,
                *more,
                replay.returning.get(ticket_id),
                *seat,
                replay.holders.get(ticket_id),
            )
    return replayed


def _compare_tickets(booking_id: UUID, stored: Rows, replayed: Rows, differences: Differences) -> None:
    for ticket_id in differing(stored, replayed):
        differences.compare(
            "I11",
            f"ticket {ticket_id} of booking {booking_id}",
            _TICKET,
            stored.get(ticket_id),
            replayed.get(ticket_id),
        )


async def _compare_money(snapshot: Connection, replay: Replay, differences: Differences) -> None:
    """Compare the postings of the bookings of this part."""
    stored: dict[UUID, list[tuple[Any, ...]]] = {}
    async for booking_id, *posted in snapshot.cursor(
        *sql.read_ledger(event_id=differences.event_id), prefetch=_ROWS_PREFETCHED
    ):
        if replay.follows(booking_id):
            stored.setdefault(booking_id, []).append(tuple(posted))
    replayed = {
        booking_id: booking.postings for booking_id, booking in replay.bookings.items() if booking.postings
    }
    for booking_id in sorted(stored.keys() | replayed.keys()):
        rows, by_journal = sorted(stored.get(booking_id, ())), sorted(replayed.get(booking_id, ()))
        if rows != by_journal:
            differences.add(
                "I8", f"booking {booking_id} has {_money(rows)}, in the journal {_money(by_journal)}"
            )


async def _compare_answers(snapshot: Connection, replay: Replay, differences: Differences) -> None:
    """Compare answers with the replay: the fields that never change of a booking or waitlist entry."""
    async for key, booking_id, entry_id, answer in snapshot.cursor(
        *sql.read_answers(event_id=differences.event_id), prefetch=_ROWS_PREFETCHED
    ):
        try:
            if entry_id is not None:
                right = entry_id in replay.entries and _is_about_entry(
                    _decode_entry(answer), replay.entries[entry_id]
                )
            else:
                right = booking_id not in replay.bookings or _is_about(
                    _decode_booking(answer), replay.bookings[booking_id], replay.currency
                )
        except msgspec.MsgspecError:
            right = False
        if not right:
            differences.add("I6", f"the answer to key {key!r} differs from the journal")


def _as_stored(booking: ReplayedBooking) -> tuple[Any, ...]:
    return (
        booking.state,
        booking.placed_at,
        booking.expires_at,
        booking.confirmed_at,
        booking.ended_at,
        booking.conditions_version,
        booking.promo_id,
        booking.entry_id,
        booking.extended,
        booking.payment,
        booking.payment_id,
        booking.paid_minor,
        booking.captured_at,
        booking.refunded_minor,
        booking.outside_minor,
    )


_decode_booking: Final = msgspec.msgpack.Decoder(Booking).decode
_decode_entry: Final = msgspec.msgpack.Decoder(WaitlistEntry).decode


def _is_about(answer: Booking, replayed: ReplayedBooking, currency: str) -> bool:
    """Return whether the fields of an answer that never change are those of the booking."""
    tickets = {
        ticket.ticket_id: (
            (ticket.ticket_type_id, ticket.price_minor),
            (
                ticket.discount_minor,
                ticket.surcharge_minor,
                ticket.fee_minor,
                ticket.tax_minor,
                ticket.fee_tax_minor,
                _seat_now(ticket, replayed),
            ),
        )
        for ticket in answer.tickets
    }
    if (
        answer.buyer_id,
        answer.currency,
        answer.placed_at,
        answer.conditions_version,
        answer.entry_id,
    ) != (
        replayed.buyer_id,
        currency,
        replayed.placed_at,
        replayed.conditions_version,
        replayed.entry_id,
    ):
        return False
    if (answer.promo_id, tickets) == (replayed.promo_id, _expected(replayed, replayed.more)):
        return True
    # The answer may be older than the promo code with which an offer was accepted
    older = replayed.more_offered
    return older is not None and (answer.promo_id, tickets) == (None, _expected(replayed, older))


def _seat_now(ticket: Ticket, replayed: ReplayedBooking) -> int | None:
    """Return the seat of a ticket in an answer, or that of now when the answer is older than an exchange."""
    if ticket.seat_number in replayed.seats_left.get(ticket.ticket_id, ()):
        return replayed.more[ticket.ticket_id].seat
    return ticket.seat_number


def _expected(replayed: ReplayedBooking, more: Mapping[UUID, TicketDetails]) -> dict[UUID, Any]:
    return {
        ticket_id: (what, more.get(ticket_id, NOTHING_MORE)[:6])
        for ticket_id, what in [*replayed.tickets.items(), *replayed.voided.items()]
    }


def _is_about_entry(answer: WaitlistEntry, replayed: ReplayedEntry) -> bool:
    mine = (
        answer.buyer_id,
        answer.ticket_type_id,
        answer.quantity,
        answer.joined_at,
        answer.joined_seq,
        answer.promo_id,
    )
    return mine == (
        replayed.buyer_id,
        replayed.ticket_type_id,
        replayed.quantity,
        replayed.joined_at,
        replayed.joined_seq,
        replayed.promo_id,
    )


async def _bookings(
    snapshot: Connection, event_id: UUID
) -> AsyncIterator[tuple[UUID, UUID, tuple[Any, ...], Rows]]:
    """Yield the bookings of an event: id, buyer, the `_BOOKING` values, the `_TICKET` values by ticket."""
    head: tuple[Any, ...] = ()
    tickets: Rows = {}
    async for row in snapshot.cursor(*sql.read_bookings(event_id=event_id), prefetch=_ROWS_PREFETCHED):
        if not head or head[0] != row[0]:
            if head:
                yield (*head, tickets)
            head, tickets = (row[0], row[1], tuple(row[2:_TICKET_FROM])), {}
        if (ticket_id := row[_TICKET_FROM]) is not None:
            tickets[ticket_id] = tuple(row[_TICKET_FROM + 1 :])
    if head:
        yield (*head, tickets)


def _money(postings: Sequence[tuple[Any, ...]]) -> str:
    return (
        ", ".join(f"{amount} from {debit} to {credit} (row {seq})" for seq, debit, credit, amount in postings)
        or "nothing"
    )
