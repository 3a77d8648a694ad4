"""Logs: JSON lines in production, readable lines on a terminal. The loggers of libraries are included.

    configure_logs(...)   call it once per process, before the first log line
    LineWriter            for the access log: it writes lines together, so one costs a microsecond or two

No code may log a token, a password or a key. As a last resort, `blank_secrets` blanks values under such
names. Tracebacks show no local variables.
"""

from __future__ import annotations

import asyncio
import logging
import logging.config
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import msgspec
import structlog

LogFormat = Literal["auto", "json", "pretty"]
FLUSH_SECONDS: Final = 0.05
LINES_MAX: Final = 500  # in one write: 100 KiB
_SECRET_WORDS: Final = ("password", "secret", "token", "authorization", "api_key", "cookie")
_NOT_SECRET: Final = frozenset({"token_type"})
_encode: Final = msgspec.json.Encoder(enc_hook=repr).encode


class LogOptions(msgspec.Struct, frozen=True):
    """`auto` is pretty on a terminal and JSON elsewhere."""

    format: LogFormat = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


def is_pretty(options: LogOptions, stream: TextIO | None = None) -> bool:
    """Return whether the logs are formatted for people."""
    return options.format == "pretty" or (options.format == "auto" and (stream or sys.stderr).isatty())


def configure_logs(options: LogOptions) -> None:
    """Send all log lines of this process to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        blank_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(_settings(options, shared))


def blank_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values whose names contain a secret word."""
    for name in event:
        if name not in _NOT_SECRET and any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "***"
    return event


def _settings(options: LogOptions, shared: list[Any]) -> dict[str, Any]:
    last = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if is_pretty(options)
        else [structlog.processors.format_exc_info, structlog.processors.EventRenamer("message"), _render]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "evently": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder(allow=())],
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {
            "evently": {
                "class": "logging.StreamHandler",
                "formatter": "evently",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": options.level.upper(), "handlers": ["evently"]},
        "loggers": {
            **{
                name: {"level": options.level.upper(), "handlers": [], "propagate": True}
                for name in ("uvicorn", "uvicorn.error")
            },
            "uvicorn.access": {
                "level": "CRITICAL",
                "propagate": False,
            },  # the edge writes an access log with more fields
            **{name: {"level": "WARNING"} for name in ("alembic", "procrastinate")},
        },
    }


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return _encode(event).decode()


class LineWriter:
    """Writes lines together, at least every `FLUSH_SECONDS`. Call `flush` at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, line: str) -> None:
        """Add a line without a newline at its end."""
        self._lines.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        elif len(self._lines) >= LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write the added lines now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
