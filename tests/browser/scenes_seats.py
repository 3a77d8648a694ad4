"""Seats at the desk in the gallery: zones, blocks and a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice
from tests.support.desk import sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_SEATED = (
    "SELECT events.event_id, events.organizer_id FROM events JOIN event_seating USING (event_id) "
    "WHERE state = 'published' AND NOT sandbox AND starts_at > now() "
    "ORDER BY octet_length(zone_of) DESC LIMIT 1"
)


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the seats of an event."""
    page = gallery.page
    found = await office.context.database.fetch_row(_SEATED)
    assert found is not None, "the demo has an event with seats"
    event_id: UUID = found["event_id"]
    headers = await sign_in_member(office, page.context, url, "owner", found["organizer_id"])
    event = show_id("evt", event_id)
    states = await office.client.get(f"/v1/events/{event}/seats/states", headers=headers)
    layout = await office.client.get(f"/v1/events/{event}/seats", headers=headers)
    ids = [
        seat["id"]
        for section in (await office.client.get(layout.json()["layout"]["url"])).json()["map"]["sections"]
        for row in section["rows"]
        for seat in row["seats"]
    ]
    free = [seat for seat, state in zip(ids, states.json()["seats"], strict=True) if state == "0"]
    block = {"name": "Sponsor: Nordlicht", "until": "2036-05-20T16:00:00Z", "seats": free[40:52]}
    await office.client.post(f"/v1/events/{event}/seat-blocks", json=block, headers=headers)
    await page.goto(f"/organize/events/{event}/seats")
    await page.locator("[data-ready]").wait_for()
    await page.locator("summary", has_text="Sections and rows").click()
    section = page.locator('input[name="section"]').first
    await section.check()
    await gallery.shot("seats-desk", whole=True, narrow=True)
