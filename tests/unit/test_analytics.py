from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evently.analytics import EARLIEST, LATEST, SLOTS_MAX, Range, quarter_of, round_outwards, slots_of
from evently.catalogue import time_zones
from evently.kit.errors import Invalid


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def starts(from_at: str, to_at: str, zone: str, granularity: str) -> list[str]:
    assert granularity in {"day", "hour"}
    slots = slots_of(at(from_at), at(to_at), ZoneInfo(zone), "day" if granularity == "day" else "hour")
    assert all(slot.ends_at == following.starts_at for slot, following in pairwise(slots))
    return [slot.local_start.strftime("%m-%d %H:%M%z") for slot in slots]


@pytest.mark.parametrize(
    ("given_at", "rounded_down", "rounded_up"),
    [
        ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z"),
        ("2026-06-01T12:00:00.000001Z", "2026-06-01T12:00:00Z", "2026-06-01T12:15:00Z"),
        ("2026-06-01T12:14:59.999999Z", "2026-06-01T12:00:00Z", "2026-06-01T12:15:00Z"),
        ("2026-06-01T23:59:00+05:45", "2026-06-01T18:00:00Z", "2026-06-01T18:15:00Z"),
        ("2199-12-31T23:59:59Z", "2199-12-31T23:45:00Z", "2200-01-01T00:00:00Z"),
    ],
)
def test_a_range_is_rounded_outwards(given_at: str, rounded_down: str, rounded_up: str) -> None:
    moment = datetime.fromisoformat(given_at)
    assert round_outwards(moment, moment) == Range(at(rounded_down), at(rounded_up))
    assert round_outwards(None, None) == Range(None, None)


def test_a_day_in_kathmandu_begins_at_a_quarter_past_six_in_the_evening() -> None:
    slots = slots_of(at("2026-06-01T12:00Z"), at("2026-06-02T12:00Z"), ZoneInfo("Asia/Kathmandu"), "day")
    assert [slot.starts_at.isoformat() for slot in slots] == [
        "2026-05-31T18:15:00+00:00",
        "2026-06-01T18:15:00+00:00",
    ]
    assert [slot.local_start.isoformat() for slot in slots] == [
        "2026-06-01T00:00:00+05:45",
        "2026-06-02T00:00:00+05:45",
    ]


