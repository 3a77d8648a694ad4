"""The press of a process: documents as PDF, drawn by typst in a thread of its own.

typst works outside of the interpreter's lock, so the process answers meanwhile. Files are tagged for screen
readers (PDF/UA-1), which typst refuses to write with a character that it has no letter for: a second guard
behind `typefaces.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import typst

from evently.kit.errors import Busy
from evently.tickets.typefaces import Typefaces, open_typefaces

_log = structlog.get_logger(__name__)

# Documents that wait for the thread of a process: a second of work, if all are of the usual size
WAITING_MAX: Final = 100
_encode: Final = msgspec.json.Encoder().encode


class Press:
    """Draws documents, one at a time. One for each process; `close` ends the thread."""

    def __init__(self, typefaces_directory: Path | None = None) -> None:
        self._directory = typefaces_directory
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="press")
        self._waiting = 0
        self._typefaces: Typefaces | None = None
        self._compilers: dict[Path, typst.Compiler] = {}

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def run(self, draw: Callable[[], bytes]) -> bytes:
        """Return what a function draws in the thread of the press.

        Raises Busy when too many documents are waiting.
        """
        if self._waiting >= WAITING_MAX:
            raise Busy("documents")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, draw)
        finally:
            self._waiting -= 1

    def draw(self, template: Path, write: Callable[[Typefaces], Any], made_at: datetime) -> bytes:
        """Return a document, in the thread of the press. `write`: what the template prints, with typefaces.

        The same content gives the same bytes.
        """
        if self._typefaces is None:
            self._typefaces = open_typefaces(self._directory)
        try:
            return self._compile(template, write(self._typefaces), made_at)
        except typst.TypstError as exc:
            # A font that has a character in its table, and no letter for it in this place
            _log.error("document_not_printed", reason=exc.message, characters="the most common ones instead")
            return self._compile(template, write(self._typefaces.cautious()), made_at)

    def _compile(self, template: Path, content: Any, made_at: datetime) -> bytes:
        assert self._typefaces is not None, "they are opened before anything is drawn"
        compiler = self._compilers.get(template)
        if compiler is None:
            compiler = self._compilers[template] = typst.Compiler(
                str(template), root=str(template.parent), font_paths=self._typefaces.fonts
            )
        made = compiler.compile(
            sys_inputs={"data": _encode(content).decode()},
            format="pdf",
            pdf_standards=["ua-1"],
            timestamp=int(made_at.timestamp()),
        )
        assert isinstance(made, bytes), "a PDF is one file"
        return made
