"""Blocks of seats: blocked seats with a name, such as a partner's, and perhaps an end.

Whose the seats are is said in the journal. When a block ends, its seats are for sale again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently.catalogue import NAME_CHARACTERS_MAX
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.kit.shapes import Instant, fields_set, text
from evently.organizing.edits import Added, Edited, lock_changeable, lock_for_edit
from evently.organizing.seats import choose_seats
from evently.organizing.windows import utc
from evently.organizing.zones import SeatChoice
from evently.sales import carry_out
from evently.sales.commands.seats import BlockSeats, ChangeSeatBlock, UnblockSeats
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, SeatBlock
from evently.sales.terms import SeatBlockTerms

BlockName = Annotated[str, text(NAME_CHARACTERS_MAX, "Sponsor: Nordlicht")]
Until = Annotated[
    Instant | None,
    msgspec.Meta(description="When those that are left are for sale again; null: when you unblock them."),
]


class SeatBlockDraft(SeatChoice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seats that are kept for a partner or the house: a name for members of the organizer, and an end."""

    name: BlockName
    until: Until = None


class SeatBlockChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another name, or another end."""

    name: BlockName | UnsetType = UNSET
    until: Until | UnsetType = UNSET


async def add_seat_block(tx: Connection, event_id: UUID, draft: SeatBlockDraft, now: datetime) -> Added:
    """Block free seats under a name.

    All or none: refuses `seat-taken`, also for a seat that is blocked otherwise. The version of the event
    stays, so no other edit becomes stale.
    """
    event = await lock_changeable(tx, event_id)
    _check(draft, draft.until, now)
    seats = await choose_seats(tx, event_id, draft)
    block = SeatBlockTerms(new_id(), draft.name.strip(), utc(draft.until))
    carried_out = await carry_out(tx, BlockSeats(event_id, seats, block), now)
    return Added(event, carried_out.sale, block.block_id)


async def change_seat_block(
    tx: Connection, event_id: UUID, block_id: UUID, changes: SeatBlockChanges, now: datetime
) -> Edited:
    """Change the name or the end of a block. Refuses `unknown-seat-block`."""
    event, sale = await lock_for_edit(tx, event_id)
    before = get_seat_block(sale, block_id).terms
    wanted = fields_set(changes)
    _check(changes, wanted.get("until"), now)
    terms = SeatBlockTerms(
        block_id, wanted.get("name", before.name).strip(), utc(wanted.get("until", before.until))
    )
    return Edited(event, (await carry_out(tx, ChangeSeatBlock(event_id, terms), now, known=sale)).sale)


async def remove_seat_block(tx: Connection, event_id: UUID, block_id: UUID, now: datetime) -> Edited:
    """Unblock the seats of a block. Refuses `unknown-seat-block`."""
    event, sale = await lock_for_edit(tx, event_id)
    assert sale.hall is not None or not sale.seat_blocks, "a block has seats"
    seats = seat_ids_of(sale, get_seat_block(sale, block_id))
    return Edited(event, (await carry_out(tx, UnblockSeats(event_id, seats), now, known=sale)).sale)


def get_seat_block(sale: Sale, block_id: UUID) -> SeatBlock:
    """Return a block of seats of a sale. Refuses `unknown-seat-block`."""
    block = sale.seat_blocks.get(block_id)
    if block is None:
        raise Refused(SalesRefusal.UNKNOWN_SEAT_BLOCK)
    return block


def seat_ids_of(sale: Sale, block: SeatBlock) -> tuple[str, ...]:
    """Return the ids of the seats of a block, in the order of the layout."""
    assert sale.hall is not None, "a block has seats"
    return tuple([sale.hall.plan.ids[number] for number in sorted(block.seats)])


def _check(sent: SeatBlockDraft | SeatBlockChanges, until: datetime | None, now: datetime) -> None:
    complaints = Complaints()
    complaints.check("", sent)
    if until is not None and until <= now:
        complaints.about("/until", "not-in-the-future")
    complaints.refuse_if_any()
