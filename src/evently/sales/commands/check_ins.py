"""Commands of the door."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from evently.sales.commands import Command, Needs
from evently.sales.states import Direction


class ScanTicket(Command, frozen=True):
    """Check a ticket in, or out again, at a gate. Every attempt is recorded. Harmless to repeat.

    `reentry`, `ticket_type_ids` (None: all), `opens_at` and `closes_at` are what the organizer allows at this
    gate. `offline`: the device has admitted the holder already, by its list.
    """

    needs: ClassVar = Needs(scan=True, ticket=True)

    scan_id: UUID
    ticket_id: UUID | None  # None: the code cannot be read
    secret: bytes
    direction: Direction
    scanned_by: UUID
    scanned_at: datetime
    gate: str = ""
    reentry: bool = False
    ticket_type_ids: frozenset[UUID] | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    offline: bool = False


class UndoScan(Command, frozen=True):
    """Undo the last check-in of a ticket, which was a mistake. Harmless to repeat."""

    needs: ClassVar = Needs(scan=True, may_release=False)

    scan_id: UUID
    undone_by: UUID
    reason: str
