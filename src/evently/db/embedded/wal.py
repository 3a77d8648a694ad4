"""The archive of the log (WAL) in a directory of backups, which belongs to one data directory."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
from pathlib import Path
from typing import Final

from evently.db.embedded.refusals import BackupRefused
from evently.db.embedded.users import SystemUser, change_owner, first_inaccessible
from evently.kit.disk import write_whole

ARCHIVE_SECONDS_MAX: Final = 60  # an incomplete segment is archived after this time, if it has new content
_PROGRAMS: Final = ("gzip", "cmp", "sync", "mv")  # of the archive command; every Debian and macOS has them
_ID: Final = "postgres.backup-id"  # in the data directory


def wal_settings(directory: Path) -> dict[str, str]:
    """Return the settings with which the server archives its log there."""
    wal = quoted(directory / "wal")
    kept = f"{wal}/%f.gz"
    # A segment that is there already, after a crash, is the same one; another one is never overwritten
    command = (
        f"if test -e {kept}; then gzip -cd {kept} | cmp -s - %p; else gzip -1 < %p > {kept}.part "
        f"&& sync {kept}.part && mv {kept}.part {kept} && sync {wal}; fi"
    )
    return {
        "archive_mode": "on",
        "archive_command": command,
        "archive_timeout": f"{ARCHIVE_SECONDS_MAX}s",
    }


def claim(directory: Path, data_directory: Path, account: SystemUser | None) -> None:
    """Make a directory of backups the one of this data directory; `account` will write the log there."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=os.defpath) is None]
    if missing:
        raise BackupRefused(f"Archiving needs the program {missing[0]} in {os.defpath}; install it.")
    (directory / "base").mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "wal").mkdir(mode=0o700, exist_ok=True)
    ours, theirs = data_directory / _ID, directory / "owner"
    if not ours.exists():
        write_whole(ours, secrets.token_hex(16))
    if not theirs.exists():
        write_whole(theirs, ours.read_text(encoding="ascii"))
    if theirs.read_text(encoding="ascii") != ours.read_text(encoding="ascii"):
        raise BackupRefused(
            f"{directory} has the backups of another data directory, not of {data_directory}: name an empty "
            "directory. A restored data directory needs one of its own."
        )
    change_owner(directory / "wal", account)
    refuse_unreachable(directory / "wal", account)


def refuse_unreachable(path: Path, account: SystemUser | None) -> None:
    """Raise BackupRefused if the account cannot enter a directory."""
    [closed] = first_inaccessible(account, path)
    if closed is not None:
        assert account is not None
        raise BackupRefused(
            f"PostgreSQL runs as {account.name} and cannot enter {closed}: make {account.name} its owner."
        )


def quoted(path: Path) -> str:
    """Return a path as a word of a command of PostgreSQL, in which a percent sign is special."""
    return shlex.quote(str(path.absolute())).replace("%", "%%")
