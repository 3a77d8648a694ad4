"""Names on tickets: which can be stored, and until when they can be changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from evently.attendees import (
    NAME_CHARACTERS_MAX,
    AttendeesRefusal,
    TicketName,
    check_name,
    unnamed,
    why_fixed,
)
from evently.catalogue import Event
from evently.kit.ids import new_id
from evently.sales.nouns import Booking, Ticket
from evently.sales.states import TicketState
from tests.support.issued import STARTS_AT, issue

NOON = STARTS_AT - timedelta(days=2)
HOUR = timedelta(hours=1)


def event(**changes: Any) -> Event:
    return replace(issue().event, **changes)


def booking(tickets: int = 1, **changes: Any) -> Booking:
    sold = tuple(Ticket(new_id(), new_id(), 0, "valid", bytes(10)) for _ in range(tickets))
    return replace(issue().booking, tickets=sold, **changes)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Grace Hopper", "Grace Hopper"),
        ("  Grace \t Hopper \n", "Grace Hopper"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("山田 太郎", "山田 太郎"),
        ("محمد", "محمد"),
        ("O’Neil <b>&amp;", "O’Neil <b>&amp;"),
        ("N" * NAME_CHARACTERS_MAX, "N" * NAME_CHARACTERS_MAX),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_a_name_of_any_script_is_stored_composed_and_without_surplus_spaces(typed: str, stored: str) -> None:
    if "\t" in typed:
        assert [error.code for error in check_name(typed, "/x")[1]] == ["control-characters"]
    else:
        assert check_name(typed, "/x") == (stored, [])


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "blank"),
        ("   ", "blank"),
        ("\u200b\u2060\u3164", "blank"),
        ("N" * (NAME_CHARACTERS_MAX + 1), "name-length"),
        ("Grace\x00", "control-characters"),
        ("Grace\nHopper", "control-characters"),
        ("Grace\x1b[31m", "control-characters"),
        ("Grace\u2028Hopper", "line-separators"),
        ("\u202eecarG", "direction-characters"),
        ("Grace \u2067Hopper\u2069", "direction-characters"),
    ],
)
def test_a_name_that_nobody_could_read_is_refused(typed: str, code: str) -> None:
    name, errors = check_name(typed, "/attendee_name")
    assert [(error.pointer, error.code) for error in errors] == [("/attendee_name", code)]
    assert name == "" or len(name) > NAME_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("setting", "ends_at"),
    [
        ({}, STARTS_AT),
        ({"names_hours_before": 24}, STARTS_AT - 24 * HOUR),
        ({"names_until": STARTS_AT - 3 * HOUR, "names_hours_before": 24}, STARTS_AT - 3 * HOUR),
        ({"names_until": STARTS_AT + HOUR}, STARTS_AT + HOUR),
        ({"names_until": STARTS_AT + 99 * HOUR}, STARTS_AT + 3 * HOUR),  # the event ends then
    ],
)
def test_names_can_be_changed_until_the_time_of_the_organizer(
    setting: dict[str, Any], ends_at: datetime
) -> None:
    said, booked = event(**setting), booking()
    assert said.names_end_at == ends_at
    before = ends_at - timedelta(microseconds=1)
    assert why_fixed(said, booked, "valid", before, returning=False) is None
    refused = why_fixed(said, booked, "valid", ends_at, returning=False)
    assert refused is not None
    assert (refused.refusal, refused.reason) == (AttendeesRefusal.NAME_FIXED, "too_late")
    assert refused.data == {"until": ends_at}


@pytest.mark.parametrize(
    ("of_event", "of_booking", "state", "returning", "reason"),
    [
        ({}, {}, "void", False, "void"),
        ({}, {}, "used", False, "used"),
        ({}, {}, "valid", True, "returned"),
        ({"state": "cancelled"}, {}, "valid", False, "event_cancelled"),
        ({}, {"state": "cancelled"}, "valid", False, "booking_ended"),
        ({}, {"state": "expired"}, "valid", False, "booking_ended"),
        ({}, {"state": "held", "expires_at": NOON}, "valid", False, "booking_ended"),
        ({"attendee_names": "not_asked"}, {}, "valid", False, ""),
    ],
)
def test_the_name_on_a_ticket_that_admits_nobody_stays(
    of_event: dict[str, Any],
    of_booking: dict[str, Any],
    state: TicketState,
    returning: bool,  # noqa: FBT001  # a column of the table above
    reason: str,
) -> None:
    refused = why_fixed(event(**of_event), booking(**of_booking), state, NOON, returning=returning)
    assert refused is not None
    assert refused.reason == reason
    asked = of_event.get("attendee_names") != "not_asked"
    assert refused.refusal is (AttendeesRefusal.NAME_FIXED if asked else AttendeesRefusal.NAMES_NOT_ASKED)


def test_a_hold_that_runs_can_have_names() -> None:
    held = booking(state="held", expires_at=NOON + HOUR)
    assert why_fixed(event(), held, "valid", NOON, returning=False) is None


def test_only_required_names_that_can_still_be_given_are_missing() -> None:
    booked = booking(4)
    first, second, third, _ = booked.tickets
    void = replace(booked, tickets=(first, second, third, replace(booked.tickets[3], state="void")))
    names: dict[UUID, TicketName] = {
        first.ticket_id: TicketName(first.ticket_id, "Grace", 1),
        second.ticket_id: TicketName(second.ticket_id, None, 2),
    }
    required = event(attendee_names="required")
    assert unnamed(required, void, names, NOON) == 2
    assert unnamed(required, void, names, STARTS_AT) == 0
    assert unnamed(event(), void, names, NOON) == 0
