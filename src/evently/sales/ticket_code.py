"""The code of a ticket: what a QR code shows and the door reads. See docs/decisions/ticket-code.md.

A code is the ticket's id, which finds the ticket, followed by its secret, which proves it: 42 characters of
upper-case Crockford base32. Reading it checks neither: the caller compares the secret with the ticket's, in
constant time.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple
from uuid import UUID

from evently.kit.ids import find_id, read_secret, show_secret

_PREFIX: Final = "tkt"
_ID_CHARACTERS: Final = 26
CODE_CHARACTERS: Final = _ID_CHARACTERS + 16


class TicketCode(NamedTuple):
    """A code, taken apart."""

    ticket_id: UUID
    secret: bytes


def write_code(shown_id: str, secret: bytes) -> str:
    """Return the code of a ticket, of which `shown_id` is the public id (`tkt_...`).

    A view of a booking has shown the id already; showing it again was measured at 2 microseconds a ticket.
    """
    return shown_id[len(_PREFIX) + 1 :].upper() + show_secret(secret)


def read_code(text: str) -> TicketCode | None:
    """Return the parts of a code, in any case and with spaces in it, or None when it is not a code.

    A code is printed in groups, and typed as it is printed.
    """
    text = "".join(text.split()).lower()
    if len(text) != CODE_CHARACTERS:
        return None
    ticket_id = find_id(_PREFIX, f"{_PREFIX}_{text[:_ID_CHARACTERS]}")
    secret = read_secret(text[_ID_CHARACTERS:])
    return None if ticket_id is None or secret is None else TicketCode(ticket_id, secret)


def digest_secret(secret: bytes) -> bytes:
    """Return what the journal has of a secret: it proves which code was issued, and admits nobody."""
    return hashlib.sha256(secret).digest()
