"""Replace this process by another program: as an unprivileged user, in its directory, ending with its parent.

It runs by path, `python -I -S child.py`, because `preexec_fn` is unsafe beside threads. It imports little of
the standard library, because every module costs milliseconds of each start. It imports before it drops
privileges, because the new user may not be able to reach the interpreter.

    run    UID GID PARENT DIRECTORY PROGRAM [ARGUMENT...]

Execute the program. UID -: keep the current user. PARENT 0: do not end with the parent.

    closed UID GID PATH...

Write the first part of each path that the user cannot enter, or nothing; each is zero-terminated.

Linux sends the death signal when the *thread* that started this process ends; therefore only main threads
start servers. A change of user clears the death signal, so it is set after the change. The parent may have
ended before that, so the parent is checked once more.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_FAST_SHUTDOWN = 2  # SIGINT: PostgreSQL ends the sessions, writes a checkpoint, and stops
_ORPHANED = 125  # exit status: the parent ended before the program started
# C: messages in English, whatever the language of the system
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _main(action: str, uid: str, gid: str, *rest: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if uid != "-":
        _change_user(int(uid), int(gid))
    if action == "closed":
        sys.stdout.buffer.write(b"".join(os.fsencode(_first_inaccessible(path)) + b"\0" for path in rest))
        return
    parent, directory, *command = rest
    if parent != "0":
        _end_with(int(parent), libc)
    os.chdir(directory)
    os.execve(command[0], command, _ENVIRONMENT)  # noqa: S606 - the purpose of this file


def _change_user(uid: int, gid: int) -> None:
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def _first_inaccessible(path: str) -> str:
    parts = [path]
    while (parent := os.path.dirname(parts[0])) != parts[0]:  # noqa: PTH120 - the import of pathlib takes longer than all other work here
        parts.insert(0, parent)
    return next((part for part in parts if not os.access(part, os.X_OK)), "")


def _end_with(parent: int, libc: ctypes.CDLL) -> None:
    if libc.prctl(_PR_SET_PDEATHSIG, _FAST_SHUTDOWN, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(_ORPHANED)


if __name__ == "__main__":
    _main(*sys.argv[1:])
