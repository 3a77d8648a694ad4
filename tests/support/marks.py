"""Marks of tests that need more than Python and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

kills_processes: Final = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="kills processes the Linux way"
)


def needs(missing: Sequence[str]) -> pytest.MarkDecorator:
    """Skip a test where these packages of the system are missing."""
    return pytest.mark.skipif(
        bool(missing), reason=f"not found: apt-get install {' '.join(missing)} (make test does, as root)"
    )
