"""The resident memory of a server, over many answers to what browsers send."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ANSWERS = 5_000
GROWTH_MEGABYTES_MAX = 20.0  # a compressor that is kept for each answer takes 537 MB for a thousand


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory the Linux way")
def test_answers_leave_no_memory_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.resident", str(ANSWERS)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=280,
    )
    grown = json.loads(done.stdout)
    assert {"whole br", "whole gzip", "stream br", "stream gzip"} <= grown.keys()
    assert {kind: megabytes for kind, megabytes in grown.items() if megabytes > GROWTH_MEGABYTES_MAX} == {}
