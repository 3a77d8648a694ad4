"""What a buyer holds in the gallery: the end of a hold, names, tickets passed on, passkeys, no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from playwright.async_api import expect

from evently import organizing
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.organizing import EventChanges
from tests.browser.scenes import ONLINE, Buyer, Scenes
from tests.browser.test_passing import mailed
from tests.browser.test_passkeys import add_passkey, plug_in, without_suggestions
from tests.support.box_office import BoxOffice
from tests.support.paying import sold_under

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

_FRIEND: Final = "Amara Silva"


async def photograph_ending(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the dialog one minute before the end of a hold, and the one after its only extension."""
    page = gallery.page
    event = await office.open_event(terms=sold_under(ONLINE, 20))
    await Scenes(office).buyer(page.context, url)
    await page.clock.install()
    await page.goto(f"/events/{show_id('evt', event.event_id)}/book?{await office.ticket_type(event)}=2")
    await page.get_by_role("button", name="Hold").click()
    await expect(page.locator(".hold")).to_contain_text("for another")
    await page.clock.run_for(9 * 60_000 + 5_000)
    dialog = page.get_by_role("dialog", name="One minute left")
    await expect(dialog).to_be_visible()
    await gallery.shot("ending-soon", narrow=True)
    await dialog.get_by_role("button", name="Keep them").click()
    await expect(page.locator(".hold")).to_contain_text("for another")
    await page.clock.run_for(9 * 60_000 + 5_000)
    await expect(dialog).to_be_visible()
    await gallery.shot("ending-for-good")


