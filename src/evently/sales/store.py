"""The engine's statements: lock the sales of a batch, load what its commands name, write what was decided.

Everything here runs on one connection inside one transaction that the caller began. A batch concerns several events; each has its `Sale`
(kept in memory between batches, true while the journal's head is the same) and its `Batch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.db import Connection, Record, load_queries
from evently.sales.commands import Booking, CancelBooking, Command, ConfirmBooking, PlaceBooking, Ticket, TicketTypeTerms
from evently.sales.facts import chain, encode_facts
from evently.sales.rules import Answer, Batch, Pool, Sale

sql: Final = load_queries(__name__)

DUE_MAX: Final = 500  # holds of one event taken back by one batch: as many as the largest batch could take

_encode_answer: Final = msgspec.msgpack.Encoder().encode
_decode_answer: Final = msgspec.msgpack.Decoder(Booking).decode


class Work(msgspec.Struct):
    """One event's part of a batch."""

    event_id: UUID
    sale: Sale | None
    batch: Batch
    commands: list[Command]


async def lock_and_load(connection: Connection, works: Sequence[Work], remembered: Mapping[UUID, Sale]) -> None:
    """Lock the sales of the batch and fill in each work's sale and what its commands name."""
    rows = await connection.fetch(*sql.lock_sales(event_ids=[work.event_id for work in works]))
    heads = {row["event_id"]: row for row in rows}
    strangers: list[Sale] = []
    for work in works:
        head = heads.get(work.event_id)
        if head is None:
            continue
        sale = remembered.get(work.event_id)
        if sale is None or sale.head_hash != head["head_hash"]:  # the hash stands for the whole history: after a failover, a seq may lie
            sale = Sale(*head.values())
            strangers.append(sale)
        work.sale = sale
        # Clocks of several machines may disagree; an event's time never runs backwards.
        work.batch.now = max(work.batch.now, sale.head_at)
    if strangers:
        await load_terms(connection, strangers)
    await _load_answers(connection, works)
    await _load_bookings(connection, works)
    await _load_buyer_units(connection, works)


async def write(connection: Connection, works: Iterable[Work]) -> None:
    """Write what was decided and one journal row for each event on which anything happened."""
    works = [work for work in works if work.batch.writes()]
    for work in works:
        if work.batch.writes_terms():
            await _write_terms(connection, work)
    if any(work.batch.facts for work in works):
        await connection.execute(*sql.write_batch(**_journal(works), **_counters(works), **_placed(works), **_answered(works)))
    await _write_changes(connection, works)


# Load -----------------------------------------------------------------------------------------------------------------------


async def load_terms(connection: Connection, sales: Sequence[Sale]) -> None:
    """Fill in the pools, the ticket types and the next expiry of sales."""
    by_event = {sale.event_id: sale for sale in sales}
    event_ids = list(by_event)
    for event_id, *pool in await connection.fetch(*sql.load_pools(event_ids=event_ids)):
        by_event[event_id].pools[pool[0]] = Pool(*pool)
    for event_id, *terms in await connection.fetch(*sql.load_ticket_types(event_ids=event_ids)):
        by_event[event_id].ticket_types[terms[0]] = _read_terms(terms)
    for event_id, next_expiry_at in await connection.fetch(*sql.load_next_expiries(event_ids=event_ids)):
        by_event[event_id].next_expiry_at = next_expiry_at


def _read_terms(row: Sequence[Any]) -> TicketTypeTerms:
    """Return a ticket type from its columns in the order of `load_ticket_types`."""
    ticket_type_id, name, description, position, price_minor, per_booking_max, pool_ids, *rest = row
    return TicketTypeTerms(ticket_type_id, name, description, position, price_minor, per_booking_max, tuple(pool_ids), *rest)


async def _load_answers(connection: Connection, works: Sequence[Work]) -> None:
    events: list[UUID] = []
    actors: list[UUID] = []
    keys: list[str] = []
    for work in works:
        for command in work.commands:
            if isinstance(command, PlaceBooking):
                actor_id = command.buyer_id
            elif isinstance(command, CancelBooking):
                actor_id = command.actor_id
            else:
                continue
            if command.key is not None:
                events.append(work.event_id)
                actors.append(actor_id)
                keys.append(command.key)
    if not keys:
        return
    by_event = {work.event_id: work.batch for work in works}
    for event_id, actor_id, key, fingerprint, answer in await connection.fetch(
        *sql.load_answers(event_ids=events, actor_ids=actors, keys=keys)
    ):
        by_event[event_id].answers[actor_id, key] = Answer(fingerprint, _decode_answer(answer), stored=True)


