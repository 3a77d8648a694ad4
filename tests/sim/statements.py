"""What each statement of sales/store.sql does to the rows of its events, in Python; and the constraints of the schema that cost money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import asyncpg


class Row(dict[str, Any]):
    """A record of the driver: by name, and in order."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())


@dataclass
class EventRows:
    """Everything of one event, by primary key. Rows are replaced, never changed."""

    sale: Row
    pools: dict[UUID, Row] = field(default_factory=dict)
    ticket_types: dict[UUID, Row] = field(default_factory=dict)
    bookings: dict[UUID, Row] = field(default_factory=dict)
    tickets: dict[UUID, Row] = field(default_factory=dict)
    keys: dict[tuple[UUID, str], Row] = field(default_factory=dict)
    journal: dict[int, Row] = field(default_factory=dict)

    def copy(self) -> EventRows:
        """Return rows that can be replaced without anybody noticing."""
        parts = (self.pools, self.ticket_types, self.bookings, self.tickets, self.keys, self.journal)
        return EventRows(self.sale, *[dict(part) for part in parts])  # type: ignore[arg-type]


class Session(Protocol):
    """A transaction: whose rows the statements see and replace."""

    def rows_of(self, event_id: UUID) -> EventRows | None:
        """Return the transaction's own copy of an event's rows."""

    def make(self, event_id: UUID, sale: Row) -> None:
        """Begin the rows of a new event."""


Arguments: TypeAlias = dict[str, Any]
STATEMENTS: Final[dict[str, Callable[[Session, Arguments], list[Row]]]] = {}


def statement(do: Callable[[Session, Arguments], Any]) -> Callable[[Session, Arguments], Any]:
    """Make a function the statement of its name."""
    STATEMENTS[do.__name__] = do
    return do


def _events(session: Session, event_ids: Sequence[UUID]) -> Iterator[tuple[UUID, EventRows]]:
    for event_id in sorted(set(event_ids)):
        if (rows := session.rows_of(event_id)) is not None:
            yield event_id, rows


def _named(session: Session, arguments: Arguments, *names: str) -> Iterator[tuple[EventRows, tuple[Any, ...]]]:
    """Zip the arguments as `unnest` would; the first is the event of each row."""
    for event_id, *values in zip(*[arguments[name] for name in names], strict=True):
        rows = session.rows_of(event_id)
        assert rows is not None, "nothing is named of an event that is not there"
        yield rows, tuple(values)


def _checked(pool: Row) -> Row:
    """Return a pool that the schema's constraints allow."""
    if min(pool["held"], pool["sold"], pool["set_aside"], pool["capacity"]) < 0:
        raise asyncpg.CheckViolationError("pools_counters_ck")
    if pool["held"] + pool["sold"] + pool["set_aside"] > pool["capacity"]:
        raise asyncpg.CheckViolationError("pools_oversold_ck")
    return pool


def _insert(rows: dict[Any, Row], key: Any, row: Row) -> None:
    if key in rows:
        raise asyncpg.UniqueViolationError(str(key))
    rows[key] = row


def _text(value: str) -> str:
    if "\0" in value:
        raise asyncpg.CharacterNotInRepertoireError("invalid byte sequence")
    return value


# Load -----------------------------------------------------------------------------------------------------------------------


@statement
def lock_sales(session: Session, arguments: Arguments) -> list[Row]:
    return [rows.sale for _, rows in _events(session, arguments["event_ids"])]


@statement
def read_sale(session: Session, arguments: Arguments) -> list[Row]:
    return [rows.sale for _, rows in _events(session, [arguments["event_id"]])]


@statement
def load_pools(session: Session, arguments: Arguments) -> list[Row]:
    return [Row(event_id=event_id, **pool) for event_id, rows in _events(session, arguments["event_ids"]) for pool in rows.pools.values()]


