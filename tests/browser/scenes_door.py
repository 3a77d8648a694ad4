"""The door in the gallery: the page of a phone with its answers, enrolment, and the door at the desk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from playwright.async_api import Page

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.sales.ticket_code import write_code
from tests.support.box_office import BoxOffice
from tests.support.desk import sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_BUSIEST: Final = (
    "SELECT events.event_id, events.organizer_id FROM events JOIN tickets USING (event_id) "
    "JOIN bookings USING (event_id, booking_id) WHERE events.state = 'published' AND NOT events.sandbox "
    "AND bookings.state = 'confirmed' AND tickets.state = 'valid' AND events.starts_at > now() "
    "GROUP BY 1, 2 HAVING count(*) > 30 ORDER BY count(*) LIMIT 1"
)
_CODES: Final = (
    "SELECT ticket_id, secret FROM tickets JOIN bookings USING (event_id, booking_id) WHERE event_id = $1 "
    "AND bookings.state = 'confirmed' AND tickets.state = 'valid' ORDER BY ticket_id LIMIT 30"
)


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the door, with thirty people who come in."""
    page, database = gallery.page, office.context.database
    (event,) = await database.fetch(_BUSIEST)
    event_id: UUID = event["event_id"]
    shown = show_id("evt", event_id)
    rows = await database.fetch(_CODES, event_id)
    codes = [write_code(show_id("tkt", row["ticket_id"]), row["secret"]) for row in rows]
    owner = await sign_in_member(office, page.context, url, "owner", event["organizer_id"])
    api = f"/v1/events/{shown}"
    terms = {"reentry": True, "gates": [{"name": "West gate"}, {"name": "Stage"}]}
    await office.client.put(f"{api}/check-in", json=terms, headers=owner | {"if-match": "*"})
    made = await office.client.post(
        f"{api}/scanners", json={"name": "Phone of Mina", "gate": "West gate"}, headers=owner
    )
    await gallery.visit("door-enrol", f"/door/{shown}/enrol?code={made.json()['code']}")
    attempts = [
        {
            "id": str(uuid4()),
            "code": code,
            "scanned_at": utc_now().isoformat(),
            "gate": gate,
            "offline": offline,
        }
        for code, gate, offline in (
            *((code, "West gate", False) for code in codes[:18]),
            *((code, "Stage", False) for code in codes[18:24]),
            *((code, "Stage", True) for code in codes[:2]),
        )
    ]
    await office.client.post(f"{api}/scans", json={"scans": attempts}, headers=owner)
    await gallery.visit("door-page", f"/door/{shown}", whole=True, narrow=True)
    await page.locator("[data-ready=yes]").wait_for(state="attached")
    for name, code in (("in", codes[25]), ("stop", codes[0])):
        await _scan(page, code)
        await gallery.shot(f"door-{name}", narrow=True)
        await page.keyboard.press("Escape")
    await page.get_by_role("button", name=re.compile("^Undo")).first.click()
    await gallery.shot("door-undo")
    await page.keyboard.press("Escape")
    await page.context.set_offline(True)
    late = write_code(show_id("tkt", uuid4()), bytes(10))
    await _scan(page, codes[26])
    await _scan(page, late)
    await gallery.shot("door-look")
    await page.get_by_role("button", name="Turn away").click()
    await gallery.shot("door-offline", whole=True)
    await page.context.set_offline(False)
    await page.get_by_text("Online", exact=True).wait_for()
    desk = f"/organize/events/{shown}/door"
    await gallery.visit("door-desk", desk, whole=True, narrow=True)
    await page.get_by_role("textbox", name="Name").fill("Phone at the stage")
    await page.get_by_role("button", name="Show its code").click()
    await gallery.shot("door-desk-code", whole=True)


async def _scan(page: Page, code: str) -> None:
    """Type a code, and keep its answer on the screen: a green one goes away by itself."""
    await page.get_by_label("Code of a ticket").fill(code)
    await page.get_by_label("Code of a ticket").press("Enter")
    await page.locator("[data-answer]:not([hidden])").wait_for()
    await page.evaluate(
        """() => { const last = setTimeout(() => {}); for (let each = last - 3; each < last; each += 1)
        clearTimeout(each); }"""
    )
