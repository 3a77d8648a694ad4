"""The display of a running rehearsal in the terminal, and the tables of its audits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from evently.audit import Finding
from evently.rehearsal.buying import RequestOutcome, Rush
from evently.rehearsal.recording import Recording, percentile

REFRESH_SECONDS: Final = 0.25
SAMPLES_MAX: Final = 60
_BOOKING_OUTCOMES: Final = (RequestOutcome.BOOKED, RequestOutcome.REPLAYED, RequestOutcome.SOLD_OUT)
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


@asynccontextmanager
async def live(console: Console, rush: Rush, title: str, buyers: int, places: int) -> AsyncIterator[None]:
    """Show a rush while the block runs; without a terminal, print only its end."""
    view = LiveView(rush, title, buyers, places)
    with Live(console=console, auto_refresh=False, transient=False) as screen:

        async def refresh() -> None:
            while True:
                screen.update(view.render(), refresh=console.is_terminal)
                await asyncio.sleep(REFRESH_SECONDS)

        task = asyncio.create_task(refresh())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            screen.update(view.render(), refresh=True)


class LiveView:
    """Draws the current state of a rush."""

    def __init__(self, rush: Rush, title: str, buyers: int, places: int) -> None:
        self._rush = rush
        self._title = title
        self._buyers = buyers
        self._places = places
        self._bookings: deque[int] = deque(maxlen=SAMPLES_MAX)

    def render(self) -> RenderableType:
        """Return the panel with the current figures."""
        journal, recent = self._rush.journal, last_second(self._rush.recording, self._rush.elapsed())
        booked = sum(outcome in (RequestOutcome.BOOKED, RequestOutcome.REPLAYED) for outcome, _ in recent)
        refused = sum(
            outcome in (RequestOutcome.SOLD_OUT, RequestOutcome.SEAT_TAKEN, RequestOutcome.REFUSED)
            for outcome, _ in recent
        )
        waits = sorted(latency for outcome, latency in recent if outcome in _BOOKING_OUTCOMES)
        self._bookings.append(booked)
        numbers = Table.grid(padding=(0, 3))
        for _ in range(6):
            numbers.add_column(justify="right")
        numbers.add_row(
            *[
                Text(name, style="dim")
                for name in ("bookings/s", "refusals/s", "p50", "p99", "arrived", "sold out after")
            ]
        )
        numbers.add_row(
            Text(f"{booked:,}", style="bold blue"),
            Text(f"{refused:,}", style="bold yellow"),
            f"{percentile(waits, 50) * 1000:,.0f} ms",
            f"{percentile(waits, 99) * 1000:,.0f} ms",
            f"{journal.arrived:,} of {self._buyers:,}",
            "–" if journal.sold_out_at is None else Text(f"{journal.sold_out_at:.2f} s", style="bold green"),
        )
        sold = Table.grid(padding=(0, 2))
        sold.add_row(
            Bar(max(1, self._places), 0, min(journal.sold_units, self._places), width=40, color="blue"),
            f"{journal.sold_units:,} of {self._places:,} sold",
            Text(spark(self._bookings), style="blue"),
        )
        return Panel(
            Group(sold, Text(), numbers),
            title=self._title,
            subtitle=_show_elapsed(self._rush.elapsed()),
            width=100,
        )


def _show_elapsed(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0 else f"opens in {-seconds:.1f} s"


def last_second(recording: Recording, now: float) -> list[tuple[RequestOutcome, float]]:
    """Return outcome and latency of the answers of the last second; the recording is in their order."""
    found = []
    for index in range(len(recording) - 1, -1, -1):
        if recording.starts[index] + recording.latencies[index] < now - 1.0:
            break
        found.append((RequestOutcome(recording.results[index]), recording.latencies[index]))
    return found


def spark(values: Iterable[int]) -> str:
    """Return a row of block characters, each as high as a value."""
    shown = list(values)
    highest = max(shown, default=0)
    return "".join(
        _BLOCKS[-(-value * (len(_BLOCKS) - 1) // highest)] if highest else _BLOCKS[0] for value in shown
    )


def show_audits(audits: Mapping[str, Iterable[Finding]]) -> Group:
    """Return a table of findings for each audit."""
    return Group(*[_table(name, findings) for name, findings in audits.items()])


def show_comparison(rows: Iterable[tuple[str, str, str]]) -> Table:
    """Return a table of figures without and with the waiting room."""
    table = Table(
        title="With and without the waiting room", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("")
    table.add_column("without", justify="right")
    table.add_column("with", justify="right")
    for row in rows:
        table.add_row(*[Text(each) for each in row])
    return table


def _table(name: str, findings: Iterable[Finding]) -> Table:
    table = Table(
        title=f"{name}: counts that must be 0",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        show_header=False,
    )
    for finding in findings:
        style = "green" if finding.count == 0 else "bold red"
        table.add_row(
            Text(finding.code, style="bold"), finding.title, Text(f"{finding.count:,}", style=style)
        )
        for example in finding.examples:
            table.add_row("", Text(example, style="dim"), "")
    return table
