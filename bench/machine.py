"""The machine on which the figures were measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import jwt

_PAGE: Final = bytes(8192)
_DECODES: Final = 3_000
_FLUSHES: Final = 200
_LIBRARIES: Final = ("uvicorn", "uvloop", "asyncpg", "msgspec")


def describe_machine(directory: Path) -> dict[str, str]:
    """Return processor, memory, flush time of the disk under `directory`, and versions."""
    return {
        "Processor": f"{_processor()}, {os.cpu_count()} cores "
        "for PostgreSQL, the server and the load generator together",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.0f} GB",
        "Storage": f"{flush_milliseconds(directory):.2f} ms "
        f"to write 8 kB and flush it (fdatasync, median of {_FLUSHES})",
        "System": f"{platform.system()} {platform.release()}",
        "Python": ", ".join([platform.python_version(), *[f"{name} {version(name)}" for name in _LIBRARIES]]),
    }


def decode_microseconds() -> float:
    """Return the microseconds to decode one access token, as a measure of the machine's speed today."""
    token = jwt.encode({"sub": "per_" + "0" * 26, "exp": 4_102_444_800}, "s" * 32, "HS256")
    taken = []
    for _ in range(_DECODES):
        began = time.perf_counter()
        jwt.decode(token, "s" * 32, algorithms=["HS256"])
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e6


def flush_milliseconds(directory: Path) -> float:
    """Return the milliseconds of one flush to disk, the least time of a commit, as pg_test_fsync measures."""
    path = directory / "flush"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_FLUSHES):
            began = time.perf_counter()
            file.seek(0)
            file.write(_PAGE)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return median(taken) * 1000


def commit_measured() -> str:
    """Return the commit of the tree, marked if the tree has changes."""
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    ).stdout.strip()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "src", "bench"],
        cwd=here.parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return f"{commit or 'unknown'}{' with changes' if changed else ''}"


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    match = (
        re.search(r"^model name\s*:\s*(.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        if found.exists()
        else None
    )
    return match[1] if match else platform.processor() or platform.machine()
