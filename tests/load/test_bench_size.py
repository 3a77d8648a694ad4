"""The comparison of a small database with a large one runs: a town, its copies, every endpoint, the audit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(900)  # as long as a busy machine needs
def test_a_quick_comparison_is_clean() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.size", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 forbidden scans; 0 breaches" in done.stdout
    assert "desk search" in done.stdout
