"""Logs: lines that programs and people can read, and no secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from evently.kit.logs import LINES_MAX, LineWriter, LogOptions, blank_secrets, is_pretty

PROGRAM = """
import logging, sys
import structlog
from evently.kit.logs import LogOptions, configure_logs
configure_logs(LogOptions(format={format!r}, level={level!r}))
log = structlog.get_logger("evently.test")
log.debug("quiet")
log.info("hello", number=7, password="hidden", access_token="hidden", token_type="Bearer")
logging.getLogger("uvicorn.error").info("from %s", "uvicorn")
logging.getLogger("uvicorn.access").info("not this")
logging.getLogger("procrastinate.worker").info("nor this")
try:
    secret = "hidden"
    raise KeyError("gone")
except KeyError:
    log.exception("bug", request_id="abc")
"""


def run(**options: str) -> str:
    program = PROGRAM.format(**{"format": "json", "level": "info", **options})
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == ""
    return done.stderr


def test_json_lines() -> None:
    text = run()
    hello, uvicorn, bug = (json.loads(line) for line in text.splitlines())
    assert (hello["message"], hello["level"], hello["logger"], hello["number"]) == (
        "hello",
        "info",
        "evently.test",
        7,
    )
    assert hello["timestamp"].endswith("Z")
    assert hello["token_type"] == "Bearer"
    assert (uvicorn["message"], uvicorn["logger"]) == ("from uvicorn", "uvicorn.error")
    assert (bug["level"], bug["request_id"]) == ("error", "abc")
    assert "KeyError: 'gone'" in bug["exception"]
    assert "hidden" not in text


def test_pretty_lines() -> None:
    text = run(format="pretty")
    assert "hello" in text
    assert "number=7" in text
    assert "KeyError: 'gone'" in text
    assert "hidden" not in text
    assert "\x1b[" not in text, "no colours where nobody looks"


def test_the_level_counts() -> None:
    assert "quiet" in run(level="debug")
    assert "hello" not in run(level="error")
    assert "uvicorn" not in run(level="error")


def test_pretty_only_on_a_terminal() -> None:
    assert not is_pretty(LogOptions(), io.StringIO())
    assert is_pretty(LogOptions("pretty"), io.StringIO())
    assert not is_pretty(LogOptions("json"))


@pytest.mark.parametrize(
    "name", ["password", "new_password", "refresh_token", "Authorization", "api_key", "secret_hash", "cookie"]
)
def test_secrets_are_blanked(name: str) -> None:
    event: dict[str, Any] = {"event": "x", name: "hidden"}
    assert blank_secrets(logging.getLogger(), "info", event)[name] == "***"


async def test_lines_are_written_together_and_soon() -> None:
    stream = io.StringIO()
    lines = LineWriter(stream)
    lines.add("one")
    lines.add("two")
    assert stream.getvalue() == ""
    async with asyncio.timeout(30):
        while not stream.getvalue():
            await asyncio.sleep(0.01)
    assert stream.getvalue() == "one\ntwo\n"


async def test_many_lines_do_not_wait() -> None:
    stream = io.StringIO()
    lines = LineWriter(stream)
    for number in range(LINES_MAX + 1):
        lines.add(str(number))
    assert stream.getvalue().count("\n") >= LINES_MAX
    lines.flush()
    assert stream.getvalue().count("\n") == LINES_MAX + 1
    lines.flush()
