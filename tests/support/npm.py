"""Files of npm packages that tests read, pinned like those of the build and kept in `.venv`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


def npm_file(name: str, version: str, integrity: str, file: str) -> str:
    """Return the text of a file of a package; skip the test if npm cannot fetch it."""
    kept = ROOT / ".venv" / "npm" / f"{name.replace('/', '-')}-{version}"
    place = kept / file.rpartition("/")[2]
    if not place.exists():
        sys.path.insert(0, str(ROOT))
        try:
            import hatch_build  # noqa: PLC0415  # the build hook, which fetches from npm
        finally:
            sys.path.pop(0)
        package = hatch_build.Package(name, version, integrity, (file,))
        with tempfile.TemporaryDirectory() as directory:
            scratch = Path(directory)
            try:
                archive = hatch_build.fetch(hatch_build.npm_command(scratch), package, scratch)
            except (OSError, ValueError, subprocess.SubprocessError) as exc:
                pytest.skip(f"{name} could not be fetched from npm ({exc})")
            hatch_build.unpack(package, archive, kept)
    return place.read_text(encoding="utf-8")
