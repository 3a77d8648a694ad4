"""The data directory: its lock, its password, and the cluster in it, which is complete or missing."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from evently.db.embedded.programs import Programs
from evently.db.embedded.refusals import DirectoryInUse, DirectoryUnreachable, OtherVersion, StartFailed
from evently.db.embedded.users import (
    SystemUser,
    change_owner,
    command_as,
    find_account,
    first_inaccessible,
    has_passwd_entry,
)
from evently.kit.disk import flush_directory, write_whole

SUPERUSER: Final = "evently"
_INITDB_SECONDS_MAX: Final = 300.0
_SOCKET_PATH_BYTES_MAX: Final = 103  # macOS: 104 with the final zero; Linux has 108
# Other characters are separators in PostgreSQL, in a driver, or in a URL
_SOCKET_PATH_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
_PASSWORD_BYTES: Final = 24
_BUILTIN_COLLATION_SINCE: Final = 17  # major versions of PostgreSQL
_UNICODE_COLLATION_SINCE: Final = 18


class Cluster:
    """A data directory, locked from `lock` to `unlock`. The package docstring lists its content."""

    def __init__(self, data_directory: Path) -> None:
        self.data_directory = data_directory.absolute()
        self.directory = self.data_directory / "postgres"
        self.password_file = self.data_directory / "postgres.password"
        self._lock_file: int | None = None

    def lock(self, user: str | None) -> SystemUser | None:
        """Create the data directory if it is missing, and lock it; a second call changes nothing.

        Returns the system user that PostgreSQL runs as; None means the current user.
        """
        if not self.data_directory.exists():
            self.data_directory.mkdir(mode=0o711, parents=True)
        if self._lock_file is None:
            self._lock_file = _lock(self.data_directory / "postgres.lock")
        return find_account(self.directory, user)

    def unlock(self) -> None:
        """Unlock the data directory.

        The lock file stays: if it were removed, two processes could lock two files of the same name.
        """
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def make_reachable(self, account: SystemUser | None, closed: Path | None) -> None:
        """Allow the account to enter the data directory. `closed` is the first path that it cannot enter now.

        Refuses when that is a parent directory, because only the data directory is changed.
        """
        if closed is None:
            return
        if closed == self.data_directory:
            self.data_directory.chmod(self.data_directory.stat().st_mode | 0o001)
            [closed] = first_inaccessible(account, self.data_directory)
        if closed is not None:
            assert account is not None
            raise DirectoryUnreachable(
                f"PostgreSQL runs as {account.name}, not as root, and {account.name} cannot enter {closed}: "
                f"choose a data directory that {account.name} can reach, for example /var/lib/evently."
            )

    def read_password(self, account: SystemUser | None) -> str:
        """Return the password of the superuser. The first call creates it."""
        if not self.password_file.exists():
            if self.directory.exists():
                raise StartFailed(
                    f"{self.password_file} is missing, and a login to {self.directory} needs it; restore the "
                    "file."
                )
            write_whole(self.password_file, secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
        change_owner(self.password_file, account)  # initdb reads it
        return self.password_file.read_text(encoding="ascii").strip()

    def ensure(self, programs: Programs, account: SystemUser | None) -> None:
        """Create the cluster if it is missing; refuse one that these programs cannot open."""
        for unfinished in self.data_directory.glob("postgres.new-*"):
            # An initdb without its parent may still be writing; the next start removes the rest
            shutil.rmtree(unfinished, ignore_errors=True)
        if not self.directory.exists():
            self._initialise(programs, account)
            return
        self._check_owner()
        change_owner(self.directory, account)
        version = (self.directory / "PG_VERSION").read_text(encoding="ascii").strip()
        if version != str(programs.major):
            raise OtherVersion(
                f"{self.directory} was created by PostgreSQL {version}, but the installed programs are "
                f"PostgreSQL {programs.version}: set EVENTLY_PG_BINDIR to the programs of version {version}, "
                "or export with its pg_dump and import into an empty data directory."
            )

    def socket_directory(self, account: SystemUser | None, port: int) -> Path:
        """Return a directory for the socket that only the system user of the server may enter."""
        directory = self.data_directory / "postgres.socket"
        if not _usable(directory, port):
            directory = _temporary_directory(port)
        directory.mkdir(mode=0o700, exist_ok=True)
        change_owner(directory, account)
        return directory

    def _check_owner(self) -> None:
        owner = self.directory.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise DirectoryUnreachable(
                f"{self.directory} belongs to user {owner}, but this process runs as user {os.geteuid()}: "
                "start as that user, or choose another data directory."
            )

    def _initialise(self, programs: Programs, account: SystemUser | None) -> None:
        if account is None and not has_passwd_entry(os.geteuid()):
            raise StartFailed(
                f"User {os.geteuid()} has no entry in /etc/passwd, but initdb of PostgreSQL needs one for "
                f"{self.directory}: add one, create the data directory as another user first, or set "
                "EVENTLY_DATABASE_URL."
            )
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_directory))
        change_owner(unfinished, account)
        # Full-text search needs the locale to recognise letters; not every system has the first two
        for ctype in ("C.UTF-8", "en_US.UTF-8", "C"):
            errors = self._initdb(programs, account, unfinished, ctype)
            if "invalid locale name" not in errors:
                break
        if not (unfinished / "PG_VERSION").exists():
            raise StartFailed(f"initdb failed: {_last_error(errors)}")
        unfinished.rename(self.directory)
        flush_directory(self.data_directory)

    def _initdb(self, programs: Programs, account: SystemUser | None, directory: Path, ctype: str) -> str:
        options = {
            "pgdata": str(directory),
            "username": SUPERUSER,
            "pwfile": str(self.password_file),
            "auth": "scram-sha-256",
            "encoding": "UTF8",
            "locale": "C",
            "lc-ctype": ctype,
            **_collation(programs.major),
        }
        command = [
            programs.path("initdb"),
            "--data-checksums",
            "--no-instructions",
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        ran = subprocess.run(  # noqa: S603 - a command of this package
            command_as(account, directory, command),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INITDB_SECONDS_MAX,
        )
        return "" if ran.returncode == 0 else ran.stderr


def _lock(path: Path) -> int:
    """Return a file descriptor that holds the lock. The kernel releases the lock when this process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise DirectoryInUse(
            f"Process {owner or 'unknown'} already serves {path.parent}; stop it, or choose another data "
            "directory."
        ) from exc
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _usable(directory: Path, port: int) -> bool:
    path = f"{directory}/.s.PGSQL.{port}"
    return len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX and _SOCKET_PATH_PLAIN.fullmatch(path) is not None


def _temporary_directory(port: int) -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp creates a private directory in it
        directory = Path(tempfile.mkdtemp(prefix="evently-", dir=parent))
        if _usable(directory, port):
            return directory
        directory.rmdir()
    raise AssertionError("a path below /tmp is short enough")


def _collation(major: int) -> dict[str, str]:
    """Return the best collation of this version that is equal on every machine."""
    if major < _BUILTIN_COLLATION_SINCE:
        return {}
    return {
        "locale-provider": "builtin",
        "builtin-locale": "PG_UNICODE_FAST" if major >= _UNICODE_COLLATION_SINCE else "C.UTF-8",
    }


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next(
        (line for line in lines if "error" in line.lower()), lines[-1] if lines else "it reported nothing"
    )