async def _load_bookings(connection: Connection, works: Sequence[Work]) -> None:
    by_event = {work.event_id: work for work in works if work.sale is not None}
    due_events = [work.event_id for work in by_event.values() if _may_have_due(work)]
    named = [
        (work.event_id, command.booking_id)
        for work in by_event.values()
        for command in work.commands
        if isinstance(command, ConfirmBooking | CancelBooking)
    ]
    if due_events:
        nows = [by_event[event_id].batch.now for event_id in due_events]
        for event_id, booking_id in await connection.fetch(*sql.load_due(event_ids=due_events, nows=nows, due_max=DUE_MAX)):
            by_event[event_id].batch.due.append(booking_id)
            named.append((event_id, booking_id))
    if not named:
        return
    for booking in await load_bookings(connection, named, {event: work.sale.currency for event, work in by_event.items() if work.sale}):
        by_event[booking.event_id].batch.bookings[booking.booking_id] = booking


async def load_bookings(connection: Connection, named: Sequence[tuple[UUID, UUID]], currencies: Mapping[UUID, str]) -> list[Booking]:
    """Return the bookings named by (event, booking), whole, with their tickets in the order they were made."""
    places = list(dict.fromkeys(named))
    arguments = {"event_ids": [event for event, _ in places], "booking_ids": [booking for _, booking in places]}
    rows = await connection.fetch(*sql.load_bookings(**arguments))
    tickets: dict[UUID, list[Ticket]] = {}
    for _event_id, booking_id, *ticket in await connection.fetch(*sql.load_tickets(**arguments)):
        tickets.setdefault(booking_id, []).append(Ticket(*ticket))
    return [_booking(row, currencies[row["event_id"]], tickets[row["booking_id"]]) for row in rows]


def _booking(row: Record, currency: str, tickets: Sequence[Ticket]) -> Booking:
    event_id, booking_id, buyer_id, state, placed_at, expires_at, confirmed_at, ended_at = row.values()
    return Booking(event_id, booking_id, buyer_id, state, currency, placed_at, expires_at, confirmed_at, ended_at, tuple(tickets))


def _may_have_due(work: Work) -> bool:
    assert work.sale is not None
    return work.sale.next_expiry_at is not None and work.sale.next_expiry_at <= work.batch.now


async def _load_buyer_units(connection: Connection, works: Sequence[Work]) -> None:
    places: set[tuple[UUID, UUID]] = set()
    limited: set[UUID] = set()
    for work in works:
        if work.sale is None:
            continue
        limited_here = {terms.ticket_type_id for terms in work.sale.ticket_types.values() if terms.per_buyer_max is not None}
        if not limited_here:
            continue
        limited |= limited_here
        places |= {
            (work.event_id, command.buyer_id)
            for command in work.commands
            if isinstance(command, PlaceBooking) and any(line.ticket_type_id in limited_here for line in command.lines)
        }
    if not places:
        return
    by_event = {work.event_id: work.batch for work in works}
    for event_id, buyer_id, ticket_type_id, units in await connection.fetch(
        *sql.load_buyer_units(
            event_ids=[event for event, _ in places], buyer_ids=[buyer for _, buyer in places], ticket_type_ids=list(limited)
        )
    ):
        by_event[event_id].buyer_units[buyer_id, ticket_type_id] = units


# Write ----------------------------------------------------------------------------------------------------------------------


def _journal(works: Sequence[Work]) -> dict[str, object]:
    rows = []
    for work in works:
        sale, batch = work.sale, work.batch
        if not batch.facts:
            continue
        assert sale is not None, "facts are about a sale"
        facts = encode_facts(batch.facts)
        sale.seq += 1
        sale.head_hash = chain(sale.head_hash, facts)
        sale.head_at = batch.now
        rows.append((sale.event_id, sale.seq, sale.head_hash, sale.head_at, facts))
    return _columns(("head_events", "head_seqs", "head_hashes", "head_ats", "head_facts"), rows)


