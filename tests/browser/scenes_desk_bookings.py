"""Bookings at the desk in the gallery: the list, the attendees, one with its story, a cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice
from tests.support.desk import sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_SEATED = (
    "SELECT bookings.event_id, bookings.booking_id, events.organizer_id "
    "FROM bookings JOIN tickets USING (event_id, booking_id) JOIN events USING (event_id) "
    "WHERE bookings.state = 'confirmed' AND tickets.seat_number IS NOT NULL AND tickets.state = 'valid' "
    "AND events.state = 'published' GROUP BY 1, 2, 3 HAVING count(*) > 1 LIMIT 1"
)


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph what a member sees when a buyer calls."""
    page = gallery.page
    found = await office.context.database.fetch_row(_SEATED)
    assert found is not None, "the demo has bookings of seats"
    await sign_in_member(office, page.context, url, "owner", found["organizer_id"])
    address = f"/organize/events/{show_id('evt', found['event_id'])}/bookings"
    await page.goto(address)
    await gallery.shot("desk-bookings", whole=True, narrow=True)
    await page.goto(f"{address}?q=nobody+at+all")
    await gallery.shot("desk-bookings-none")
    await page.goto(f"{address.removesuffix('bookings')}attendees")
    await gallery.shot("desk-booking-attendees", narrow=True)
    booking = f"{address}/{show_id('bkg', found['booking_id'])}"
    await page.goto(booking)
    for summary in await page.locator("main summary").all():
        await summary.click()
    await gallery.shot("desk-booking", whole=True, narrow=True)
    await page.goto(f"{booking}/cancel")
    await gallery.shot("desk-booking-cancel", narrow=True)
    event = address.removesuffix("/bookings")
    for name in ("money", "journal"):
        await page.goto(f"{event}/{name}")
        await gallery.shot(f"desk-booking-{name}", whole=True, narrow=True)
