"""The system user of PostgreSQL, which refuses to run as root, and the paths that this user can reach."""

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
_UNPRIVILEGED: Final = ("postgres", "nobody")  # tried in this order; initdb requires an account that exists
_SYSTEM_DATA_DIRECTORY: Final = Path("/var/lib/evently")


class SystemUser(msgspec.Struct, frozen=True):
    """An unprivileged user, as which root runs PostgreSQL."""

    name: str
    uid: int
    gid: int


def find_account(cluster: Path, wanted: str | None) -> SystemUser | None:
    """Return the user that PostgreSQL runs as; None when the current user is not root.

    It is `wanted`, or else the owner of the cluster, or else the first of `_UNPRIVILEGED` that exists.
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
        f"PostgreSQL does not run as root, and no account has the name {' or '.join(_UNPRIVILEGED)}; create "
        "one."
    )


def has_passwd_entry(uid: int) -> bool:
    """Return whether the system knows the name of a user. OpenShift runs containers as users without one."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def first_inaccessible(account: SystemUser | None, *paths: Path) -> list[Path | None]:
    """Return for each existing path its first part that the account cannot enter (or run), or None.

    A child process of that user finds out, so the kernel decides.
    """
    if account is None:
        return [None for _ in paths]
    command = [*_child("closed", account), *map(str, paths)]
    answer = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - a command of this package
    return [Path(os.fsdecode(part)) if part else None for part in answer.split(b"\0")[:-1]]


def command_as(account: SystemUser | None, directory: Path, command: list[str], parent: int = 0) -> list[str]:
    """Return the command that runs `command` in `directory` as that account.

    On Linux, the program ends when the process `parent` ends; 0: it does not.
    """
    return [*_child("run", account), str(parent), str(directory), *command]


def command_with_watchdog(command: list[str]) -> list[str]:
    """Return the command that runs `command` until its standard input ends."""
    return [*_PYTHON, str(_WATCHDOG), *command]


def change_owner(path: Path, account: SystemUser | None) -> None:
    """Make the account the owner of a file, or of a directory with all its content.

    Does nothing when it is the owner, or when the current user is not root.
    """
    if account is None or path.stat().st_uid == account.uid:
        return
    for directory, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(directory, name), account.uid, account.gid, follow_symlinks=False)
    os.chown(path, account.uid, account.gid)  # last: it marks the rest as done


def reachable_data_directory(wanted: Path) -> Path:
    """Return `wanted`, or `/var/lib/evently` if `wanted` cannot be reached by the system user of PostgreSQL.

    That happens when root starts the server in a directory such as `/root`.
    """
    existing = next(part for part in [wanted.absolute(), *wanted.absolute().parents] if part.exists())
    [closed] = first_inaccessible(find_account(wanted / "postgres", None), existing)
    return wanted if closed is None else _SYSTEM_DATA_DIRECTORY


def _child(action: str, account: SystemUser | None) -> list[str]:
    user = ["-", "-"] if account is None else [str(account.uid), str(account.gid)]
    return [*_PYTHON, str(_CHILD), action, *user]


def _named(name: str) -> SystemUser:
    try:
        entry = pwd.getpwnam(name)
    except KeyError as exc:
        raise DirectoryUnreachable(
            f"PostgreSQL cannot run as {name}, because this account does not exist."
        ) from exc
    return SystemUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
