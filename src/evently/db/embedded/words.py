"""Why a server did not start, in its own words.

Early words go to its standard error, later ones to its log, which another process writes, a little later.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import IO, Final

_FATAL: Final = re.compile(
    r"^.*?(?:FATAL|PANIC):\s*(.*)$|^(\w+Error: .*)$", re.MULTILINE
)  # the second: Python's, when child.py failed
_TOLD_TO_CLIENTS: Final = "the database system is "  # starting up, shutting down: fatal to a session only
_LOG_SECONDS_MAX: Final = 1.0
_POLL_SECONDS: Final = 0.02


class ServerWords:
    """What the server that is about to be launched will say."""

    def __init__(self, said: IO[bytes], log_directory: Path) -> None:
        self._said = said
        self._log_directory = log_directory
        self._sizes = {path: path.stat().st_size for path in self._logs()}

    def last(self) -> str | None:
        """Return the last thing that it called fatal; None where it said nothing of the kind.

        For a server that has ended.
        """
        deadline = time.monotonic() + _LOG_SECONDS_MAX
        while (found := _last_fatal(self._text())) is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return found

    def _text(self) -> str:
        self._said.seek(0)
        return "\n".join(
            text.decode("utf-8", "replace") for text in [self._said.read(), *map(self._news, self._logs())]
        )

    def _news(self, path: Path) -> bytes:
        text = path.read_bytes()
        before = self._sizes.get(path, 0)
        return text[before:] if len(text) >= before else text  # shorter: a new day, a new file

    def _logs(self) -> list[Path]:
        return sorted(self._log_directory.glob("*.log"))


def _last_fatal(text: str) -> str | None:
    found = [server or python for server, python in _FATAL.findall(text)]
    return next((line for line in reversed(found) if not line.startswith(_TOLD_TO_CLIENTS)), None)
