"""What a batch must know before it decides: the sales that are not in memory, and whatever its commands name.

Everything runs on one connection, under the locks of the sales. What is rare (seats, promo codes, a waitlist)
is asked for only where it is.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from evently.db import Connection, Record, load_queries
from evently.sales.commands import (
    AcceptOffer,
    Booking,
    CancelBooking,
    CancelSale,
    Command,
    ConfirmBooking,
    ExtendHold,
    JoinWaitlist,
    KeepTickets,
    LeaveWaitlist,
    PlaceBooking,
    RecordCapture,
    RecordRefund,
    RetireTicketType,
    ReturnTickets,
    Ticket,
    WaitlistEntry,
)
from evently.sales.facts import chain, decode_facts
from evently.sales.rules import actor_of
from evently.sales.rules.seat_changes import changes_seating, follow
from evently.sales.rules.state import (
    HAS_CONDITIONS,
    HAS_PROMOS,
    HAS_RETURNS,
    HAS_SEATING,
    HAS_WAITLIST,
    LINE_KNOWN_MAX,
    Batch,
    KeyedOutcome,
    Pool,
    Promo,
    Refund,
    ReturnedTicket,
    Sale,
    Waitlist,
)
from evently.sales.rules.waitlist import can_serve
from evently.sales.terms import Conditions, PromoTerms, TicketTypeTerms
from evently.seating import Hall, Plan

sql: Final = load_queries(__name__)

DUE_MAX: Final = 500  # holds of one event taken back by one batch: as many as the largest batch could take
# Journal rows that are followed; whoever missed more loads the seats anew, which costs no more
NEWS_ROWS_MAX: Final = 1_000
PLANS_MAX: Final = 64  # in memory: 20 MB each for the largest halls

_decode_booking: Final = msgspec.msgpack.Decoder(Booking).decode
_decode_entry: Final = msgspec.msgpack.Decoder(WaitlistEntry).decode
decode_conditions: Final = msgspec.json.Decoder(Conditions).decode
_plans: Final[OrderedDict[str, Plan]] = OrderedDict()  # of this process, by digest: they never change

_FREES_NOTHING: Final = (PlaceBooking, ConfirmBooking, ExtendHold, RecordCapture, RecordRefund)
NAMES_BOOKING: Final = (
    ConfirmBooking,
    CancelBooking,
    ExtendHold,
    RecordCapture,
    RecordRefund,
    ReturnTickets,
    KeepTickets,
)
Place: TypeAlias = tuple[UUID, UUID]  # event and whatever of it


class Work(msgspec.Struct):
    """One event's part of a batch."""

    event_id: UUID
    sale: Sale | None
    batch: Batch
    commands: list[Command]


# Sales ------------------------------------------------------------------------------------------------------


