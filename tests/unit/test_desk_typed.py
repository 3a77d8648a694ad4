"""What organizers type, and the days that the desk compares."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from evently.kit.money import Money
from evently.web.pages.forms import Form
from evently.web.pages.organize.home import two_days_of
from evently.web.pages.organize.typed import Typed, after_start, read_amount, read_clock, show_moment

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("typed", "clock"),
    [
        *((text, time(20)) for text in ("20:00", "20.00", "2000", "20", "20h", "8 pm", "8pm", "8:00 p.m.")),
        *((text, time(8, 30)) for text in ("8:30", "08.30", "8h30", "8:30 am", "0830")),
        ("12 am", time(0)),
        ("12 pm", time(12)),
        ("0:00", time(0)),
        *((text, None) for text in ("24:00", "8:60", "13 pm", "0 am", "noon", "8:3", "-1", "", "²0:00")),
    ],
)
def test_times_of_day_are_read_as_they_are_meant(typed: str, clock: time | None) -> None:
    assert read_clock(typed) == clock


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("30", "EUR", 3_000),
        ("29,90", "EUR", 2_990),
        ("29.9", "EUR", 2_990),
        ("€ 29.90", "EUR", 2_990),
        ("29.90 EUR", "EUR", 2_990),
        ("3500", "JPY", 3_500),
        ("1.5", "JPY", None),
        ("1.234", "KWD", 1_234),
        ("29.905", "EUR", None),
        ("-1", "EUR", None),
        ("1e3", "EUR", None),
        ("", "EUR", None),
    ],
)
def test_amounts_are_read_to_the_minor_unit_or_not_at_all(
    typed: str, currency: str, minor: int | None
) -> None:
    assert read_amount(typed, currency) == (None if minor is None else Money(minor, currency))


def test_numbers_and_shares() -> None:
    form = Form([("a", "1,200"), ("b", "1 200"), ("c", "7,5 %"), ("d", "100.01"), ("e", "1.5"), ("f", "")])
    typed = Typed(form)
    assert (typed.number("a"), typed.number("b"), typed.number("f")) == (1_200, 1_200, None)
    assert typed.share("c") == 750
    assert typed.errors == []
    assert (typed.share("d"), typed.number("e")) == (None, None)
    assert [error.field for error in typed.errors] == ["d", "e"]


def test_an_instant_that_was_not_touched_stays_to_the_second() -> None:
    """The second of two equal hours, and seconds that the form does not show, survive a save."""
    for before in (
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # 02:30 in Berlin, for the second time
        datetime(2026, 6, 1, 12, 0, 17, 5, tzinfo=UTC),
    ):
        shown = Form(list(show_moment("on", before, BERLIN).items()))
        assert Typed(shown).instant("on", BERLIN, before) == before
        assert Typed(shown).instant("on", BERLIN) != before
    skipped = Typed(Form([("on_day", "2026-03-29"), ("on_clock", "2:30")]))
    assert skipped.instant("on", BERLIN) is None
    assert [error.field for error in skipped.errors] == ["on_clock"]


def test_an_end_before_the_start_is_that_of_the_next_day() -> None:
    starts = datetime.fromisoformat("2026-12-31T22:00")
    assert after_start(starts, time(2)) == datetime.fromisoformat("2027-01-01T02:00")
    assert after_start(starts, time(23)) == datetime.fromisoformat("2026-12-31T23:00")
    assert after_start(starts, time(22)) == starts + timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-06-02T15:07", [15, 9, 15]),
        ("2026-06-02T00:07", [24, 0]),  # nothing to compare yet
        ("2026-10-26T15:07", [16, 9, 15]),  # yesterday had 25 hours
        ("2026-10-25T15:07", [15, 9, 16]),
        ("2026-03-30T15:07", [14, 9, 15]),  # yesterday had 23
    ],
)
def test_today_is_compared_with_yesterday_until_the_same_time_of_day(now: str, hours: list[int]) -> None:
    slots, until = two_days_of(datetime.fromisoformat(now).replace(tzinfo=BERLIN), BERLIN)
    assert [int((slot.ends_at - slot.starts_at) / timedelta(hours=1)) for slot in slots] == hours
    assert all(first.ends_at == second.starts_at for first, second in itertools.pairwise(slots))
    assert until.astimezone(BERLIN).strftime("%H:%M") == ("15:00" if len(slots) == 3 else "00:00")
