"""Commands about the seats of an event."""

from __future__ import annotations

from typing import ClassVar

from evently.sales.commands import Command, Needs
from evently.sales.terms import SeatBlockTerms, Seating


class PutSeating(Command, frozen=True):
    """Give the event a copy of a seat map, or other zones.

    Another map needs a sale that is closed and has claimed no seat; a claimed seat keeps its zone.
    """

    needs: ClassVar = Needs()

    seating: Seating


class BlockSeats(Command, frozen=True):
    """Take free seats off the sale. Harmless to repeat; refused for all seats when one of them is taken.

    `block`: they become a block with a name, or join it if there is one; then none may be blocked already.
    """

    needs: ClassVar = Needs()

    seats: tuple[str, ...]
    block: SeatBlockTerms | None = None


class UnblockSeats(Command, frozen=True):
    """Put blocked seats back on sale. Harmless to repeat."""

    needs: ClassVar = Needs()

    seats: tuple[str, ...]


class ChangeSeatBlock(Command, frozen=True):
    """Give a block of seats another name, or another end."""

    needs: ClassVar = Needs()

    block: SeatBlockTerms
