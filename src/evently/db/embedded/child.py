"""Become another program: as an unprivileged user, in its directory, and not outliving whoever started it.

Run by path, `python -I -S child.py`, because `preexec_fn` is unsafe beside threads. It needs a little of the
standard library (every module costs milliseconds of each start) and imports that before it drops privileges:
the interpreter itself may be out of the new user's reach.

    run    UID GID PARENT DIRECTORY PROGRAM [ARGUMENT...]    become the program; UID -: stay who we are; PARENT 0: outlive it
    closed UID GID PATH...                                   write the first part of each path that the user may not enter,
                                                             or nothing, zero-terminated

The death signal (Linux) is sent when the *thread* that started us ends, therefore only main threads start
servers. A change of user clears it, so it is set after that; and the parent may have died before it was set,
so the parent is looked at again after that.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_FAST_SHUTDOWN = 2  # SIGINT; PostgreSQL ends the sessions, writes a checkpoint, and goes
_ORPHANED = 125  # exit status: the parent died before the program started
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "TZ": "UTC",
}  # English messages, whatever the person speaks


def _main(action: str, uid: str, gid: str, *rest: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if uid != "-":
        _become(int(uid), int(gid))
    if action == "closed":
        sys.stdout.buffer.write(b"".join(os.fsencode(_first_closed(path)) + b"\0" for path in rest))
        return
    parent, directory, *command = rest
    if parent != "0":
        _die_with(int(parent), libc)
    os.chdir(directory)
    os.execve(command[0], command, _ENVIRONMENT)  # noqa: S606 - this is what we are for


def _become(uid: int, gid: int) -> None:
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def _first_closed(path: str) -> str:
    parts = [path]
    while (parent := os.path.dirname(parts[0])) != parts[0]:  # noqa: PTH120 - importing pathlib takes longer than all the rest
        parts.insert(0, parent)
    return next((part for part in parts if not os.access(part, os.X_OK)), "")


def _die_with(parent: int, libc: ctypes.CDLL) -> None:
    if libc.prctl(_PR_SET_PDEATHSIG, _FAST_SHUTDOWN, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(_ORPHANED)


if __name__ == "__main__":
    _main(*sys.argv[1:])