async def photograph_names(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the names on tickets: asked for, one missing, given, on a ticket."""
    page = gallery.page
    booking = await _book(office, await Scenes(office).buyer(page.context, url), names="required")
    await gallery.visit("names-asked", booking, whole=True, narrow=True)
    await page.get_by_label(re.compile("^Ticket 1:")).fill("Zoë Okafor")
    await page.get_by_label(re.compile("^Ticket 2:")).fill("   ")
    await page.get_by_role("button", name="Save the names").click()
    await gallery.shot("names-wrong", whole=True)
    await page.get_by_label(re.compile("^Ticket 2:")).fill(_FRIEND)
    await page.get_by_role("button", name="Save the names").click()
    await gallery.shot("names-given", whole=True)
    await page.get_by_role("link", name="Show the ticket").first.click()
    await page.get_by_text("Change the name").click()
    await gallery.shot("names-ticket", whole=True)


async def photograph_passing(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph a ticket that is passed on, as its giver and its receiver see it."""
    page, context = gallery.page, gallery.page.context
    scenes = Scenes(office)
    giver = await scenes.buyer(context, url)
    cookies = await context.cookies()
    booking = await _book(office, giver)
    await page.goto(booking)
    await page.get_by_role("link", name="Pass on").first.click()
    form = page.url
    await gallery.shot("passing-form", narrow=True)
    await page.get_by_label("E-mail of the person").fill("amara.silva")
    await page.get_by_role("button", name="Offer the ticket").click()
    await gallery.shot("passing-wrong")
    email = f"amara.silva.{new_id().hex[-4:]}@evently.example"
    await page.get_by_label("E-mail of the person").fill(email)
    await page.get_by_role("button", name="Offer the ticket").click()
    await gallery.shot("passing-offered")
    offer = await page.locator("form[action$=withdraw]").get_attribute("action")
    assert offer is not None
    transfer = offer.removesuffix("/withdraw")
    await gallery.visit("passing-booking", booking, whole=True, narrow=True)
    await gallery.visit("passing-seen-by-giver", transfer)
    await context.clear_cookies()
    await gallery.visit("passing-visitor", transfer)
    await scenes.buyer(context, url)
    await gallery.visit("passing-another-person", transfer)
    receiver = await scenes.buyer(context, url)
    await office.context.database.fetch(
        "UPDATE people SET email = $1, name = $2, email_verified_at = now() WHERE person_id = $3",
        email,
        _FRIEND,
        receiver.person_id,
    )
    await gallery.visit("passing-received", transfer, narrow=True)
    await gallery.visit("passing-my-tickets", "/me/tickets")
    await page.goto(transfer)
    await page.get_by_role("button", name="Accept the ticket").click()
    await gallery.shot("passing-accepted")
    await page.get_by_role("link", name="Show my ticket").click()
    await gallery.shot("passing-held", whole=True)
    await context.clear_cookies()
    await context.add_cookies(
        [{"name": each["name"], "value": each["value"], "url": url} for each in cookies if "name" in each]
    )
    await gallery.visit("passing-gone", form)
    await gallery.visit("passing-booking-gone", booking)


async def photograph_passkeys(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the passkeys of an account, and the log-in of a browser that has one."""
    page = gallery.page
    here = url.replace("127.0.0.1", "localhost")  # passkeys are made for a name
    await without_suggestions(page)
    await plug_in(page)
    await Scenes(office).buyer(page.context, here)
    await page.goto(f"{here}/me")
    await page.locator("#passkeys").scroll_into_view_if_needed()
    await gallery.shot("passkeys-none", whole=True)
    await add_passkey(page, "My telephone")
    await page.locator("#passkeys summary").first.click()
    await gallery.shot("passkeys-one", whole=True, narrow=True)
    await page.get_by_label("Name", exact=True).last.fill(" ")
    await page.get_by_role("button", name="Save the name").last.click()
    await gallery.shot("passkeys-rename-wrong", whole=True)
    await page.goto(f"{here}/me")
    await page.get_by_role("button", name="Log out here").click()
    await page.goto(f"{here}/login")
    await expect(page.get_by_role("main").get_by_role("button").first).to_have_text("Log in with a passkey")
    await gallery.shot("passkeys-login")


async def photograph_undo(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph another address for an account, and how the owner of the old one takes it back."""
    page, database = gallery.page, office.context.database
    buyer = await Scenes(office).buyer(page.context, url)
    old: str = await database.fetch_value(
        "UPDATE people SET email_verified_at = now() WHERE person_id = $1 RETURNING email", buyer.person_id
    )
    new = f"new.{old}"
    await page.goto("/me/email")
    await page.get_by_label("New e-mail").fill(new)
    await page.get_by_role("button", name="Send me a code").click()
    await gallery.shot("undo-code")
    await page.get_by_label("Code").fill(await mailed(office, new, r"\b\d{6}\b"))
    await page.get_by_role("button", name="Change my e-mail").click()
    await expect(page.get_by_text("Your e-mail is changed")).to_be_visible()
    link = urlsplit(await mailed(office, old, r"https?://\S+/me/email/undo\?link=evl_\w+"))
    await page.context.clear_cookies()
    await gallery.visit("undo-asks", f"{link.path}?{link.query}")
    await page.get_by_role("button", name="Take the change back").click()
    await gallery.shot("undo-done")
    await gallery.visit("undo-over", f"{link.path}?{link.query}")


async def photograph_kept(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph what a browser shows without a network."""
    page = gallery.page
    booking = await _book(office, await Scenes(office).buyer(page.context, url))
    await page.goto(booking)
    ticket = await page.get_by_role("link", name="Show the ticket").first.get_attribute("href")
    assert ticket is not None
    await page.goto(ticket)
    await expect(page.get_by_text("kept on this device")).to_be_visible()
    await page.wait_for_function(
        "caches.open('evently-tickets').then(kept => kept.keys()).then(all => all.length >= 3)"
    )
    await page.context.set_offline(True)
    await gallery.visit("kept-ticket", ticket, whole=True, narrow=True)
    await gallery.visit("kept-list", "/me/tickets")
    await gallery.visit("kept-other-page", "/events")
    await page.context.set_offline(False)


async def _book(office: BoxOffice, buyer: Buyer, *, names: str = "not_asked") -> str:
    """Book two tickets, and return the address of the booking."""
    event = await office.open_event(capacity=20)
    async with office.context.database.transaction() as tx:
        changes = EventChanges(attendee_names=names)  # type: ignore[arg-type]
        await organizing.change_event(tx, event.event_id, changes, utc_now())
    answer = await office.book(event, buyer.headers, 2)
    assert answer.status_code == 201, answer.text
    return f"/bookings/{answer.json()['id']}"
