"""The words of every kind of message: amounts, dates at the venue, names, what the reader can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from msgspec.structs import replace

from evently.accounts import Organizer
from evently.catalogue import Category, Event, Venue
from evently.mail.account_letters import write_account_change, write_email_change
from evently.mail.letters import Letter, Link, to_html, to_text
from evently.mail.nouns import (
    KINDS,
    AccountChange,
    AlreadyRegistered,
    EmailChange,
    EmailChanged,
    Message,
    Notified,
    PasskeyAdded,
    PasskeyCopied,
    PasskeyRemoved,
    PasswordChanged,
    PasswordReset,
    SignInCode,
    TicketOffered,
)
from evently.mail.phrases import Setting
from evently.mail.reading import About, Dropped, Story, check
from evently.mail.writing import write_notified, write_offered, write_requested
from evently.sales.nouns import Booking, Ticket
from evently.sales.terms import Rescheduling

NOW: Final = datetime(2027, 5, 18, 17, 0, tzinfo=UTC)
START: Final = datetime(2027, 5, 20, 18, 0, tzinfo=UTC)
SEATED, STANDING = UUID(int=1), UUID(int=2)
BASE: Final = "https://tickets.example"
REQUESTED: Final = {kind for kind, terms in KINDS.items() if terms.topic is None}
NOTIFIED: Final = sorted(KINDS.keys() - REQUESTED)


def make_event(**changes: Any) -> Event:
    return Event(
        **{
            "event_id": UUID(int=10),
            "organizer_id": UUID(int=11),
            "venue_id": UUID(int=12),
            "title": "Jazz by night",
            "description": "",
            "category": Category.MUSIC,
            "tags": (),
            "image_url": None,
            "venue_name": "Tempodrom",
            "city": "Berlin",
            "time_zone": "Europe/Berlin",
            "starts_at": START,
            "ends_at": START + timedelta(hours=3),
            "state": "published",
            "sandbox": False,
            "currency": "EUR",
            "version": 1,
            "created_at": NOW,
            "changed_at": NOW,
            "published_at": NOW,
            "cancelled_at": None,
            **changes,
        }
    )


def ticket(number: int, type_id: UUID, price: int, **more: Any) -> Ticket:
    return Ticket(UUID(int=number), type_id, price, more.pop("state", "valid"), b"s", **more)


def make_story(event: Event | None = None, refund_minor: int | None = None, **booking: Any) -> Story:
    event = event or make_event()
    venue = Venue(
        event.venue_id,
        event.organizer_id,
        event.venue_name,
        "Möckernstraße 10\n10963 Berlin",
        event.city,
        "DE",
        event.time_zone,
        1,
        NOW,
    )
    made = {
        "event_id": event.event_id,
        "booking_id": UUID(int=20),
        "buyer_id": UUID(int=21),
        "state": "confirmed",
        "currency": event.currency,
        "placed_at": NOW,
        "expires_at": None,
        "confirmed_at": NOW,
        "ended_at": None,
        "payment": "online",
        "paid_minor": 20_300,
        "tickets": (
            ticket(31, SEATED, 8900, seat_label="Stalls, row C, seat 12"),
            ticket(32, SEATED, 8900, seat_label="Stalls, row C, seat 13"),
            ticket(33, STANDING, 2500),
            ticket(34, STANDING, 2500, state="void"),
        ),
        **booking,
    }
    moved = Rescheduling(NOW, START - timedelta(days=1), START, place_changed=False)
    names = {SEATED: "Seat", STANDING: "Floor"}
    organizer = Organizer(event.organizer_id, "Klangwerk", "hello@klangwerk.example", 1, NOW)
    return Story(About(event, venue, organizer, names, moved), Booking(**made), None, refund_minor)


def message(kind: str, minutes: int = 10) -> Message:
    about, until = Notified(UUID(int=10)), NOW + timedelta(minutes=minutes)
    return Message(UUID(int=7), kind, UUID(int=21), "ada@b.example", about, NOW, until, 1, bounced=False)


def write(kind: str, story: Story | None = None, **setting: Any) -> Letter:
    return write_notified(
        kind,
        story or make_story(**_held(kind)),
        Setting(**{"base_url": BASE, "now": NOW, **setting}),
    )


@pytest.mark.parametrize("kind", NOTIFIED)
def test_every_kind_has_words_a_place_to_go_and_a_reason(kind: str) -> None:
    letter = write(kind)
    text = to_text(letter)
    assert letter.action is not None
    assert letter.action.url.startswith(f"{BASE}/")
    assert "You get this because you have" in text
    assert "write to Klangwerk:\nmailto:hello@klangwerk.example\n" in text
    assert letter.reply_to == Link("Klangwerk", "hello@klangwerk.example")
    assert "Jazz by night" in letter.subject
    assert "None" not in text
    assert "{" not in text


@pytest.mark.parametrize("kind", NOTIFIED)
def test_only_what_may_be_refused_says_how(kind: str) -> None:
    topic = KINDS[kind].refusable
    letter = write(kind, unsubscribe=f"{BASE}/unsubscribe/x" if topic else None)
    assert (letter.unsubscribe is not None) == (topic is not None)
    assert KINDS[kind].topic is not None


def test_a_confirmation_lists_what_was_bought() -> None:
    text = to_text(write("booking_confirmed", files=("your tickets", "an entry for your calendar")))
    assert "Your tickets and an entry for your calendar are attached." in text
    assert "1 × Floor" in text
    assert "Seat: Stalls, row C, seat 12" in text
    assert "Paid:" in text
    assert "203.00 EUR" in text
    assert "Thursday, 20 May 2027, 20:00 to 23:00" in text
    assert "(time in Berlin)" in text
    assert text.count("10963 Berlin") == 1


@pytest.mark.parametrize(
    ("currency", "price", "payment", "words"),
    [
        ("JPY", 5000, "online", "5,000 JPY"),
        ("KWD", 1500, "online", "1.500 KWD"),
        ("EUR", 2500, "door", "To pay at the door: 25.00 EUR"),
        ("EUR", 0, "none", "Free"),
    ],
)
def test_amounts_have_their_decimals(currency: str, price: int, payment: Any, words: str) -> None:
    story = make_story(make_event(currency=currency), tickets=(ticket(1, STANDING, price),), payment=payment)
    assert words in to_text(write("booking_confirmed", story))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"time_zone": "Asia/Tokyo", "city": "Tokyo"}, "Friday, 21 May 2027, 03:00 to 06:00"),
        ({"ends_at": START + timedelta(days=2)}, "20:00 to Saturday, 22 May 2027, 20:00"),
        (
            {"starts_at": datetime(2027, 10, 31, 0, 30, tzinfo=UTC), "ends_at": START + timedelta(days=200)},
            "Sunday, 31 October 2027, 02:30 (UTC+02:00)",  # the first of two
        ),
        (
            {"starts_at": datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "ends_at": START + timedelta(days=200)},
            "Sunday, 31 October 2027, 02:30 (UTC+01:00)",
        ),
    ],
)
def test_times_are_those_at_the_venue(event: dict[str, Any], words: str) -> None:
    assert words in " ".join(to_text(write("booking_confirmed", make_story(make_event(**event)))).split())


@pytest.mark.parametrize(
    ("hours_before", "words"), [(30, "Tomorrow"), (21, "Tomorrow"), (19, "Today"), (1, "Today")]
)
def test_a_reminder_knows_the_day(hours_before: int, words: str) -> None:
    letter = write("event_reminder", now=START - timedelta(hours=hours_before))
    assert letter.subject == f"{words}: Jazz by night"
    assert letter.heading == f"See you {words.lower()}"


@pytest.mark.parametrize(
    ("unnamed", "words"),
    [
        (0, None),
        (1, "A ticket has no name yet, and the organizer asks who comes."),
        (3, "3 tickets have no name yet, and the organizer asks who comes."),
    ],
)
def test_a_reminder_counts_the_names_that_are_missing(unnamed: int, words: str | None) -> None:
    event = make_event(attendee_names="required", names_hours_before=2)
    letter = write("event_reminder", replace(make_story(event), unnamed=unnamed))
    text = " ".join(to_text(letter).split())
    if words is None:
        assert "no name" not in text
    else:
        assert f"{words} Give it at the address below until Thursday, 20 May 2027, 18:00." in text


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(seconds=20), "1 minute left"),
        (timedelta(minutes=47), "47 minutes left"),
        (timedelta(minutes=119), "119 minutes left"),
        (timedelta(hours=23, minutes=40), "24 hours left"),
    ],
)
def test_an_offer_says_how_long_it_is_held(left: timedelta, words: str) -> None:
    letter = write("offer_ending", make_story(state="held", expires_at=NOW + left))
    assert letter.subject == f"{words}: Jazz by night"
    assert letter.action is not None
    assert letter.action.url == f"{BASE}/me/waitlist"


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (make_story(refund_minor=9150), "91.50 EUR will be paid back the way you paid."),
        (make_story(), "Nothing is paid back: the conditions of your booking say so."),
        (make_story(payment="door", paid_minor=0), "You had paid nothing to us, so nothing is paid back."),
    ],
)
@pytest.mark.parametrize("kind", ["booking_cancelled", "tickets_cancelled", "return_taken"])
def test_what_is_paid_back(kind: str, story: Story, words: str) -> None:
    assert words in " ".join(to_text(write(kind, story)).split())


def test_a_cancelled_event_is_told_from_a_cancelled_booking() -> None:
    cancelled = make_story(make_event(state="cancelled"), state="cancelled")
    assert write("booking_cancelled", cancelled).heading == "The event is cancelled"
    assert write("booking_cancelled", make_story(state="cancelled")).heading == "Your booking is cancelled"


def test_a_moved_event_shows_both_times() -> None:
    text = to_text(write("event_rescheduled"))
    assert "Wednesday, 19 May 2027, 20:00" in text
    assert "Thursday, 20 May 2027, 20:00 to 23:00" in text


def test_a_long_title_is_cut_in_the_subject_and_whole_below() -> None:
    title = "Donaudampfschifffahrtsgesellschaft: a very long evening of chamber music"
    letter = write("booking_confirmed", make_story(make_event(title=title)))
    assert letter.subject.count("…") == 1
    assert title in dict(letter.rows)["Event"]


def test_a_title_from_right_to_left_is_isolated() -> None:
    letter = write("booking_confirmed", make_story(make_event(title="ערב ג'אז")))
    assert "\u2068ערב ג'אז\u2069, 20 May" in letter.subject


@pytest.mark.parametrize("about", [SignInCode("493027", "/a?t=1"), PasswordReset("493027", "/a?t=1")])
def test_a_code_comes_with_a_link_and_its_end(about: SignInCode | PasswordReset) -> None:
    text = to_text(write_requested(message("sign_in_code"), about, Setting(BASE, NOW)))
    assert "    493027\n" in text
    assert f"{BASE}/a?t=1\n" in text
    assert "10 minutes" in text
    assert "because ada@b.example was entered" in text


def test_a_new_address_is_proved_with_a_code_and_no_link() -> None:
    letter = write_email_change(message("email_change"), EmailChange("493027"), BASE)
    text = to_text(letter)
    assert "493027" in letter.subject
    assert "    493027\n" in text
    assert "30 minutes" in text
    assert letter.action is None


CHANGES: Final[list[AccountChange]] = [
    PasswordChanged(),
    EmailChanged(),
    PasskeyAdded("Ada's <b>phone"),
    PasskeyRemoved("Ada's <b>phone"),
    PasskeyCopied("Ada's <b>phone"),
]


@pytest.mark.parametrize("about", CHANGES, ids=lambda about: type(about).__name__)
def test_a_change_of_an_account_says_when_and_what_to_do_if_it_was_another_person(
    about: AccountChange,
) -> None:
    letter = write_account_change(message("x"), about, BASE)
    text = to_text(letter)
    assert "18 May 2027, 17:00 UTC" in text
    assert "to an account at https://tickets.example" in " ".join(text.split())
    if not isinstance(about, PasskeyCopied):
        assert "If it was not you" in text
    if isinstance(about, EmailChanged):
        assert "/me" not in text, "the old address leads into no account"
    else:
        assert f"{BASE}/me\n" in text
    assert "<b>phone" not in to_html(letter)


def test_a_taken_address_is_told_to_its_owner() -> None:
    text = to_text(write_requested(message("x"), AlreadyRegistered("/login"), Setting(BASE, NOW)))
    assert f"{BASE}/login\n" in text
    assert "You have an account already" in text


def test_a_ticket_that_is_passed_on_names_who_gives_it() -> None:
    offered = TicketOffered(UUID(int=10), "Mina <b>Ito", "Floor", "/tickets/accept?t=1")
    letter = write_offered(message("ticket_offered", 60), offered, make_story().about, Setting(BASE, NOW))
    text = to_text(letter)
    assert letter.subject == "Mina <b>Ito has a ticket for you: Jazz by night"
    assert f"{BASE}/tickets/accept?t=1\n" in text
    assert "Tuesday, 18 May 2027, 20:00" in text


@pytest.mark.parametrize(
    ("kind", "event", "booking"),
    [
        ("booking_confirmed", {}, {"state": "cancelled"}),
        ("event_reminder", {}, {"state": "cancelled"}),
        ("event_reminder", {"state": "cancelled"}, {}),
        ("event_reminder", {"starts_at": NOW}, {}),
        ("event_rescheduled", {"state": "cancelled"}, {}),
        ("offer_made", {}, {"state": "expired"}),
        ("offer_made", {}, {"state": "confirmed"}),
        ("offer_ending", {}, {"state": "held", "expires_at": NOW}),
    ],
)
def test_what_is_no_longer_true_is_dropped(kind: str, event: dict[str, Any], booking: dict[str, Any]) -> None:
    with pytest.raises(Dropped):
        check(kind, make_story(make_event(**event), **booking), NOW)


@pytest.mark.parametrize("kind", NOTIFIED)
def test_what_is_true_is_not_dropped(kind: str) -> None:
    check(kind, make_story(**_held(kind)), NOW)


def _held(kind: str) -> dict[str, Any]:
    """Return what makes the booking an offer, for the kinds that are about one."""
    return {"state": "held", "expires_at": NOW + timedelta(minutes=47)} if kind.startswith("offer_") else {}
