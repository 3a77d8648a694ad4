"""Whom PostgreSQL runs as (it refuses to run as root), and whether that user gets where it has to."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from evently.db.embedded.refusals import DirectoryUnreachable

_PYTHON: Final = (sys.executable, "-I", "-S")
_CHILD: Final = Path(__file__).with_name("child.py")
_WATCHDOG: Final = Path(__file__).with_name("watchdog.py")
_UNPRIVILEGED: Final = ("postgres", "nobody")  # tried in this order; initdb insists on an account that exists
_SYSTEM_DATA_DIRECTORY: Final = Path("/var/lib/evently")


class SystemUser(msgspec.Struct, frozen=True):
    """An unprivileged user, for root to become."""

    name: str
    uid: int
    gid: int


def find_account(cluster: Path, wanted: str | None) -> SystemUser | None:
    """Return the user to become: `wanted`, or else the owner of the cluster, or else the first that exists.

    None: we are not root.
    """
    if os.geteuid() != 0:
        return None
    if wanted is not None:
        return _named(wanted)
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return SystemUser(name=_name_of(owner.st_uid), uid=owner.st_uid, gid=owner.st_gid)
    existing = {entry.pw_name for entry in pwd.getpwall()}
    for name in _UNPRIVILEGED:
        if name in existing:
            return _named(name)
    raise DirectoryUnreachable(
        f"PostgreSQL does not run as root, and there is no account named {' or '.join(_UNPRIVILEGED)}; create one."
    )


def closed_to(account: SystemUser | None, *paths: Path) -> list[Path | None]:
    """Return for each existing path its first part that the account may not enter (or run), or None.

    The kernel is asked, as that user.
    """
    if account is None:
        return [None for _ in paths]
    command = [*_child("closed", account), *map(str, paths)]
    answer = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - our own command
    return [Path(os.fsdecode(part)) if part else None for part in answer.split(b"\0")[:-1]]


def becoming(account: SystemUser | None, directory: Path, command: list[str], guardian: int = 0) -> list[str]:
    """Return the command that becomes `command` in `directory` as that account, and on Linux ends when the process `guardian` does."""
    return [*_child("run", account), str(guardian), str(directory), *command]


def watching(command: list[str]) -> list[str]:
    """Return the command that runs `command` until its standard input ends."""
    return [*_PYTHON, str(_WATCHDOG), *command]


def give(path: Path, account: SystemUser | None) -> None:
    """Make the account the owner of a file, or of a directory and all that it holds; nothing to do when it is, or when we are not root."""
    if account is None or path.stat().st_uid == account.uid:
        return
    for directory, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(directory, name), account.uid, account.gid, follow_symlinks=False)
    os.chown(path, account.uid, account.gid)  # last: it says that the rest is done


def reachable_data_directory(wanted: Path) -> Path:
    """Return `wanted`, or `/var/lib/evently` when we are root and PostgreSQL's user may not enter it (as below `/root`)."""
    existing = next(part for part in [wanted.absolute(), *wanted.absolute().parents] if part.exists())
    [closed] = closed_to(find_account(wanted / "postgres", None), existing)
    return wanted if closed is None else _SYSTEM_DATA_DIRECTORY


def _child(action: str, account: SystemUser | None) -> list[str]:
    user = ["-", "-"] if account is None else [str(account.uid), str(account.gid)]
    return [*_PYTHON, str(_CHILD), action, *user]


def _named(name: str) -> SystemUser:
    try:
        entry = pwd.getpwnam(name)
    except KeyError as exc:
        raise DirectoryUnreachable(f"PostgreSQL shall run as {name}, but there is no such account.") from exc
    return SystemUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