@statement
def load_ticket_types(session: Session, arguments: Arguments) -> list[Row]:
    return [
        Row(event_id=event_id, **each) for event_id, rows in _events(session, arguments["event_ids"]) for each in rows.ticket_types.values()
    ]


@statement
def load_next_expiries(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, rows in _events(session, arguments["event_ids"]):
        if held := [booking["expires_at"] for booking in rows.bookings.values() if booking["state"] == "held"]:
            found.append(Row(event_id=event_id, next_expiry_at=min(held)))
    return found


@statement
def load_due(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, now in zip(arguments["event_ids"], arguments["nows"], strict=True):
        rows = session.rows_of(event_id)
        assert rows is not None
        due = [booking for booking in rows.bookings.values() if booking["state"] == "held" and booking["expires_at"] <= now]
        due.sort(key=lambda booking: (booking["expires_at"], booking["booking_id"]))
        found += [Row(event_id=event_id, booking_id=booking["booking_id"]) for booking in due[: arguments["due_max"]]]
    return found


@statement
def load_bookings(session: Session, arguments: Arguments) -> list[Row]:
    named = _named(session, arguments, "event_ids", "booking_ids")
    return [rows.bookings[booking_id] for rows, (booking_id,) in named if booking_id in rows.bookings]


@statement
def load_tickets(session: Session, arguments: Arguments) -> list[Row]:
    names = ("event_id", "booking_id", "ticket_id", "ticket_type_id", "price_minor", "state", "secret")
    found = []
    for rows, (booking_id,) in _named(session, arguments, "event_ids", "booking_ids"):
        found += [Row({name: ticket[name] for name in names}) for ticket in rows.tickets.values() if ticket["booking_id"] == booking_id]
    return sorted(found, key=lambda ticket: ticket["ticket_id"])


@statement
def load_answers(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, actor_id, key in zip(arguments["event_ids"], arguments["actor_ids"], arguments["keys"], strict=True):
        rows = session.rows_of(event_id)
        if rows is not None and (answer := rows.keys.get((actor_id, _text(key)))):
            found.append(Row(event_id=event_id, actor_id=actor_id, key=key, fingerprint=answer["fingerprint"], answer=answer["answer"]))
    return found


@statement
def load_buyer_units(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, buyer_id in zip(arguments["event_ids"], arguments["buyer_ids"], strict=True):
        rows = session.rows_of(event_id)
        assert rows is not None
        live = {
            each["booking_id"] for each in rows.bookings.values() if each["buyer_id"] == buyer_id and each["state"] in {"held", "confirmed"}
        }
        tickets = [ticket for ticket in rows.tickets.values() if ticket["booking_id"] in live and ticket["state"] != "void"]
        for type_id, units in Counter(ticket["ticket_type_id"] for ticket in tickets).items():
            if type_id in arguments["ticket_type_ids"]:
                found.append(Row(event_id=event_id, buyer_id=buyer_id, ticket_type_id=type_id, units=units))
    return found


# Write ----------------------------------------------------------------------------------------------------------------------


@statement
def write_batch(session: Session, arguments: Arguments) -> None:
    for rows, (seq, head_hash, at, facts) in _named(
        session, arguments, "head_events", "head_seqs", "head_hashes", "head_ats", "head_facts"
    ):
        rows.sale = Row({**rows.sale, "seq": seq, "head_hash": head_hash, "head_at": at})
        _insert(rows.journal, seq, Row(seq=seq, at=at, facts=facts, hash=head_hash))
    pool_names = ("pool_events", "pool_ids", "pool_helds", "pool_solds", "pool_set_asides")
    for rows, (pool_id, held, sold, set_aside) in _named(session, arguments, *pool_names):
        rows.pools[pool_id] = _checked(Row({**rows.pools[pool_id], "held": held, "sold": sold, "set_aside": set_aside}))
    booking_names = (
        "booking_ids",
        "booking_buyers",
        "booking_states",
        "booking_placed_ats",
        "booking_expires_ats",
        "booking_confirmed_ats",
    )
    for event_id, *values in zip(arguments["booking_events"], *[arguments[name] for name in booking_names], strict=True):
        (rows,) = [rows for _, rows in _events(session, [event_id])]
        columns = ("event_id", "booking_id", "buyer_id", "state", "placed_at", "expires_at", "confirmed_at")
        _insert(rows.bookings, values[0], Row(zip(columns, (event_id, *values), strict=True), ended_at=None))
    ticket_names = ("ticket_ids", "ticket_bookings", "ticket_types", "ticket_prices", "ticket_secrets")
    for event_id, ticket_id, booking_id, *values in zip(
        arguments["ticket_events"], *[arguments[name] for name in ticket_names], strict=True
    ):
        (rows,) = [rows for _, rows in _events(session, [event_id])]
        type_id, price_minor, secret = values
        ticket = Row(event_id=event_id, ticket_id=ticket_id, booking_id=booking_id, ticket_type_id=type_id, price_minor=price_minor)
        _insert(rows.tickets, ticket_id, Row({**ticket, "state": "valid", "secret": secret}))
    key_names = ("key_events", "key_actors", "keys", "key_fingerprints", "key_bookings", "key_answers")
    for rows, (actor_id, key, fingerprint, booking_id, answer) in _named(session, arguments, *key_names):
        row = Row(key=key, fingerprint=fingerprint, booking_id=booking_id, answer=answer, replays=0)
        _insert(rows.keys, (actor_id, _text(key)), row)


@statement
def move_bookings(session: Session, arguments: Arguments) -> None:
    names = ("event_ids", "booking_ids", "states", "confirmed_ats", "ended_ats")
    for rows, (booking_id, state, confirmed_at, ended_at) in _named(session, arguments, *names):
        moved = {"state": state, "confirmed_at": confirmed_at, "ended_at": ended_at}
        rows.bookings[booking_id] = Row({**rows.bookings[booking_id], **moved})


@statement
def void_tickets(session: Session, arguments: Arguments) -> None:
    for rows, (ticket_id,) in _named(session, arguments, "event_ids", "ticket_ids"):
        rows.tickets[ticket_id] = Row({**rows.tickets[ticket_id], "state": "void"})


@statement
def count_replays(session: Session, arguments: Arguments) -> None:
    for rows, place in _named(session, arguments, "event_ids", "actor_ids", "keys"):
        rows.keys[place] = Row({**rows.keys[place], "replays": rows.keys[place]["replays"] + 1})


@statement
def create_sale(session: Session, arguments: Arguments) -> None:
    names = ("event_id", "state", "currency", "on_sale_at", "off_sale_at", "seq", "head_hash", "head_at")
    session.make(arguments["event_id"], Row({name: arguments.get(name, 0) for name in names}))


@statement
def change_sale(session: Session, arguments: Arguments) -> None:
    for event_id, rows in _events(session, [arguments["event_id"]]):
        rows.sale = Row({**rows.sale, **arguments, "event_id": event_id})


@statement
def put_pools(session: Session, arguments: Arguments) -> None:
    names = ("pool_ids", "names", "capacities", "helds", "solds", "set_asides")
    for _, rows in _events(session, [arguments["event_id"]]):
        for values in zip(*[arguments[name] for name in names], strict=True):
            pool = Row(zip(("pool_id", "name", "capacity", "held", "sold", "set_aside"), values, strict=True))
            rows.pools[values[0]] = _checked(pool)


@statement
def put_ticket_type(session: Session, arguments: Arguments) -> None:
    names = ("ticket_type_id", "name", "description", "position", "price_minor", "per_booking_max", "pool_ids")
    more = ("per_buyer_max", "on_sale_at", "off_sale_at", "retired")
    for _, rows in _events(session, [arguments["event_id"]]):
        rows.ticket_types[arguments["ticket_type_id"]] = Row({name: arguments[name] for name in names + more})