async def load_sales(connection: Connection, sales: Sequence[Sale], remembered: Mapping[UUID, Sale]) -> None:
    """Fill in everything about sales of which only the row is known.

    What is `remembered` of their seats is followed to the head.
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
    """Fill in what a quote must know of a sale of which only the row is known; and how often a buyer has used its promo codes."""
    for _, *terms in await connection.fetch(*sql.load_ticket_types(event_ids=[sale.event_id])):
        sale.ticket_types[terms[0]] = _read_terms(terms)
    if sale.extras & HAS_CONDITIONS:
        await _load_conditions(connection, {sale.event_id: sale})
    if buyer_id is not None and sale.extras & HAS_PROMOS:
        await _load_promos(connection, {sale.event_id: sale})
        batch.promo_uses = await load_promo_uses(connection, sale.event_id, buyer_id)


async def load_promo_uses(
    connection: Connection, event_id: UUID, buyer_id: UUID
) -> dict[tuple[UUID, UUID], int]:
    """Return how often a buyer uses the promo codes of an event, by buyer and code."""
    rows = await connection.fetch(*sql.load_promo_uses(event_ids=[event_id], buyer_ids=[buyer_id]))
    return {(buyer_id, promo_id): uses for _, _, promo_id, uses in rows}


def _read_terms(row: Sequence[Any]) -> TicketTypeTerms:
    """Return a ticket type from its columns in the order of `load_ticket_types`."""
    ticket_type_id, name, description, position, price_minor, per_booking_max, pool_ids, *rest = row
    return TicketTypeTerms(
        ticket_type_id, name, description, position, price_minor, per_booking_max, tuple(pool_ids), *rest
    )


async def _load_conditions(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, version, stored in await connection.fetch(*sql.load_conditions(event_ids=list(sales))):
        sales[event_id].conditions[version] = decode_conditions(stored)


async def _load_promos(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, promo_id, code, kind, value, type_ids, *limits, uses, spent in await connection.fetch(
        *sql.load_promos(event_ids=list(sales))
    ):
        sales[event_id].promos[code] = Promo(
            PromoTerms(promo_id, code, kind, value, tuple(type_ids), *limits), uses, spent
        )


async def _load_asides(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, ticket_type_id, units in await connection.fetch(
        *sql.load_set_asides(event_ids=list(sales))
    ):
        sales[event_id].aside[ticket_type_id] = units


async def _load_returned(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    for event_id, ticket_id, *rest in await connection.fetch(*sql.load_returned(event_ids=list(sales))):
        sales[event_id].returned[ticket_id] = ReturnedTicket(ticket_id, *rest)


_EXTRAS: Final[dict[int, Callable[[Connection, Mapping[UUID, Sale]], Any]]] = {
    HAS_CONDITIONS: _load_conditions,
    HAS_PROMOS: _load_promos,
    HAS_WAITLIST: _load_asides,
    HAS_RETURNS: _load_returned,
}


# Seats ------------------------------------------------------------------------------------------------------


async def _load_hall(connection: Connection, sale: Sale, older: Sale | None) -> None:
    if older is not None and older.hall is not None and await _follow(connection, sale, older):
        sale.hall = older.hall
        return
    sale.hall = await load_hall(connection, sale.event_id)


async def load_hall(connection: Connection, event_id: UUID) -> Hall | None:
    """Return the seats of an event as the connection's transaction sees them, or None without assigned seating."""
    row = await connection.fetchrow(*sql.load_seating(event_ids=[event_id]))
    if row is None:
        return None
    plan = await _load_plan(connection, event_id, row["digest"])
    claims = await connection.fetchrow(*sql.load_claims(event_id=event_id))
    assert claims is not None, "an aggregate has one row"
    return Hall(plan, tuple(row["zones"]), row["zone_of"], claims["taken"], claims["blocked"])


async def _load_plan(connection: Connection, event_id: UUID, digest: str) -> Plan:
    plan = _plans.get(digest)
    if plan is None:
        plan = Plan.of(zlib.decompress(await connection.fetchval(*sql.load_layout(event_id=event_id))))
        _plans[digest] = plan
        while len(_plans) > PLANS_MAX:
            _plans.popitem(last=False)
    return plan


async def _follow(connection: Connection, sale: Sale, older: Sale) -> bool:
    """Let the seats that another process has sold meanwhile be taken; False when the journal does not lead from there to here.

    The chain proves it: the hash that we knew and the facts since must give the head. After a failover they
    may not.
    """
    assert older.hall is not None, "there is something to follow"
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
        follow(older.hall, facts)
    return True


# What commands name -----------------------------------------------------------------------------------------


async def load_named(connection: Connection, works: Sequence[Work]) -> None:
    """Fill in what the commands of each work name: keys, bookings, waitlist entries, refunds, what buyers have."""
    await _load_answers(connection, works)
    if lacking := {
        work.event_id: work.sale for work in works if work.sale is not None and _lacks_lines(work.sale)
    }:
        await load_lines(connection, lacking)
    await _load_entries(connection, works)
    await _load_bookings(connection, works)
    await _load_refunds(connection, works)
    await _load_buyer_units(connection, works)
    await _load_promo_uses(connection, works)


async def _load_answers(connection: Connection, works: Sequence[Work]) -> None:
    named = [
        (work.event_id, actor_of(command), command.key)
        for work in works
        for command in work.commands
        if isinstance(command, PlaceBooking | CancelBooking | JoinWaitlist) and command.key is not None
    ]
    if not named:
        return
    events, actors, keys = zip(*named, strict=True)
    by_event = {work.event_id: work.batch for work in works}
    for event_id, actor_id, key, fingerprint, answer, of_entry in await connection.fetch(
        *sql.load_answers(event_ids=events, actor_ids=actors, keys=keys)
    ):
        what = _decode_entry(answer) if of_entry else _decode_booking(answer)
        by_event[event_id].answers[actor_id, key] = KeyedOutcome(fingerprint, what, stored=True)


