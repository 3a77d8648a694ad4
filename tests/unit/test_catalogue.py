from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from unicodedata import normalize
from uuid import UUID
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from evently.catalogue import (
    Category,
    Event,
    VenueTerms,
    calendar_of,
    check_event,
    check_times,
    countries,
    search_for,
    time_zones,
    zone_of_city,
)
from evently.catalogue.checks import check_venue
from evently.catalogue.local_time import instant_of, is_within_reach, keep_wall_times, wall_time_of
from evently.catalogue.words import lexemes_of, slug_of, tsqueries_by_relevance, tsquery_of, words_of
from evently.kit.complaints import Complaints
from tests.support.catalogue import BERLIN, NOW, event_terms

BERLIN_ZONE = ZoneInfo("Europe/Berlin")
SOME_ID = UUID(int=7)
EVENT = Event(
    SOME_ID,
    SOME_ID,
    SOME_ID,
    "Jazz; by night, mostly",
    "Two sets.\nÜber alles: 50 % Swing",
    Category.MUSIC,
    ("jazz",),
    None,
    "Tempodrom",
    "Berlin",
    "Europe/Berlin",
    datetime(2026, 10, 24, 18, tzinfo=UTC),
    datetime(2026, 10, 25, 3, tzinfo=UTC),
    "published",
    False,
    "EUR",
    3,
    NOW,
    NOW + timedelta(days=1),
    NOW,
    None,
)


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2026-07-01T20:00", "Europe/Berlin", "2026-07-01T18:00"),
        ("2026-12-01T20:00", "Europe/Berlin", "2026-12-01T19:00"),
        ("2026-07-01T20:00", "Asia/Kathmandu", "2026-07-01T14:15"),
        ("2026-03-29T01:59", "Europe/Berlin", "2026-03-29T00:59"),
        ("2026-03-29T02:00", "Europe/Berlin", None),
        ("2026-03-29T02:59", "Europe/Berlin", None),
        ("2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30"),  # twice: the first
        ("2026-10-25T03:00", "Europe/Berlin", "2026-10-25T02:00"),
        ("2026-10-04T02:15", "Australia/Lord_Howe", None),  # half an hour forward
        ("2011-12-30T12:00", "Pacific/Apia", None),  # a day that Samoa never had
    ],
)
def test_wall_time(wall: str, zone: str, expected: str | None) -> None:
    instant = instant_of(datetime.fromisoformat(wall), ZoneInfo(zone))
    assert instant == (None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC))
    if instant is not None:
        assert wall_time_of(instant, ZoneInfo(zone)) == datetime.fromisoformat(wall)


@pytest.mark.parametrize(
    ("starts", "ends", "zone", "other", "expected"),
    [
        # The hour on the poster stays
        (
            "2026-07-01T18:00",
            "2026-07-01T20:00",
            "Europe/Berlin",
            "Europe/London",
            ("07-01T19:00", "07-01T21:00"),
        ),
        # The second of two equal hours stays the second
        (
            "2026-10-25T01:30",
            "2026-10-25T03:00",
            "Europe/Berlin",
            "Europe/Paris",
            ("10-25T01:30", "10-25T03:00"),
        ),
        # Skipped by the clocks of the other zone: half an hour into the gap is half an hour after it
        (
            "2026-03-29T01:30",
            "2026-03-29T04:00",
            "Africa/Lagos",
            "Europe/Berlin",
            ("03-29T01:30", "03-29T03:00"),
        ),
        # The end would be before the start: it keeps its distance
        (
            "2026-10-25T00:50",
            "2026-10-25T01:10",
            "Europe/Berlin",
            "Africa/Lagos",
            ("10-25T01:50", "10-25T02:10"),
        ),
    ],
)
def test_wall_times_stay_in_another_zone(
    starts: str, ends: str, zone: str, other: str, expected: tuple[str, str]
) -> None:
    instants = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (starts, ends)]
    kept = keep_wall_times(instants[0], instants[1], ZoneInfo(zone), ZoneInfo(other))
    assert tuple(instant.strftime("%m-%dT%H:%M") for instant in kept) == expected
    assert kept[1] > kept[0]


