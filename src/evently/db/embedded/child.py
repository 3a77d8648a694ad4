"""Become another program: as an unprivileged user, in its directory, and not outliving whoever started it.

Run by path, `python -I -S child.py '{...}'`, because `preexec_fn` is unsafe beside threads. It needs the standard library only and imports everything before
it drops privileges: the interpreter itself may be out of the new user's reach. The order matters: a change of user clears the death signal,
so the signal is set after it; and the parent may have died before it was set, so the parent is looked at again after that.

The death signal (Linux) is sent when the *thread* that started us ends, therefore only main threads start servers. Where there is no death signal, this
process stays as a watchdog: its standard input is a pipe from the parent, and the end of that pipe is the end of the program.

    {"user": [uid, gid] | null, "guard": "death-signal" | "pipe" | "none", "parent": pid, "directory": path, "command": [...], "environment": {...}}
    {"user": [uid, gid] | null, "paths": [...]}     prints, as JSON, the first part of each path that the user may not enter, or null
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_FAST_SHUTDOWN: Final = signal.SIGINT  # PostgreSQL: end the sessions, write a checkpoint, go
_ORPHANED: Final = 125  # exit status: the parent died before the program started
_WATCH_SECONDS: Final = 0.05


def main(order: dict[str, Any]) -> None:
    """Do what `order` says; shapes above."""
    libc = ctypes.CDLL(None, use_errno=True)
    _become(order["user"])
    if "paths" in order:
        print(json.dumps([_first_closed(Path(path)) for path in order["paths"]]))
        return
    if order["guard"] == "death-signal":
        _die_with(order["parent"], libc)
    os.chdir(order["directory"])
    if order["guard"] == "pipe":
        sys.exit(_watch(order["command"], order["environment"]))
    os.execve(order["command"][0], order["command"], order["environment"])


def _become(user: list[int] | None) -> None:
    if user is None:
        return
    uid, gid = user
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def _first_closed(path: Path) -> str | None:
    return next((str(part) for part in [*reversed(path.parents), path] if not os.access(part, os.X_OK)), None)


def _die_with(parent: int, libc: ctypes.CDLL) -> None:
    if libc.prctl(_PR_SET_PDEATHSIG, int(_FAST_SHUTDOWN), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(_ORPHANED)


def _watch(command: list[str], environment: dict[str, str]) -> int:
    """Run the command until it ends or the pipe on our standard input does; pass signals on. Returns its exit status."""
    program = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: program.send_signal(received))
    while (status := program.poll()) is None:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], _WATCH_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            program.send_signal(_FAST_SHUTDOWN)
            return program.wait()
    return status


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
