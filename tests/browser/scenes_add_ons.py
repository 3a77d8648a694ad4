"""Add-ons in the gallery: for buyers, with a choice, chosen alone, cancelled, and at the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms, SeatingDraft, ZoneDraft
from evently.seating import add_seat_map
from evently.seating.generate import theatre
from tests.browser.scenes import Scenes
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_SALE = SaleTerms(
    currency="EUR",
    pools=(NewPool("Hall", 400), NewPool("Car park", 30), NewPool("Lockers", 80)),
    ticket_types=(
        NewTicketType(name="Standing", price=Money(2_400, "EUR"), pools=("Hall",)),
        NewTicketType(name="Table by the stage", price=Money(5_500, "EUR"), pools=("Hall",)),
        NewTicketType(
            name="Parking",
            description="Behind the hall, from an hour before.",
            price=Money(800, "EUR"),
            pools=("Car park",),
            needs=("Standing", "Table by the stage"),
            per_needed_max=1,
        ),
        NewTicketType(name="Locker", price=Money(300, "EUR"), pools=("Lockers",), needs=("Standing",)),
    ),
)


async def _open_theatre(office: BoxOffice) -> Event:
    """Put on sale a hall with standing room in its foyer, a programme for all, a cushion for seats."""
    async with office.context.database.transaction() as tx:
        added = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, theatre(), utc_now())
    names = tuple(section.name for section in theatre().sections)
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("Foyer", 60), NewPool("Programmes", 500), NewPool("Cushions", 300)),
        ticket_types=(
            NewTicketType(name="Stalls and circle", price=Money(4_200, "EUR"), zone="House"),
            NewTicketType(name="Standing in the foyer", price=Money(1_200, "EUR"), pools=("Foyer",)),
            NewTicketType(
                name="Programme",
                price=Money(450, "EUR"),
                pools=("Programmes",),
                needs=("Stalls and circle", "Standing in the foyer"),
            ),
            NewTicketType(
                name="Cushion", price=Money(200, "EUR"), pools=("Cushions",), needs=("Stalls and circle",)
            ),
        ),
        seating=SeatingDraft(seat_map_id=added.seat_map_id, zones=(ZoneDraft(name="House", sections=names),)),
    )
    return await office.open_event(terms=terms)


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph them."""
    page = gallery.page
    event = await office.open_event(terms=_SALE)
    types = await office.types(event)
    standing, parking = types["Standing"], types["Parking"]
    address = f"/events/{show_id('evt', event.event_id)}"
    buyer = await Scenes(office).buyer(page.context, url)
    await gallery.visit("add-ons-event", f"{address}#tickets", whole=True, narrow=True)
    await gallery.visit("add-ons-choice", f"{address}/book?{standing}=2&{parking}=1", whole=True, narrow=True)
    await gallery.visit("add-ons-alone", f"{address}/book?{parking}=1", whole=True)
    hall = await _open_theatre(office)
    beside = (await office.types(hall))["Standing in the foyer"]
    theatre_address = f"/events/{show_id('evt', hall.event_id)}"
    await gallery.visit("add-ons-seated", f"{theatre_address}#tickets", whole=True, narrow=True)
    await page.goto(f"{theatre_address}/seats?{beside}=2")
    await page.locator("[data-ready]").wait_for()
    await gallery.shot("add-ons-seated-map", whole=True)
    lines = [{"ticket_type_id": standing, "quantity": 2}, {"ticket_type_id": parking, "quantity": 2}]
    booked = (await office.place(event, buyer.headers, *lines)).json()["id"]
    await gallery.visit("add-ons-cancel", f"/bookings/{booked}/cancel")
    await sign_in_member(office, page.context, url)
    await gallery.visit("add-ons-desk", f"{address_of(event)}/tickets", narrow=True)
    await gallery.visit("add-ons-desk-type", f"{address_of(event)}/tickets/{parking}", whole=True)