def test_an_instant_needs_no_zone() -> None:
    assert instant_of(datetime.fromisoformat("2026-03-29T02:30:00-05:00"), BERLIN_ZONE) == datetime(
        2026, 3, 29, 7, 30, tzinfo=UTC
    )


def test_what_cannot_be_calculated_with_is_out_of_reach() -> None:
    for text in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59"):
        assert not is_within_reach(datetime.fromisoformat(text))
    assert is_within_reach(NOW)


def test_every_time_zone_and_country_is_real() -> None:
    assert {"Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"} <= time_zones()
    assert not {"Factory", "localtime", "Mars/Base", ""} & time_zones()
    for name in time_zones():
        ZoneInfo(name)
    assert {"DE", "GB", "JP", "NZ"} <= countries().keys()
    assert not {"UK", "XX", "de", ""} & countries().keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Zürich ZURICH zürich", ["zurich"] * 3),
        ("Größe, Œuvre & Łódź!", ["grosse", "oeuvre", "lodz"]),
        ("Ærøskøbing (naïve) don't_stop", ["aeroskobing", "naive", "don", "t", "stop"]),
        ("\ufb01ne Ⅻ ２０２６", ["fine", "xii", "2026"]),
        ("東京ジャズ2026", ["東京ジャズ", "2026"]),
        ("ｶﾞﾊﾟ カ゛ ハ\u309a", ["ガパ", "ガ", "パ"]),  # voiced kana, in four encodings
        ("재즈콘서트", ["재즈콘서트"]),
        ("เทศกาลดนตรี ๒๕๖๙", ["เทศกาลดนตรี", "2569"]),
        ("हिन्दी संगीत", ["हिन्दी", "संगीत"]),
        ("мой ёлка Їжак Моско́в", ["мой", "елка", "їжак", "москов"]),
        ("كِتابـــ می\u200cخواهم", ["كتاب", "میخواهم"]),
        ("Ver\u00adein", ["verein"]),
        ("İstanbul Ελλάς Москва", ["istanbul", "ελλασ", "москва"]),
        ("e\u0301te\u0301", ["ete"]),
        ("🎉 --- ''' \\ :* & |", []),
        ("x" * 100, ["x" * 40]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_what_is_stored_of_an_event() -> None:
    lexemes = lexemes_of(
        "Café Jazz", ["jazz trio"], {"city": ["Zürich"], "tag": ["Late Night", "late-night"]}
    )
    assert lexemes == ["cafe", "jazz", "trio", "t=cafe", "t=jazz", "city=zurich", "tag=late-night"]
    many = lexemes_of("Title", [" ".join(f"w{number}" for number in range(9_000))], {"city": ["Berlin"]})
    assert len(many) == 4_002
    assert {"title", "t=title", "city=berlin"} <= set(many)
    assert all(
        len(lexeme.encode()) < 2_000 for lexeme in lexemes_of("ﷺ" * 200, ["ﷺ" * 20_000], {"tag": ["ﷺ" * 50]})
    )
    assert lexemes_of("東京", ["ジャ"], {}) == [
        *["東", "京", "東京", "ジ", "ャ", "ジャ"],
        *["t=東", "t=京", "t=東京"],
    ]


def test_the_words_of_the_longest_description_fit_into_a_row() -> None:
    letters = [chr(code) for code in (*range(0x4E00, 0x9FFF), *range(0xAC00, 0xD7A3))]
    longest = "".join(random.Random(1).choices(letters, k=20_000))
    assert sum(len(lexeme.encode()) for lexeme in lexemes_of(longest[:200], [longest], {})) < 500_000


def test_searches() -> None:
    assert tsquery_of(search_for("", [])) is None
    assert tsquery_of(search_for("!", [("city", "Zürich")])) == "'city=zurich'"
    assert tsquery_of(search_for("Jazz ber", [("tag", "x")])) == "'tag=x' & 'jazz' & 'ber':*"
    assert tsquery_of(search_for("jazz b", [])) == "'jazz' & 'b'"
    assert tsquery_of(search_for("東", [])) == "'東'"
    assert tsquery_of(search_for("東京都 ジャ", [])) == "'東京' & '京都' & 'ジャ'"
    # A syllable of Hangul is typed letter by letter
    assert tsquery_of(search_for("서우", [])) == f"'{normalize('NFD', '서우')}':*"
    assert normalize("NFD", "서울").startswith(normalize("NFD", "서우"))
    assert (tsquery_of(search_for("東" * 200, [])) or "").count("&") == 29
    assert tsquery_of(search_for("it's :* | 'x' \\", [])) == "'it' & 's' & 'x'"
    assert len(search_for("a b c d e f g h i j k l m", []).words) == 10
    assert tsqueries_by_relevance(search_for("jazz ber", [])) == [
        "'jazz' & 'ber':* & ('t=jazz' & 't=ber':*)",
        "'jazz' & 'ber':* & ('t=jazz' | 't=ber':*) & !('t=jazz' & 't=ber':*)",
        "'jazz' & 'ber':* & !('t=jazz' | 't=ber':*)",
    ]
    assert slug_of("Rock & Roll") == slug_of("rock roll")


def complaints_about(**changes: object) -> dict[str, str]:
    complaints = Complaints()
    terms = event_terms(SOME_ID, **changes)
    complaints.check("", terms)
    check_event(complaints, terms)
    return {error.pointer: error.detail for error in complaints.errors}


def test_an_event_may_say_a_lot() -> None:
    assert (
        complaints_about(title="x" * 200, description="", tags=tuple(str(number) for number in range(20)))
        == {}
    )
    assert (
        complaints_about(description="One.\r\n\tTwo.", image_url="https://img.example:8443/a%20b.jpg?w=1#x")
        == {}
    )


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"title": "  "}, {"/title"}),
        ({"title": "x" * 201}, {"/title"}),
        ({"title": "a\nb"}, {"/title"}),
        ({"title": "\u200b\u3164"}, {"/title"}),
        ({"title": "Jazz \u202eecnad"}, {"/title"}),
        ({"title": "a\u2028b"}, {"/title"}),
        ({"description": "a\u202eb", "tags": ("\u2066x",)}, {"/description", "/tags/0"}),
        ({"description": "x" * 20_001}, {"/description"}),
        ({"description": "a\x00b"}, {"/description"}),
        ({"tags": ("",)}, {"/tags/0"}),
        ({"tags": ("ok", "x" * 51, "🎉")}, {"/tags/1", "/tags/2"}),
        ({"tags": tuple(str(number) for number in range(21))}, {"/tags"}),
        (
            {"title": "", "description": "\x07", "tags": ("",), "image_url": "x"},
            {"/title", "/description", "/tags/0", "/image_url"},
        ),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, object], pointers: set[str]) -> None:
    assert complaints_about(**changes).keys() == pointers


