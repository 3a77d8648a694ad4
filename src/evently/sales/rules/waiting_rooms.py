"""The rules of a waiting room before a sale. Pure.

Whether a booking needs an admission is decided in placing.py and waitlist.py.
"""

from __future__ import annotations

from evently.sales import facts
from evently.sales.commands.waiting_rooms import (
    CloseWaitingRoom,
    DrawWaitingRoom,
    PutWaitingRoom,
    RemoveWaitingRoom,
)
from evently.sales.outcomes import Done, No, Outcome, SalesRefusal
from evently.sales.rules.state import HAS_WAITING_ROOM, Batch, Sale


def put_waiting_room(sale: Sale, batch: Batch, command: PutWaitingRoom) -> Outcome:
    """Put a waiting room before the sale, or change the one that it has."""
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if batch.now >= sale.on_sale_at:
        return No(SalesRefusal.WAITING_ROOM_FIXED, "begun")
    if any(sum(waitlist.counts.values()) for waitlist in sale.waitlists.values()):
        # Their offers are made when the sale begins, before anybody is admitted
        return No(SalesRefusal.WAITING_ROOM_FIXED, "waitlist")
    # After this point the waiting room must be put.
    sale.extras |= HAS_WAITING_ROOM
    batch.terms_changed = True
    batch.facts.append(facts.WaitingRoomPut(command.opens_at, command.seed_hash.hex(), command.public_source))
    return Done()


def remove_waiting_room(sale: Sale, batch: Batch, _command: RemoveWaitingRoom) -> Outcome:
    """Remove the waiting room."""
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if not sale.has_waiting_room:
        return Done()
    sale.extras &= ~HAS_WAITING_ROOM
    batch.terms_changed = True
    batch.facts.append(facts.WaitingRoomRemoved())
    return Done()


def close_waiting_room(sale: Sale, batch: Batch, command: CloseWaitingRoom) -> Outcome:
    """Record that the list was closed."""
    assert sale.has_waiting_room, "a list that closes is of a waiting room"
    batch.facts.append(facts.WaitingRoomClosed(command.entries, command.list_hash.hex()))
    return Done()


def draw_waiting_room(sale: Sale, batch: Batch, command: DrawWaitingRoom) -> Outcome:
    """Record that the order was drawn."""
    assert sale.has_waiting_room, "an order that is drawn is of a waiting room"
    batch.facts.append(facts.WaitingRoomDrawn(command.seed.hex(), command.public_value))
    return Done()
