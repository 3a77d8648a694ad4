"""The messages of a stream: a snapshot, changes since the message before, pings, the end."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.ids import show_id
from evently.sales.reads import OnSaleState, state_of_sale, states_of

EndReason: TypeAlias = Literal["cancelled", "ended", "stopping"]


class TicketTypeAvailability(msgspec.Struct, frozen=True):
    """How many tickets of a type can be booked now.

    `state`: not_yet_on_sale, on_sale, sold_out, ended or cancelled. `next_release_at`: the earliest instant
    at which more may be released by the clock; null: there is none.
    """

    ticket_type_id: str
    available: int
    next_release_at: datetime | None
    state: OnSaleState


class SeatStates(msgspec.Struct, frozen=True):
    """The states of all seats, one character for each, in the order of the layout with this digest."""

    layout: str
    states: str


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot", tag_field="type"):
    """The availability of an event as of journal row `seq`. It replaces all earlier messages.

    `seats`: null without assigned seating, and for readers who asked for none.
    """

    event_id: str
    seq: int
    state: OnSaleState
    on_sale_at: datetime
    off_sale_at: datetime
    next_release_at: datetime | None
    ticket_types: list[TicketTypeAvailability]
    seats: SeatStates | None


class Changes(msgspec.Struct, frozen=True, tag="changes", tag_field="type"):
    """What differs as of journal row `seq` from the message before.

    The fields replace those of before. `ticket_types` are those that have changed; others are as they were.
    `seats` are pairs of a seat number and the state of the seat.
    """

    event_id: str
    seq: int
    state: OnSaleState
    on_sale_at: datetime
    off_sale_at: datetime
    next_release_at: datetime | None
    ticket_types: list[TicketTypeAvailability]
    seats: list[tuple[int, str]]


class Ping(msgspec.Struct, frozen=True, tag="ping", tag_field="type"):
    """Says every 15 seconds that the stream lives, also when nothing changes."""


class End(msgspec.Struct, frozen=True, tag="end", tag_field="type"):
    """The last message of a stream.

    `reason`: cancelled or ended, then nothing will change any more; or stopping, when this server stops, then
    open the stream again, which another one will serve.
    """

    reason: EndReason


class Availability(NamedTuple):
    """The availability of an event as readers receive it."""

    seq: int
    state: OnSaleState
    on_sale_at: datetime
    off_sale_at: datetime
    next_release_at: datetime | None
    types: dict[UUID, TicketTypeAvailability]


def show_types(glance: sales.Glance, now: datetime) -> list[TicketTypeAvailability]:
    """Return how many tickets of each type can be booked now, and whether they are on sale."""
    types = [(terms, glance.available[terms.ticket_type_id]) for terms in glance.types]
    states = states_of(glance, types, now)
    return [
        TicketTypeAvailability(
            show_id("tty", terms.ticket_type_id),
            units,
            glance.releases.get(terms.ticket_type_id),
            states[terms.ticket_type_id],
        )
        for terms, units in types
    ]


def availability_of(glance: sales.Glance, now: datetime) -> Availability:
    """Return what readers receive of a glance."""
    types = [(terms, glance.available[terms.ticket_type_id]) for terms in glance.types]
    return Availability(
        glance.seq,
        state_of_sale(glance, types, now),
        glance.on_sale_at,
        glance.off_sale_at,
        glance.next_release_at,
        {
            terms.ticket_type_id: shown
            for terms, shown in zip(glance.types, show_types(glance, now), strict=True)
        },
    )


def next_instant(glance: sales.Glance, now: datetime) -> datetime | None:
    """Return the first instant after `now` at which the clock alone may change the availability."""
    instants = {glance.on_sale_at, glance.off_sale_at, *glance.releases.values()}
    for terms in glance.types:
        instants |= {at for at in (terms.on_sale_at, terms.off_sale_at) if at is not None}
    return min((at for at in instants if at > now), default=None)


def changes_between(
    event_id: UUID, before: Availability, after: Availability, seats: list[tuple[int, str]]
) -> Changes | None:
    """Return what differs from `before`; None when the set of ticket types is another one."""
    if before.types.keys() != after.types.keys():
        return None
    changed = [shown for type_id, shown in after.types.items() if shown != before.types[type_id]]
    return changes_of(event_id, after, changed, seats)


def changes_of(
    event_id: UUID,
    availability: Availability,
    types: list[TicketTypeAvailability],
    seats: list[tuple[int, str]],
) -> Changes:
    """Return a message with these changes."""
    seq, state, on_sale_at, off_sale_at, next_release_at, _ = availability
    shown_id = show_id("evt", event_id)
    return Changes(shown_id, seq, state, on_sale_at, off_sale_at, next_release_at, types, seats)


def snapshot_of(event_id: UUID, availability: Availability, seats: SeatStates | None) -> Snapshot:
    """Return a message with everything."""
    seq, state, on_sale_at, off_sale_at, next_release_at, types = availability
    shown_id, listed = show_id("evt", event_id), list(types.values())
    return Snapshot(shown_id, seq, state, on_sale_at, off_sale_at, next_release_at, listed, seats)


def end_reason(availability: Availability) -> EndReason | None:
    """Return why nothing will change any more, or None."""
    return availability.state if availability.state in ("cancelled", "ended") else None