@pytest.mark.parametrize(
    "url",
    [
        "http://img.example/a.jpg",
        "https://",
        "https:///a.jpg",
        "//img.example/a",
        "javascript:alert(1)",
        "https://user@img.example/",
        "a.jpg",
        "https://img.example/ä.jpg",
        "https://img.example/a b",
        "https://[::1",
        "https://img.example:99999/",
        'https://img.example/"><script>',
        "",
        "https://img.example/" + "a" * 2_000,
        "data:image/png;base64,AAAA",
        "https:\\\\img.example",
    ],
)
def test_an_image_has_an_https_address(url: str) -> None:
    assert complaints_about(image_url=url).keys() == {"/image_url"}


def times(starts: str, ends: str, *, in_future: bool = True) -> object:
    complaints = Complaints()
    found = check_times(
        complaints,
        event_terms(SOME_ID, starts_at=datetime.fromisoformat(starts), ends_at=datetime.fromisoformat(ends)),
        BERLIN_ZONE,
        NOW,
        in_future=in_future,
    )
    return {error.pointer: error.detail for error in complaints.errors} or found


def test_times() -> None:
    expected = (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 4, tzinfo=UTC))
    assert times("2026-10-25T02:30:00", "2026-10-25T05:00:00") == expected
    assert times("2026-10-25T00:30:00+00:00", "2026-10-25T05:00:00") == expected
    assert times("2026-06-01T11:00:00+00:00", "2026-06-01T13:00:00+00:00") == {
        "/starts_at": "Must be in the future."
    }
    assert times("2026-06-01T11:00:00+00:00", "2026-06-01T13:00:00+00:00", in_future=False) == (
        NOW - timedelta(hours=1),
        NOW + timedelta(hours=1),
    )
    assert times("2027-03-28T02:30:00", "2027-03-28T02:45:00") == {
        "/starts_at_local": "Does not exist in Europe/Berlin: the clocks go forward over it.",
        "/ends_at_local": "Does not exist in Europe/Berlin: the clocks go forward over it.",
    }
    assert times("2026-07-01T20:00:00", "2026-07-01T20:00:00") == {
        "/ends_at_local": "Must be after the start."
    }
    assert times("2026-07-01T20:00:00", "2026-08-01T20:00:01") == {
        "/ends_at_local": "Must be at most 31 days after the start."
    }
    assert times("2026-10-01T20:00:00", "2026-11-01T20:00:00") == (  # 31 days and an hour: the clocks go back
        datetime(2026, 10, 1, 18, tzinfo=UTC),
        datetime(2026, 11, 1, 19, tzinfo=UTC),
    )
    assert times("2026-10-01T18:00:00+00:00", "2026-11-01T19:00:01+00:00") == {
        "/ends_at": "Must be at most 31 days after the start."
    }
    assert times("2027-03-01T20:00:00", "2027-04-01T20:00:01") == {  # an hour less than 31 days, and a second
        "/ends_at_local": "Must be at most 31 days after the start."
    }
    assert times("2026-07-01T20:00:00", "9999-12-31T23:59:59-12:00") == {"/ends_at": "Is too far away."}
    assert times("2040-07-01T20:00:00", "2040-07-01T21:00:00") == {
        "/starts_at_local": "Is too far away.",
        "/ends_at_local": "Is too far away.",
    }