async def load_lines(connection: Connection, sales: Mapping[UUID, Sale]) -> None:
    """Fill in who waits for events: of each quantity of a ticket type the first, and how many they are."""
    for sale in sales.values():
        sale.lines, sale.lines_known = {}, True
    for waiting, *row in await connection.fetch(
        *sql.load_lines(event_ids=list(sales), known_max=LINE_KNOWN_MAX)
    ):
        entry = WaitlistEntry(*row)
        line = sales[entry.event_id].lines.setdefault(entry.ticket_type_id, Waitlist())
        line.firsts.setdefault(entry.quantity, {})[entry.entry_id] = entry
        line.counts[entry.quantity] = waiting


def _lacks_lines(sale: Sale) -> bool:
    return bool(sale.extras & HAS_WAITLIST) and (
        not sale.lines_known or any(line.is_short() for line in sale.lines.values())
    )


async def _load_entries(connection: Connection, works: Sequence[Work]) -> None:
    named = [
        (work.event_id, command.entry_id)
        for work in works
        for command in work.commands
        if isinstance(command, AcceptOffer | LeaveWaitlist)
    ]
    joining = [
        (work.event_id, command.buyer_id)
        for work in works
        for command in work.commands
        if isinstance(command, JoinWaitlist)
    ]
    if named or joining:
        await _fetch_entries(connection, works, named, joining)
    sent_home = [
        work.event_id
        for work in works
        if any(isinstance(command, CancelSale | RetireTicketType) for command in work.commands)
    ]
    if sent_home:
        _keep_entries(works, await connection.fetch(*sql.load_waiting(event_ids=sent_home)))


async def _fetch_entries(
    connection: Connection, works: Sequence[Work], named: Sequence[Place], joining: Sequence[Place]
) -> None:
    arguments = {
        "event_ids": [event for event, _ in named],
        "entry_ids": [entry for _, entry in named],
        "join_event_ids": [event for event, _ in joining],
        "buyer_ids": [buyer for _, buyer in joining],
    }
    _keep_entries(works, await connection.fetch(*sql.load_entries(**arguments)))


def _keep_entries(works: Sequence[Work], rows: Iterable[Record]) -> None:
    by_event = {work.event_id: work.batch for work in works}
    for row in rows:
        entry = WaitlistEntry(*row.values())
        batch = by_event[entry.event_id]
        batch.entries[entry.entry_id] = entry
        if entry.state in ("waiting", "offered"):
            batch.live.add((entry.buyer_id, entry.ticket_type_id))


async def _load_bookings(connection: Connection, works: Sequence[Work]) -> None:
    by_event = {work.event_id: work for work in works if work.sale is not None}
    named = [
        (work.event_id, command.booking_id)
        for work in by_event.values()
        for command in work.commands
        if isinstance(command, NAMES_BOOKING)
    ]
    named += [(work.event_id, booking_id) for work in by_event.values() for booking_id in _of_entries(work)]
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
    if related := _related(found):
        more = await connection.fetch(
            *sql.load_related(
                event_ids=[event for event, _ in related], ticket_ids=[each for _, each in related]
            )
        )
        found += await _fetch_bookings(connection, by_event, [(event, booking) for event, booking in more])
    offers = [(booking.event_id, booking.entry_id) for booking in found if booking.entry_id is not None]
    if missing := [(event, entry) for event, entry in offers if entry not in by_event[event].batch.entries]:
        await _fetch_entries(connection, works, missing, ())


def _of_entries(work: Work) -> Iterable[UUID]:
    """Yield the bookings that commands on the waitlist are about; taking an offer may also end tickets of those who returned them."""
    if not any(isinstance(command, AcceptOffer | LeaveWaitlist) for command in work.commands):
        return
    yield from [entry.booking_id for entry in work.batch.entries.values() if entry.booking_id is not None]
    assert work.sale is not None
    yield from [returned.booking_id for returned in work.sale.returned.values()]


def _related(bookings: Iterable[Booking]) -> list[Place]:
    """Return the tickets through which others are concerned: returned ones, and those that offers stand for."""
    return [
        (booking.event_id, ticket.replaces or ticket.ticket_id)
        for booking in bookings
        for ticket in booking.tickets
        if ticket.replaces is not None or ticket.returning_since is not None
    ]


async def _fetch_bookings(
    connection: Connection, by_event: Mapping[UUID, Work], named: Sequence[Place]
) -> list[Booking]:
    currencies = {event: work.sale.currency for event, work in by_event.items() if work.sale}
    fresh = [place for place in named if place[1] not in by_event[place[0]].batch.bookings]
    found = await load_bookings(connection, fresh, currencies) if fresh else []
    for booking in found:
        by_event[booking.event_id].batch.bookings[booking.booking_id] = booking
    return found


