"""A booking as a calendar entry, as strict readers take it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import icalendar
import pytest
from msgspec.structs import replace

from evently.kit.ids import show_id
from evently.tickets import IssuedTickets, sequence_of
from evently.tickets.calendar import calendar_of
from tests.support.issued import STARTS_AT, issue


def entry_of(issued: IssuedTickets, url: str | None = None) -> Any:
    calendar = icalendar.Calendar.from_ical(calendar_of(issued, url))
    (entry,) = calendar.walk("VEVENT")
    return entry


def test_an_entry_says_when_where_and_what() -> None:
    issued = issue(2)
    entry = entry_of(issued, "https://tickets.example/bookings/x")
    assert entry["uid"] == f"{show_id('bkg', issued.booking.booking_id)}@evently"
    assert entry["summary"] == "Jazz by night"
    assert entry["location"] == "Tempodrom, Möckernstraße 10, 10963 Berlin"
    assert entry["description"].splitlines() == [
        "Regular: Stalls, row C, seat 12",
        "Regular: Stalls, row C, seat 12",
        f"Booking {issued.reference}",
    ]
    assert entry["url"] == "https://tickets.example/bookings/x"
    assert entry["status"] == "CONFIRMED"
    assert entry.decoded("dtstart") == STARTS_AT
    assert entry.decoded("dtend") == STARTS_AT + timedelta(hours=3)


def test_tickets_without_seats_are_counted() -> None:
    assert entry_of(issue(3, seat=None))["description"].splitlines()[0] == "3 x Regular"


def test_what_is_paid_at_the_door_is_in_the_entry() -> None:
    issued = issue(2, payment="door")
    assert "To pay at the door: 85.00 EUR" in entry_of(issued)["description"]
    first, second = issued.tickets
    smaller = replace(issued, tickets=(replace(first, state="void", code=None), second))
    assert "To pay at the door: 42.50 EUR" in entry_of(smaller)["description"]
    assert "door" not in entry_of(issue(2, payment="online"))["description"]


def test_strict_readers_can_read_it() -> None:
    """RFC 5545, 3.1: lines end with CRLF and have at most 75 octets; times are instants in UTC."""
    said = calendar_of(
        issue(20, title="Größe, Länge; \\ \n" + "漢" * 80, seat="Rang; links, Reihe 3"), "https://x"
    )
    lines = said.split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()
    for name in (b"DTSTART", b"DTEND", b"DTSTAMP", b"CREATED", b"LAST-MODIFIED"):
        (found,) = [line for line in lines if line.startswith(name)]
        assert found.endswith(b"Z")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert lines[-2:] == [b"END:VCALENDAR", b""]
    assert not [line for line in lines if line.startswith(b"METHOD")]


def test_the_sequence_grows_with_each_change() -> None:
    confirmed = issue(2)
    booking = confirmed.booking
    held = replace(confirmed, booking=replace(booking, state="held", confirmed_at=None))
    first, second = confirmed.tickets
    smaller = replace(confirmed, tickets=(replace(first, state="void", code=None), second))
    moved = replace(smaller, event=replace(smaller.event, version=smaller.event.version + 1))
    ended = replace(
        moved, booking=replace(booking, state="cancelled", ended_at=booking.placed_at + timedelta(days=1))
    )
    numbers = [sequence_of(each) for each in (held, confirmed, smaller, moved, ended)]
    assert numbers == sorted(set(numbers))
    assert [entry_of(each)["status"] for each in (held, confirmed, ended)] == [
        "TENTATIVE",
        "CONFIRMED",
        "CANCELLED",
    ]
    assert len({entry_of(each)["uid"] for each in (held, confirmed, smaller, moved, ended)}) == 1
    assert entry_of(smaller)["description"].count("Regular") == 1
    assert entry_of(ended).decoded("dtstamp") > entry_of(confirmed).decoded("dtstamp")


@pytest.mark.parametrize(("state", "status"), [("published", "CONFIRMED"), ("cancelled", "CANCELLED")])
def test_a_cancelled_event_cancels_the_entry(state: str, status: str) -> None:
    issued = issue()
    assert entry_of(replace(issued, event=replace(issued.event, state=state)))["status"] == status
