"""Loads what a batch needs before it is decided: sales that are not in memory, and what its commands need.

Everything runs on one connection, under the locks of the sales. Rare parts (seats, promo codes, a waitlist)
are loaded only where they exist. Which commands need what is declared by the commands (`Command.needs`); this
module knows tables, not commands.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from evently.db import Connection, Database, Record, load_queries
from evently.sales.commands import Command, Needs
from evently.sales.commands.bookings import OutsideRefund
from evently.sales.facts import chain, decode_facts
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket, Transfer, WaitlistEntry
from evently.sales.rules.offers import can_serve
from evently.sales.rules.pricing import payment_of
from evently.sales.rules.seat_changes import apply_facts, changes_seating
from evently.sales.rules.state import (
    HAS_CONDITIONS,
    HAS_PROMOS,
    HAS_RESCHEDULINGS,
    HAS_RETURNS,
    HAS_SEAT_BLOCKS,
    HAS_SEATING,
    HAS_TRANSFERS,
    HAS_WAITLIST,
    WAITLIST_KNOWN_MAX,
    Batch,
    KeyedOutcome,
    Pool,
    Promo,
    Refund,
    ReturnedTicket,
    Sale,
    SeatBlock,
    Waitlist,
)
from evently.sales.terms import Conditions, PromoTerms, Rescheduling, SeatBlockTerms, TicketTypeTerms
from evently.seating import Hall, Plan, known_plan, plan_of

sql: Final = load_queries(__name__)

# Holds of one event that one batch expires: as many as the largest batch could place
DUE_MAX: Final = 500
# Journal rows that a hall in memory follows. One that has missed more is loaded again, which costs no more.
NEWS_ROWS_MAX: Final = 1_000
_LISTS_OF_TYPE: Final = [TicketTypeTerms.__struct_fields__.index(name) for name in ("pool_ids", "needed_ids")]

_decode_booking: Final = msgspec.msgpack.Decoder(Booking).decode
_PAYMENT_NAME: Final = msgspec.msgpack.encode("payment")
_decode_entry: Final = msgspec.msgpack.Decoder(WaitlistEntry).decode
decode_conditions: Final = msgspec.json.Decoder(Conditions).decode

EventRow: TypeAlias = tuple[UUID, UUID]  # (event, booking), (event, entry), (event, buyer), ...


class Work(msgspec.Struct):
    """One event's part of a batch."""

    event_id: UUID
    sale: Sale | None
    batch: Batch
    commands: list[Command]


# Sales ------------------------------------------------------------------------------------------------------


async def load_sales(connection: Connection, sales: Sequence[Sale], remembered: Mapping[UUID, Sale]) -> None:
    """Load everything about sales of which only the row is known.

    Halls of `remembered` sales are brought up to date from the journal instead of being loaded.
    """
    by_event = {sale.event_id: sale for sale in sales}
    event_ids = list(by_event)
    for event_id, *pool in await connection.fetch(*sql.load_pools(event_ids=event_ids)):
        by_event[event_id].pools[pool[0]] = Pool(*pool)
    for event_id, *terms in await connection.fetch(*sql.load_ticket_types(event_ids=event_ids)):
        by_event[event_id].ticket_types[terms[0]] = _read_terms(terms)
    for event_id, next_expiry_at in await connection.fetch(*sql.load_next_expiries(event_ids=event_ids)):
        by_event[event_id].next_expiry_at = next_expiry_at
    for bit, load in _EXTRAS.items():
        if having := {event_id: sale for event_id, sale in by_event.items() if sale.extras & bit}:
            await load(connection, having)
    for sale in sales:
        if sale.extras & HAS_SEATING:
            await _load_hall(connection, sale, remembered.get(sale.event_id))


async def load_prices(connection: Connection, sale: Sale, batch: Batch, buyer_id: UUID | None) -> None:
    """Load what a quote needs: ticket types, conditions, promo codes and a buyer's uses of them."""
    sale.ticket_types |= await load_ticket_types(connection, sale.event_id)
    if sale.extras & HAS_CONDITIONS:
        await _load_conditions(connection, {sale.event_id: sale})
    if buyer_id is not None and sale.extras & HAS_PROMOS:
        await _load_promos(connection, {sale.event_id: sale})
        batch.promo_uses = await load_promo_uses(connection, sale.event_id, buyer_id)


