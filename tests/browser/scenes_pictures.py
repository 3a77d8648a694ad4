"""Uploaded pictures, and reasons of cancellations, in the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.pictures import encode

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the form that uploads a picture, and the page that shows it; then the event is cancelled."""
    page = gallery.page
    headers = await sign_in_member(office, page.context, url, "owner")
    event = await office.open_event()
    edit, event_id = f"{address_of(event)}/edit", show_id("evt", event.event_id)
    sent = headers | {"content-type": "application/octet-stream", "if-match": "*"}
    put = await office.client.put(f"/v1/events/{event_id}/picture", content=_sea(), headers=sent)
    assert put.status_code == 200, put.text
    await gallery.visit("picture-uploaded", edit, whole=True, narrow=True)
    await gallery.visit("picture-shown", f"/events/{event_id}/x", narrow=True)
    await gallery.visit("cancelling-asks-why", f"{address_of(event)}/cancel", whole=True)
    reason = "The heating of the hall has failed, and it cannot be mended before the evening."
    await office.post(f"/v1/events/{event_id}/cancel", headers, reason=reason)
    await gallery.visit("cancelled-with-reason", f"/events/{event_id}/x?again")


def _sea() -> bytes:
    """Return a picture of the sea at dusk: a file of PNG."""
    width, height = 1_800, 1_200
    ramp = Image.linear_gradient("L").resize((width, height))
    dusk = Image.composite(
        Image.new("RGB", (width, height), (232, 140, 92)),
        Image.new("RGB", (width, height), (24, 38, 84)),
        ramp,
    )
    drawing = ImageDraw.Draw(dusk)
    drawing.ellipse((780, 620, 1_020, 860), fill=(252, 220, 170))
    drawing.rectangle((0, 740, width, height), fill=(14, 32, 60))
    for row in range(20):
        drawing.line((900 - 22 * row, 760 + 20 * row, 900 + 22 * row, 760 + 20 * row), (250, 190, 140), 4)
    return encode(dusk, "PNG")