async def load_bookings(
    connection: Connection, named: Sequence[Place], currencies: Mapping[UUID, str]
) -> list[Booking]:
    """Return the bookings named by (event, booking), whole, with their tickets in the order they were made."""
    places = list(dict.fromkeys(named))
    arguments = {
        "event_ids": [event for event, _ in places],
        "booking_ids": [booking for _, booking in places],
    }
    rows = await connection.fetch(*sql.load_bookings(**arguments))
    tickets: dict[UUID, list[Ticket]] = {}
    for _event_id, booking_id, *ticket in await connection.fetch(*sql.load_tickets(**arguments)):
        tickets.setdefault(booking_id, []).append(Ticket(*ticket))
    return [_booking(row, currencies[row["event_id"]], tickets[row["booking_id"]]) for row in rows]


def _booking(row: Record, currency: str, tickets: Sequence[Ticket]) -> Booking:
    event_id, booking_id, buyer_id, state, placed_at, expires_at, confirmed_at, ended_at, *rest = row.values()
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


async def _load_refunds(connection: Connection, works: Sequence[Work]) -> None:
    named = [
        (work.event_id, command.refund_id)
        for work in works
        for command in work.commands
        if isinstance(command, RecordRefund)
    ]
    if not named:
        return
    by_event = {work.event_id: work.batch for work in works}
    for event_id, *refund in await connection.fetch(
        *sql.load_refunds(event_ids=[event for event, _ in named], refund_ids=[refund for _, refund in named])
    ):
        by_event[event_id].refunds[refund[0]] = Refund(*refund)


async def _load_buyer_units(connection: Connection, works: Sequence[Work]) -> None:
    places: set[Place] = set()
    limited: set[UUID] = set()
    by_event = {work.event_id: work.batch for work in works}
    for work in works:
        if (limited_here := _limited_types(work)) and (buyers := set(_limited_buyers(work, limited_here))):
            limited |= limited_here
            places |= {(work.event_id, buyer_id) for buyer_id in buyers}
            work.batch.buyer_units = {
                (buyer_id, type_id): 0 for buyer_id in buyers for type_id in limited_here
            }
    if not places:
        return
    for event_id, buyer_id, ticket_type_id, units in await connection.fetch(
        *sql.load_buyer_units(
            event_ids=[event for event, _ in places],
            buyer_ids=[buyer for _, buyer in places],
            ticket_type_ids=list(limited),
        )
    ):
        by_event[event_id].buyer_units[buyer_id, ticket_type_id] = units


def _limited_types(work: Work) -> set[UUID]:
    if work.sale is None:
        return set()
    return {
        terms.ticket_type_id for terms in work.sale.ticket_types.values() if terms.per_buyer_max is not None
    }


def _limited_buyers(work: Work, limited: set[UUID]) -> Iterable[UUID]:
    """Yield those who may get units of limited ticket types: who books or joins, and the first of those who wait, if one may be asked."""
    assert work.sale is not None
    for command in work.commands:
        if isinstance(command, PlaceBooking):
            wanted = {line.ticket_type_id for line in command.lines}
        else:
            wanted = {command.ticket_type_id} if isinstance(command, JoinWaitlist) else set()
        if isinstance(command, PlaceBooking | JoinWaitlist) and wanted & limited:
            yield command.buyer_id
    if work.sale.lines and not _serves_nobody(work):
        for type_id in limited & work.sale.lines.keys():
            yield from [
                entry.buyer_id
                for firsts in work.sale.lines[type_id].firsts.values()
                for entry in firsts.values()
            ]


def _serves_nobody(work: Work) -> bool:
    """Return whether nothing falls free here that those who wait could be offered.

    Should it all the same, another batch serves them.
    """
    assert work.sale is not None
    frees_nothing = all(isinstance(command, _FREES_NOTHING) for command in work.commands)
    return frees_nothing and not work.batch.due and not can_serve(work.sale, work.batch)


async def _load_promo_uses(connection: Connection, works: Sequence[Work]) -> None:
    places = {
        (work.event_id, command.buyer_id)
        for work in works
        if work.sale is not None and work.sale.promos
        for command in work.commands
        if isinstance(command, PlaceBooking) and command.promo_code is not None
    }
    if not places:
        return
    by_event = {work.event_id: work.batch for work in works}
    for event_id, buyer_id, promo_id, uses in await connection.fetch(
        *sql.load_promo_uses(
            event_ids=[event for event, _ in places], buyer_ids=[buyer for _, buyer in places]
        )
    ):
        by_event[event_id].promo_uses[buyer_id, promo_id] = uses
