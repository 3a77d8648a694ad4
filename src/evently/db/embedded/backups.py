"""Backups of a data directory: copies made while the server runs, and the log of everything since then.

    back_up()            copy a running server's cluster
    restore()            make a data directory from the newest copy, up to the end of the log or to a moment
    prune()              remove old copies, and the log that no copy needs any more

The content of a directory of backups:

    owner                the id of the data directory that is backed up here; another one is refused, because
                         the logs of two servers must not mix
    base/20261129T073000Z/   a copy, verified before it gets this name: postgres/, postgres.password, and
                         backup.json, which says when it was complete
    wal/                 the log in compressed segments of 16 MB. A segment is archived after a minute at the
                         latest: that much is lost with the disk of the data directory

A restored data directory is a new one, with an id of its own: it gets a directory of backups of its own, and
a rehearsed restore never touches the backups of the server that still sells.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from psycopg.conninfo import conninfo_to_dict

from evently.db.embedded.programs import Programs, find_programs
from evently.db.embedded.refusals import BackupRefused
from evently.db.embedded.server import EmbeddedOptions, EmbeddedPostgres
from evently.db.embedded.wal import quoted
from evently.kit.clock import utc_now
from evently.kit.disk import write_whole

RECOVERY_SECONDS_MAX: Final = 24 * 3600.0  # a month of log takes hours
_COPY_SECONDS_MAX: Final = 24 * 3600.0
_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
_START: Final = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$", re.MULTILINE)
_RESTORED: Final = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
_LAST_COMMIT: Final = re.compile(r"last completed transaction was at log time (.+)$", re.MULTILINE)


class Copy(msgspec.Struct, frozen=True):
    """A copy of a cluster; `completed_at` is the first moment to which it can be restored."""

    started_at: datetime
    completed_at: datetime
    segment: str
    bytes: int


def back_up(url: str, programs: Programs, directory: Path, data_directory: Path) -> tuple[Path, Copy]:
    """Copy the cluster of the server at `url`, which sells meanwhile, and verify the copy."""
    base = directory / "base"
    for unfinished in base.glob("unfinished-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    started_at = utc_now()
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=base))
    try:
        cluster = unfinished / "postgres"
        options = ("--wal-method=stream", "--checkpoint=fast", "--no-password", f"--pgdata={cluster}")
        _run(programs, "pg_basebackup", *options, variables=_connection_variables(url))
        _run(programs, "pg_verifybackup", "--quiet", str(cluster))
        shutil.copy2(data_directory / "postgres.password", unfinished / "postgres.password")
        copy = Copy(started_at, utc_now(), _first_segment(cluster), _size(cluster))
        write_whole(unfinished / "backup.json", msgspec.json.encode(copy).decode())
        place = base / started_at.strftime("%Y%m%dT%H%M%SZ")
        unfinished.rename(place)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return place, copy


def prune(programs: Programs, directory: Path, keep: int) -> int:
    """Keep the newest copies and the log since the oldest of them. Return how many copies were removed."""
    copies = _copies(directory)
    for place, _ in copies[:-keep]:
        shutil.rmtree(place)
    needed = copies[-keep:][0][1].segment
    _run(programs, "pg_archivecleanup", "--strip-extension=.gz", str(directory / "wal"), needed)
    return len(copies[:-keep])


def restore(
    directory: Path, data_directory: Path, at: datetime | None, bin_directory: Path | None
) -> tuple[Path, str | None]:
    """Make a data directory as it was at a moment, or at the end of the log.

    Returns the copy that it began with, and the time of the last transaction in the log, as PostgreSQL wrote
    it; None without a log.
    """
    if data_directory.exists() and any(data_directory.iterdir()):
        raise BackupRefused(f"{data_directory} is not empty: name a new data directory.")
    place, copy = _newest_before(directory, at)
    log = _archived(directory)
    if at is not None and not log:
        raise BackupRefused(f"{directory} has no log: without --at, the copy itself is restored.")
    data_directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    try:
        shutil.copy2(place / "postgres.password", data_directory / "postgres.password")
        unfinished = data_directory / "postgres.new-restored"
        shutil.copytree(place / "postgres", unfinished, ignore=shutil.ignore_patterns("*.log"))
        unfinished.chmod(0o700)
        if log:
            (unfinished / "recovery.signal").touch(mode=0o600)
        unfinished.rename(data_directory / "postgres")
        options = EmbeddedOptions(
            data_directory=data_directory,
            bin_directory=bin_directory,
            recovery_seconds_max=RECOVERY_SECONDS_MAX,
            settings=_recovery_settings(directory, at) if log else {},
            readable=directory / "wal" if log else None,
        )
        with EmbeddedPostgres(options):
            pass
        if log and at is None:
            _refuse_short(data_directory, log, copy.segment)
    except BaseException:
        shutil.rmtree(data_directory, ignore_errors=True)
        raise
    return place, max(_read(data_directory, _LAST_COMMIT), default=None) if log else None


def programs_for_backups(bin_directory: Path | None) -> Programs:
    """Return the programs; refuses if those that copy are not among them."""
    programs = find_programs(bin_directory)
    for name in ("pg_basebackup", "pg_verifybackup", "pg_archivecleanup"):
        if not os.access(programs.path(name), os.X_OK):
            raise BackupRefused(f"The program {name} is missing in {programs.directory}.")
    return programs


def _recovery_settings(directory: Path, at: datetime | None) -> dict[str, str]:
    kept = f"{quoted(directory / 'wal')}/%f.gz"
    settings = {
        "restore_command": f"test -e {kept} && gzip -cd {kept} > %p",
        "recovery_target_timeline": "latest",
        "hot_standby": "off",  # so that an answer means that the recovery has ended
    }
    if at is not None:
        settings |= {"recovery_target_time": at.isoformat(), "recovery_target_action": "promote"}
    return settings


def _newest_before(directory: Path, at: datetime | None) -> tuple[Path, Copy]:
    copies = _copies(directory)
    if not copies:
        raise BackupRefused(f"{directory} has no backup: `evently backup` makes one.")
    fit = [each for each in copies if at is None or each[1].completed_at <= at]
    if not fit:
        oldest = copies[0][1].completed_at.isoformat(timespec="seconds")
        raise BackupRefused(f"The oldest backup in {directory} was complete at {oldest}, after that moment.")
    return fit[-1]


def _copies(directory: Path) -> list[tuple[Path, Copy]]:
    """Return the complete copies, oldest first."""
    found = [
        (path.parent, msgspec.json.decode(path.read_bytes(), type=Copy))
        for path in (directory / "base").glob("*/backup.json")
        if not path.parent.name.startswith("unfinished-")
    ]
    return sorted(found, key=lambda each: each[1].completed_at)


def _archived(directory: Path) -> list[str]:
    names = (path.name.removesuffix(".gz") for path in (directory / "wal").glob("*.gz"))
    return sorted(name for name in names if _SEGMENT.fullmatch(name))


def _refuse_short(restored: Path, log: list[str], first: str) -> None:
    """Refuse if PostgreSQL did not get the last segment: it takes one that it cannot read for the end."""
    last = log[-1]
    if last >= first and last not in _read(restored, _RESTORED):
        raise BackupRefused(
            f"The log cannot be read to its end, segment {last}: a segment is missing, damaged, or closed to "
            "the user of PostgreSQL. --at restores a moment before that."
        )


def _first_segment(cluster: Path) -> str:
    found = _START.search((cluster / "backup_label").read_text(encoding="utf-8"))
    assert found is not None, "PostgreSQL writes this line into every backup"
    return found[1]


def _read(data_directory: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return what the log of the server's messages says."""
    return [
        found
        for path in (data_directory / "postgres/log").glob("*.log")
        for found in pattern.findall(path.read_text(encoding="utf-8", errors="replace"))
    ]


def _run(programs: Programs, name: str, *arguments: str, variables: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(  # noqa: S603  # a program of PostgreSQL
            [programs.path(name), *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=_COPY_SECONDS_MAX,
            env={"PATH": os.defpath, "LC_ALL": "C"} | (variables or {}),
        )
    except subprocess.CalledProcessError as exc:
        lines = exc.stderr.strip().splitlines()
        raise BackupRefused(lines[-1] if lines else f"{name} ended with status {exc.returncode}.") from exc


def _connection_variables(url: str) -> dict[str, str]:
    """Return a connection as variables: arguments of a program are seen by every user of the machine."""
    parts = conninfo_to_dict(url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    return {names[name]: str(value) for name, value in parts.items() if name in names}


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
