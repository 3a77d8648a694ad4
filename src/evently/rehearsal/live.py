"""What the terminal shows while a rehearsal runs."""

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
from evently.rehearsal.buying import Rush, Seen
from evently.rehearsal.recording import Recording, percentile

REFRESH_SECONDS: Final = 0.25
SAMPLES_MAX: Final = 60
_TILL: Final = (Seen.BOOKED, Seen.REPLAYED, Seen.SOLD_OUT)
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


@asynccontextmanager
async def live(console: Console, rush: Rush, title: str, buyers: int, places: int) -> AsyncIterator[None]:
    """Show a rush for as long as the block lasts; where there is no terminal, only how it ended."""
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
    """Draws the present state of a rush."""

    def __init__(self, rush: Rush, title: str, buyers: int, places: int) -> None:
        self._rush = rush
        self._title = title
        self._buyers = buyers
        self._places = places
        self._bookings: deque[int] = deque(maxlen=SAMPLES_MAX)

    def render(self) -> RenderableType:
        """Return what to show now."""
        journal, recent = self._rush.journal, last_second(self._rush.recording, self._rush.elapsed())
        booked = sum(seen in (Seen.BOOKED, Seen.REPLAYED) for seen, _ in recent)
        refused = sum(seen in (Seen.SOLD_OUT, Seen.SEAT_TAKEN, Seen.REFUSED) for seen, _ in recent)
        waits = sorted(latency for seen, latency in recent if seen in _TILL)
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
            subtitle=f"{self._rush.elapsed():.1f} s",
            width=100,
        )


def last_second(recording: Recording, now: float) -> list[tuple[Seen, float]]:
    """Return what was answered in the last second and how long each took; answers are recorded in their order."""
    found = []
    for index in range(len(recording) - 1, -1, -1):
        if recording.starts[index] + recording.latencies[index] < now - 1.0:
            break
        found.append((Seen(recording.results[index]), recording.latencies[index]))
    return found


def spark(values: Iterable[int]) -> str:
    """Return values as a row of blocks."""
    shown = list(values)
    highest = max(shown, default=0)
    return "".join(
        _BLOCKS[-(-value * (len(_BLOCKS) - 1) // highest)] if highest else _BLOCKS[0] for value in shown
    )


def show_audits(audits: Mapping[str, Iterable[Finding]]) -> Group:
    """Return what the audits found, a table each."""
    return Group(*[_table(name, findings) for name, findings in audits.items()])


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
