"""Applies the facts of a waiting room to the replayed sale: what was promised, and what was drawn."""

from __future__ import annotations

import hashlib

from evently.sales import facts
from evently.sales.replay.state import Contradiction, ReplayedSale, ReplayedWaitingRoom

HAS_WAITING_ROOM = 512  # of `sales.extras`


def put(sale: ReplayedSale, fact: facts.WaitingRoomPut) -> None:
    """Put a waiting room before the sale, or change it until its list is closed."""
    if sale.on_sale_at is None or sale.now() >= sale.on_sale_at:
        raise Contradiction("a waiting room was put before a sale that had begun")
    if sale.waiting_room is not None and sale.waiting_room.list_hash is not None:
        raise Contradiction("a waiting room was changed after its list was closed")
    sale.waiting_room = ReplayedWaitingRoom(
        fact.opens_at, sale.on_sale_at, fact.seed_hash, fact.public_source
    )
    sale.extras |= HAS_WAITING_ROOM


def remove(sale: ReplayedSale, _fact: facts.WaitingRoomRemoved) -> None:
    """Remove the waiting room."""
    if sale.waiting_room is None or sale.waiting_room.list_hash is not None:
        raise Contradiction("a waiting room was removed that did not exist, or had closed its list")
    sale.waiting_room = None
    sale.extras &= ~HAS_WAITING_ROOM


def close(sale: ReplayedSale, fact: facts.WaitingRoomClosed) -> None:
    """Close the list."""
    room = sale.waiting_room
    if room is None or room.list_hash is not None or sale.now() < room.draws_at:
        raise Contradiction("a list was closed without a waiting room, twice, or before the sale began")
    room.closed_at, room.entries, room.list_hash = sale.now(), fact.entries, fact.list_hash


def draw(sale: ReplayedSale, fact: facts.WaitingRoomDrawn) -> None:
    """Draw the order."""
    room = sale.waiting_room
    if room is None or room.list_hash is None or room.seed is not None:
        raise Contradiction("an order was drawn before its list was closed, or twice")
    if hashlib.sha256(bytes.fromhex(fact.seed)).hexdigest() != room.seed_hash:
        raise Contradiction("the seed is not the one whose hash was published")
    if bool(fact.public_value) != bool(room.public_source):
        raise Contradiction("a public value was promised and not used, or used and not promised")
    room.seed, room.public_value, room.drawn_at = fact.seed, fact.public_value, sale.now()
