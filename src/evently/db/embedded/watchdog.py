"""Run a program, and end it when the parent of this process ends. For macOS, which has no death signal.

It runs by path, `python -I -S watchdog.py COMMAND...`. Standard input is a pipe that the parent holds and
never writes to; it closes when the parent ends. Signals are passed on to the program, and the exit status is
its status.
"""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from typing import Final

_FAST_SHUTDOWN: Final = signal.SIGINT
_WATCH_SECONDS: Final = 0.05


def _main(command: list[str]) -> int:
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - a command of this package
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: program.send_signal(received))
    while (status := program.poll()) is None:
        readable, _, _ = select.select([sys.stdin], [], [], _WATCH_SECONDS)
        if readable:
            program.send_signal(_FAST_SHUTDOWN)
            return program.wait()
    return status


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