def test_a_venue_is_somewhere() -> None:
    complaints = Complaints()
    complaints.check("", BERLIN)
    check_venue(complaints, BERLIN)
    assert complaints.errors == []
    nowhere = VenueTerms("", "", "🎉", "UK", "berlin")
    complaints.check("", nowhere)
    check_venue(complaints, nowhere)
    assert {error.pointer for error in complaints.errors} == {
        "/name",
        "/address",
        "/city",
        "/country",
        "/time_zone",
    }


def test_a_calendar_entry_says_it_all() -> None:
    calendar = icalendar.Calendar.from_ical(
        calendar_of(EVENT, "evt_1@tickets.example", "Tempodrom, Berlin", "https://tickets.example/e/1")
    )
    (entry,) = calendar.walk("VEVENT")
    assert entry.decoded("dtstart") == EVENT.starts_at
    assert entry.decoded("dtend") == EVENT.ends_at
    assert entry["dtstart"].params["TZID"] == "Europe/Berlin"
    assert (str(entry["uid"]), int(str(entry["sequence"])), str(entry["status"])) == (
        "evt_1@tickets.example",
        2,
        "CONFIRMED",
    )
    assert (str(entry["summary"]), str(entry["description"])) == (EVENT.title, EVENT.description)
    assert entry.decoded("dtstamp") == EVENT.changed_at
    assert "METHOD" not in calendar, "RFC 5546, 3.2.1: it would need an ORGANIZER"
    cancelled = calendar_of(replace(EVENT, state="cancelled", cancelled_at=NOW, version=4), "u", "Tempodrom")
    assert b"STATUS:CANCELLED\r\n" in cancelled
    assert b"SEQUENCE:3\r\n" in cancelled
    assert all(len(line) <= 75 for line in cancelled.split(b"\r\n"))


