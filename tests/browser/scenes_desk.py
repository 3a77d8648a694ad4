"""The frame of the desk in the gallery: becoming an organizer, its home, an event at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
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
    await gallery.visit("desk-dates", f"/organize/events/{show_id('evt', soonest)}/dates")
    await page.get_by_role("button", name="Show the dates").click()
    await gallery.shot("desk-dates-planned", whole=True)
    await gallery.visit("desk-find", f"/organize/{show_id('org', busiest)}/find?q=a")
    await page.goto(f"/organize/events/{show_id('evt', soonest)}")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("mo")
    await page.get_by_role("dialog").get_by_role("link").first.wait_for()
    await gallery.shot("desk-palette")
    await page.keyboard.press("Escape")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("button", name="Menu").click()
    await gallery.shot("desk-menu")


async def _first_event(gallery: Gallery, organizer: str) -> None:
    """Photograph the way from nothing to a published event."""
    page = gallery.page
    new_event = f"/organize/events/new?organizer={organizer}"
    await gallery.visit("desk-new-event", new_event, whole=True, narrow=True)
    await gallery.visit("desk-new-event-seated", f"{new_event}&begin=seated", whole=True, narrow=True)
    await page.goto(new_event)
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
    event = urlsplit(page.url).path
    await _setting_up(gallery, event)


async def _setting_up(gallery: Gallery, event: str) -> None:
    """Photograph the pages on which a sale is set up, and what they say to a second editor."""
    page = gallery.page
    await gallery.visit("desk-edit", f"{event}/edit", whole=True, narrow=True)
    await gallery.visit("desk-tickets", f"{event}/tickets", narrow=True)
    await gallery.visit("desk-ticket-type", f"{event}/tickets/new", whole=True)
    await page.goto(f"{event}/tickets")
    await page.get_by_role("link", name="Regular").click()
    await gallery.shot("desk-ticket-type-change", whole=True)
    await page.goto(f"{event}/codes")
    await page.get_by_label("Code").fill("SPRING")
    await page.get_by_label("How much off").fill("10")
    await page.get_by_role("button", name="Add the code").click()
    await gallery.shot("desk-codes", whole=True, narrow=True)
    await gallery.visit("desk-terms", f"{event}/terms", whole=True, narrow=True)
    await gallery.visit("desk-copy", f"{event}/copy")
    await gallery.visit("desk-cancel", f"{event}/cancel", narrow=True)
    await page.goto(f"{event}/edit")
    await page.get_by_label("Day").first.fill(f"{utc_now().year + 1}-06-20")
    await page.get_by_label("Day").last.fill(f"{utc_now().year + 1}-06-20")
    await page.get_by_role("button", name="Save").click()
    await gallery.shot("desk-move")
    await page.goto(f"{event}/edit")
    other = await page.context.new_page()
    await other.goto(f"{event}/edit")
    await other.get_by_label("Title").fill("Fog and Brass: Two Concerts on the Pier")
    await other.get_by_role("button", name="Save").click()
    await other.close()
    await page.get_by_label("Title").fill("Fog and Brass: an Evening on the Pier")
    await page.get_by_label("Tags").fill("brass, harbour")
    await page.get_by_role("button", name="Save").click()
    await gallery.shot("desk-two-editors", narrow=True)
