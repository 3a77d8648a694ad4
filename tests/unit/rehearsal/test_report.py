from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from evently.audit import Finding
from evently.rehearsal.buying import RequestOutcome
from evently.rehearsal.live import last_second, spark
from evently.rehearsal.recording import Recording
from evently.rehearsal.report import (
    BINS,
    RehearsalResult,
    RoomOutcome,
    bin_seconds,
    contrast,
    render,
    timeline,
)


def recording() -> Recording:
    made = Recording()
    for number in range(400):
        made.add(
            number / 100,
            0.010 + number / 10_000,
            RequestOutcome.BOOKED if number < 100 else RequestOutcome.SOLD_OUT,
        )
        made.add(number / 100, 0.002, RequestOutcome.READ)
    made.add(1.0, 0.5, RequestOutcome.REPLAYED)
    made.add(1.0, 0.1, RequestOutcome.LOST)
    made.add(2.0, 0.1, RequestOutcome.CANCELLED)
    return made


def outcome(**changes: object) -> RehearsalResult:
    given: dict[str, object] = {
        "title": "<Night> & Day",
        "at": datetime(2026, 3, 1, 18, 0, tzinfo=UTC),
        "server": "http://127.0.0.1:8000",
        "buyers": 500,
        "places": 100,
        "seed": 7,
        "spread_seconds": 2.0,
        "recording": recording(),
        "sales": [(0.5, 60), (1.0, 41), (2.0, -1)],
        "sold_units": 100,
        "bookings": 101,
        "cancelled": 1,
        "without_tickets": 390,
        "gave_up": 2,
        "sold_out_at": 1.0,
        "audits": {"Acknowledged to the buyers": [Finding("I1", "pools that are oversold", 0, [])]},
        "settings": {"Processes": "1"},
    }
    return RehearsalResult(**{**given, **changes})  # type: ignore[arg-type]  # by name


class Outline(HTMLParser):
    """Counts elements, collects text, and notes every reference to somewhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.references: list[str] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.references += [str(given[name]) for name in ("src", "href", "srcset", "data") if name in given]
        if tag == "svg":
            self.labels.append(str(given["aria-label"]))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    return parser


def test_the_report_needs_nothing_else_and_shows_every_chart() -> None:
    html = render(outcome())
    found = outline(html)
    assert found.references == []
    assert not re.search(r"url\(|@import|<script|https?://(?!127\.0\.0\.1|www\.w3\.org)", html)
    assert found.labels == [
        "Throughput over time",
        "Latency over time",
        "Tickets sold",
        "Buyers by result",
        "Answers",
    ]
    assert found.tags.count("polyline") == 3 + 3 + 1
    assert "prefers-color-scheme: dark" in html


def test_the_headline_numbers_and_the_audit() -> None:
    text = " ".join(" ".join(outline(render(outcome())).text).split())
    assert "<Night> & Day" in text
    for shown in (
        "Rehearsal of 500 buyers for 100 places",
        "1 March 2026",
        "Audit passed",
        "1.00 s",
        "pools that are oversold",
        "left with tickets",
    ):
        assert shown in text, shown
    unclean = " ".join(
        outline(
            render(outcome(audits={"a": [], "b": [Finding("I3", "lost", 2, ["bkg_<x>: is not there"])]}))
        ).text
    )
    assert "The audit found breaches" in unclean
    assert "bkg_<x>: is not there" in unclean


def test_a_rehearsal_that_saw_nothing_can_be_shown() -> None:
    html = render(
        outcome(
            recording=Recording(),
            sales=[],
            sold_units=0,
            bookings=0,
            cancelled=0,
            without_tickets=0,
            sold_out_at=None,
        )
    )
    assert "not sold out" in html


def test_the_timeline_counts_each_answer_once() -> None:
    line = timeline(recording(), [(0.5, 60), (1.0, 41), (2.0, -1)])
    width = line.at[1] - line.at[0]
    assert sum(line.booked) * width == pytest.approx(101)
    assert sum(line.refused) * width == pytest.approx(300)
    assert sum(line.looked) * width == pytest.approx(400)
    assert line.sold[-1] == 100
    assert max(line.sold) == 101
    assert all(low <= middle <= high for low, middle, high in zip(line.p50, line.p95, line.p99, strict=True))


@pytest.mark.parametrize("seconds", [0.0, 3.0, 29.0, 100.0, 1000.0, 3600.0])
def test_there_are_not_too_many_stretches(seconds: float) -> None:
    assert seconds / bin_seconds(seconds) <= BINS


def test_the_last_second() -> None:
    made = Recording()
    for number in range(100):
        made.add(number / 10, 0.05, RequestOutcome.BOOKED)
    assert last_second(made, 9.99) == [(RequestOutcome.BOOKED, 0.05)] * 10
    assert last_second(made, 20.0) == []
    assert last_second(Recording(), 1.0) == []


def test_sparks() -> None:
    assert spark([0, 1, 8]) == " ▁█"
    assert spark([0, 0]) == "  "
    assert spark([]) == ""


def test_with_and_without_the_waiting_room() -> None:
    polled = Recording()
    for number in range(90):
        polled.add(3.0 + number / 100, 0.002, RequestOutcome.POLLED)
        polled.add(number / 10, 0.010, RequestOutcome.BOOKED)
    room = RoomOutcome(
        per_minute=600,
        opens_after_seconds=10,
        entered=490,
        late=80,
        many_tabs=7,
        tabs=560,
        admitted=110,
        out_of_order=0,
        told_sold_out=[5.0, 9.25],
        before=Recording(),
    )
    without = outcome(quickest_bookings=50, bookings=50)
    both = outcome(recording=polled, quickest_bookings=9, bookings=90, room=room, without=without)
    rows = {name: (one, other) for name, one, other in contrast(both)}
    assert rows["… to poll the waiting room"] == ("0", "90")
    assert rows["… to book"] == ("101", "10")
    assert rows["Longest wait for the answer to a booking"] == ("500 ms", "10 ms")
    assert rows["Bookings of the first tenth of the buyers to come"] == ("50 (100%)", "9 (10%)")
    assert rows["Told while they waited that nothing is left"] == (
        "–",
        "2, 5.0 to 9.2 s after the opening",
    )
    text = " ".join(" ".join(outline(render(both)).text).split())
    assert "With and without the waiting room" in text
    assert "490, of whom 80 came after the draw" in text
    assert contrast(outcome()) == []
    unclean = outcome(audits={"a": [Finding("I3", "lost", 1, [])]})
    assert not outcome(room=room, without=unclean).is_clean()
