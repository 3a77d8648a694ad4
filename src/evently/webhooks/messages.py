"""What messages say: a type for each kind of fact that others may know, and the facts that each is about.

A message has ids, states, amounts and a link; who wants more reads it there. It names nobody: `person` is
added when the message is sent, for webhooks that may have personal data. Kinds and fields are never renamed;
new ones may come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently.kit.ids import reference_of, show_id
from evently.kit.money import Money
from evently.kit.shapes import Instant
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    CheckInUndone,
    ConditionsPut,
    EventRescheduled,
    Fact,
    HoldConfirmed,
    OfferMade,
    OutsideRefundsRecorded,
    PaymentCaptured,
    PoolPut,
    PoolRemoved,
    PromoCodePut,
    RefundSettled,
    SaleCancelled,
    SaleChanged,
    SaleOpened,
    SeatingPut,
    TicketCheckedIn,
    TicketCheckedOut,
    TicketGivenBack,
    TicketsCancelled,
    TicketTypePut,
    TicketTypeRetired,
    TransferAccepted,
)

TEST: Final = "webhook.test"
_SAMPLE: Final = "01m7y4ef72ev2sxmcnxfse27zp"
_AT: Final = "2027-03-01T09:00:00.125Z"

ChangedPart: TypeAlias = Literal[
    "time", "place", "sale_window", "ticket_types", "capacity", "conditions", "seats", "promo_codes"
]


def _id(prefix: str) -> msgspec.Meta:
    return msgspec.Meta(examples=[f"{prefix}_{_SAMPLE}"])


EventIdText = Annotated[str, _id("evt")]
BookingIdText = Annotated[str, _id("bkg")]
TicketIdText = Annotated[str, _id("tkt")]
Reference = Annotated[str, msgspec.Meta(examples=["7K3M-9QWE"])]
Seq = Annotated[
    int,
    msgspec.Meta(examples=[417], description="The journal row of the event; it only grows within an event."),
]
EventUrl = Annotated[
    str, msgspec.Meta(examples=[f"/v1/events/evt_{_SAMPLE}"], description="Get more here, with an API key.")
]
BookingUrl = Annotated[
    str,
    msgspec.Meta(
        examples=[f"/v1/events/evt_{_SAMPLE}/bookings/bkg_{_SAMPLE}/story"],
        description="Get more here, with an API key.",
    ),
]
Amount = Annotated[Money, msgspec.Meta(description="In minor units of the currency.")]


class NamedPerson(msgspec.Struct, frozen=True):
    """A person, in messages to webhooks that may have personal data alone."""

    name: Annotated[str, msgspec.Meta(examples=["Ada Lovelace"])]
    email: Annotated[str | None, msgspec.Meta(examples=["ada@example.org"])]


Named = Annotated[
    NamedPerson | UnsetType | None,
    msgspec.Meta(
        description=(
            "Whom it is about: the buyer, or who got the ticket. Only for webhooks with `personal_data`; "
            "null when the account was closed."
        )
    ),
]


class EventData(msgspec.Struct, frozen=True):
    """An event."""

    event_id: EventIdText
    seq: Seq
    url: EventUrl


class EventChangedData(EventData, frozen=True):
    """An event, and what was changed about it."""

    changed: Annotated[list[ChangedPart], msgspec.Meta(examples=[["time"]])]


class BookingData(msgspec.Struct, frozen=True, kw_only=True):
    """A booking."""

    event_id: EventIdText
    seq: Seq
    url: BookingUrl
    booking_id: BookingIdText
    reference: Reference
    person: Named = UNSET


class BookingConfirmedData(BookingData, frozen=True, kw_only=True):
    """A booking as it was confirmed: all its tickets, and what they cost with fees and taxes."""

    state: Literal["confirmed"] = "confirmed"
    ticket_ids: list[TicketIdText]
    total: Amount


class RefundDecided(msgspec.Struct, frozen=True):
    """A refund that is owed; `refund.settled` says that it was paid."""

    refund_id: Annotated[str, _id("rfd")]
    amount: Amount


class BookingCancelledData(BookingData, frozen=True, kw_only=True):
    """A booking that was cancelled with all its tickets."""

    state: Literal["cancelled"] = "cancelled"
    ticket_ids: list[TicketIdText]
    refund: RefundDecided | None


class TicketsCancelledData(BookingData, frozen=True, kw_only=True):
    """A booking of which some tickets were cancelled; it keeps the others."""

    state: Literal["confirmed"] = "confirmed"
    ticket_ids: list[TicketIdText]
    refund: RefundDecided | None


class PaymentCapturedData(BookingData, frozen=True, kw_only=True):
    """A payment of a booking whose money was taken."""

    payment_id: Annotated[str, _id("pay")]
    amount: Amount


class RefundSettledData(BookingData, frozen=True, kw_only=True):
    """A refund that was carried out.

    `settled_by`: the gateway, by_hand (the organizer paid it back), or never_paid (nothing had been taken).
    """

    refund_id: Annotated[str, _id("rfd")]
    amount: Amount
    settled_by: Literal["gateway", "by_hand", "never_paid"]


class RefundOutsideData(BookingData, frozen=True, kw_only=True):
    """What was paid back of a booking at the gateway by another hand, disputes included: the sum now."""

    payment_id: Annotated[str, _id("pay")]
    amount: Amount


class TicketData(BookingData, frozen=True, kw_only=True):
    """A ticket of a booking."""

    ticket_id: TicketIdText


class TicketPassedOnData(TicketData, frozen=True, kw_only=True):
    """A ticket that belongs to another person, and has another code. `person`: who got it."""

    transfer_id: Annotated[str, _id("trf")]


class CheckInData(TicketData, frozen=True, kw_only=True):
    """A ticket at the door."""

    scan_id: Annotated[str, msgspec.Meta(examples=["0195b2c4-6a7e-7c1d-8f3a-2b9d5e1c4f60"])]


class CheckedInData(CheckInData, frozen=True, kw_only=True):
    """A ticket that was checked in. `again`: its holder had left and came back."""

    again: bool


class OfferData(BookingData, frozen=True, kw_only=True):
    """An offer to a waitlist entry: a booking that is held for it."""

    state: Literal["held"] = "held"
    entry_id: Annotated[str, _id("wle")]
    expires_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-02T09:00:00Z"])]


class TestData(msgspec.Struct, frozen=True):
    """Nothing: the message was requested to see whether messages arrive."""

    webhook_id: Annotated[str, _id("whk")]


class Kind(NamedTuple):
    """A kind of message: what it is about, in words, and the shape of its `data`."""

    words: str
    data: type[msgspec.Struct]


KINDS: Final[Mapping[str, Kind]] = {
    "event.published": Kind("An event was published", EventData),
    "event.changed": Kind("Time, place, sale or seats of a published event were changed", EventChangedData),
    "event.cancelled": Kind("An event was cancelled; its bookings follow, one by one", EventData),
    "booking.confirmed": Kind("A booking was confirmed", BookingConfirmedData),
    "booking.cancelled": Kind("A booking was cancelled", BookingCancelledData),
    "booking.tickets_cancelled": Kind("Some tickets of a booking were cancelled", TicketsCancelledData),
    "payment.captured": Kind("The money of a payment was taken", PaymentCapturedData),
    "refund.settled": Kind("A refund was carried out", RefundSettledData),
    "refund.outside": Kind("Money was paid back at the gateway by another hand", RefundOutsideData),
    "ticket.passed_on": Kind("A ticket was passed on to another person", TicketPassedOnData),
    "ticket.given_back": Kind("A ticket that was passed on is its buyer’s again", TicketData),
    "ticket.checked_in": Kind("A ticket was checked in at the door", CheckedInData),
    "ticket.checked_out": Kind("The holder of a ticket left, and may come back", CheckInData),
    "ticket.check_in_undone": Kind("A check-in was a mistake, and was undone", CheckInData),
    "waitlist.offered": Kind("A waitlist entry got an offer", OfferData),
}
ALL_KINDS: Final[Mapping[str, Kind]] = {**KINDS, TEST: Kind("A test message was requested", TestData)}


def _message_type(kind: str, data: type[msgspec.Struct], words: str) -> type[msgspec.Struct]:
    name = "".join(part.capitalize() for part in kind.replace(".", "_").split("_")) + "Message"
    fields: list[tuple[str, Any]] = [("type", Literal[kind]), ("timestamp", Instant), ("data", data)]
    return msgspec.defstruct(name, fields, namespace={"__doc__": f"{words}."}, frozen=True)


# The type of a whole message, by kind: what the documents show
MESSAGES: Final[Mapping[str, type[msgspec.Struct]]] = {
    kind: _message_type(kind, each.data, each.words) for kind, each in ALL_KINDS.items()
}
_CHANGES: Final[Mapping[type[Fact], ChangedPart]] = {
    SaleChanged: "sale_window",
    PoolPut: "capacity",
    PoolRemoved: "capacity",
    TicketTypePut: "ticket_types",
    TicketTypeRetired: "ticket_types",
    ConditionsPut: "conditions",
    SeatingPut: "seats",
    PromoCodePut: "promo_codes",
}
_encoder: Final = msgspec.json.Encoder()


class Note(NamedTuple):
    """What a fact is to others, before amounts that it does not have are looked up.

    `line`: its place in the journal row. `fields`: of the data of its kind. `amounts`: in minor units.
    """

    line: int
    kind: str
    booking_id: UUID | None = None
    person_id: UUID | None = None
    transfer_id: UUID | None = None
    fields: Mapping[str, Any] = {}
    amounts: Mapping[str, int] = {}


def notes_of(facts: list[Fact]) -> Iterator[Note]:
    """Yield what the facts of one journal row are to others, in their order.

    The changes of an event in one row are one note, at the first of them.
    """
    changed: list[ChangedPart] = []
    first = 0
    for line, fact in enumerate(facts):
        if parts := _changed_by(fact):
            first = first if changed else line
            changed += [part for part in parts if part not in changed]
        elif (note := _note_of(line, fact, facts)) is not None:
            yield note
    if changed:
        yield Note(first, "event.changed", fields={"changed": changed})


def _changed_by(fact: Fact) -> list[ChangedPart]:
    if isinstance(fact, EventRescheduled):
        moved: list[ChangedPart] = ["time"] if fact.starts_at != fact.starts_before else []
        return [*moved, "place"] if fact.place_changed else moved
    part = _CHANGES.get(type(fact))
    return [] if part is None else [part]


def _note_of(line: int, fact: Fact, facts: list[Fact]) -> Note | None:
    match fact:
        case SaleOpened():
            return Note(line, "event.published")
        case SaleCancelled():
            return Note(line, "event.cancelled")
        case BookingConfirmed(booking_id=booking_id) | HoldConfirmed(booking_id=booking_id):
            return Note(line, "booking.confirmed", booking_id, fields=_tickets(fact.tickets))
        case BookingCancelled(booking_id=booking_id, was="confirmed"):
            return Note(
                line, "booking.cancelled", booking_id, fields=_tickets(fact.tickets), amounts=_owed(fact)
            )
        case TicketsCancelled(booking_id=booking_id, was="confirmed"):
            return Note(
                line,
                "booking.tickets_cancelled",
                booking_id,
                fields=_tickets(fact.tickets),
                amounts=_owed(fact),
            )
        case OfferMade(booking_id=booking_id, entry_id=entry_id):
            ends = [
                each.expires_at
                for each in facts
                if isinstance(each, BookingHeld) and each.booking_id == booking_id
            ]
            fields = {"entry_id": show_id("wle", entry_id), "expires_at": ends[0] if ends else None}
            return Note(line, "waitlist.offered", booking_id, fields=fields)
    return _note_of_money(line, fact) or _note_of_ticket(line, fact)


def _note_of_money(line: int, fact: Fact) -> Note | None:
    match fact:
        case PaymentCaptured(booking_id=booking_id, payment_id=payment_id, amount_minor=amount):
            fields = {"payment_id": show_id("pay", payment_id)}
            return Note(line, "payment.captured", booking_id, fields=fields, amounts={"amount": amount})
        case RefundSettled(booking_id=booking_id, refund_id=refund_id, amount_minor=amount, how=how):
            fields = {"refund_id": show_id("rfd", refund_id), "settled_by": how}
            return Note(line, "refund.settled", booking_id, fields=fields, amounts={"amount": amount})
        case OutsideRefundsRecorded(booking_id=booking_id, payment_id=payment_id, outside_minor=amount):
            fields = {"payment_id": show_id("pay", payment_id)}
            return Note(line, "refund.outside", booking_id, fields=fields, amounts={"amount": amount})
    return None


def _note_of_ticket(line: int, fact: Fact) -> Note | None:
    match fact:
        case TransferAccepted(booking_id=booking_id, receiver_id=receiver_id, transfer_id=transfer_id):
            fields = {"transfer_id": show_id("trf", transfer_id)}
            return Note(line, "ticket.passed_on", booking_id, receiver_id, transfer_id, fields)
        case TicketGivenBack(booking_id=booking_id, ticket_id=ticket_id):
            return Note(
                line, "ticket.given_back", booking_id, fields={"ticket_id": show_id("tkt", ticket_id)}
            )
        case TicketCheckedIn(booking_id=booking_id, ticket_id=ticket_id, scan_id=scan_id, again=again):
            return Note(
                line, "ticket.checked_in", booking_id, fields={**_scan(ticket_id, scan_id), "again": again}
            )
        case TicketCheckedOut(booking_id=booking_id, ticket_id=ticket_id, scan_id=scan_id):
            return Note(line, "ticket.checked_out", booking_id, fields=_scan(ticket_id, scan_id))
        case CheckInUndone(booking_id=booking_id, ticket_id=ticket_id, scan_id=scan_id):
            return Note(line, "ticket.check_in_undone", booking_id, fields=_scan(ticket_id, scan_id))
    return None


def _tickets(tickets: tuple[Any, ...]) -> dict[str, Any]:
    return {"ticket_ids": [show_id("tkt", ticket_id) for ticket_id, *_ in tickets]}


def _owed(fact: BookingCancelled | TicketsCancelled) -> dict[str, int]:
    return {} if fact.refund_id is None else {show_id("rfd", fact.refund_id): fact.refund_minor}


def _scan(ticket_id: UUID, scan_id: UUID) -> dict[str, Any]:
    return {"ticket_id": show_id("tkt", ticket_id), "scan_id": str(scan_id)}


class Place(NamedTuple):
    """Where a fact was recorded, and in which currency its event is sold."""

    event_id: UUID
    seq: int
    at: datetime
    currency: str


def write(note: Note, place: Place, *, total_minor: int = 0, ticket_id: UUID | None = None) -> str:
    """Return the body of the message about a fact, as it is stored.

    `total_minor`: of a confirmed booking. `ticket_id`: of a ticket that was passed on.
    """
    event_id = show_id("evt", place.event_id)
    url = f"/v1/events/{event_id}"
    given: dict[str, Any] = {"event_id": event_id, "seq": place.seq, "url": url, **note.fields}
    if note.booking_id is not None:
        booking_id = show_id("bkg", note.booking_id)
        given |= {
            "booking_id": booking_id,
            "reference": reference_of(note.booking_id),
            "url": f"{url}/bookings/{booking_id}/story",
        }
    given |= _money_of(note, place.currency, total_minor)
    if ticket_id is not None:
        given["ticket_id"] = show_id("tkt", ticket_id)
    return encode(note.kind, place.at, KINDS[note.kind].data(**given))


def _money_of(note: Note, currency: str, total_minor: int) -> dict[str, Any]:
    if note.kind == "booking.confirmed":
        return {"total": Money(total_minor, currency)}
    if note.kind in ("booking.cancelled", "booking.tickets_cancelled"):
        owed = [RefundDecided(refund_id, Money(minor, currency)) for refund_id, minor in note.amounts.items()]
        return {"refund": owed[0] if owed else None}
    return {name: Money(minor, currency) for name, minor in note.amounts.items()}


def write_test(webhook_id: UUID, at: datetime) -> str:
    """Return the body of a test message."""
    return encode(TEST, at, TestData(show_id("whk", webhook_id)))


def encode(kind: str, at: datetime, data: msgspec.Struct) -> str:
    """Return a body: the three fields that Standard Webhooks recommends."""
    return _encoder.encode({"type": kind, "timestamp": at, "data": data}).decode()


def with_person(body: str, person: NamedPerson | None) -> str:
    """Return a stored body with the person whom it is about."""
    found: Any = msgspec.json.decode(body)
    found["data"]["person"] = person
    return _encoder.encode(found).decode()
