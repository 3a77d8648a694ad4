"""The benchmark itself runs: a second of everything, our engine only, audited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_quick_benchmark_is_clean() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--ours"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "audits found 0 breaches" in done.stdout
    assert "durable bookings/s on one event" in done.stdout
    assert "404:" not in done.stdout, "what is read is there"
