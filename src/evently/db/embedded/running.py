"""The database of a running server, for a second program such as `evently audit`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from evently.db.embedded.cluster import SUPERUSER, Cluster

_PORT_LINE: Final = 3  # of postmaster.pid, counted from 0 (miscadmin.h of PostgreSQL)
_SOCKET_LINE: Final = 4
_DATABASE: Final = "evently"
LOCK: Final = "postgres.lock"


def url_of_running(data_directory: Path) -> str | None:
    """Return the URL of the database that another process serves from this directory, or None.

    The server may still be starting, or already be stopping: then a connection fails.
    """
    cluster = Cluster(data_directory)
    if not _is_locked(data_directory / LOCK):
        return None
    try:
        lines = (
            (cluster.directory / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        )
        password = cluster.password_file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    if len(lines) <= _SOCKET_LINE:
        return None
    host = quote(lines[_SOCKET_LINE], safe="")
    user = f"{SUPERUSER}:{quote(password, safe='')}"
    return f"postgresql://{user}@/{_DATABASE}?host={host}&port={lines[_PORT_LINE]}"


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
