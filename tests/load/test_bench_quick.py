"""The benchmark itself runs: a second of everything, our engine only, audited, part by part."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from bench.measuring import PARTS

ROOT = Path(__file__).parent.parent.parent


SECONDS_MAX = 280  # ten times as long as on an idle machine
THIRDS = {
    ("api", "halls"): "durable bookings/s on one event",
    ("door", "pages", "streams"): "admissions/s at one door",
    ("waiting", "pauses", "memory", "curves"): "memory of the server",
}


@pytest.mark.timeout(SECONDS_MAX + 10)
@pytest.mark.parametrize(("parts", "figure"), THIRDS.items(), ids=["sales", "pages", "curves"])
def test_a_quick_benchmark_is_clean(parts: tuple[str, ...], figure: str) -> None:
    only = chain.from_iterable(("--only", part) for part in parts)
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", *only],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "audits found 0 breaches" in done.stdout
    assert figure in done.stdout
    assert "Yardstick: " in done.stdout
    assert "404:" not in done.stdout, "what is read is there"


def test_the_thirds_are_the_whole() -> None:
    assert set(chain.from_iterable(THIRDS)) == set(PARTS)