def _counters(works: Sequence[Work]) -> dict[str, object]:
    rows = []
    for work in works:
        assert work.sale is not None or not work.batch.pools_changed
        for pool_id in work.batch.pools_changed:
            pool = work.sale.pools[pool_id]  # type: ignore[union-attr]
            rows.append((work.event_id, pool_id, pool.held, pool.sold, pool.set_aside))
    return _columns(("pool_events", "pool_ids", "pool_helds", "pool_solds", "pool_set_asides"), rows)


def _placed(works: Sequence[Work]) -> dict[str, object]:
    bookings: list[tuple[object, ...]] = []
    tickets: list[tuple[object, ...]] = []
    for work in works:
        event_id = work.event_id
        for booking in work.batch.placed:
            booking_id = booking.booking_id
            bookings.append(
                (event_id, booking_id, booking.buyer_id, booking.state, booking.placed_at, booking.expires_at, booking.confirmed_at)
            )
            tickets.extend(
                [
                    (event_id, ticket.ticket_id, booking_id, ticket.ticket_type_id, ticket.price_minor, ticket.secret)
                    for ticket in booking.tickets
                ]
            )
    return _columns(
        (
            "booking_events",
            "booking_ids",
            "booking_buyers",
            "booking_states",
            "booking_placed_ats",
            "booking_expires_ats",
            "booking_confirmed_ats",
        ),
        bookings,
    ) | _columns(("ticket_events", "ticket_ids", "ticket_bookings", "ticket_types", "ticket_prices", "ticket_secrets"), tickets)


def _answered(works: Sequence[Work]) -> dict[str, object]:
    rows = [
        (work.event_id, actor_id, key, answer.fingerprint, answer.booking.booking_id, _encode_answer(answer.booking))
        for work in works
        for actor_id, key, answer in work.batch.answered
    ]
    return _columns(("key_events", "key_actors", "keys", "key_fingerprints", "key_bookings", "key_answers"), rows)


async def _write_changes(connection: Connection, works: Sequence[Work]) -> None:
    if moved := [
        (work.event_id, booking.booking_id, booking.state, booking.confirmed_at, booking.ended_at)
        for work in works
        for booking in work.batch.moved.values()
    ]:
        names = ("event_ids", "booking_ids", "states", "confirmed_ats", "ended_ats")
        await connection.execute(*sql.move_bookings(**_columns(names, moved)))
    if voided := [(work.event_id, ticket_id) for work in works for ticket_id in work.batch.voided]:
        await connection.execute(*sql.void_tickets(**_columns(("event_ids", "ticket_ids"), voided)))
    if replayed := sorted({(work.event_id, actor_id, key) for work in works for actor_id, key in work.batch.replayed}):
        await connection.execute(*sql.count_replays(**_columns(("event_ids", "actor_ids", "keys"), replayed)))


async def _write_terms(connection: Connection, work: Work) -> None:
    sale, batch = work.sale, work.batch
    assert sale is not None, "terms are a sale's"
    if batch.created:
        await connection.execute(
            *sql.create_sale(
                event_id=sale.event_id,
                state=sale.state,
                currency=sale.currency,
                on_sale_at=sale.on_sale_at,
                off_sale_at=sale.off_sale_at,
                head_hash=sale.head_hash,
                head_at=sale.head_at,
            )
        )
    elif batch.terms_changed:
        await connection.execute(
            *sql.change_sale(event_id=sale.event_id, state=sale.state, on_sale_at=sale.on_sale_at, off_sale_at=sale.off_sale_at)
        )
    if batch.pools_put:
        pools = [sale.pools[pool_id] for pool_id in batch.pools_put]
        rows = [(pool.pool_id, pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside) for pool in pools]
        names = ("pool_ids", "names", "capacities", "helds", "solds", "set_asides")
        await connection.execute(*sql.put_pools(event_id=sale.event_id, **_columns(names, rows)))
    if batch.pools_removed:
        await connection.execute(*sql.remove_pools(event_id=sale.event_id, pool_ids=batch.pools_removed))
    for ticket_type_id in batch.types_changed:
        terms = msgspec.structs.asdict(sale.ticket_types[ticket_type_id])
        await connection.execute(*sql.put_ticket_type(event_id=sale.event_id, **terms))


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Return the rows turned into one array for each name."""
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return dict(zip(names, columns, strict=True))
