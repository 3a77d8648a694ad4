"""Footage: what the screens of a scene showed, and when its sentences begin."""

from __future__ import annotations

import asyncio
import base64
import os
import pty
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import pyte
from playwright.async_api import Page

COLUMNS: Final = 100
ROWS: Final = 25
_READ_BYTES: Final = 65_536
_SNAPSHOT_SECONDS: Final = 0.08


class Run(NamedTuple):
    """Characters of a terminal in one style. `colour`: a name of pyte's, or six hexadecimal digits."""

    text: str
    colour: str
    bold: bool


TerminalLines = tuple[tuple[Run, ...], ...]


class Shown(NamedTuple):
    """What a screen showed from a moment on: a picture (JPEG), or the lines of a terminal."""

    at: float
    content: bytes | TerminalLines


class Footage:
    """The screens of a scene by name, and the moments at which its sentences begin."""

    def __init__(self) -> None:
        self.screens: dict[str, list[Shown]] = {}
        self.begins: list[float] = []
        self.end = 0.0

    def add(self, screen: str, content: bytes | TerminalLines) -> None:
        """Keep what a screen shows now."""
        self.screens.setdefault(screen, []).append(Shown(time.monotonic(), content))

    def next_sentence(self) -> None:
        """Begin the next sentence of the script."""
        self.begins.append(time.monotonic())

    def close(self) -> None:
        """End the scene."""
        self.end = time.monotonic()

    def shown(self, screen: str, at: float) -> Shown:
        """Return what a screen showed at a moment; before its first picture, that one."""
        moments = self.screens[screen]
        return moments[max(0, bisect_right(moments, at, key=lambda each: each.at) - 1)]


@asynccontextmanager
async def filming(footage: Footage, screen: str, page: Page) -> AsyncIterator[None]:
    """Keep every picture that the page shows. Chromium sends one when something has changed."""
    session = await page.context.new_cdp_session(page)

    async def keep(event: dict[str, Any]) -> None:
        footage.add(screen, base64.b64decode(event["data"]))
        await session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    tasks: set[asyncio.Task[None]] = set()

    def receive(event: dict[str, Any]) -> None:
        task = asyncio.ensure_future(keep(event))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    session.on("Page.screencastFrame", receive)
    await session.send("Page.startScreencast", {"format": "jpeg", "quality": 92})
    try:
        yield
    finally:
        await session.send("Page.stopScreencast")
        if tasks:
            await asyncio.wait(tasks, timeout=5)


class Terminal:
    """A terminal in which commands run, one after the other; what it shows becomes footage."""

    def __init__(self, footage: Footage, screen: str, rows: int = ROWS, columns: int = COLUMNS) -> None:
        self._footage = footage
        self._name = screen
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.keep()

    async def type(self, text: str) -> None:
        """Type a command, as a person does, without running it."""
        self._stream.feed(b"\x1b[32m$\x1b[0m ")
        for letter in text:
            self._stream.feed(letter.encode())
            self.keep()
            await asyncio.sleep(0.03)
        self._stream.feed(b"\r\n")
        self.keep()

    async def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        seen: Callable[[str], None] | None = None,
    ) -> int:
        """Run a program to its end; return its exit status. `seen` gets the screen whenever it changes."""
        parent, child = pty.openpty()
        size = {"COLUMNS": str(self._screen.columns), "LINES": str(self._screen.lines)}
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=child,
            stderr=child,
            env={**environment, **size, "TERM": "xterm-256color"},
        )
        os.close(child)
        reading = asyncio.create_task(self._read(parent, seen))
        status = await process.wait()
        await reading
        os.close(parent)
        self.keep()
        return status

    async def _read(self, parent: int, seen: Callable[[str], None] | None) -> None:
        kept_at = 0.0
        while True:
            try:
                part = await asyncio.to_thread(os.read, parent, _READ_BYTES)
            except OSError:  # the program has ended
                return
            if not part:
                return
            self._stream.feed(part)
            if time.monotonic() > kept_at + _SNAPSHOT_SECONDS:
                kept_at = time.monotonic()
                self.keep()
            if seen is not None:
                seen("\n".join(self._screen.display))

    def keep(self) -> None:
        """Keep what the terminal shows now."""
        self._footage.add(self._name, tuple(self._line(number) for number in range(self._screen.lines)))

    def _line(self, number: int) -> tuple[Run, ...]:
        runs: list[Run] = []
        for column in range(self._screen.columns):
            cell = self._screen.buffer[number][column]
            colour, text = cell.fg, cell.data
            if runs and (runs[-1].colour, runs[-1].bold) == (colour, cell.bold):
                runs[-1] = Run(runs[-1].text + text, colour, cell.bold)
            else:
                runs.append(Run(text, colour, cell.bold))
        return tuple(runs)
