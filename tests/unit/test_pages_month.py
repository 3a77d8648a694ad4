"""The calendar of a month, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from evently.catalogue import EventCard
from evently.web.pages.browsing import Wanted, _price
from evently.web.pages.month import month_of, next_month, read_month
from tests.unit.test_mail_writing import make_event

NOW = datetime(2026, 11, 29, 1, tzinfo=UTC)
DECEMBER = date(2026, 12, 1)


def card(starts: datetime, hours: float = 3, **event: Any) -> EventCard:
    made = make_event(starts_at=starts, ends_at=starts + timedelta(hours=hours), **event)
    return EventCard(made, 1_000, available=True)


def days_of(card: EventCard, first: date = DECEMBER) -> list[int]:
    return [each.day.day for each in month_of(first, [card], NOW).days if each.entries]


def test_an_event_stands_on_its_day_at_the_venue() -> None:
    # 23:30 in UTC is half past midnight in Berlin
    assert days_of(card(datetime(2026, 12, 4, 23, 30, tzinfo=UTC))) == [5]


def test_a_night_belongs_to_its_evening_and_a_fair_to_each_of_its_days() -> None:
    assert days_of(card(datetime(2026, 12, 4, 21, tzinfo=UTC), hours=7)) == [4]
    assert days_of(card(datetime(2026, 12, 4, 9, tzinfo=UTC), hours=56)) == [4, 5, 6]
    assert days_of(card(datetime(2026, 11, 29, 9, tzinfo=UTC), hours=56)) == [1]
    assert days_of(card(datetime(2026, 12, 31, 20, tzinfo=UTC), hours=40), date(2027, 1, 1)) == [1, 2]


def test_what_begins_comes_before_what_goes_on() -> None:
    fair = card(datetime(2026, 12, 4, 9, tzinfo=UTC), hours=56, title="Fair")
    concert = card(datetime(2026, 12, 5, 19, tzinfo=UTC), title="Concert")
    month = month_of(DECEMBER, [fair, concert], NOW)
    assert [each.card.event.title for each in month.days[4].entries] == ["Concert", "Fair"]
    assert [each.starts_at is None for each in month.days[4].entries] == [False, True]


def test_a_full_day_says_how_many_more_there_are() -> None:
    cards = [card(datetime(2026, 12, 4, 9 + number, tzinfo=UTC)) for number in range(7)]
    day = month_of(DECEMBER, cards, NOW).days[3]
    assert (len(day.entries), day.hidden) == (4, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12", DECEMBER),
        (" 2027-02 ", date(2027, 2, 1)),
        ("2025-11", date(2025, 11, 1)),
        ("2025-10", date(2026, 11, 1)),
        ("2029-11", date(2029, 11, 1)),
        ("2029-12", date(2026, 11, 1)),
        ("0000-01", date(2026, 11, 1)),
        ("2026-13", date(2026, 11, 1)),
        ("soon", date(2026, 11, 1)),
        ("", date(2026, 11, 1)),
    ],
)
def test_a_month_that_cannot_be_shown_is_this_one(text: str, expected: date) -> None:
    assert read_month(text, NOW) == expected


def test_links_to_other_months_come_to_an_end() -> None:
    def around(first: date) -> tuple[date | None, date | None]:
        month = month_of(first, [], NOW)
        return month.before, month.after

    assert around(DECEMBER) == (date(2026, 11, 1), date(2027, 1, 1))
    assert around(date(2025, 11, 1))[0] is None
    assert around(date(2029, 11, 1))[1] is None
    assert next_month(date(2027, 1, 1)) == date(2027, 2, 1)


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [
        ("30", "EUR", 3_000),
        ("29,90", "eur", 2_990),
        (" 29.9 ", "EUR", 2_990),
        ("5000", "JPY", 5_000),
        ("5000.7", "JPY", 5_000),
        ("1.250", "BHD", 1_250),
        ("0", "EUR", 0),
        ("-3", "EUR", None),
        ("1e9", "EUR", None),
        ("99999999999", "EUR", None),
        ("30", "XXX", None),
        ("", "EUR", None),
        ("٣٠", "EUR", None),
    ],
)
def test_a_price_is_read_as_people_type_it(typed: str, currency: str, amount: int | None) -> None:
    found = _price(typed, currency)
    assert (found.amount if found else None) == amount


def test_a_price_in_an_address_is_read_again_as_it_was() -> None:
    wanted = Wanted(price_max=_price("29,90", "EUR"), seated=True, month=DECEMBER)
    assert wanted.query() == "/events?seated=on&price_max=29.90&currency=EUR&view=month&month=2026-12"
    assert msgspec.to_builtins(_price("29.90", "EUR")) == {"amount": 2_990, "currency": "EUR"}
