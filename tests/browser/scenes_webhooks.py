"""Webhooks of an organizer in the gallery: registered, tried, failing, paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evently import webhooks
from evently.kit.clock import utc_now
from evently.webhooks import KINDS, WebhookOptions, WebhookTerms
from tests.support.box_office import BoxOffice
from tests.support.desk import home_of, sign_in_member
from tests.support.webhooks import make_webhooks, open_program, send_all

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

ADDRESS = "https://shop.klangwerk.example/hooks/evently"


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the list, the form with errors, the secret, a webhook that fails, and a message."""
    page, home, database = gallery.page, home_of(office), office.context.database
    await sign_in_member(office, page.context, url)
    await gallery.visit("webhooks-none", f"{home}/webhooks", whole=True, narrow=True)
    await page.get_by_role("button", name="Register it").click()
    await gallery.shot("webhooks-wrong", whole=True)
    await page.get_by_label("Address", exact=True).fill(ADDRESS)
    await page.get_by_label("Description").fill("The shop’s stock of programmes")
    await page.get_by_label("A booking was confirmed").check()
    await page.get_by_label("A booking was cancelled").check()
    await page.get_by_role("button", name="Register it").click()
    await gallery.shot("webhooks-secret", whole=True, narrow=True)
    async with open_program() as program:
        terms = WebhookTerms(ADDRESS, "Lights at the door", list(KINDS), personal_data=True)
        async with database.transaction() as tx:
            made, _ = await webhooks.register(
                tx,
                office.venue.organizer_id,
                terms,
                office.venue.organizer_id,
                WebhookOptions(),
                utc_now(),
            )
        await database.fetch(
            "UPDATE webhooks SET address = $1 WHERE webhook_id = $2", program.address, made.webhook_id
        )
        event = await office.open_event(capacity=30)
        sender = make_webhooks(database, utc_now)
        for number in range(3):
            await office.book(event, office.as_buyer(), 1 + number)
        await office.deliver()
        program.answer = lambda got: (
            "200 OK\r\n\r\nthanks"
            if "published" in got.kind
            else "503 Away\r\n\r\nThe shop is being repaired."
        )
        for _ in range(4):
            await send_all(sender)
            await database.fetch("UPDATE webhook_deliveries SET due_at = created_at WHERE state = 'pending'")
            await database.fetch("UPDATE webhooks SET quiet_until = NULL")
        await sender.stop()
        await database.fetch(
            "UPDATE webhooks SET address = $1 WHERE webhook_id = $2", ADDRESS, made.webhook_id
        )
    await gallery.visit("webhooks-list", f"{home}/webhooks", whole=True)
    await page.get_by_role("link", name=ADDRESS).first.click()
    await gallery.shot("webhooks-one", whole=True, narrow=True)
    await page.get_by_role("link", name="booking.confirmed").last.click()
    await gallery.shot("webhooks-message", whole=True, narrow=True)
    await page.go_back()
    await page.get_by_label("Description").fill("Lights at both doors")
    await database.fetch(
        "UPDATE webhooks SET version = version + 1, description = 'Lamps', kinds = kinds[1:9] "
        "WHERE webhook_id = $1",
        made.webhook_id,
    )
    await page.get_by_role("button", name="Save").click()
    await gallery.shot("webhooks-both-versions", whole=True, narrow=True)
    await page.get_by_role("link", name="Take what is there now").click()
    await page.get_by_role("button", name="Remove the webhook").click()
    await gallery.shot("webhooks-remove", whole=True)
    await database.fetch(
        "UPDATE webhooks SET paused_at = now(), paused_because = 'failing' WHERE webhook_id = $1",
        made.webhook_id,
    )
    await page.reload()
    await gallery.shot("webhooks-paused", whole=True)
