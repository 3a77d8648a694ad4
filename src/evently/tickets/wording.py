"""What is written on printed tickets, in words and with the typefaces of each text. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Final

import msgspec

from evently.catalogue import Event, Venue
from evently.kit.money import show_money
from evently.tickets.nouns import IssuedTicket, IssuedTickets
from evently.tickets.qr import qr_svg
from evently.tickets.typefaces import Setting, Typefaces

_CODE_GROUP: Final = 6  # characters of a code that are printed together
_HAN_OF_ZONES: Final = {"Asia/Tokyo": "ja", "Asia/Seoul": "ko", "Asia/Pyongyang": "ko"}
_LINES_MAX: Final = 5  # of an address; further ones share the last
_MISSING_SHOWN_MAX: Final = 4  # characters that a note names
_NIGHT_MAX: Final = timedelta(hours=12)  # an end after midnight that needs no date
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)
DOOR: Final = (
    "Show this page, printed or on a screen. One code admits one person, once.",
    "On a phone, turn the screen bright and hold the code still.",
    "Keep the code to yourself: the first person who shows it is let in.",
)


class PrintedTicket(msgspec.Struct, kw_only=True):
    """What the template prints on the page of one ticket. `notes` are sentences in a frame.

    `name` is that of the attendee; without one, that of the buyer, who is else the `booker`.
    """

    count: str
    type: Setting
    price: str
    price_label: str
    seat: Setting | None
    name: Setting | None
    name_label: str
    booker: Setting | None
    qr: str
    alt: str
    code: list[str]
    notes: list[str]


class PrintedTickets(msgspec.Struct, kw_only=True):
    """What the template prints. `missing` has the characters that no typeface has."""

    fonts: tuple[str, ...]
    document: Setting
    title: Setting
    day: str
    hours: str
    zone: str
    venue: Setting
    address: list[Setting]
    organizer: Setting
    reference: str
    placed: str
    summary: str
    door: tuple[str, ...]
    tickets: list[PrintedTicket]
    missing: list[str]


def write_tickets(issued: IssuedTickets, typefaces: Typefaces) -> PrintedTickets:
    """Return what the template prints for the tickets that admit."""
    event, venue = issued.event, issued.venue
    han = _HAN_OF_ZONES.get(event.time_zone, "zh")
    missing: dict[str, None] = {}

    @cache  # the tickets of a booking have many texts in common
    def put(text: str) -> Setting:
        setting = typefaces.set(text, han)
        missing.update(dict.fromkeys(setting.missing))
        return setting

    content = PrintedTickets(
        fonts=typefaces.set("", han).fonts,
        document=put(f"Tickets: {event.title}"),
        title=put(event.title),
        day=date_in_words(event.starts_at_local),
        hours=hours_of(event),
        zone=zone_of(event),
        venue=put(venue.name),
        address=[put(line) for line in address_of(venue)],
        organizer=put(issued.organizer_name),
        reference=issued.reference,
        placed=date_in_words(issued.booking.placed_at.astimezone(event.place.zone)),
        summary=count_in_words(issued),
        door=DOOR,
        tickets=[_write_page(issued, ticket, put) for ticket in issued.admitting],
        missing=list(missing),
    )
    if missing:
        for page in content.tickets:
            page.notes.append(_explain_missing(content.missing))
    return content


def label_of(issued: IssuedTickets, ticket: IssuedTicket) -> str:
    """Return what names a ticket to a person who does not see its code."""
    seat = "" if ticket.seat_label is None else f", {ticket.seat_label}"
    return f"Ticket {ticket.number} of {issued.count}{seat}, {issued.event.title}"


def date_in_words(local: datetime) -> str:
    """Return a day in words: Thursday, 20 May 2027."""
    return f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}"


def hours_of(event: Event) -> str:
    """Return when an event starts and ends, on the clocks at its venue."""
    start, end = event.starts_at_local, event.ends_at_local
    if end.date() == start.date() or event.ends_at - event.starts_at < _NIGHT_MAX:
        return f"{start:%H:%M} – {end:%H:%M}"
    return f"{start:%H:%M} – {end.day} {_MONTHS[end.month - 1]}, {end:%H:%M}"


def zone_of(event: Event) -> str:
    """Return the time zone of an event: Europe/Berlin, UTC+2."""
    offset = event.starts_at.astimezone(event.place.zone).strftime("%z")
    hours, minutes = offset[:3].replace("+0", "+").replace("-0", "-"), offset[3:5]
    return f"{event.time_zone}, UTC{hours}{'' if minutes == '00' else ':' + minutes}"


def address_of(venue: Venue) -> list[str]:
    """Return the lines of an address; the city as a line of its own where no line names it."""
    lines = [line.strip() for line in venue.address.splitlines() if line.strip()]
    if not any(venue.city.casefold() in line.casefold() for line in lines):
        lines.append(venue.city)
    return (
        lines if len(lines) <= _LINES_MAX else [*lines[: _LINES_MAX - 1], ", ".join(lines[_LINES_MAX - 1 :])]
    )


def price_of(issued: IssuedTickets, ticket: IssuedTicket) -> str:
    """Return what a ticket costs."""
    return show_money(ticket.total_minor, issued.booking.currency) if ticket.total_minor else "Free"


def price_label_of(issued: IssuedTickets, ticket: IssuedTicket) -> str:
    """Return what the price of a ticket is called: the door asks for what is not paid."""
    return "To pay at the door" if issued.due_at_the_door and ticket.total_minor else "Price"


def count_in_words(issued: IssuedTickets) -> str:
    """Return how many tickets the booking has, and how many were cancelled."""
    count = len(issued.tickets)
    void = sum(ticket.state == "void" for ticket in issued.tickets)
    return f"{count}" if not void else f"{count - void} of {count}; {void} cancelled"


def _write_page(issued: IssuedTickets, ticket: IssuedTicket, put: Callable[[str], Setting]) -> PrintedTicket:
    assert ticket.code is not None, "only tickets with a code are printed"
    label = label_of(issued, ticket)
    buyer = None if issued.buyer_name is None else put(issued.buyer_name)
    attendee = None if ticket.attendee_name is None else put(ticket.attendee_name)
    return PrintedTicket(
        count=f"{ticket.number} of {issued.count}",
        type=put(ticket.type_name),
        price=price_of(issued, ticket),
        price_label=price_label_of(issued, ticket),
        seat=None if ticket.seat_label is None else put(ticket.seat_label),
        name=attendee or buyer,
        name_label="Booked by" if attendee is None else "Name",
        booker=None if attendee is None else buyer,
        qr=qr_svg(ticket.code, label),
        alt=put(f"QR code: {label}").text,
        code=[ticket.code[at : at + _CODE_GROUP] for at in range(0, len(ticket.code), _CODE_GROUP)],
        notes=_notes_of(ticket),
    )


def _notes_of(ticket: IssuedTicket) -> list[str]:
    if ticket.state == "used":
        return ["This ticket was used. Its code does not admit again."]
    if ticket.returning:
        return ["You have returned this ticket. It is valid until another buyer takes it, and void then."]
    return []


def _explain_missing(missing: list[str]) -> str:
    named = [f"U+{ord(each):04X}" for each in missing[:_MISSING_SHOWN_MAX]]
    more = len(missing) - len(named)
    others = f" and {more} more" if more > 0 else ""
    return f"[?] stands for characters that we cannot print: {', '.join(named)}{others}. The ticket is valid."
