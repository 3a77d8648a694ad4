"""The report of a rehearsal: one HTML file that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

import jinja2
import msgspec
from markupsafe import Markup

from evently.audit import Finding
from evently.kit import charts
from evently.rehearsal.buying import RequestOutcome
from evently.rehearsal.checks import is_clean
from evently.rehearsal.recording import Bin, Recording, percentile

BINS: Final = 120  # on a time line: as many as a reader can distinguish
BIN_SECONDS_MIN: Final = 0.1
BOOKING_OUTCOMES: Final = (
    RequestOutcome.BOOKED,
    RequestOutcome.REPLAYED,
    RequestOutcome.SOLD_OUT,
)  # the outcomes of booking requests, whose latency is shown
_NAMES: Final = {
    RequestOutcome.BOOKED: ("booked", "blue"),
    RequestOutcome.REPLAYED: ("booked (retried request)", "violet"),
    RequestOutcome.SOLD_OUT: ("refused: sold out", "amber"),
    RequestOutcome.SEAT_TAKEN: ("refused: seat taken", "amber"),
    RequestOutcome.PAID: ("paid", "green"),
    RequestOutcome.DECLINED: ("card declined", "amber"),
    RequestOutcome.UNPAID: ("payment pending or too late", "grey"),
    RequestOutcome.REFUSED: ("refused: other reasons", "grey"),
    RequestOutcome.CANCELLED: ("cancelled", "green"),
    RequestOutcome.READ: ("page view", "grey"),
    RequestOutcome.BUSY: ("busy: retry later (429, 503)", "red"),
    RequestOutcome.LOST: ("answer lost", "red"),
    RequestOutcome.FAILED: ("failed", "red"),
}


class RehearsalResult(msgspec.Struct, frozen=True):
    """The result of a rehearsal. Times are seconds after the opening."""

    title: str
    at: datetime
    server: str
    buyers: int
    places: int
    seed: int
    spread_seconds: float
    recording: Recording
    sales: list[tuple[float, int]]  # time and units of acknowledged bookings (+) and cancellations (-)
    sold_units: int
    bookings: int  # acknowledged
    cancelled: int
    without_tickets: int
    gave_up: int
    sold_out_at: float | None
    audits: dict[str, list[Finding]]  # by the title of the audit
    paid: int = 0  # bookings that were paid online
    abandoned: int = 0  # holds that were never paid
    settings: dict[str, str] = {}

    def is_clean(self) -> bool:
        """Return whether no audit found anything."""
        return all(is_clean(findings) for findings in self.audits.values())


class Timeline(msgspec.Struct, frozen=True):
    """Figures by interval: rates per second, latencies in milliseconds, and units `sold` so far."""

    at: list[float]
    booked: list[float]
    refused: list[float]
    looked: list[float]
    p50: list[float]
    p95: list[float]
    p99: list[float]
    sold: list[float]


def render(outcome: RehearsalResult) -> str:
    """Return the report as HTML."""
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(files("evently.rehearsal").joinpath("report.html.jinja").read_text(encoding="utf-8"))
    line = timeline(outcome.recording, outcome.sales)
    latencies = outcome.recording.sorted_latencies(*BOOKING_OUTCOMES)
    return template.render(
        outcome=outcome,
        clean=outcome.is_clean(),
        style=Markup(charts.STYLE),  # noqa: S704  # our own constant
        charts={name: Markup(svg) for name, svg in _charts(outcome, line).items()},  # noqa: S704  # made by charts.py, which escapes
        p50=show_seconds(percentile(latencies, 50)),
        p99=show_seconds(percentile(latencies, 99)),
        peak=max(line.booked, default=0.0),
        requests=len(outcome.recording),
        seconds=outcome.recording.last_answer_at(),
    )


def timeline(recording: Recording, sales: Sequence[tuple[float, int]]) -> Timeline:
    """Return the time line of a rehearsal in about `BINS` intervals; `sold` counts up to the end of each."""
    width = bin_seconds(recording.last_answer_at())
    bins = recording.bins(width, BOOKING_OUTCOMES)

    def rate(stretch: Bin, *outcome: RequestOutcome) -> float:
        return sum(stretch.counts.get(kind, 0) for kind in outcome) / width

    def latency(stretch: Bin, percent: float) -> float:
        return percentile(stretch.latencies, percent) * 1000

    return Timeline(
        at=[stretch.at for stretch in bins],
        booked=[rate(stretch, RequestOutcome.BOOKED, RequestOutcome.REPLAYED) for stretch in bins],
        refused=[
            rate(stretch, RequestOutcome.SOLD_OUT, RequestOutcome.SEAT_TAKEN, RequestOutcome.REFUSED)
            for stretch in bins
        ],
        looked=[rate(stretch, RequestOutcome.READ) for stretch in bins],
        p50=[latency(stretch, 50) for stretch in bins],
        p95=[latency(stretch, 95) for stretch in bins],
        p99=[latency(stretch, 99) for stretch in bins],
        sold=[float(sum(units for at, units in sales if at <= stretch.at + width)) for stretch in bins],
    )


def show_seconds(seconds: float) -> str:
    """Return a duration as text: 250 ms or 1.25 s."""
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def bin_seconds(seconds: float) -> float:
    """Return a round width for the intervals of a time line."""
    width = BIN_SECONDS_MIN
    for candidate in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0):
        width = candidate
        if seconds / candidate <= BINS:
            break
    return width


def _charts(outcome: RehearsalResult, line: Timeline) -> dict[str, str]:
    marks = [] if outcome.sold_out_at is None else [charts.Mark(outcome.sold_out_at, "sold out")]
    throughput = [
        charts.Series("bookings/s", "blue", line.booked, area=True),
        charts.Series("refusals/s", "amber", line.refused),
        charts.Series("page views/s", "grey", line.looked),
    ]
    latency = [
        charts.Series("p50", "green", line.p50),
        charts.Series("p95", "violet", line.p95),
        charts.Series("p99", "red", line.p99),
    ]
    counts = outcome.recording.counts()
    answers = [
        charts.Bar(name, counts[outcome], colour)
        for outcome, (name, colour) in _NAMES.items()
        if counts.get(outcome)
    ]
    buyer_results = [
        charts.Bar("left with tickets", outcome.bookings - outcome.cancelled, "blue"),
        charts.Bar("booked and cancelled", outcome.cancelled, "green"),
        charts.Bar("left without tickets: sold out", outcome.without_tickets, "amber"),
        charts.Bar("gave up after failed requests", outcome.gave_up, "red"),
    ]
    rest = outcome.buyers - sum(int(buyer_result.value) for buyer_result in buyer_results)
    if rest > 0:
        buyer_results.append(charts.Bar("refused for another reason", rest, "grey"))
    return {
        "throughput": charts.line_chart("Throughput over time", line.at, throughput, marks=marks),
        "latency": charts.line_chart(
            "Latency over time", line.at, latency, show=lambda value: f"{value:,.0f} ms", marks=marks
        ),
        "sold": charts.line_chart(
            "Tickets sold",
            line.at,
            [charts.Series("tickets sold", "blue", line.sold, area=True)],
            marks=marks,
        ),
        "buyer_results": charts.ring_chart(
            "Buyers by result", buyer_results, f"{outcome.buyers:,}", "buyers"
        ),
        "answers": charts.bar_chart("Answers", answers),
    }