@given(
    title=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=90),
    description=st.text(
        st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from('\r\n\t;,:\\"'), max_size=300
    ),
    days=st.integers(0, 800),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Asia/Kathmandu", "UTC"]),
)
def test_a_strict_reader_accepts_every_calendar_entry(
    title: str, description: str, days: int, zone: str
) -> None:
    starts_at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(days=days)
    event = replace(
        EVENT,
        title=title,
        description=description,
        time_zone=zone,
        tags=("a;b,c", title),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=2),
    )
    made = calendar_of(event, "uid", "Hall, Street 1; Town")
    assert made.endswith(b"\r\n")
    lines = made.removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(line) <= 75 and not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line) for line in lines)
    calendar = icalendar.Calendar.from_ical(made)
    assert [part.errors for part in calendar.walk() if part.errors] == []
    (zones, entry) = calendar.subcomponents
    (entries,) = calendar.walk("VEVENT")
    assert entry is entries
    for name, instant in (("dtstart", event.starts_at), ("dtend", event.ends_at)):
        assert entry.decoded(name).astimezone(UTC) == instant
        assert entry[name].params.get("TZID", zones["tzid"]) == zones["tzid"] == zone
    assert {"STANDARD"} <= {part.name for part in zones.subcomponents} <= {"STANDARD", "DAYLIGHT"}
    assert str(entry["summary"]) == title
    # The reader drops what is blank at the end
    assert str(entry["description"]).rstrip().splitlines() == description.rstrip().splitlines()


def test_what_holds_first_in_a_calendar_entry_is_summer_or_standard_time() -> None:
    for month, name in ((7, "DAYLIGHT"), (1, "STANDARD")):
        starts_at = datetime(2027, month, 10, tzinfo=UTC) + timedelta(days=400)
        event = replace(EVENT, starts_at=starts_at, ends_at=starts_at + timedelta(hours=2))
        (zone,) = icalendar.Calendar.from_ical(calendar_of(event, "u", "x")).walk("VTIMEZONE")
        assert zone.subcomponents[0].name == name


@pytest.mark.parametrize("minutes", range(0, 240, 30))
def test_a_calendar_entry_says_the_right_instant_in_the_night_when_the_clocks_go_back(minutes: int) -> None:
    starts_at = datetime(2026, 10, 24, 23, tzinfo=UTC) + timedelta(minutes=minutes)
    event = replace(EVENT, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=30))
    made = icalendar.Calendar.from_ical(calendar_of(event, "uid", "address"))
    (entry,) = made.walk("VEVENT")
    said = [entry.decoded(name).astimezone(UTC) for name in ("dtstart", "dtend")]
    assert said == [event.starts_at, event.ends_at]


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Asia/Tokyo",
        "Africa/Casablanca",
        "Europe/Dublin",
        "UTC",
    ],
)
def test_the_entrys_own_time_zone_agrees_with_ours(zone: str) -> None:
    """Return the last rule whose local start, by the previous offset, is not after the instant."""
    for start in (
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ):
        event = replace(EVENT, time_zone=zone, starts_at=start, ends_at=start + timedelta(days=20))
        rules = [
            part
            for part in icalendar.Calendar.from_ical(calendar_of(event, "u", "x")).walk()
            if "TZOFFSETTO" in part
        ]
        since = {
            rule.decoded("dtstart").replace(tzinfo=UTC) - rule.decoded("tzoffsetfrom"): rule.decoded(
                "tzoffsetto"
            )
            for rule in rules
        }
        for instant in (start, event.ends_at, start + timedelta(minutes=1)):
            offset = since[max(each for each in since if each <= instant)]
            assert offset == instant.astimezone(ZoneInfo(zone)).utcoffset()


@pytest.mark.parametrize(
    ("country", "city", "expected"),
    [
        ("AT", "Linz", "Europe/Vienna"),  # the only one
        ("DE", "Hamburg", "Europe/Berlin"),  # the other one shows the same
        ("US", "new york", "America/New_York"),  # named like the city
        ("ES", "Barcelona", None),  # the Canary Islands are an hour behind
        ("XX", "Nowhere", None),
    ],
)
def test_the_time_zone_of_a_city(country: str, city: str, expected: str | None) -> None:
    assert zone_of_city(country, city, NOW) == expected
