"""One edit of an event: lock it, read its sale once, carry out a command, write the new version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from evently import catalogue
from evently.catalogue import Event, Seen, whichever_version
from evently.db import Connection
from evently.kit.errors import CommonRefusal, Refused
from evently.sales import carry_out
from evently.sales.commands import Command
from evently.sales.commands.sale_terms import ChangeSale, RescheduleEvent
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, lowest_price, public_types, read_sale

Part = TypeVar("Part")


class Edited(NamedTuple):
    """An event and its sale, before or after an edit."""

    event: Event
    sale: Sale


class Added(NamedTuple):
    """An event and its sale after a part was added."""

    event: Event
    sale: Sale
    part_id: UUID


async def lock_changeable(tx: Connection, event_id: UUID, seen: Seen = whichever_version) -> Event:
    """Return an event that may still change, locked. Refuses `event-cancelled`."""
    event = await catalogue.lock_event(tx, event_id)
    seen(event.version)
    if event.state == "cancelled":
        raise Refused(SalesRefusal.EVENT_CANCELLED, "no_more_changes")
    return event


async def lock_for_edit(tx: Connection, event_id: UUID, seen: Seen = whichever_version) -> Edited:
    """Return an event that may still change, locked, and its sale. Refuses `event-cancelled`."""
    event = await lock_changeable(tx, event_id, seen)
    return Edited(event, await read_sale(tx, event_id))


async def edit_sale(tx: Connection, sale: Sale, command: Command, now: datetime) -> Edited:
    """Carry out a command on a sale that was read in this transaction; write a new version of its event."""
    carried_out = await carry_out(tx, command, now, known=sale)
    return await write_version(tx, carried_out.sale, now)


async def edit_times(
    tx: Connection, before: Event, sale: Sale, after: Event, window: tuple[datetime, datetime], now: datetime
) -> Edited:
    """Change the window of a sale, and record another time or place of an event that is on sale."""
    event_id, commands = sale.event_id, list[Command]()
    if window != (sale.on_sale_at, sale.off_sale_at):
        commands.append(ChangeSale(event_id, *window))
    place_changed = before.venue_id != after.venue_id
    if sale.state == "open" and (place_changed or before.starts_at != after.starts_at):
        commands.append(RescheduleEvent(event_id, before.starts_at, after.starts_at, place_changed))
    for command in commands:
        sale = (await carry_out(tx, command, now, known=sale)).sale
    return await write_version(tx, sale, now)


async def write_version(tx: Connection, sale: Sale, now: datetime, *, versions: int = 1) -> Edited:
    """Write a new version of the event of this sale, with what lists filter by: the lowest price, seats."""
    types = public_types(sale)
    event = await catalogue.note_change(
        tx,
        sale.event_id,
        lowest_price(types),
        now,
        seated=any(terms.zone is not None for terms in types),
        versions=versions,
    )
    return Edited(event, sale)


def refuse_online_payment(sale: Sale) -> None:
    """Refuse a sale that is paid online, where there is no payment gateway. Free tickets need none."""
    _, conditions = sale.conditions_now()
    costs = any(terms.price_minor > 0 for terms in sale.ticket_types.values() if not terms.retired)
    if conditions.payment == "online" and costs:
        raise Refused(SalesRefusal.NO_GATEWAY, "publishing")


def refuse_unpayable(edited: Edited, *, payable: bool) -> None:
    """Refuse an edit that makes a published event paid online where no gateway is named; a draft may be."""
    if edited.event.state == "published" and not payable:
        refuse_online_payment(edited.sale)


def get_part(parts: Mapping[UUID, Part], part_id: UUID) -> Part:
    """Return a pool or a ticket type of a sale. Refuses `not-found`."""
    part = parts.get(part_id)
    if part is None:
        raise Refused(CommonRefusal.NOT_FOUND, "part")
    return part