async def load_ticket_types(connection: Connection | Database, event_id: UUID) -> dict[UUID, TicketTypeTerms]:
    """Return the ticket types of an event by id, in the order of its page."""
    rows = await connection.fetch(*sql.load_ticket_types(event_ids=[event_id]))
    return {terms[0]: _read_terms(terms) for _, *terms in rows}


async def load_promo_uses(
    connection: Connection, event_id: UUID, buyer_id: UUID
) -> dict[tuple[UUID, UUID], int]:
    """Return how many live bookings of a buyer use each promo code of an event, by buyer and code."""
    rows = await connection.fetch(*sql.load_promo_uses(event_ids=[event_id], buyer_ids=[buyer_id]))
    return {(buyer_id, promo_id): uses for _, _, promo_id, uses in rows}


def _read_terms(row: Sequence[Any]) -> TicketTypeTerms:
    """Return a ticket type from the columns `ticket_type`."""
    columns = list(row)
    for index in _LISTS_OF_TYPE:
        columns[index] = tuple(columns[index])
    return TicketTypeTerms(*columns)


async def _load_conditions(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, version, stored in await connection.fetch(*sql.load_conditions(event_ids=list(sales))):
        sales[event_id].conditions[version] = decode_conditions(stored)


async def _load_reschedulings(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, *rescheduling in await connection.fetch(*sql.load_reschedulings(event_ids=list(sales))):
        sales[event_id].reschedulings.append(Rescheduling(*rescheduling))


async def _load_promos(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, promo_id, code, kind, value, type_ids, *limits, uses, spent in await connection.fetch(
        *sql.load_promos(event_ids=list(sales))
    ):
        terms = PromoTerms(promo_id, code, kind, value, tuple(type_ids), *limits)
        sales[event_id].promos[code] = Promo(terms, uses, spent)


async def _load_set_asides(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, ticket_type_id, units in await connection.fetch(
        *sql.load_set_asides(event_ids=list(sales))
    ):
        sales[event_id].set_asides[ticket_type_id] = units


async def _load_returned(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for row in await connection.fetch(*sql.load_returned(event_ids=list(sales))):
        sales[row["event_id"]].returned[row["ticket_id"]] = ReturnedTicket(
            ticket_id=row["ticket_id"],
            booking_id=row["booking_id"],
            ticket_type_id=row["ticket_type_id"],
            seat_number=row["seat_number"],
            since=row["returning_since"],
            offered=row["offered"],
        )


async def _load_open_transfers(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for row in await connection.fetch(*sql.load_open_transfers(event_ids=list(sales))):
        transfer, sale = Transfer(*row.values()), sales[row["event_id"]]
        sale.transfers[transfer.ticket_id] = transfer
        sale.next_transfer_end_at = min(transfer.expires_at, sale.next_transfer_end_at or transfer.expires_at)


async def _load_seat_blocks(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, *terms, blocked_at, seats in await connection.fetch(
        *sql.load_seat_blocks(event_ids=list(sales))
    ):
        sale, block = sales[event_id], SeatBlock(SeatBlockTerms(*terms), blocked_at, set(seats))
        sale.seat_blocks[block.terms.block_id] = block
        if (until := block.terms.until) is not None:
            sale.next_unblock_at = min(until, sale.next_unblock_at or until)


_EXTRAS: Final[dict[int, Callable[[Connection, Mapping[UUID, Sale]], Any]]] = {
    HAS_CONDITIONS: _load_conditions,
    HAS_PROMOS: _load_promos,
    HAS_WAITLIST: _load_set_asides,
    HAS_RETURNS: _load_returned,
    HAS_RESCHEDULINGS: _load_reschedulings,
    HAS_TRANSFERS: _load_open_transfers,
    HAS_SEAT_BLOCKS: _load_seat_blocks,
}


# Seats ------------------------------------------------------------------------------------------------------


async def _load_hall(connection: Connection, sale: Sale, older: Sale | None) -> None:
    if older is not None and older.hall is not None and await _update_hall(connection, sale, older):
        sale.hall = older.hall
        return
    sale.hall = await load_hall(connection, sale.event_id)


async def load_hall(connection: Connection, event_id: UUID) -> Hall | None:
    """Return the hall of an event as the transaction sees it, or None without assigned seating."""
    row = await connection.fetchrow(*sql.load_seating(event_ids=[event_id]))
    if row is None:
        return None
    plan = await _load_plan(connection, event_id, row["digest"])
    claims = await connection.fetchrow(*sql.load_claims(event_id=event_id))
    assert claims is not None, "an aggregate has one row"
    return Hall(plan, tuple(row["zones"]), row["zone_of"], claims["taken"], claims["blocked"])


async def _load_plan(connection: Connection, event_id: UUID, digest: str) -> Plan:
    plan = known_plan(digest)
    if plan is None:
        layout = await connection.fetchval(*sql.load_layout(event_id=event_id))
        # In a thread: a plan of 100,000 seats takes a quarter of a second, and others need the event loop
        plan = await asyncio.to_thread(_plan_of_packed, layout, digest)
    return plan


def _plan_of_packed(layout: bytes, digest: str) -> Plan:
    return plan_of(zlib.decompress(layout), digest)


async def _update_hall(connection: Connection, sale: Sale, older: Sale) -> bool:
    """Update the hall of an older sale from the journal; False when the journal does not connect them.

    The hash chain proves the connection: the older head followed by the facts since must give the newer head.
    After a failover it may not.
    """
    assert older.hall is not None, "there is a hall to update"
    if not 0 <= sale.seq - older.seq <= NEWS_ROWS_MAX:
        return False
    news = [
        row["facts"]
        for row in await connection.fetch(
            *sql.load_news(event_id=sale.event_id, seq=older.seq, limit=NEWS_ROWS_MAX)
        )
    ]
    head = older.head_hash
    for stored in news:
        head = chain(head, stored)
    if head != sale.head_hash:
        return False
    for stored in news:
        facts = decode_facts(stored)
        if changes_seating(facts):
            return False
        apply_facts(older.hall, facts)
    return True


# What commands need -----------------------------------------------------------------------------------------


async def load_needs(connection: Connection, works: Sequence[Work]) -> None:
    """Load what the commands need: answers, entries, bookings, refunds, the buyers' units and codes."""
    needing = _by_need(works)
    await _load_answers(connection, works, needing)
    if lacking := {
        work.event_id: work.sale for work in works if work.sale is not None and _lacks_waitlists(work.sale)
    }:
        await load_waitlists(connection, lacking)
    await _load_entries(connection, works, needing)
    await _load_scans(connection, works, needing)
    await _load_bookings(connection, works, needing)
    await _load_refunds(connection, works, needing)
    await _load_transfers(connection, works, needing)
    await _load_outside(connection, works, needing)
    await _load_posted(connection, works, needing)
    await _load_buyer_units(connection, works)
    await _load_buyer_holds(connection, works, needing)
    await _load_promo_uses(connection, works, needing)


# Commands by what they need, with their events. They are typed as Any, because a need is about their fields:
# a test holds that they have those
Needing: TypeAlias = Mapping[str, Sequence[tuple[UUID, Any]]]


def _by_need(works: Iterable[Work]) -> Needing:
    needing: dict[str, list[tuple[UUID, Any]]] = {need: [] for need in Needs.__struct_fields__}
    for work in works:
        for command in work.commands:
            named = work.event_id, command
            for need in _needs_of(type(command)):
                needing[need].append(named)
    return needing


@cache
def _needs_of(kind: type[Command]) -> tuple[str, ...]:
    return tuple([need for need in Needs.__struct_fields__ if getattr(kind.needs, need)])


async def _load_answers(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    named = [
        (event_id, command.actor_id, command.key)
        for event_id, command in needing["key"]
        if command.key is not None
    ]
    if not named:
        return
    events, actors, keys = zip(*named, strict=True)
    by_event = {work.event_id: work for work in works}
    for event_id, actor_id, key, fingerprint, answer, of_entry in await connection.fetch(
        *sql.load_answers(event_ids=events, actor_ids=actors, keys=keys)
    ):
        work = by_event[event_id]
        what = _decode_entry(answer) if of_entry else _read_booking(answer, work.sale)
        work.batch.answers[actor_id, key] = KeyedOutcome(fingerprint, what, stored=True)


def _read_booking(answer: bytes, sale: Sale | None) -> Booking:
    """Decode a booking in an answer. Before revision 0011, an answer did not say how its booking is paid."""
    booking = _decode_booking(answer)
    if _PAYMENT_NAME in answer:
        return booking
    assert sale is not None, "an answer belongs to a sale"
    if booking.payment_id is not None:
        return replace(booking, payment="online")
    payment = payment_of(sale.conditions_of(booking), booking.tickets)
    confirmed_online = payment == "online" and booking.confirmed_at is not None
    return replace(booking, payment="door" if confirmed_online else payment)


async def load_waitlists(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    """Load the waitlists of events: the number of entries of each quantity, and the first of them."""
    for sale in sales.values():
        sale.waitlists, sale.waitlists_known = {}, True
    for waiting, *row in await connection.fetch(
        *sql.load_waitlists(event_ids=list(sales), known_max=WAITLIST_KNOWN_MAX)
    ):
        entry = WaitlistEntry(*row)
        waitlist = sales[entry.event_id].waitlists.setdefault(entry.ticket_type_id, Waitlist())
        waitlist.firsts.setdefault(entry.quantity, {})[entry.entry_id] = entry
        waitlist.counts[entry.quantity] = waiting


def _lacks_waitlists(sale: Sale) -> bool:
    return bool(sale.extras & HAS_WAITLIST) and (
        not sale.waitlists_known or any(waitlist.must_reload() for waitlist in sale.waitlists.values())
    )


async def _load_entries(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    named = [(event_id, command.entry_id) for event_id, command in needing["entry"]]
    buyers = [(event_id, command.buyer_id) for event_id, command in needing["live_entries"]]
    if named or buyers:
        await _fetch_entries(connection, works, named, buyers)
    if all_of := {event_id for event_id, _ in needing["waiting_entries"]}:
        _keep_entries(works, await connection.fetch(*sql.load_waiting_entries(event_ids=list(all_of))))


async def _fetch_entries(
    connection: Connection, works: Sequence[Work], named: Sequence[EventRow], buyers: Sequence[EventRow]
) -> None:
    arguments = {
        "event_ids": [event for event, _ in named],
        "entry_ids": [entry for _, entry in named],
        "buyer_event_ids": [event for event, _ in buyers],
        "buyer_ids": [buyer for _, buyer in buyers],
    }
    _keep_entries(works, await connection.fetch(*sql.load_entries(**arguments)))


def _keep_entries(works: Sequence[Work], rows: Iterable[Record]) -> None:
    by_event = {work.event_id: work.batch for work in works}
    for row in rows:
        entry = WaitlistEntry(*row.values())  # columns `waitlist_entry`; up to ten thousand of them
        batch = by_event[entry.event_id]
        batch.entries[entry.entry_id] = entry
        if entry.state in ("waiting", "offered"):
            batch.live.add((entry.buyer_id, entry.ticket_type_id))


async def _load_bookings(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    by_event = {work.event_id: work for work in works if work.sale is not None}
    named = [
        (event_id, command.booking_id) for event_id, command in needing["booking"] if event_id in by_event
    ]
    if scanned := _scanned_tickets(works, needing):
        named += [row for row in await _bookings_of_tickets(connection, scanned) if row[0] in by_event]
    for event_id in {event_id for event_id, _ in needing["entry"] if event_id in by_event}:
        named += [(event_id, booking_id) for booking_id in _bookings_of_entries(by_event[event_id])]
    if due_events := [work.event_id for work in by_event.values() if _may_have_due(work)]:
        nows = [by_event[event_id].batch.now for event_id in due_events]
        for event_id, booking_id in await connection.fetch(
            *sql.load_due(event_ids=due_events, nows=nows, due_max=DUE_MAX)
        ):
            by_event[event_id].batch.due.append(booking_id)
            named.append((event_id, booking_id))
    if not named:
        return
    found = await _fetch_bookings(connection, by_event, named)
    if related := _related_tickets(found):
        found += await _fetch_bookings(connection, by_event, await _bookings_of_tickets(connection, related))
    offers = [(booking.event_id, booking.entry_id) for booking in found if booking.entry_id is not None]
    if missing := [(event, entry) for event, entry in offers if entry not in by_event[event].batch.entries]:
        await _fetch_entries(connection, works, missing, ())


async def _bookings_of_tickets(connection: Connection, tickets: Sequence[EventRow]) -> list[EventRow]:
    rows = await connection.fetch(
        *sql.load_related(event_ids=[event for event, _ in tickets], ticket_ids=[each for _, each in tickets])
    )
    return [(event, booking) for event, booking in rows]


def _bookings_of_entries(work: Work) -> Iterable[UUID]:
    """Yield the bookings that entries were offered, and those of returned tickets that offers may replace."""
    assert work.sale is not None
    yield from [entry.booking_id for entry in work.batch.entries.values() if entry.booking_id is not None]
    yield from [returned.booking_id for returned in work.sale.returned.values()]


def _related_tickets(bookings: Iterable[Booking]) -> list[EventRow]:
    """Return the tickets by which bookings are related: returned ones, and the ones that offers replace."""
    return [
        (booking.event_id, ticket.replaces or ticket.ticket_id)
        for booking in bookings
        for ticket in booking.tickets
        if ticket.replaces is not None or ticket.returning_since is not None
    ]


async def _fetch_bookings(
    connection: Connection, by_event: Mapping[UUID, Work], named: Sequence[EventRow]
) -> list[Booking]:
    currencies = {event: work.sale.currency for event, work in by_event.items() if work.sale}
    missing = [(event, booking) for event, booking in named if booking not in by_event[event].batch.bookings]
    found = await load_bookings(connection, missing, currencies) if missing else []
    for booking in found:
        by_event[booking.event_id].batch.bookings[booking.booking_id] = booking
    return found


async def load_bookings(
    connection: Connection, named: Sequence[EventRow], currencies: Mapping[UUID, str]
) -> list[Booking]:
    """Return the bookings named by (event, booking), with their tickets in the order of creation."""
    distinct = list(dict.fromkeys(named))
    arguments = {
        "event_ids": [event for event, _ in distinct],
        "booking_ids": [booking for _, booking in distinct],
    }
    rows = await connection.fetch(*sql.load_bookings(**arguments))
    tickets: dict[UUID, list[Ticket]] = {}
    for _event_id, booking_id, *ticket in await connection.fetch(*sql.load_tickets(**arguments)):
        tickets.setdefault(booking_id, []).append(
            Ticket(*ticket)
        )  # columns `ticket`; by position: the hot path
    return [
        make_booking(row.values(), currencies[row["event_id"]], tickets[row["booking_id"]]) for row in rows
    ]


def make_booking(columns: Iterable[Any], currency: str, tickets: Sequence[Ticket]) -> Booking:
    """Return a booking from the columns `booking`. By position, because every payment comes here."""
    event_id, booking_id, buyer_id, state, placed_at, expires_at, confirmed_at, ended_at, *rest = columns
    return Booking(
        event_id,
        booking_id,
        buyer_id,
        state,
        currency,
        placed_at,
        expires_at,
        confirmed_at,
        ended_at,
        tuple(tickets),
        *rest,
    )


def _may_have_due(work: Work) -> bool:
    assert work.sale is not None
    return work.sale.next_expiry_at is not None and work.sale.next_expiry_at <= work.batch.now


async def _load_scans(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    """Load the scans that commands name; check-ins of their tickets and the others named, and their scans."""
    by_event = {work.event_id: work.batch for work in works}
    named = [(event_id, command.scan_id) for event_id, command in needing["scan"]]
    if not named:
        return
    await _fetch_scans(connection, by_event, named)
    tickets = _scanned_tickets(works, needing)
    for event_id, *check_in in await connection.fetch(
        *sql.load_check_ins(
            event_ids=[event for event, _ in tickets], ticket_ids=[each for _, each in tickets]
        )
    ):
        by_event[event_id].check_ins[check_in[0]] = CheckIn(*check_in)
    if passed_on := [each for each in tickets if each[0] in _passing(works)]:
        for event_id, ticket_id, secret in await connection.fetch(
            *sql.load_void_codes(
                event_ids=[event for event, _ in passed_on], ticket_ids=[each for _, each in passed_on]
            )
        ):
            by_event[event_id].void_codes.add((ticket_id, secret))
    await _fetch_scans(
        connection,
        by_event,
        [
            (event_id, check_in.scan_id)
            for event_id, batch in by_event.items()
            for check_in in batch.check_ins.values()
            if check_in.scan_id not in batch.scans
        ],
    )


def _passing(works: Iterable[Work]) -> set[UUID]:
    """Return the events of which tickets were passed on."""
    return {work.event_id for work in works if work.sale is not None and work.sale.extras & HAS_TRANSFERS}


async def _fetch_scans(
    connection: Connection, by_event: Mapping[UUID, Batch], named: Sequence[EventRow]
) -> None:
    if not named:
        return
    for event_id, *scan in await connection.fetch(
        *sql.load_scans(event_ids=[event for event, _ in named], scan_ids=[each for _, each in named])
    ):
        by_event[event_id].scans[scan[0]] = Scan(*scan)


def _scanned_tickets(works: Iterable[Work], needing: Needing) -> list[EventRow]:
    """Return the tickets that commands name, and those of scans that are loaded."""
    named = [(event_id, command.ticket_id) for event_id, command in needing["ticket"]]
    named += [(work.event_id, scan.ticket_id) for work in works for scan in work.batch.scans.values()]
    return list(dict.fromkeys([each for each in named if each[1] is not None]))


async def _load_refunds(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    named = [(event_id, command.refund_id) for event_id, command in needing["refund"]]
    if not named:
        return
    by_event = {work.event_id: work.batch for work in works}
    for event_id, *refund in await connection.fetch(
        *sql.load_refunds(event_ids=[event for event, _ in named], refund_ids=[refund for _, refund in named])
    ):
        by_event[event_id].refunds[refund[0]] = Refund(*refund)


async def _load_transfers(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    named = [(event_id, command.transfer_id) for event_id, command in needing["transfer"]]
    if not named:
        return
    by_event = {work.event_id: work.batch for work in works}
    for row in await connection.fetch(
        *sql.load_transfers(
            event_ids=[event for event, _ in named], transfer_ids=[transfer for _, transfer in named]
        )
    ):
        by_event[row["event_id"]].transfers[row["transfer_id"]] = Transfer(*row.values())


async def _load_outside(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    named = [(event_id, command.booking_id) for event_id, command in needing["outside"]]
    if not named:
        return
    by_event = {work.event_id: work.batch for work in works}
    for event_id, booking_id, refund_id, *outside in await connection.fetch(
        *sql.load_outside(event_ids=[event for event, _ in named], booking_ids=[each for _, each in named])
    ):
        by_event[event_id].outside.setdefault(booking_id, {})[OutsideRefund(*outside)] = refund_id


async def _load_posted(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    """Load what the ledger has of paid bookings that commands name, or of which tickets may be replaced."""
    by_event = {work.event_id: work.batch for work in works}
    named = {(event_id, command.booking_id) for event_id, command in needing["posted"]}
    wanted = [
        (event_id, booking.booking_id)
        for event_id, batch in by_event.items()
        for booking in batch.bookings.values()
        if booking.payment_id is not None
        and ((event_id, booking.booking_id) in named or booking.is_returning())
    ]
    if not wanted:
        return
    for event_id, booking_id, debit, credit, amount_minor in await connection.fetch(
        *sql.load_posted(event_ids=[event for event, _ in wanted], booking_ids=[each for _, each in wanted])
    ):
        by_event[event_id].posted.setdefault(booking_id, Counter())[debit, credit] = amount_minor


async def _load_buyer_units(connection: Connection, works: Sequence[Work]) -> None:
    counted: set[EventRow] = set()
    limited: set[UUID] = set()
    by_event = {work.event_id: work.batch for work in works}
    for work in works:
        if (limited_here := _limited_types(work)) and (buyers := set(_limited_buyers(work, limited_here))):
            limited |= limited_here
            counted |= {(work.event_id, buyer_id) for buyer_id in buyers}
            work.batch.buyer_units = {
                (buyer_id, type_id): 0 for buyer_id in buyers for type_id in limited_here
            }
    if not counted:
        return
    for event_id, buyer_id, ticket_type_ids in await connection.fetch(
        *sql.load_buyer_units(
            event_ids=[event for event, _ in counted],
            buyer_ids=[buyer for _, buyer in counted],
            ticket_type_ids=list(limited),
        )
    ):
        for ticket_type_id in ticket_type_ids:
            by_event[event_id].buyer_units[buyer_id, ticket_type_id] += 1
    passing = {work.event_id for work in works if work.sale is not None and work.sale.extras & HAS_TRANSFERS}
    if received := [row for row in counted if row[0] in passing]:
        await _add_received_units(connection, by_event, received, limited)


async def _add_received_units(
    connection: Connection, by_event: Mapping[UUID, Batch], buyers: Sequence[EventRow], limited: set[UUID]
) -> None:
    """Add the tickets that were passed on to buyers. Those that they passed on themselves still count."""
    for event_id, buyer_id, ticket_type_id, units in await connection.fetch(
        *sql.load_received_units(
            event_ids=[event for event, _ in buyers],
            buyer_ids=[buyer for _, buyer in buyers],
            ticket_type_ids=list(limited),
        )
    ):
        by_event[event_id].buyer_units[buyer_id, ticket_type_id] += units


async def _load_buyer_holds(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    """Load the live holds of buyers whose bookings may be held; nothing where all is paid on site."""
    by_event = {work.event_id: work for work in works if work.sale is not None}
    online = {
        event_id
        for event_id, work in by_event.items()
        if work.sale is not None and work.sale.conditions_now()[1].payment == "online"
    }
    counted = {
        (event_id, command.buyer_id)
        for event_id, command in needing["buyer_holds"]
        if event_id in online or (command.hold_seconds is not None and event_id in by_event)
    }
    if not counted:
        return
    for event_id, buyer_id, booking_id, units in await connection.fetch(
        *sql.load_buyer_holds(
            event_ids=[event for event, _ in counted],
            buyer_ids=[buyer for _, buyer in counted],
            nows=[by_event[event].batch.now for event, _ in counted],
        )
    ):
        by_event[event_id].batch.buyer_holds.setdefault(buyer_id, {})[booking_id] = units


def _limited_types(work: Work) -> set[UUID]:
    """Return the ticket types with a limit per buyer."""
    if work.sale is None:
        return set()
    return {
        terms.ticket_type_id for terms in work.sale.ticket_types.values() if terms.per_buyer_max is not None
    }


def _limited_buyers(work: Work, limited: set[UUID]) -> Iterable[UUID]:
    """Yield the buyers who may get units of limited ticket types, by their commands or by offers."""
    assert work.sale is not None
    needing: list[Any] = [command for command in work.commands if command.needs.buyer_units]
    for command in needing:
        if not limited.isdisjoint(command.ticket_type_ids()):
            yield command.buyer_id
    if work.sale.waitlists and not releases_nothing(work):
        for type_id in limited & work.sale.waitlists.keys():
            yield from [
                entry.buyer_id
                for firsts in work.sale.waitlists[type_id].firsts.values()
                for entry in firsts.values()
            ]


def releases_nothing(work: Work) -> bool:
    """Return whether this batch can release no units.

    If it does after all, the next batch serves the waitlist.
    """
    assert work.sale is not None
    may_release = any(command.needs.may_release for command in work.commands)
    return not may_release and not work.batch.due and not can_serve(work.sale, work.batch)


async def _load_promo_uses(connection: Connection, works: Sequence[Work], needing: Needing) -> None:
    by_event = {work.event_id: work.batch for work in works if work.sale is not None and work.sale.promos}
    counted = {
        (event_id, command.buyer_id)
        for event_id, command in needing["promo_uses"]
        if event_id in by_event and (command.promo_code is not None or _has_code(by_event[event_id], command))
    }
    if not counted:
        return
    for event_id, buyer_id, promo_id, uses in await connection.fetch(
        *sql.load_promo_uses(
            event_ids=[event for event, _ in counted], buyer_ids=[buyer for _, buyer in counted]
        )
    ):
        by_event[event_id].promo_uses[buyer_id, promo_id] = uses


def _has_code(batch: Batch, command: Command) -> bool:
    """Return whether a command names an entry whose ticket type a promo code unlocked."""
    if not command.needs.entry:
        return False
    named: Any = command
    entry = batch.entries.get(named.entry_id)
    return entry is not None and entry.promo_id is not None