@pytest.mark.parametrize(
    ("what", "from_at", "to_at", "zone", "expected"),
    [
        (
            "an hour in Kathmandu begins at a quarter past",
            "2026-06-01T12:20Z",
            "2026-06-01T14:16Z",
            "Asia/Kathmandu",
            ["06-01 18:00+0545", "06-01 19:00+0545", "06-01 20:00+0545"],
        ),
        (
            "New York skips two o'clock",
            "2026-03-08T01:00-05:00",
            "2026-03-08T04:00-04:00",
            "America/New_York",
            ["03-08 01:00-0500", "03-08 03:00-0400"],
        ),
        (
            "New York has one o'clock twice",
            "2026-11-01T01:00-04:00",
            "2026-11-01T03:00-05:00",
            "America/New_York",
            ["11-01 01:00-0400", "11-01 01:00-0500", "11-01 02:00-0500"],
        ),
        (
            "Lord Howe skips half an hour",
            "2026-10-04T01:00+10:30",
            "2026-10-04T04:00+11:00",
            "Australia/Lord_Howe",
            ["10-04 01:00+1030", "10-04 02:30+1100", "10-04 03:00+1100"],
        ),
        (
            "and has half an hour twice",
            "2026-04-05T01:00+11:00",
            "2026-04-05T03:00+10:30",
            "Australia/Lord_Howe",
            ["04-05 01:00+1100", "04-05 01:30+1030", "04-05 02:00+1030"],
        ),
        (
            "from the middle of an hour that comes twice",
            "2026-04-05T01:45+10:30",
            "2026-04-05T02:30+10:30",
            "Australia/Lord_Howe",
            ["04-05 01:30+1030", "04-05 02:00+1030"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_hours(what: str, from_at: str, to_at: str, zone: str, expected: list[str]) -> None:
    assert starts(from_at, to_at, zone, "hour") == expected


@pytest.mark.parametrize(
    ("what", "zone", "around", "expected", "hours"),
    [
        (
            "forward in New York",
            "America/New_York",
            "2026-03-08T12:00Z",
            ["03-07 00:00-0500", "03-08 00:00-0500", "03-09 00:00-0400"],
            23,
        ),
        (
            "back in New York",
            "America/New_York",
            "2026-11-01T12:00Z",
            ["10-31 00:00-0400", "11-01 00:00-0400", "11-02 00:00-0500"],
            25,
        ),
        (
            "midnight skipped in Beirut",
            "Asia/Beirut",
            "2026-03-29T12:00Z",
            ["03-28 00:00+0200", "03-29 01:00+0300", "03-30 00:00+0300"],
            23,
        ),
        (
            "midnight twice in Havana",
            "America/Havana",
            "2026-11-01T12:00Z",
            ["10-31 00:00-0400", "11-01 00:00-0400", "11-02 00:00-0500"],
            25,
        ),
        (
            "a day skipped in Apia",
            "Pacific/Apia",
            "2011-12-31T00:00Z",
            ["12-29 00:00-1000", "12-31 00:00+1400", "01-01 00:00+1400"],
            24,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " in " in value else "",
)
def test_days_when_the_clocks_change(
    what: str, zone: str, around: str, expected: list[str], hours: int
) -> None:
    middle = at(around)
    slots = slots_of(middle - timedelta(days=1), middle + timedelta(days=1), ZoneInfo(zone), "day")
    assert [slot.local_start.strftime("%m-%d %H:%M%z") for slot in slots] == expected
    assert slots[1].ends_at - slots[1].starts_at == timedelta(hours=hours)


@example(zone="Chile/Continental", from_at=datetime(2010, 4, 4, tzinfo=UTC), hours=9, by_day=False)
@example(zone="Antarctica/Casey", from_at=datetime(2010, 3, 4, 14, tzinfo=UTC), hours=9, by_day=True)
@given(
    zone=st.sampled_from(sorted(time_zones())),
    from_at=st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # made aware by hypothesis
    hours=st.integers(1, 100),
    by_day=st.booleans(),
)
def test_slots_cover_the_range_and_are_made_of_quarters(
    zone: str,
    from_at: datetime,
    hours: int,
    by_day: bool,  # noqa: FBT001  # drawn
) -> None:
    to_at = from_at + timedelta(hours=hours)
    slots = slots_of(from_at, to_at, ZoneInfo(zone), "day" if by_day else "hour")
    assert slots[0].starts_at <= from_at < slots[0].ends_at
    assert slots[-1].starts_at < to_at <= slots[-1].ends_at
    for slot, following in pairwise(slots):
        assert slot.starts_at < slot.ends_at == following.starts_at
    for slot in slots:
        assert quarter_of(slot.starts_at) == slot.starts_at
        # An hour that comes twice is equal to no instant of another zone (PEP 495)
        assert slot.local_start.astimezone(UTC) == slot.starts_at
    length = timedelta(hours=27) if by_day else timedelta(hours=1)
    assert all(slot.ends_at - slot.starts_at <= length for slot in slots)


def test_a_series_is_bounded() -> None:
    begin = at("2026-01-01T00:00Z")
    assert len(slots_of(begin, begin + timedelta(days=SLOTS_MAX), ZoneInfo("UTC"), "day")) == SLOTS_MAX
    for granularity, more in (
        ("day", timedelta(days=SLOTS_MAX, seconds=1)),
        ("hour", timedelta(hours=SLOTS_MAX, seconds=1)),
    ):
        with pytest.raises(Invalid):
            slots_of(begin, begin + more, ZoneInfo("UTC"), "day" if granularity == "day" else "hour")
    with pytest.raises(Invalid):
        slots_of(EARLIEST, LATEST, ZoneInfo("Pacific/Apia"), "hour")
