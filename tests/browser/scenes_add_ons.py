"""Add-ons in the gallery: for buyers, with a choice, chosen alone, cancelled, and at the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evently.kit.ids import new_id, show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms
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


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph them."""
    page = gallery.page
    event = await office.open_event(terms=_SALE)
    types = await office.types(event)
    standing, parking = types["Standing"], types["Parking"]
    address = f"/events/{show_id('evt', event.event_id)}"
    email = f"zoe.okafor.{new_id().hex[-4:]}@evently.example"
    accounts = office.context.accounts
    await accounts.register(email, "Zoë Okafor", "a long enough pass phrase", None)
    grant = await accounts.login(email, "a long enough pass phrase", None, in_browser=True)
    session = f"{grant.refresh_token}.{grant.access_token}"
    await page.context.add_cookies([{"name": "evently", "value": session, "url": url}])
    await gallery.visit("add-ons-event", f"{address}#tickets", whole=True, narrow=True)
    await gallery.visit("add-ons-choice", f"{address}/book?{standing}=2&{parking}=1", whole=True, narrow=True)
    await gallery.visit("add-ons-alone", f"{address}/book?{parking}=1", whole=True)
    headers = {"Authorization": f"Bearer {grant.access_token}"}
    lines = [{"ticket_type_id": standing, "quantity": 2}, {"ticket_type_id": parking, "quantity": 2}]
    booked = (await office.place(event, headers, *lines)).json()["id"]
    await gallery.visit("add-ons-cancel", f"/bookings/{booked}/cancel")
    await sign_in_member(office, page.context, url)
    await gallery.visit("add-ons-desk", f"{address_of(event)}/tickets", narrow=True)
    await gallery.visit("add-ons-desk-type", f"{address_of(event)}/tickets/{parking}", whole=True)
