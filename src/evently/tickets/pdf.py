"""The tickets of a booking as PDF: one page for each ticket that admits. Equal tickets give equal bytes.

A booking of two tickets takes 20 ms of processor time at its first download, one of 100 tickets 0.75 s; half
of it draws the codes, in Python.
"""

from __future__ import annotations

import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import structlog

from evently.kit.ids import show_id
from evently.kit.memory import Memory
from evently.tickets.nouns import IssuedTickets
from evently.tickets.press import Press
from evently.tickets.qr import digest_of, modules_of_code
from evently.tickets.typefaces import Typefaces
from evently.tickets.wording import DOOR, PrintedTickets, write_tickets

_log = structlog.get_logger(__name__)

_DRAWN_SECONDS: Final = 600.0
_DRAWN_MAX: Final = 1_000
_DRAWN_BYTES_MAX: Final = 8 * 1024 * 1024  # of one process: some 200 bookings of the usual size
_TEMPLATE: Final = Path(__file__).parent / "tickets.typ"
_encode: Final = msgspec.json.Encoder().encode


class TicketPrinter:
    """Draws tickets on the press of the process."""

    def __init__(self, press: Press) -> None:
        self.press = press
        # Repeated downloads cost one drawing; those of the same moment share it
        self._drawn: Memory[str, bytes] = Memory(
            _DRAWN_SECONDS, _DRAWN_MAX, bytes_max=_DRAWN_BYTES_MAX, size_of=len
        )

    async def pdf_of(self, issued: IssuedTickets) -> bytes:
        """Return the tickets of a booking that admit, as PDF. There must be at least one.

        Raises Busy when too many documents are waiting.
        """
        return await self._drawn.get(pdf_tag(issued), lambda: self.press.run(partial(self._print, issued)))

    def _print(self, issued: IssuedTickets) -> bytes:
        for ticket in issued.admitting:
            modules_of_code(ticket.code or "")
            time.sleep(0)  # each holds the interpreter for 2 to 5 ms: the event loop runs in between
        return self.press.draw(_TEMPLATE, partial(_write, issued), issued.event.changed_at)


def _write(issued: IssuedTickets, typefaces: Typefaces) -> PrintedTickets:
    content = write_tickets(issued, typefaces)
    if content.missing:
        _log.warning(
            "characters_not_printed",
            booking_id=show_id("bkg", issued.booking.booking_id),
            characters=[f"U+{ord(each):04X}" for each in content.missing],
        )
    return content


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
