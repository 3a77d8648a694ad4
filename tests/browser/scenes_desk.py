"""The frame of the desk in the gallery: becoming an organizer, its home, an event at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice
from tests.support.catalogue import make_organizer
from tests.support.desk import sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_BUSIEST = (
    "SELECT organizer_id FROM events WHERE state = 'published' AND NOT sandbox AND starts_at > now() "
    "GROUP BY organizer_id ORDER BY count(*) DESC LIMIT 1"
)
_SOONEST = (
    "SELECT event_id FROM events WHERE organizer_id = $1 AND state = 'published' AND NOT sandbox "
    "AND starts_at > now() ORDER BY starts_at LIMIT 1"
)


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the frame."""
    page, database = gallery.page, office.context.database
    fresh = await make_organizer(database, "Seven Lighthouses")
    await sign_in_member(office, page.context, url, "owner", fresh)
    await gallery.visit("desk-new", f"/organize/{show_id('org', fresh)}")
    await gallery.visit("desk-organizers", "/organize?choose=yes")
    await page.get_by_label("E-mail for buyers").fill("nobody")
    await page.get_by_role("button", name="Add this organizer").click()
    await gallery.shot("desk-organizers-wrong")
    await _first_event(gallery, show_id("org", fresh))
    busiest: UUID = await database.fetch_value(_BUSIEST)
    await sign_in_member(office, page.context, url, "owner", busiest)
    await gallery.visit("desk-home", f"/organize/{show_id('org', busiest)}", whole=True, narrow=True)
    soonest: UUID = await database.fetch_value(_SOONEST, busiest)
    await gallery.visit("desk-event", f"/organize/events/{show_id('evt', soonest)}", narrow=True)
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("button", name="Menu").click()
    await gallery.shot("desk-menu")


async def _first_event(gallery: Gallery, organizer: str) -> None:
    """Photograph the way from nothing to a published event."""
    page = gallery.page
    new_event = f"/organize/events/new?organizer={organizer}"
    await gallery.visit("desk-new-event", new_event, whole=True, narrow=True)
    await page.get_by_role("button", name="Make the draft").click()
    await gallery.shot("desk-new-event-wrong", whole=True)
    await page.get_by_label("Title").fill("Fog and Brass: a Concert on the Pier")
    await page.get_by_label("Day").fill(f"{utc_now().year + 1}-05-20")
    await page.get_by_label("Name of the venue").fill("Pier 7")
    await page.get_by_label("Address").fill("Pier 7, 20457 Hamburg")
    await page.get_by_label("City").fill("Hamburg")
    await page.get_by_label("Country").select_option("DE")
    await page.get_by_label("Time zone").select_option("Europe/Berlin")
    await page.get_by_label("Price", exact=True).fill("29,90")
    await page.get_by_label("How many", exact=True).fill("400")
    await page.get_by_role("button", name="Make the draft").click()
    await gallery.shot("desk-draft", narrow=True)
    await page.get_by_role("link", name="Preview as a buyer").first.click()
    await gallery.shot("desk-preview")
    await page.go_back()
    await page.get_by_role("button", name="Publish it").click()
    await gallery.shot("desk-published")
