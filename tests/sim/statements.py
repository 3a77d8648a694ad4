"""The effects of sales/loading.sql and store.sql on rows, in Python; and the constraints that protect money.

Seats, promo codes and returned tickets are not of this simulation: their statements are proved by tests/db.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
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
    conditions: dict[int, Row] = field(default_factory=dict)
    reschedulings: dict[int, Row] = field(default_factory=dict)
    entries: dict[UUID, Row] = field(default_factory=dict)
    asides: dict[UUID, Row] = field(default_factory=dict)
    refunds: dict[UUID, Row] = field(default_factory=dict)
    ledger: dict[tuple[int, int], Row] = field(default_factory=dict)

    def copy(self) -> EventRows:
        """Return rows that can be replaced without anybody noticing."""
        parts = {each.name: dict(getattr(self, each.name)) for each in fields(self) if each.name != "sale"}
        return EventRows(self.sale, **parts)


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


def _named(
    session: Session, arguments: Arguments, *names: str
) -> Iterator[tuple[EventRows, tuple[Any, ...]]]:
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


# Load -------------------------------------------------------------------------------------------------------


@statement
def lock_sales(session: Session, arguments: Arguments) -> list[Row]:
    return [rows.sale for _, rows in _events(session, arguments["event_ids"])]


@statement
def read_sale(session: Session, arguments: Arguments) -> list[Row]:
    return [rows.sale for _, rows in _events(session, [arguments["event_id"]])]


@statement
def load_pools(session: Session, arguments: Arguments) -> list[Row]:
    return [
        Row(event_id=event_id, **pool)
        for event_id, rows in _events(session, arguments["event_ids"])
        for pool in rows.pools.values()
    ]


@statement
def load_ticket_types(session: Session, arguments: Arguments) -> list[Row]:
    return [
        Row(event_id=event_id, **each)
        for event_id, rows in _events(session, arguments["event_ids"])
        for each in rows.ticket_types.values()
    ]


@statement
def load_next_expiries(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, rows in _events(session, arguments["event_ids"]):
        if held := [
            booking["expires_at"] for booking in rows.bookings.values() if booking["state"] == "held"
        ]:
            found.append(Row(event_id=event_id, next_expiry_at=min(held)))
    return found


@statement
def load_due(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, now in zip(arguments["event_ids"], arguments["nows"], strict=True):
        rows = session.rows_of(event_id)
        assert rows is not None
        due = [
            booking
            for booking in rows.bookings.values()
            if booking["state"] == "held" and booking["expires_at"] <= now
        ]
        due.sort(key=lambda booking: (booking["expires_at"], booking["booking_id"]))
        found += [
            Row(event_id=event_id, booking_id=booking["booking_id"])
            for booking in due[: arguments["due_max"]]
        ]
    return found


@statement
def load_bookings(session: Session, arguments: Arguments) -> list[Row]:
    named = _named(session, arguments, "event_ids", "booking_ids")
    return [rows.bookings[booking_id] for rows, (booking_id,) in named if booking_id in rows.bookings]


@statement
def load_tickets(session: Session, arguments: Arguments) -> list[Row]:
    found: list[Row] = []
    for rows, (booking_id,) in _named(session, arguments, "event_ids", "booking_ids"):
        found += [ticket for ticket in rows.tickets.values() if ticket["booking_id"] == booking_id]
    return sorted(found, key=lambda ticket: ticket["ticket_id"])


@statement
def load_answers(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, actor_id, key in zip(
        arguments["event_ids"], arguments["actor_ids"], arguments["keys"], strict=True
    ):
        rows = session.rows_of(event_id)
        if rows is not None and (answer := rows.keys.get((actor_id, _text(key)))):
            of_entry = answer["entry_id"] is not None
            known = {"fingerprint": answer["fingerprint"], "answer": answer["answer"], "of_entry": of_entry}
            found.append(Row(event_id=event_id, actor_id=actor_id, key=key, **known))
    return found


@statement
def load_buyer_units(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    for event_id, buyer_id in zip(arguments["event_ids"], arguments["buyer_ids"], strict=True):
        rows = session.rows_of(event_id)
        assert rows is not None
        for each in rows.bookings.values():
            if each["buyer_id"] == buyer_id and each["state"] in {"held", "confirmed"}:
                types = [
                    ticket["ticket_type_id"]
                    for ticket in rows.tickets.values()
                    if ticket["booking_id"] == each["booking_id"]
                    and ticket["state"] != "void"
                    and ticket["ticket_type_id"] in arguments["ticket_type_ids"]
                ]
                found.append(Row(event_id=event_id, buyer_id=buyer_id, ticket_type_ids=types))
    return found


@statement
def load_buyer_holds(session: Session, arguments: Arguments) -> list[Row]:
    found = []
    named = ("event_ids", "buyer_ids", "nows")
    for event_id, buyer_id, now in zip(*[arguments[name] for name in named], strict=True):
        rows = session.rows_of(event_id)
        assert rows is not None
        for each in rows.bookings.values():
            if (
                each["buyer_id"] == buyer_id
                and each["state"] == "held"
                and each["entry_id"] is None
                and each["expires_at"] > now
            ):
                units = sum(
                    ticket["booking_id"] == each["booking_id"] and ticket["state"] != "void"
                    for ticket in rows.tickets.values()
                )
                hold = {"booking_id": each["booking_id"], "units": units}
                found.append(Row(event_id=event_id, buyer_id=buyer_id, **hold))
    return found


# Write ------------------------------------------------------------------------------------------------------


@statement
def write_batch(session: Session, arguments: Arguments) -> None:
    for rows, (seq, head_hash, at, facts) in _named(
        session, arguments, "head_events", "head_seqs", "head_hashes", "head_ats", "head_facts"
    ):
        rows.sale = Row({**rows.sale, "seq": seq, "head_hash": head_hash, "head_at": at})
        _insert(rows.journal, seq, Row(seq=seq, at=at, facts=facts, hash=head_hash))
    pool_names = ("pool_events", "pool_ids", "pool_helds", "pool_solds", "pool_set_asides")
    for rows, (pool_id, held, sold, set_aside) in _named(session, arguments, *pool_names):
        rows.pools[pool_id] = _checked(
            Row({**rows.pools[pool_id], "held": held, "sold": sold, "set_aside": set_aside})
        )
    for event_id, *values in _rows_of(arguments, "booking_", _PLACED):
        _insert(_rows(session, event_id).bookings, values[0], _booking(event_id, values))
    for event_id, *values in _rows_of(arguments, "ticket_", _TICKET):
        _insert(_rows(session, event_id).tickets, values[0], _ticket(event_id, values))
    key_names = (
        "key_events",
        "key_actors",
        "keys",
        "key_fingerprints",
        "key_bookings",
        "key_entries",
        "key_answers",
    )
    for rows, (actor_id, key, fingerprint, booking_id, entry_id, answer) in _named(
        session, arguments, *key_names
    ):
        row = Row(
            key=key,
            fingerprint=fingerprint,
            booking_id=booking_id,
            entry_id=entry_id,
            answer=answer,
            replays=0,
        )
        _insert(rows.keys, (actor_id, _text(key)), row)


_PLACED: Final = (
    "events",
    "ids",
    "buyers",
    "states",
    "placed_ats",
    "expires_ats",
    "confirmed_ats",
    "conditions",
    "promos",
    "entries",
    "payments",
)
_TICKET: Final = (
    "events", "ids", "bookings", "types", "prices", "secrets", "discounts", "surcharges", "fees", "taxes",
    "fee_taxes", "seats", "seat_ids", "seat_labels", "replaces",
)  # fmt: skip


def _rows_of(arguments: Arguments, prefix: str, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*[arguments[prefix + name] for name in names], strict=True)


def _rows(session: Session, event_id: UUID) -> EventRows:
    rows = session.rows_of(event_id)
    assert rows is not None, "nothing is named of an event that is not there"
    return rows


def _booking(event_id: UUID, values: Sequence[Any]) -> Row:
    (
        booking_id,
        buyer_id,
        state,
        placed_at,
        expires_at,
        confirmed_at,
        conditions_version,
        promo_id,
        entry_id,
        payment,
    ) = values
    return Row(
        event_id=event_id,
        booking_id=booking_id,
        buyer_id=buyer_id,
        state=state,
        placed_at=placed_at,
        expires_at=expires_at,
        confirmed_at=confirmed_at,
        ended_at=None,
        conditions_version=conditions_version,
        promo_id=promo_id,
        entry_id=entry_id,
        extended=False,
        payment=payment,
        payment_id=None,
        paid_minor=0,
        captured_at=None,
        refunded_minor=0,
        outside_minor=0,
    )


def _ticket(event_id: UUID, values: Sequence[Any]) -> Row:
    (
        ticket_id,
        booking_id,
        type_id,
        price_minor,
        secret,
        discount_minor,
        surcharge_minor,
        fee_minor,
        tax_minor,
        fee_tax_minor,
        *seat,
        replaces,
    ) = values
    assert seat == [None, None, None], "there are no seats"
    return Row(
        event_id=event_id,
        booking_id=booking_id,
        ticket_id=ticket_id,
        ticket_type_id=type_id,
        price_minor=price_minor,
        state="valid",
        secret=secret,
        discount_minor=discount_minor,
        surcharge_minor=surcharge_minor,
        fee_minor=fee_minor,
        tax_minor=tax_minor,
        fee_tax_minor=fee_tax_minor,
        seat_number=None,
        seat_id=None,
        seat_label=None,
        replaces=replaces,
        returning_since=None,
        holder_id=None,
    )


@statement
def update_bookings(session: Session, arguments: Arguments) -> None:
    columns = {
        "states": "state",
        "expires_ats": "expires_at",
        "confirmed_ats": "confirmed_at",
        "ended_ats": "ended_at",
        "extendeds": "extended",
        "payments": "payment",
        "payment_ids": "payment_id",
        "paids_minor": "paid_minor",
        "captured_ats": "captured_at",
        "refundeds_minor": "refunded_minor",
        "outsides_minor": "outside_minor",
    }
    for rows, (booking_id, *values) in _named(session, arguments, "event_ids", "booking_ids", *columns):
        moved = Row({**rows.bookings[booking_id], **dict(zip(columns.values(), values, strict=True))})
        if not 0 <= moved["refunded_minor"] <= moved["paid_minor"]:
            raise asyncpg.CheckViolationError("bookings_refunded_ck")
        rows.bookings[booking_id] = moved


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
    names = (
        "event_id",
        "state",
        "currency",
        "on_sale_at",
        "off_sale_at",
        "seq",
        "head_hash",
        "head_at",
        "extras",
    )
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
    names = (
        "ticket_type_id",
        "name",
        "description",
        "position",
        "price_minor",
        "per_booking_max",
        "pool_ids",
    )
    more = (
        "per_buyer_max",
        "on_sale_at",
        "off_sale_at",
        "retired",
        "zone",
        "tax_basis_points",
        "tax_included",
        "hidden",
        "needed_ids",
        "per_needed_max",
    )
    for _, rows in _events(session, [arguments["event_id"]]):
        rows.ticket_types[arguments["ticket_type_id"]] = Row({name: arguments[name] for name in names + more})


# Money ------------------------------------------------------------------------------------------------------


@statement
def load_conditions(session: Session, arguments: Arguments) -> list[Row]:
    return [
        row
        for _, rows in _events(session, arguments["event_ids"])
        for _, row in sorted(rows.conditions.items())
    ]


@statement
def put_conditions(session: Session, arguments: Arguments) -> None:
    _insert(_rows(session, arguments["event_id"]).conditions, arguments["version"], Row(arguments))


@statement
def load_reschedulings(session: Session, arguments: Arguments) -> list[Row]:
    names = ("event_id", "rescheduled_at", "starts_before", "starts_at", "place_changed")
    return [
        Row({name: row[name] for name in names})
        for _, rows in _events(session, arguments["event_ids"])
        for _, row in sorted(rows.reschedulings.items())
    ]


@statement
def add_rescheduling(session: Session, arguments: Arguments) -> None:
    assert arguments["place_changed"] or arguments["starts_at"] != arguments["starts_before"]
    _insert(_rows(session, arguments["event_id"]).reschedulings, arguments["number"], Row(arguments))


@statement
def load_refunds(session: Session, arguments: Arguments) -> list[Row]:
    named = _named(session, arguments, "event_ids", "refund_ids")
    return [rows.refunds[refund_id] for rows, (refund_id,) in named if refund_id in rows.refunds]


@statement
def load_posted(session: Session, arguments: Arguments) -> list[Row]:
    sums: Counter[tuple[Any, ...]] = Counter()
    for rows, (booking_id,) in _named(session, arguments, "event_ids", "booking_ids"):
        for row in rows.ledger.values():
            if row["booking_id"] == booking_id:
                place = (rows.sale["event_id"], booking_id, row["debit"], row["credit"])
                sums[place] += row["amount_minor"]
    names = ("event_id", "booking_id", "debit", "credit", "amount_minor")
    return [Row(zip(names, (*place, amount), strict=True)) for place, amount in sums.items()]


@statement
def insert_refunds(session: Session, arguments: Arguments) -> None:
    names = ("event_id", "refund_id", "booking_id", "amount_minor", "decided_at")
    for values in zip(
        *[arguments[f"{name}s" if name != "amount_minor" else "amounts_minor"] for name in names], strict=True
    ):
        _insert(
            _rows(session, values[0]).refunds,
            values[1],
            Row(zip(names, values, strict=True), settled_at=None),
        )


@statement
def settle_refunds(session: Session, arguments: Arguments) -> None:
    for rows, (refund_id, settled_at) in _named(session, arguments, "event_ids", "refund_ids", "settled_ats"):
        rows.refunds[refund_id] = Row({**rows.refunds[refund_id], "settled_at": settled_at})


@statement
def insert_postings(session: Session, arguments: Arguments) -> None:
    names = (
        "event_ids",
        "seqs",
        "lines",
        "ats",
        "booking_ids",
        "debits",
        "credits",
        "amounts_minor",
        "currencies",
    )
    for rows, (seq, line, _at, booking_id, debit, credit, amount_minor, _currency) in _named(
        session, arguments, *names
    ):
        _insert(
            rows.ledger,
            (seq, line),
            Row(booking_id=booking_id, debit=debit, credit=credit, amount_minor=amount_minor),
        )


# The waitlist -----------------------------------------------------------------------------------------------

_ENTRY: Final = (
    "event_id", "entry_id", "buyer_id", "ticket_type_id", "quantity", "state", "reason", "joined_at",
    "joined_seq", "offered_at", "booking_id", "ended_at", "promo_id",
)  # fmt: skip


@statement
def load_waitlists(session: Session, arguments: Arguments) -> list[Row]:
    known: dict[tuple[Any, ...], list[Row]] = {}
    for row in load_waiting_entries(session, arguments):
        known.setdefault((row["event_id"], row["ticket_type_id"], row["quantity"]), []).append(row)
    firsts = [
        Row(waiting=len(rows), **row) for rows in known.values() for row in rows[: arguments["known_max"]]
    ]
    return sorted(firsts, key=lambda row: (row["event_id"], row["joined_seq"], row["entry_id"]))


@statement
def load_waiting_entries(session: Session, arguments: Arguments) -> list[Row]:
    found = [
        row
        for _, rows in _events(session, arguments["event_ids"])
        for row in rows.entries.values()
        if row["state"] == "waiting"
    ]
    return sorted(found, key=lambda row: (row["event_id"], row["joined_seq"], row["entry_id"]))


@statement
def load_set_asides(session: Session, arguments: Arguments) -> list[Row]:
    return [
        row
        for _, rows in _events(session, arguments["event_ids"])
        for row in rows.asides.values()
        if row["units"]
    ]


@statement
def load_entries(session: Session, arguments: Arguments) -> list[Row]:
    found = {}
    for rows, (entry_id,) in _named(session, arguments, "event_ids", "entry_ids"):
        if entry_id in rows.entries:
            found[entry_id] = rows.entries[entry_id]
    for event_id, buyer_id in zip(arguments["buyer_event_ids"], arguments["buyer_ids"], strict=True):
        rows_of_event = session.rows_of(event_id)
        for row in [] if rows_of_event is None else rows_of_event.entries.values():
            if row["buyer_id"] == buyer_id and row["state"] in {"waiting", "offered"}:
                found[row["entry_id"]] = row
    return list(found.values())


@statement
def insert_entries(session: Session, arguments: Arguments) -> None:
    columns = [{"quantity": "quantities"}.get(name, f"{name}s") for name in _ENTRY]
    for values in zip(*[arguments[name] for name in columns], strict=True):
        _insert(_rows(session, values[0]).entries, values[1], Row(zip(_ENTRY, values, strict=True)))


@statement
def update_entries(session: Session, arguments: Arguments) -> None:
    names = ("state", "reason", "offered_at", "booking_id", "ended_at")
    for rows, (entry_id, *values) in _named(
        session, arguments, "event_ids", "entry_ids", *[f"{name}s" for name in names]
    ):
        rows.entries[entry_id] = Row({**rows.entries[entry_id], **dict(zip(names, values, strict=True))})


@statement
def put_set_asides(session: Session, arguments: Arguments) -> None:
    for event_id, type_id, units in zip(
        arguments["event_ids"], arguments["ticket_type_ids"], arguments["units"], strict=True
    ):
        _rows(session, event_id).asides[type_id] = Row(event_id=event_id, ticket_type_id=type_id, units=units)
