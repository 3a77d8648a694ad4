"""The benchmark itself runs: a second of everything, our engine only, audited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measuring import PARTS

ROOT = Path(__file__).parent.parent.parent


SECONDS_MAX = 840  # ten times as long as on an idle machine
FIGURES = {
    "api": "durable bookings/s on one event",
    "halls": "bookings/s of named seats in a hall",
    "door": "admissions/s at one door",
    "pages": "bookings over the page/s",
    "waiting": "places in a waiting room",
    "streams": "a booking reaches all 100 streams",
    "pauses": "longest answer to a reader while large work runs",
    "memory": "memory of the server",
    "curves": "bookings, 20 events",
}


@pytest.mark.timeout(SECONDS_MAX + 10)
def test_a_quick_benchmark_is_clean() -> None:
    """All parts in one run: a run makes halls and starts servers, which takes longer than its parts."""
    assert set(FIGURES) == set(PARTS)
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--ours"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "audits found 0 breaches" in done.stdout
    assert {part: figure for part, figure in FIGURES.items() if figure not in done.stdout} == {}
    assert "Yardstick: " in done.stdout
    assert "404:" not in done.stdout, "what is read is there"
