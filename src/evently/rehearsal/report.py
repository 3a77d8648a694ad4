"""The report of a rehearsal: one HTML file that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
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
_TAKEN: Final = (RequestOutcome.SOLD_OUT, RequestOutcome.SEAT_TAKEN)
_BOOKING_REQUESTS: Final = (*BOOKING_OUTCOMES, RequestOutcome.SEAT_TAKEN, RequestOutcome.REFUSED)
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
    RequestOutcome.ENTERED: ("waiting room: entered", "violet"),
    RequestOutcome.POLLED: ("waiting room: polled", "grey"),
    RequestOutcome.BUSY: ("busy: retry later (429, 503)", "red"),
    RequestOutcome.LOST: ("answer lost", "red"),
    RequestOutcome.FAILED: ("failed", "red"),
}


class RoomOutcome(msgspec.Struct, frozen=True):
    """What happened in the waiting room. `before`: the requests before the opening."""

    per_minute: int
    opens_after_seconds: int
    entered: int
    late: int  # after the list was closed
    many_tabs: int  # accounts with several tabs
    tabs: int  # of all accounts
    admitted: int
    out_of_order: int
    told_sold_out: list[float]  # when each buyer was told, in order
    before: Recording


class RehearsalResult(msgspec.Struct, frozen=True):
    """The result of a rehearsal. Times are seconds after the opening.

    `without`: the same rehearsal without a waiting room, for comparison.
    """

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
    quickest_bookings: int = 0  # of the first tenth of the buyers to come
    room: RoomOutcome | None = None
    without: RehearsalResult | None = None

    def is_clean(self) -> bool:
        """Return whether no audit found anything."""
        clean = all(is_clean(findings) for findings in self.audits.values())
        return clean and (self.without is None or self.without.is_clean())


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
        comparison=contrast(outcome),
        clean=outcome.is_clean(),
        style=Markup(charts.STYLE),  # noqa: S704  # our own constant
        charts={name: Markup(svg) for name, svg in _charts(outcome, line).items()},  # noqa: S704  # made by charts.py, which escapes
        p50=show_seconds(percentile(latencies, 50)),
        p99=show_seconds(percentile(latencies, 99)),
        peak=max(line.booked, default=0.0),
        requests=len(outcome.recording),
        seconds=outcome.recording.last_answer_at(),
    )


def contrast(outcome: RehearsalResult) -> list[tuple[str, str, str]]:
    """Return a table: what is compared, without and with the waiting room; empty if there was none."""
    room, without = outcome.room, outcome.without
    if room is None or without is None:
        return []
    told = room.told_sold_out
    rows = [
        (name, figure(without), figure(outcome))
        for name, figure in (
            ("Requests in the busiest second", _busiest),
            ("… to book", partial(_busiest, results=_BOOKING_REQUESTS)),
            ("… to see a page", partial(_busiest, results=(RequestOutcome.READ,))),
            ("… to poll the waiting room", partial(_busiest, results=(RequestOutcome.POLLED,))),
            ("Requests to book", partial(_count, results=_BOOKING_REQUESTS)),
            ("… refused: sold out, or the seat taken", partial(_count, results=_TAKEN)),
            ("Longest wait for the answer to a booking", partial(_wait, percent=100)),
            ("… 99 of 100 waited at most", partial(_wait, percent=99)),
            ("Bookings", lambda sale: f"{sale.bookings:,}"),
            ("Sold out after", _sold_out_after),
            ("Bookings of the first tenth of the buyers to come", _quickest),
        )
    ]
    return [
        *rows,
        ("People with a place", "–", f"{room.entered:,}, of whom {room.late:,} came after the draw"),
        ("Tabs that asked for them", "–", f"{room.tabs:,}, of {room.many_tabs:,} accounts several"),
        ("Admitted", "–", f"{room.admitted:,}"),
        ("… before a smaller number of the draw", "–", f"{room.out_of_order:,}"),
        (
            "Told while they waited that nothing is left",
            "–",
            f"{len(told):,}" + (f", {told[0]:.1f} to {told[-1]:.1f} s after the opening" if told else ""),
        ),
    ]


def _busiest(sale: RehearsalResult, results: tuple[RequestOutcome, ...] = ()) -> str:
    return f"{sale.recording.peak(*results):,}"


def _count(sale: RehearsalResult, results: tuple[RequestOutcome, ...]) -> str:
    return f"{sale.recording.count(*results):,}"


def _wait(sale: RehearsalResult, percent: float) -> str:
    return show_seconds(percentile(sale.recording.sorted_latencies(*BOOKING_OUTCOMES), percent))


def _sold_out_after(sale: RehearsalResult) -> str:
    return "–" if sale.sold_out_at is None else f"{sale.sold_out_at:.1f} s"


def _quickest(sale: RehearsalResult) -> str:
    return f"{sale.quickest_bookings:,} ({sale.quickest_bookings / max(1, sale.bookings):.0%})"


def timeline(recording: Recording, sales: Sequence[tuple[float, int]]) -> Timeline:
    """Return the time line of a rehearsal in about `BINS` intervals; `sold` counts up to the end of each."""
    width = bin_seconds(recording.last_answer_at())
    bins = _bins(recording)

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


def _bins(recording: Recording) -> list[Bin]:
    return recording.bins(bin_seconds(recording.last_answer_at()), BOOKING_OUTCOMES)


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
    if outcome.room is not None:
        polled = [stretch.counts.get(RequestOutcome.POLLED, 0) for stretch in _bins(outcome.recording)]
        width = bin_seconds(outcome.recording.last_answer_at())
        throughput.append(charts.Series("polls/s", "violet", [count / width for count in polled]))
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
