"""The tickets of a booking as PDF, drawn by typst: one page for each ticket that admits.

The file is tagged for screen readers (PDF/UA-1), which typst refuses to write with a character that it has no
letter for: a second guard behind `typefaces.py`. The same tickets give the same bytes.

A booking of two tickets takes 20 ms of processor time at its first download, one of 100 tickets 0.75 s; half
of it draws the codes, in Python. typst works outside of the interpreter's lock, in one thread for each
process, so the process answers meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import structlog
import typst

from evently.kit.errors import Busy
from evently.kit.ids import show_id
from evently.kit.memory import Memory
from evently.tickets.nouns import IssuedTickets
from evently.tickets.qr import digest_of, modules_of_code
from evently.tickets.typefaces import Typefaces, open_typefaces
from evently.tickets.wording import DOOR, write_tickets

_log = structlog.get_logger(__name__)

# Documents that wait for the thread of a process: a second of work, if all are of the usual size
WAITING_MAX: Final = 100
_DRAWN_SECONDS: Final = 600.0
_DRAWN_MAX: Final = 1_000
_DRAWN_BYTES_MAX: Final = 8 * 1024 * 1024  # of one process: some 200 bookings of the usual size
_TEMPLATE: Final = Path(__file__).parent / "tickets.typ"
_encode: Final = msgspec.json.Encoder().encode


class TicketPrinter:
    """Draws tickets, in a thread of its own. One for each process; `close` ends the thread."""

    def __init__(self, typefaces_directory: Path | None = None) -> None:
        self._directory = typefaces_directory
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ticket printer")
        self._waiting = 0
        # Repeated downloads cost one drawing; those of the same moment share it
        self._drawn: Memory[str, bytes] = Memory(
            _DRAWN_SECONDS, _DRAWN_MAX, bytes_max=_DRAWN_BYTES_MAX, size_of=len
        )
        self._typefaces: Typefaces | None = None
        self._compiler: typst.Compiler | None = None

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def pdf_of(self, issued: IssuedTickets) -> bytes:
        """Return the tickets of a booking that admit, as PDF. There must be at least one.

        Raises Busy when too many documents are waiting.
        """
        return await self._drawn.get(pdf_tag(issued), partial(self._draw, issued))

    async def _draw(self, issued: IssuedTickets) -> bytes:
        if self._waiting >= WAITING_MAX:
            raise Busy("documents")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, partial(self._print, issued))
        finally:
            self._waiting -= 1

    def _print(self, issued: IssuedTickets) -> bytes:
        for ticket in issued.admitting:
            modules_of_code(ticket.code or "")
            time.sleep(0)  # each holds the interpreter for 2 to 5 ms: the event loop runs in between
        if self._typefaces is None:
            self._typefaces = open_typefaces(self._directory)
        if self._compiler is None:
            self._compiler = typst.Compiler(
                str(_TEMPLATE), root=str(_TEMPLATE.parent), font_paths=self._typefaces.fonts
            )
        try:
            return self._compile(issued, self._compiler, self._typefaces)
        except typst.TypstError as exc:
            # A font that has a character in its table, and no letter for it in this place
            _log.error("ticket_not_printed", reason=exc.message, characters="the most common ones instead")
            return self._compile(issued, self._compiler, self._typefaces.cautious())

    def _compile(self, issued: IssuedTickets, compiler: typst.Compiler, typefaces: Typefaces) -> bytes:
        content = write_tickets(issued, typefaces)
        if content.missing:
            _log.warning(
                "characters_not_printed",
                booking_id=show_id("bkg", issued.booking.booking_id),
                characters=[f"U+{ord(each):04X}" for each in content.missing],
            )
        made = compiler.compile(
            sys_inputs={"data": _encode(content).decode()},
            format="pdf",
            pdf_standards=["ua-1"],
            timestamp=int(issued.event.changed_at.timestamp()),
        )
        assert isinstance(made, bytes), "a PDF is one file"
        return made


def pdf_tag(issued: IssuedTickets) -> str:
    """Return a tag that changes when the PDF of these tickets does: it names what the PDF is made from."""
    seen = (
        _TEMPLATE_DIGEST,
        issued.reference,
        issued.booking.placed_at,
        issued.due_at_the_door,
        issued.organizer_name,
        issued.buyer_name,
        issued.event,
        issued.venue,
        issued.tickets,
    )
    return digest_of(_encode(seen))


_TEMPLATE_DIGEST: Final = digest_of(
    _TEMPLATE.read_bytes() + version("typst").encode() + "".join(DOOR).encode()
)
