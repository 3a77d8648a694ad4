"""Pools of an event: add, change, remove. Each verb leaves a new version of the event."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import Seen, whichever_version
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.ids import new_id
from evently.kit.shapes import fields_set, number
from evently.organizing.edits import Added, Edited, edit_sale, get_part, lock_for_edit
from evently.organizing.names import PartName, check_new_name
from evently.sales.commands.sale_terms import PutPool, RemovePool
from evently.sales.reads import Sale
from evently.sales.terms import CAPACITY_MAX, PoolTerms

Capacity = Annotated[int, number(0, CAPACITY_MAX, 500)]


class NewPool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new pool: a counted capacity."""

    name: PartName
    capacity: Capacity


class PoolChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a pool. Its capacity cannot fall below what is held and sold."""

    name: PartName | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET


async def add_pool(tx: Connection, event_id: UUID, pool: NewPool, now: datetime) -> Added:
    """Add a pool to an event."""
    _, sale = await lock_for_edit(tx, event_id)
    made = PoolTerms(new_id(), pool.name, pool.capacity)
    _check_pool(pool, made, sale)
    return Added(*await edit_sale(tx, sale, PutPool(event_id, made), now), made.pool_id)


async def change_pool(
    tx: Connection,
    event_id: UUID,
    pool_id: UUID,
    changes: PoolChanges,
    now: datetime,
    seen: Seen = whichever_version,
) -> Edited:
    """Rename a pool, or change its capacity. Refuses `capacity-taken` below what is taken."""
    event, sale = await lock_for_edit(tx, event_id, seen)
    pool = get_part(sale.pools, pool_id)
    before = PoolTerms(pool_id, pool.name, pool.capacity)
    after = replace(before, **fields_set(changes))
    _check_pool(changes, after, sale)
    if after == before:
        return Edited(event, sale)
    return await edit_sale(tx, sale, PutPool(event_id, after), now)


async def remove_pool(
    tx: Connection, event_id: UUID, pool_id: UUID, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Remove a pool that no ticket type draws on. Refuses `pool-in-use`."""
    _, sale = await lock_for_edit(tx, event_id, seen)
    get_part(sale.pools, pool_id)
    return await edit_sale(tx, sale, RemovePool(event_id, pool_id), now)


def _check_pool(sent: NewPool | PoolChanges, pool: PoolTerms, sale: Sale) -> None:
    complaints = Complaints()
    complaints.check("", sent)
    others = [other.name for other in sale.pools.values() if other.pool_id != pool.pool_id]
    check_new_name(complaints, pool.name, others)
    complaints.refuse_if_any()
