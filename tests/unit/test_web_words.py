"""What buyers read about refunds says nothing that another sentence takes back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from evently.sales.terms import Conditions, RefundWindow
from evently.web.pages.words import breakable, refund_terms, with_seat

STARTS = datetime(2027, 5, 20, 18, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def terms_of(**conditions: object) -> list[str]:
    return refund_terms(Conditions(**conditions), STARTS, BERLIN)  # type: ignore[arg-type]


def test_a_refund_window_ends_when_nothing_can_be_cancelled_any_more() -> None:
    windows = (RefundWindow(168, 10_000), RefundWindow(24, 5_000), RefundWindow(0, 2_500))
    said = terms_of(payment="online", refund_windows=windows, cancel_hours_before=48)
    assert said[:3] == [
        "Cancel until Thu 13 May 2027, 20:00, and you get back everything you paid.",
        "Cancel until Tue 18 May 2027, 20:00, and you get back 50 % of what you paid.",
        "After Tue 18 May 2027, 20:00 tickets cannot be cancelled.",
    ]
    assert "25 %" not in " ".join(said)


def test_without_an_end_every_window_is_said() -> None:
    windows = (RefundWindow(24, 5_000), RefundWindow(168, 10_000))
    said = " ".join(terms_of(payment="online", refund_windows=windows))
    assert said.index("everything you paid") < said.index("50 % of what you paid")
    assert "cannot be cancelled" not in said


def test_at_the_door_there_is_nothing_to_pay_back() -> None:
    nothing = "You pay at the door, so there is nothing to pay back."
    assert terms_of(payment="door") == [f"You can cancel until it starts. {nothing}"]
    assert terms_of(payment="door", cancel_hours_before=48) == [
        f"You can cancel until Tue 18 May 2027, 20:00. {nothing}"
    ]


def test_an_address_breaks_before_its_dots_and_is_escaped() -> None:
    assert breakable("amara.silva@evently.example") == "amara<wbr>.silva<wbr>@evently<wbr>.example"
    assert breakable('"<b>.a"@b.example') == "&#34;&lt;b&gt;<wbr>.a&#34;<wbr>@b<wbr>.example"


@pytest.mark.parametrize(
    ("type_name", "seat", "expected"),
    [
        ("Circle", "Circle, row A, seat 9", "Circle, row A, seat 9"),
        ("Child", "Stalls, row B, seat 7", "Child, Stalls, row B, seat 7"),
        ("Standing", None, "Standing"),
    ],
)
def test_a_ticket_type_is_not_said_twice(type_name: str, seat: str | None, expected: str) -> None:
    assert with_seat(type_name, seat) == expected
