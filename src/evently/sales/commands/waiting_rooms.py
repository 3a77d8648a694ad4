"""Commands about the waiting room of a sale. The room itself is in `evently.waitingroom`.

The sale knows only that it has one, so that the rule of booking holds in every process; and its journal has
what was promised and drawn, each at its time, so that nobody can change it afterwards.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from evently.sales.commands import Command, Needs


class PutWaitingRoom(Command, frozen=True):
    """Put a waiting room before the sale, or change it. Refused when the sale has begun, or people wait.

    `seed_hash`: of the seed of the draw. `public_source`: where the public value will be read; empty: there
    is none.
    """

    needs: ClassVar = Needs()

    opens_at: datetime
    seed_hash: bytes
    public_source: str


class RemoveWaitingRoom(Command, frozen=True):
    """Sell without the waiting room. Harmless to repeat."""

    needs: ClassVar = Needs(may_release=False)


class CloseWaitingRoom(Command, frozen=True):
    """Record that the list of the waiting room was closed: the number of its entries, and its hash."""

    needs: ClassVar = Needs(may_release=False)

    entries: int
    list_hash: bytes


class DrawWaitingRoom(Command, frozen=True):
    """Record that the order was drawn: the seed is public now. `public_value`: empty where there is none."""

    needs: ClassVar = Needs(may_release=False)

    seed: bytes
    public_value: str
