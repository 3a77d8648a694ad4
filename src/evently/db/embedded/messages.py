"""The error messages of a server that did not start.

The server writes early messages to its standard error, and later ones to its log. Another process writes the
log, so its messages arrive a little later.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import IO, Final

# The second alternative is an exception of Python, when child.py failed
_FATAL: Final = re.compile(r"^.*?(?:FATAL|PANIC):\s*(.*)$|^(\w+Error: .*)$", re.MULTILINE)
_FATAL_TO_SESSION: Final = "the database system is "  # starting up, shutting down: the server continues
_LOG_SECONDS_MAX: Final = 1.0
_POLL_SECONDS: Final = 0.02


class ServerMessages:
    """The messages of a server that is launched after this object is created."""

    def __init__(self, stderr: IO[bytes], log_directory: Path) -> None:
        self._stderr = stderr
        self._log_directory = log_directory
        self._sizes = {path: path.stat().st_size for path in self._logs()}

    def last_fatal(self) -> str | None:
        """Return the last fatal error of a server that has ended; None when it reported none."""
        deadline = time.monotonic() + _LOG_SECONDS_MAX
        while (found := _last_fatal(self._text())) is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return found

    def _text(self) -> str:
        self._stderr.seek(0)
        return "\n".join(
            text.decode("utf-8", "replace")
            for text in [self._stderr.read(), *map(self._new_part, self._logs())]
        )

    def _new_part(self, path: Path) -> bytes:
        text = path.read_bytes()
        before = self._sizes.get(path, 0)
        return text[before:] if len(text) >= before else text  # shorter: a new file for a new day

    def _logs(self) -> list[Path]:
        return sorted(self._log_directory.glob("*.log"))


def _last_fatal(text: str) -> str | None:
    found = [server or python for server, python in _FATAL.findall(text)]
    return next((line for line in reversed(found) if not line.startswith(_FATAL_TO_SESSION)), None)
