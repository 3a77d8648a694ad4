"""The story of one booking in words, from the facts of the journal: what happened, when, and to what.

    read_story     the steps of a booking, oldest first
    write_step     the sentence of a fact; None for what is only bookkeeping

The journal has ids alone. Names of people, promo codes and digits of cards are read now, so an erased person
has none; times are those at the venue. Beside the facts stand payments that did not go through and tickets
that were sent again: they change nothing, so no journal has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import accounts, catalogue, checkin, checkout, mail
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.money import show_money
from evently.sales import facts
from evently.sales.nouns import Booking
from evently.sales.reads import (
    list_facts_of_booking,
    list_offers_of,
    list_promo_texts,
    list_type_names,
    load_hall,
)
from evently.sales.states import CancelledBy

_NOBODY: Final = "a person whose account was closed, or a program"
_ENDS: Final = {
    "declined": "was declined by the person to whom it was offered",
    "withdrawn": "was taken back",
    "expired": "was not accepted in time",
}


# What by the rules of the sale never happened
OTHERS: Final = ("PaymentDeclined", "TicketsResent")
_CANCELLED: Final[dict[CancelledBy, str]] = {
    "": "",
    "buyer": " by the buyer",
    "organizer": " by the organizer",
    "event": " because the event was cancelled",
    "payment": " because the payment failed",
    "waitlist": " because the waitlist took them",
    "door": " because the holder of the returned ticket used it",
}


class Step(NamedTuple):
    """One thing that happened. `kind`: the name of the fact in the journal, or one of `OTHERS`."""

    at: datetime
    kind: str
    text: str


class Setting(NamedTuple):
    """What sentences need besides a fact: names by id, labels of seats, and the clocks at the venue."""

    currency: str
    zone: ZoneInfo
    types: Mapping[UUID, str]
    people: Mapping[UUID, str]
    tickets: Mapping[UUID, int]  # their numbers in the booking
    seat: Callable[[int], str]
    cards: Mapping[UUID, str]  # the last digits of the cards of payments
    promos: Mapping[UUID, str]
    undone: Mapping[UUID, checkin.Undone]  # by scan
    event_reason: str = ""  # why the event was cancelled

    def money(self, amount_minor: int) -> str:
        """Return an amount in words."""
        return show_money(amount_minor, self.currency)

    def moment(self, at: datetime) -> str:
        """Return an instant on the clocks at the venue."""
        local = at.astimezone(self.zone)
        return f"{local.day} {local:%b %Y, %H:%M}"

    def promo(self, promo_id: UUID | None) -> str:
        """Return with which promo code something was booked; empty without one."""
        if promo_id is None:
            return ""
        code = self.promos.get(promo_id)
        return f" with the promo code {code}" if code else " with a promo code"

    def person(self, person_id: UUID | None) -> str:
        """Return the name of a person."""
        return self.people.get(person_id, _NOBODY) if person_id is not None else _NOBODY

    def listed(self, ticket_ids: tuple[UUID, ...]) -> str:
        """Return tickets by their numbers: `Ticket 1` or `Tickets 1 and 3`."""
        numbers = sorted(self.tickets.get(each, 0) for each in ticket_ids)
        if len(numbers) == 1:
            return f"Ticket {numbers[0]}"
        return f"Tickets {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"

    def counted(self, tickets: tuple[facts.TicketFact, ...]) -> str:
        """Return tickets by their types: `2 × Stalls, 1 × Child`."""
        by_type: dict[UUID, int] = {}
        for _, type_id, _ in tickets:
            by_type[type_id] = by_type.get(type_id, 0) + 1
        return ", ".join(f"{count} × {self.types.get(each, 'ticket')}" for each, count in by_type.items())


async def read_story(database: Database, booking: Booking) -> list[Step]:
    """Return what happened to a booking, oldest first."""
    found = await list_facts_of_booking(database, booking)
    event = await catalogue.get_event(database, booking.event_id)
    facts_alone = [fact for _, fact in found]
    returned = _returned(facts_alone)
    offers = await list_offers_of(database, booking, returned) if returned else []
    payments = await checkout.list_payments(database, booking.booking_id)
    undone = [fact.scan_id for fact in facts_alone if isinstance(fact, facts.CheckInUndone)]
    promo_ids = {
        promo_id for fact in facts_alone if (promo_id := getattr(fact, "promo_id", None)) is not None
    }
    async with database.snapshot() as snapshot:
        types = await list_type_names(snapshot, [booking.event_id])
        promos = await list_promo_texts(snapshot, booking.event_id, list(promo_ids)) if promo_ids else {}
        exchanged = any(isinstance(fact, facts.TicketsExchanged) for _, fact in found)
        hall = await load_hall(snapshot, booking.event_id) if exchanged else None
    setting = Setting(
        booking.currency,
        event.place.zone,
        types,
        await _names_of(database, booking, [*facts_alone, *[fact for _, fact in offers]]),
        {ticket.ticket_id: number for number, ticket in enumerate(booking.tickets, 1)},
        str if hall is None else hall.plan.label,
        {each.payment_id: each.card_digits for each in payments if each.card_digits is not None},
        promos,
        await checkin.find_undone(database, booking.event_id, undone),
        event.cancellation_reason or "",
    )
    written = [(at, type(fact).__name__, write_step(fact, setting)) for at, fact in found]
    steps = [Step(at, kind, text) for at, kind, text in written if text is not None]
    steps += [_write_offer(at, fact, returned, setting) for at, fact in offers]
    steps += [_write_decline(payment, setting) for payment in payments if payment.state == "declined"]
    resent = await mail.list_resent(database, booking)
    steps += [Step(at, "TicketsResent", "The tickets were sent to the buyer once more.") for at in resent]
    return sorted(steps, key=lambda step: step.at)


def write_step(fact: facts.Fact, setting: Setting) -> str | None:  # noqa: PLR0912  # a table
    """Return what a fact says of its booking; None for what other facts say already."""
    match fact:
        case facts.BookingHeld(entry_id=None):
            until, promo = setting.moment(fact.expires_at), setting.promo(fact.promo_id)
            return f"Held until {until}: {setting.counted(fact.tickets)}{promo}."
        case facts.BookingHeld():
            until = setting.moment(fact.expires_at)
            buyer = setting.person(fact.buyer_id)
            return f"Offered to {buyer} from the waitlist until {until}: {setting.counted(fact.tickets)}."
        case facts.BookingConfirmed():
            return f"Booked: {setting.counted(fact.tickets)}{setting.promo(fact.promo_id)}."
        case facts.HoldExtended():
            return f"The buyer got more time, until {setting.moment(fact.expires_at)}."
        case facts.HoldConfirmed(payment_id=None):
            return f"Confirmed without a payment online: {setting.counted(fact.tickets)}."
        case facts.HoldConfirmed():
            digits = None if fact.payment_id is None else setting.cards.get(fact.payment_id)
            card = f" with the card that ends in {digits}" if digits else ""
            paid = setting.money(fact.paid_minor)
            return f"Paid {paid}{card}, and confirmed: {setting.counted(fact.tickets)}."
        case facts.HoldExpired():
            return "The hold ended without a payment, and the tickets went back on sale."
        case facts.BookingCancelled() | facts.TicketsCancelled():
            return _write_cancellation(fact, setting)
        case facts.PaymentCaptured():
            return f"The bank has paid {setting.money(fact.amount_minor)}."
        case facts.RefundSettled():
            return _write_refund(fact, setting)
        case facts.OutsideRefundsRecorded():
            amount = setting.money(fact.outside_minor)
            return f"Paid back at the payment provider, not by Evently: {amount} in all."
        case facts.TicketsReturned():
            return f"{setting.listed(fact.ticket_ids)}: offered to the waitlist by the buyer."
        case facts.TicketsKept():
            return f"{setting.listed(fact.ticket_ids)}: no longer offered to the waitlist."
        case facts.TicketsExchanged():
            moves = ", ".join(
                f"{setting.seat(freed)} → {setting.seat(seat)}"
                for freed, seat in zip(fact.freed, fact.seats, strict=True)
            )
            return f"{setting.person(fact.person_id)} changed seats: {moves}. The earlier codes are void."
        case facts.OfferAccepted():
            return "The buyer accepted the offer."
        case facts.OfferDiscounted():
            return f"The offer got a discount{setting.promo(fact.promo_id)}."
        case _:
            return _write_ticket(fact, setting)


def _write_ticket(fact: facts.Fact, setting: Setting) -> str | None:
    match fact:
        case facts.TransferOffered():
            ticket, until = setting.listed((fact.ticket_id,)), setting.moment(fact.expires_at)
            return f"{ticket}: {setting.person(fact.giver_id)} offered it to another person, until {until}."
        case facts.TransferAccepted():
            return f"{setting.person(fact.receiver_id)} accepted the ticket. Its earlier code is void."
        case facts.TransferEnded():
            return f"The offer of a ticket {_ENDS[fact.how]}."
        case facts.TicketGivenBack():
            ticket = setting.listed((fact.ticket_id,))
            return f"{ticket}: {setting.person(fact.holder_id)} gave it back to the buyer."
        case facts.TicketCheckedIn(again=True):
            return f"{setting.listed((fact.ticket_id,))}: came back in at the door."
        case facts.TicketCheckedIn():
            return f"{setting.listed((fact.ticket_id,))}: checked in at the door."
        case facts.TicketCheckedOut():
            return f"{setting.listed((fact.ticket_id,))}: went out at the door."
        case facts.CheckInUndone():
            return f"{setting.listed((fact.ticket_id,))}: the check-in was undone{_write_why(fact, setting)}"
        case _:
            return None


def _write_cancellation(fact: facts.BookingCancelled | facts.TicketsCancelled, setting: Setting) -> str:
    whole, by = isinstance(fact, facts.BookingCancelled), _CANCELLED[fact.by]
    if fact.person_id is not None and fact.person_id in setting.people:
        by = f"{by} ({setting.people[fact.person_id]})"
    reason = fact.reason or (setting.event_reason if fact.by == "event" else "")
    why = f" The reason: “{reason}”" if reason else ""
    if fact.was == "held":
        if whole:
            return f"The hold was cancelled{by}.{why}"
        return f"No longer held: {setting.counted(fact.tickets)}; cancelled{by}.{why}"
    what = f"The booking was cancelled{by}" if whole else f"Tickets were cancelled{by}"
    if fact.unpaid:
        money = "The bank did not pay."
    elif fact.refund_minor:
        money = f"{setting.money(fact.refund_minor)} is to be paid back."
    elif fact.door_kept:
        money = "What was paid at the door is kept."
    else:
        money = "Evently pays nothing back."
    return f"{what}: {setting.counted(fact.tickets)}. {money}{why}"


def _write_why(fact: facts.CheckInUndone, setting: Setting) -> str:
    """Return by whom and why a check-in was undone."""
    undone = setting.undone.get(fact.scan_id)
    if undone is None:
        return "."
    by = f" by {undone.by}" if undone.by else ""
    return f"{by}: “{undone.reason}”" if undone.reason else f"{by}."


def _returned(found: Sequence[facts.Fact]) -> list[UUID]:
    """Return the tickets that were ever offered to the waitlist."""
    ids = [each for fact in found if isinstance(fact, facts.TicketsReturned) for each in fact.ticket_ids]
    return list(dict.fromkeys(ids))


def _write_offer(at: datetime, fact: facts.BookingHeld, returned: Sequence[UUID], setting: Setting) -> Step:
    """Return that the waitlist was offered returned tickets: a fact about the booking of the offer."""
    tickets = setting.listed(tuple(each for each in returned if each in fact.replaces))
    who, until = setting.person(fact.buyer_id), setting.moment(fact.expires_at)
    return Step(at, "BookingHeld", f"{tickets}: offered to {who} from the waitlist, until {until}.")


def _write_decline(payment: checkout.Payment, setting: Setting) -> Step:
    """Return that a payment did not go through, and what the buyer read about it."""
    said = f" The buyer read: “{payment.failure_message}”" if payment.failure_message else ""
    text = f"A payment of {setting.money(payment.amount_minor)} did not go through.{said}"
    return Step(payment.changed_at, "PaymentDeclined", text)


def _write_refund(fact: facts.RefundSettled, setting: Setting) -> str:
    amount = setting.money(fact.amount_minor)
    match fact.how:
        case "gateway":
            return f"{amount} was paid back."
        case "never_paid":
            return f"{amount} need not be paid back: nothing had been taken."
        case _:
            return f"{setting.person(fact.person_id)} settled {amount} outside of Evently: {fact.reason}"


async def _names_of(database: Database, booking: Booking, found: list[facts.Fact]) -> dict[UUID, str]:
    """Return the names of the people whom these facts name."""
    ids = {booking.buyer_id}
    for fact in found:
        for name in ("person_id", "giver_id", "receiver_id", "holder_id", "buyer_id"):
            if (person_id := getattr(fact, name, None)) is not None:
                ids.add(person_id)
    names = {}
    for person_id in ids:
        try:
            person = await accounts.people.get_person(database, person_id)
        except Refused:
            continue  # an API key, or the buyer of a rehearsal
        if person.erased_at is None:
            names[person_id] = person.name
    return names
