"""Web push in a real browser: turned on after a click, shown by the service worker, led to its page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import SETTINGS, VIOLATIONS
from tests.browser.test_buying import DESKTOP, PHONE, SERIOUS, opened, sign_in
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.push import CONTACT, Phone
from tests.support.serving import Serving, serving
from tests.support.streams import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

# What the browser's push service would give: there is none without a network
SUBSCRIPTION: Final = """
  window.asked = [];
  const given = %s;
  const subscription = {
    endpoint: given.endpoint, options: {}, toJSON: () => given, unsubscribe: async () => true,
  };
  PushManager.prototype.subscribe = async (options) => {
    window.asked.push(new Uint8Array(options.applicationServerKey).length);
    return subscription;
  };
  Notification.requestPermission = async () => {
    sessionStorage.setItem("permission", "asked");
    return "%s";
  };
"""


@pytest.fixture(scope="module")
def server(shared_database_url: str) -> Iterator[Serving]:
    """Serve the database of the module, with web push."""
    with serving(database_url=shared_database_url, push_contact=CONTACT, **SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(shared_database_url: str, server: Serving) -> AsyncIterator[BoxOffice]:
    """Yield a box office on the database that the server serves, to set the scene."""
    async with open_box_office(shared_database_url, push_contact=CONTACT) as opened_office:
        yield opened_office


async def with_subscription(page: Page, name: str, permission: str = "granted") -> None:
    form = Phone(name).form
    given = {"endpoint": form["endpoint"], "keys": {"p256dh": form["p256dh"], "auth": form["auth"]}}
    await page.context.add_init_script(SUBSCRIPTION % (json.dumps(given), permission))


async def test_a_device_is_turned_on_after_a_click_and_off_again(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await with_subscription(page, "clicked")
        await page.goto("/me/notifications")
        button = page.get_by_role("button", name="Turn on this device")
        await expect(button).to_be_visible()
        assert await page.evaluate("sessionStorage.getItem('permission')") is None, "not before a click"
        await button.click()
        await expect(page.get_by_text("This device is on")).to_be_visible()
        await expect(page.get_by_text("Here", exact=True)).to_be_visible()
        assert await page.evaluate("sessionStorage.getItem('permission')") == "asked"
        await page.get_by_role("button", name="Turn off").click()
        await expect(page.get_by_text("That device is off")).to_be_visible()
        await expect(button).to_be_visible()


async def test_a_refused_permission_turns_nothing_on(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await with_subscription(page, "refused", "denied")
        await page.goto("/me/notifications")
        await page.get_by_role("button", name="Turn on this device").click()
        await expect(page.get_by_text("does not allow messages from here")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("button", name="Turn on this device")).to_be_visible()


async def test_without_script_the_choices_work_and_no_device_is_offered(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server, java_script_enabled=False) as page:
        await sign_in(office, page.context, server)
        await page.goto("/me/notifications")
        await expect(page.get_by_role("button", name="Turn on this device")).to_have_count(0)
        await page.get_by_role("button", name="Nothing but the necessary").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        assert await page.locator("input:checked").count() == 1


async def test_the_service_worker_shows_a_push_and_opens_its_page(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.context.grant_permissions(["notifications"])
        await page.goto("/me/tickets")
        await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        session = await page.context.new_cdp_session(page)
        found: list[str] = []
        session.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: found.extend(each["registrationId"] for each in event["registrations"]),
        )
        await session.send("ServiceWorker.enable")
        await until(lambda: bool(found), "the registration")
        await until(lambda: len(page.context.service_workers) == 1, "the worker")
        (worker,) = page.context.service_workers
        # A browser without a screen forgets at times what it showed: the worker notes what it asks for
        await worker.evaluate(
            """() => {
              const show = self.registration.showNotification.bind(self.registration);
              self.shown = [];
              self.registration.showNotification = async (title, { body, tag, data, icon }) => {
                await show(title, { body, tag, data, icon });
                self.shown.push({ title, body, tag, data });
              };
            }"""
        )

        async def deliver(data: str) -> dict[str, Any]:
            before: int = await worker.evaluate("self.shown.length")
            await session.send(
                "ServiceWorker.deliverPushMessage",
                {"origin": server.url, "registrationId": found[-1], "data": data},
            )
            async with asyncio.timeout(60):
                while len(shown := await worker.evaluate("self.shown")) == before:
                    await asyncio.sleep(0.1)
            last: dict[str, Any]
            (last,) = shown[before:]
            return last

        said = {"title": "Tickets for you", "body": "Held", "path": "/me/waitlist", "tag": "one"}
        for _ in range(2):
            assert await deliver(json.dumps(said)) == {
                "title": "Tickets for you",
                "body": "Held",
                "tag": "one",
                "data": {"path": "/me/waitlist"},
            }
        assert (await deliver("no JSON"))["data"] == {"path": "/me/tickets"}
        click = """(path) => {
          const event = new ExtendableEvent("notificationclick");
          const notification = { close: () => {}, data: { path } };
          Object.defineProperty(event, "notification", { value: notification });
          self.dispatchEvent(event);
        }"""
        await worker.evaluate(click, "/me/waitlist")
        await expect(page).to_have_url(f"{server.url}/me/waitlist")
        await worker.evaluate(click, "https://elsewhere.example/")
        await expect(page).to_have_url(f"{server.url}/me/tickets")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_among_the_choices(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, size: Any, theme: str
) -> None:
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in(office, page.context, server)
        await page.goto("/me/notifications")
        await page.evaluate(axe)
        found = await page.evaluate(VIOLATIONS)
        assert [each["id"] for each in found if each["impact"] in SERIOUS] == []
