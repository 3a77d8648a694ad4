"""The evening of an on-sale in the gallery, in every state of a sale."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms
from evently.reactions import EFFECTS
from evently.reactions.relay import Relay
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.reads import find_sale
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice
from tests.support.catalogue import event_terms
from tests.support.desk import address_of, sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_MINUTES = 45
_SEED = 5


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the evening."""
    page = gallery.page
    await sign_in_member(office, page.context, url, "owner")
    busy = await on_sale(office, "An Evening of Small Machines", 3_000)
    await sell(office, busy, 900)
    await spread(office, busy)
    await gallery.visit("evening-on-sale", address_of(busy), whole=True, narrow=True)
    await gallery.visit("evening-analytics", f"{address_of(busy)}/analytics", whole=True, narrow=True)
    young = await on_sale(office, "Opening Tonight", 500)
    await sell(office, young, 12)
    await gallery.visit("evening-young", address_of(young), whole=True)
    full = await on_sale(office, "Forty Chairs", 40)
    await sell(office, full, 60)
    await gallery.visit("evening-sold-out", address_of(full), whole=True)
    await wait_for(office, full, 6)
    await gallery.visit("evening-waitlist", f"{address_of(full)}/waitlist", whole=True)
    await spread(office, full)
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, full.event_id, utc_now())
    office.context.evenings._memory.forget(full.event_id)
    await gallery.visit("evening-cancelled", address_of(full), whole=True)


async def on_sale(office: BoxOffice, title: str, capacity: int) -> Event:
    """Put an event on sale that began to sell an hour ago and is paid online."""
    now = utc_now()
    starts_at = now + timedelta(days=40)
    said = replace(
        event_terms(office.venue.venue_id, starts_at=starts_at, ends_at=starts_at + timedelta(hours=3)),
        title=title,
    )
    terms = SaleTerms(
        currency="EUR",
        on_sale_at=now - timedelta(hours=1),
        capacity=capacity,
        ticket_types=(NewTicketType(name="Regular", price=Money(2_900, "EUR")),),
        conditions=Conditions(hold_seconds=600),
    )
    async with office.context.database.transaction() as tx:
        event, _ = await organizing.create_event(tx, office.venue.organizer_id, said, terms, now)
        return (await organizing.publish_event(tx, event.event_id, now)).event


async def sell(office: BoxOffice, event: Event, bookings: int) -> None:
    """Sell by chance, one ticket to four each; a tenth is held."""
    chance = random.Random(_SEED)  # a story
    (type_id,) = (await find_sale(office.context.database, event.event_id)).ticket_types
    for number in range(bookings):
        line = BookingLine(type_id, chance.choice((1, 2, 2, 2, 3, 4)))
        hold = 600 if number % 10 == 0 else None
        via = chance.choice(("", "", "poster", "radio-eins", "newsletter"))
        await office.context.engine.submit(
            PlaceBooking(event.event_id, new_id(), (line,), hold_seconds=hold, via=via)
        )
    relay = Relay(office.context.database, office.context.clock, EFFECTS)
    while await office.context.database.fetch_value(
        "SELECT count(*) FROM journal WHERE delivered_at IS NULL AND event_id = $1", event.event_id
    ):
        await relay.run_once()
    await relay.retire()


async def wait_for(office: BoxOffice, event: Event, buyers: int) -> None:
    """Add buyers to the waitlist."""
    (type_id,) = (await find_sale(office.context.database, event.event_id)).ticket_types
    for number in range(buyers):
        await office.context.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, 1 + number % 2))


async def spread(office: BoxOffice, event: Event) -> None:
    """Spread what was sold within a moment over the last minutes, as a rush that slows down."""
    database, now = office.context.database, utc_now()
    total: int = await database.fetch_value(
        "SELECT sum(tickets)::bigint FROM event_minutes WHERE event_id = $1", event.event_id
    )
    chance = random.Random(_SEED)  # a story
    weights = [(number + 1) ** -0.4 * chance.uniform(0.6, 1.4) for number in range(_MINUTES)]
    minutes: list[int] = [round(total * weight / sum(weights)) for weight in weights]
    minutes[0] += total - sum(minutes)
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM event_minutes WHERE event_id = $1", event.event_id)
        await tx.executemany(
            "INSERT INTO event_minutes VALUES ($1, $2, $3)",
            [
                (
                    event.event_id,
                    now.replace(second=0, microsecond=0) - timedelta(minutes=_MINUTES - number),
                    tickets,
                )
                for number, tickets in enumerate(minutes)
                if tickets > 0
            ],
        )
    office.context.evenings._memory.forget(event.event_id)
