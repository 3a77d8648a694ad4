"""Rehearsals in the gallery: the form, one that runs, reports, one that was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.scenes_evening import on_sale
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_PATIENCE_MS = 120_000


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph rehearsals."""
    page = gallery.page
    await sign_in_member(office, page.context, url, "owner")
    event = await on_sale(office, "A Night of Small Engines", 600)
    at = f"{address_of(event)}/rehearse"
    await gallery.visit("rehearse", at, narrow=True)
    await page.get_by_label("Buyers", exact=True).fill("50,000")
    await page.get_by_role("button", name="Start the rehearsal").click()
    await gallery.shot("rehearse-wrong")
    await page.get_by_label("Buyers", exact=True).fill("1,000")
    await page.get_by_role("button", name="Start the rehearsal").click()
    await expect(page.get_by_role("heading", name="Nothing went wrong")).to_be_visible(timeout=_PATIENCE_MS)
    await gallery.shot("rehearse-report", whole=True, narrow=True, fresh=True)
    await page.goto(at)
    await page.get_by_label("Within seconds").fill("60")
    await page.get_by_role("button", name="Start the rehearsal").click()
    await expect(page.locator('[data-rehearsal="sold"]')).not_to_have_text("0", timeout=_PATIENCE_MS)
    await page.wait_for_timeout(6_000)
    await gallery.shot("rehearse-running", whole=True)
    await page.get_by_role("button", name="Stop it").click()
    await expect(page.locator("main")).to_contain_text("It was stopped", timeout=_PATIENCE_MS)
    await gallery.shot("rehearse-stopped")
    await gallery.visit("rehearse-earlier", at, whole=True)
