"""The door in a browser: the camera, answers, work without a network, conflicts, axe, the keyboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from tests.api.test_checkin import Door, open_door
from tests.api.test_exchanges import call, exchange
from tests.api.test_tickets import as_named_buyer
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.browser.test_offline import until
from tests.support.box_office import BoxOffice
from tests.support.desk import sign_in_member
from tests.support.film import write_film
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


def address(door: Door) -> str:
    return f"/door/{show_id('evt', door.event.event_id)}"


async def enrol(office: BoxOffice, door: Door, page: Page, **body: Any) -> None:
    """Make this browser a scanner, as a phone that reads the code from the desk, and wait for its script."""
    manager = await office.as_member("manager")
    office.context.accounts.roles.forget(office.venue.organizer_id)
    made = await office.client.post(
        f"{door.path}/scanners", json={"name": "Phone of Mina"} | body, headers=manager
    )
    code = made.json()["code"]
    await page.add_init_script(PATIENT)
    await page.goto(f"{address(door)}/enrol?code={code}")
    await page.get_by_role("button", name="Use this phone as a scanner").click()
    await page.wait_for_url(f"**{address(door)}")
    await ready(page)


# The page waits two seconds for the server, and then decides by itself: tests share the processors
PATIENT: Final = """{
  const timeout = AbortSignal.timeout;
  AbortSignal.timeout = (milliseconds) => timeout.call(AbortSignal, Math.max(milliseconds, 60_000));
}"""


async def ready(page: Page) -> None:
    await expect(page.locator("[data-door][data-ready=yes]")).to_be_attached()


async def type_code(page: Page, code: str) -> None:
    """Type a code; what the answer box says afterwards is of this code."""
    await page.evaluate("delete document.querySelector('[data-answer]').dataset.result")
    await page.get_by_label("Code of a ticket").fill(code)
    await page.get_by_label("Code of a ticket").press("Enter")


def answer(page: Page) -> Any:
    return page.locator("[data-answer]")


async def results_of(door: Door) -> list[str]:
    scans = (await door.office.client.get(f"{door.path}/scans?limit=100", headers=door.guard)).json()
    return [each["result"] for each in scans["data"]]


@asynccontextmanager
async def filming(server: Serving, film: Path, doors: int = 1) -> AsyncIterator[list[BrowserContext]]:
    """Yield browsers whose camera plays a film."""
    arguments = [
        *ARGUMENTS,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        contexts = [
            await launched.new_context(base_url=server.url, viewport=PHONE, permissions=["camera"])
            for _ in range(doors)
        ]
        yield contexts
        await launched.close()


async def test_two_doors_film_the_same_ticket_and_one_admits(
    office: BoxOffice, server: Serving, tmp_path: Path
) -> None:
    door = await open_door(office, 1)
    film = write_film(tmp_path / "ticket.y4m", [door.tickets[0]["code"]])
    async with filming(server, film, 2) as contexts:
        pages = [await context.new_page() for context in contexts]
        for page in pages:
            await enrol(office, door, page)
        said = await asyncio.gather(*[first_answer(page) for page in pages])
        assert sorted(said) == ["accepted", "inside"]
        (stopped,) = [page for page, result in zip(pages, said, strict=True) if result == "inside"]
        await expect(answer(stopped)).to_contain_text("Stop")
        await expect(answer(stopped)).to_contain_text(re.compile(r"Used at \d\d:\d\d by Phone of Mina"))
    assert sorted(await results_of(door)).count("accepted") == 1


async def first_answer(page: Page) -> str:
    """Return the first answer of a camera. While the film shows the same code, there is no second."""
    await expect(page.locator("[data-door][data-camera=on]")).to_be_attached()
    await expect(page.locator("[data-answer][data-result]")).to_be_attached()
    return str(await answer(page).get_attribute("data-result"))


async def test_answers_fill_the_screen_and_say_why(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door, other = await open_door(office, 3), await open_door(office, 1)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        code = door.tickets[0]["code"]
        await type_code(page, code)
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
        await expect(answer(page)).to_contain_text("Ada Lovelace")
        await expect(answer(page)).to_be_hidden()  # by itself
        await expect(page.locator("[data-inside]")).to_have_text("1")
        letter = code[:-1] + ("0" if code[-1] != "0" else "4")
        for typed, result, words in (
            (code, "inside", "by Phone of Mina"),
            (letter, "forged", "look at each letter again"),
            (code[:-1], "unknown", "no ticket of this event"),
            (other.tickets[0]["code"], "unknown", "no ticket of this event"),
            ("https://example.org/<script>", "unknown", "no ticket of this event"),
        ):
            await type_code(page, typed)
            await expect(answer(page)).to_have_attribute("data-result", result)
            await expect(answer(page)).to_contain_text(words)
            assert int(await page.locator("[data-door]").get_attribute("data-took") or "-1") >= 0
            await answer(page).get_by_role("button", name="Next").click()
            await expect(answer(page)).to_be_hidden()


async def test_a_hardware_scanner_types_into_the_page(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 1)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await page.locator("main").focus()
        await page.evaluate(
            """code => { for (const key of [...code, "Enter"])
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })) }""",
            door.tickets[0]["code"],
        )
        await expect(answer(page)).to_have_attribute("data-result", "accepted")


async def test_a_mistake_is_undone_with_a_reason(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 1)
    await door.allow(reentry=True)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
        await expect(answer(page)).to_be_hidden()
        await page.get_by_role("button", name="Undo Ada").click()
        await page.locator("[data-undo]").get_by_role("button", name="Undo").click()
        await expect(page.get_by_text("Say why")).to_be_visible()
        await page.get_by_label("Why").fill("her friend's ticket")
        await page.locator("[data-undo]").get_by_role("button", name="Undo").click()
        await expect(page.locator("[data-scans]")).to_contain_text("Undone")
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
    assert await results_of(door) == ["accepted", "accepted"]


async def test_what_was_let_in_can_be_undone_after_a_reload_and_counts_at_once(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 2)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        for number in (0, 1):
            await type_code(page, door.tickets[number]["code"])
            await expect(answer(page)).to_have_attribute("data-result", "accepted")
        await expect(answer(page)).to_be_hidden()
        await page.reload()
        await ready(page)
        undo = page.locator("[data-scans]").get_by_role("button", name="Undo Ada")
        await expect(undo).to_have_count(2)
        await expect(page.locator("[data-inside]")).to_have_text("2")
        await undo.first.click()
        await page.get_by_label("Why").fill("her friend's ticket")
        await page.locator("[data-undo]").get_by_role("button", name="Undo").click()
        await expect(page.locator("[data-undo-box]")).to_be_hidden()
        assert await page.locator("[data-inside]").text_content() == "1", "at once"
        await page.get_by_label("Name, seat or reference").fill("lovelace")
        await page.get_by_role("button", name="Find").click()
        await ready(page)
        found = page.locator("[data-found]", has_text="is inside")
        await expect(found).to_have_count(1)
        await expect(found.get_by_role("button", name="Let in")).to_be_hidden()
        await found.locator("summary").click()
        await found.get_by_label("Why").fill("another guest")
        await found.get_by_role("button", name="Undo the check-in").click()
        await expect(page.locator("[data-found]", has_text="check-in undone")).to_have_count(1)
        assert await page.locator("[data-inside]").text_content() == "0", "at once"
        await expect(page.get_by_role("button", name="Let in Ada")).to_have_count(2)
        await page.context.set_offline(True)
        await expect(page.locator("[data-scans] li", has_text="Undone")).to_have_count(2)
    assert await results_of(door) == ["accepted", "accepted"]


async def test_the_answers_for_the_door_are_shown_with_and_without_a_network(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    manager = await office.as_member("manager")
    office.context.accounts.roles.forget(office.venue.organizer_id)
    questions = f"/v1/events/{show_id('evt', event.event_id)}/questions"
    body = {"kind": "text", "label": "Help needed", "asked_per": "booking", "at_door": True}
    question = (await office.post(questions, manager, **body)).json()["id"]
    booking = (await office.book(event, buyer, 2)).json()
    given = {"answers": [{"question_id": question, "answer": "Wheelchair"}]}
    await office.client.patch(f"/v1/bookings/{booking['id']}/answers", json=given, headers=buyer)
    door = Door(office, event, booking["tickets"], await office.as_member("door"))
    await door.allow(names_offline=True)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_contain_text("Help needed: Wheelchair")
        await page.keyboard.press("Escape")
        await page.context.set_offline(True)
        await answered_offline(page, door.tickets[1]["code"], "accepted")
        await expect(answer(page)).to_contain_text("Help needed: Wheelchair")


async def test_a_door_without_a_network_goes_on_and_merges(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door, late = await open_door(office, 4), None
    async with opened(browser, server) as page:
        await enrol(office, door, page, gate="East gate")
        await expect(page.locator("[data-list]")).to_contain_text("4 codes")
        await expect(page.locator("[data-door][data-kept=yes]")).to_be_attached()  # by the service worker
        late = (await office.book(door.event, office.as_buyer(), 1)).json()["tickets"][0]["code"]
        await page.context.set_offline(True)
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
        await expect(answer(page)).to_have_attribute("data-offline", "true")
        await expect(answer(page)).to_be_hidden()
        await expect(page.locator("[data-network]")).to_contain_text("1 to send")
        await expect(page.locator("[data-network]")).to_contain_text("Offline since")
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "inside")
        await expect(answer(page)).to_contain_text("on this phone")
        await answer(page).get_by_role("button", name="Next").click()
        await type_code(page, late)
        await expect(answer(page)).to_have_attribute("data-result", "unlisted")
        await expect(answer(page)).to_contain_text("Not on the list of")
        await answer(page).get_by_role("button", name="Let in").click()
        await type_code(page, door.tickets[1]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
        assert await door.results(door.attempt(1, gate="West gate")) == ["accepted"]  # at another door
        await expect(page.locator("[data-network]")).to_contain_text("3 to send")
        await page.reload()  # the service worker has the page, IndexedDB the rest
        await ready(page)
        await expect(page.locator("[data-network]")).to_contain_text("3 to send")
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "inside")
        await answer(page).get_by_role("button", name="Next").click()
        await page.context.set_offline(False)
        await expect(page.locator("[data-network]")).to_have_text("Online")
        await expect(page.locator("[data-conflicts]")).to_contain_text("Ada Lovelace")
        await expect(page.locator("[data-conflicts]")).to_contain_text(
            re.compile(r"let in here at \d\d:\d\d. Used at \d\d:\d\d by Member, West gate")
        )
    conflicts = (await office.client.get(f"{door.path}/scans?conflicts=true", headers=door.guard)).json()
    assert [each["result"] for each in conflicts["data"]] == ["inside"]
    counts = (await office.client.get(f"{door.path}/check-in", headers=door.guard)).json()
    assert counts["inside"] == 3
    assert (await results_of(door)).count("accepted") == 3


async def test_a_revoked_phone_is_told_so(office: BoxOffice, server: Serving, browser: Browser) -> None:
    door = await open_door(office, 2)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        manager = await office.as_member("manager")
        (scanner,) = (await office.client.get(f"{door.path}/scanners", headers=manager)).json()["data"]
        await office.client.post(f"{door.path}/scanners/{scanner['id']}/revoke", headers=manager)
        await expect(page.locator("[data-network]")).to_contain_text("may not scan")
        await page.goto(address(door))
        await expect(page.get_by_role("heading", level=1)).to_have_text("This phone is no longer a scanner")


async def test_a_phone_without_a_store_scans_and_says_so(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 2)
    async with opened(browser, server) as page:
        await page.add_init_script("Object.defineProperty(window, 'indexedDB', { get() { throw Error(); } })")
        await enrol(office, door, page)
        await expect(page.locator("[data-network]")).to_contain_text("keeps nothing")
        await page.context.set_offline(True)
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
        await page.context.set_offline(False)
        await until(lambda: has_one(door), "the scan is sent")


async def test_a_clock_that_is_an_hour_off_changes_nothing(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 1)
    async with opened(browser, server) as page:
        await page.add_init_script("const real = Date.now; Date.now = () => real() + 3_600_000;")
        await enrol(office, door, page)
        await page.context.set_offline(True)
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page)).to_have_attribute("data-result", "accepted")
        await page.context.set_offline(False)
        await until(lambda: has_one(door), "the scan is sent")
    scans = (await office.client.get(f"{door.path}/scans", headers=door.guard)).json()["data"]
    apart = await office.context.database.fetch_value(
        "SELECT abs(extract(epoch FROM scanned_at - received_at)) FROM scans WHERE event_id = $1",
        door.event.event_id,
    )
    assert scans[0]["offline"] is True
    assert apart < 120


async def has_one(door: Door) -> bool:
    return await results_of(door) == ["accepted"]


async def test_a_name_with_markup_is_text(office: BoxOffice, server: Serving, browser: Browser) -> None:
    name = "<img src=x onerror=alert(1)>"
    event = await office.open_event(capacity=10)
    buyer = await as_named_buyer(office, name)
    booking = (await office.book(event, buyer, 1)).json()
    door = Door(office, event, booking["tickets"], await office.as_member("door"))
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await type_code(page, door.tickets[0]["code"])
        await expect(answer(page).locator("[data-name]")).to_have_text(name)
        await expect(page.locator("[data-scans]")).to_contain_text(name)
        await page.goto(f"{address(door)}?q=img")
        await expect(page.locator(".found")).to_contain_text(name)
        assert await page.locator("img").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_at_the_door(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    door = await open_door(office, 3)
    await door.allow(reentry=True, gates=[{"name": "West gate"}])
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url, "door")
        found = {path: await faults_of(page, path, axe) for path in (address(door), f"{address(door)}?q=ada")}
        await page.add_init_script(PATIENT)
        await page.goto(address(door))
        await ready(page)
        for number, result in ((0, "accepted"), (0, "inside")):
            await type_code(page, door.tickets[number]["code"])
            await expect(answer(page)).to_have_attribute("data-result", result)
            await page.evaluate(axe)
            run = await page.evaluate("axe.run({ resultTypes: ['violations'], preload: false })")
            found[result] = [
                each["id"] for each in run["violations"] if each["impact"] in ("serious", "critical")
            ]
            await page.keyboard.press("Escape")
        await door.results(door.attempt(0, gate="West gate", offline=True))
        await sign_in_member(office, page.context, server.url, "owner")
        desk = f"/organize/events/{show_id('evt', door.event.event_id)}/door"
        found[desk] = await faults_of(page, desk, axe)
    assert {path: faults for path, faults in found.items() if faults} == {}


async def test_the_door_works_by_keyboard_and_on_the_narrowest_screen(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 1)
    async with opened(browser, server, viewport=NARROWEST) as page:
        await page.add_init_script(PATIENT)
        await sign_in_member(office, page.context, server.url, "door")
        await page.goto(address(door))
        await ready(page)
        await sign_in_member(office, page.context, server.url, "owner")
        desk = f"/organize/events/{show_id('evt', door.event.event_id)}/door"
        for path in (desk, address(door)):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        await ready(page)
        for result in ("accepted", "inside"):  # the first one is hidden by itself after a second
            await page.evaluate("delete document.querySelector('[data-answer]').dataset.result")
            await page.get_by_label("Code of a ticket").focus()
            await page.keyboard.type(door.tickets[0]["code"])
            await page.keyboard.press("Enter")
            await expect(answer(page)).to_have_attribute("data-result", result)
        await expect(answer(page)).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(answer(page)).to_be_hidden()
        assert "€" not in await page.locator("body").inner_text()


async def test_without_a_network_the_list_decides_as_the_server_would(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 4)
    owner = await office.as_member("owner")
    booking = (await office.client.get(f"{door.path}/bookings", headers=owner)).json()["data"][0]
    await office.client.post(
        f"{door.path}/bookings/{booking['id']}/cancel",
        json={"ticket_ids": [door.tickets[3]["id"]]},
        headers=owner | {"idempotency-key": "a"},
    )
    await door.results(door.attempt(2), door.attempt(2, direction="out"))
    await door.allow(gates=[{"name": "Stage", "ticket_type_ids": []}, {"name": "Main"}])
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await expect(page.locator("[data-list]")).to_contain_text("4 codes")
        await page.context.set_offline(True)
        code = door.tickets[0]["code"]
        letter = code[:-1] + ("0" if code[-1] != "0" else "4")
        for gate, typed, result in (
            ("Stage", code, "wrong_gate"),
            ("Main", code, "accepted"),
            ("Main", code, "inside"),
            ("Main", door.tickets[2]["code"], "no_reentry"),
            ("Main", door.tickets[3]["code"], "cancelled"),
            ("Main", letter, "unlisted"),
            ("Main", "https://example.org/<script>", "unknown"),
        ):
            await page.get_by_label("Gate").select_option(gate)
            await answered_offline(page, typed, result)
            await (
                answer(page)
                .get_by_role("button", name="Turn away" if result == "unlisted" else "Next")
                .click()
            )
        await expect(page.locator("[data-network]")).to_contain_text("1 to send")


async def test_a_guest_who_is_found_by_name_comes_in_at_the_chosen_gate(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 1)
    await door.allow(gates=[{"name": "Stage", "ticket_type_ids": []}, {"name": "Main"}])
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await page.get_by_label("Gate").select_option("Stage")
        await page.get_by_label("Name, seat or reference").fill("lovelace")
        await page.get_by_role("button", name="Find").click()
        await ready(page)
        await expect(page.get_by_label("Gate")).to_have_value("Stage")
        await page.get_by_role("button", name="Let in Ada").click()
        await expect(page.locator(".said")).to_contain_text("Another gate admits")
    assert await results_of(door) == ["wrong_gate"]


async def answered_offline(page: Page, code: str, result: str) -> None:
    await type_code(page, code)
    await expect(answer(page)).to_have_attribute("data-result", result)
    await expect(answer(page)).to_have_attribute("data-offline", "true")


@pytest.mark.parametrize(
    ("hours", "result", "words"),
    [(1, "too_early", "The door opens at"), (-1, "too_late", "The door closed at")],
)
async def test_without_a_network_the_door_opens_and_closes_in_time(
    office: BoxOffice, server: Serving, browser: Browser, hours: int, result: str, words: str
) -> None:
    door = await open_door(office, 1)
    limit = (utc_now() + timedelta(hours=hours)).isoformat()
    await door.allow(**{"opens_at" if hours > 0 else "closes_at": limit})
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await page.context.set_offline(True)
        await answered_offline(page, door.tickets[0]["code"], result)
        await expect(answer(page)).to_contain_text(words)


async def test_without_a_network_an_exchanged_ticket_is_sent_to_its_seat(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    made = await call(office)
    await exchange(office, made, (0, "S-A-4"))
    door = Door(office, made.event, made.booking["tickets"], await office.as_member("door"))
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await page.context.set_offline(True)
        await answered_offline(page, door.tickets[0]["code"], "passed_on")
        await expect(answer(page)).to_contain_text(re.compile(r"This code is old.*and is for .*4 now"))


async def test_a_phone_that_was_offline_for_a_day_says_of_which_day_its_list_is(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 2)
    async with opened(browser, server) as page:
        await page.clock.install()
        await enrol(office, door, page)
        await page.context.set_offline(True)
        await answered_offline(page, door.tickets[0]["code"], "accepted")
        await expect(page.locator("[data-network]")).to_have_text(re.compile(r"Offline since \d\d:\d\d"))
        await page.clock.fast_forward("26:00:00")
        await answered_offline(page, door.tickets[1]["code"], "accepted")
        day = r"\w{3},? \d{1,2} \w{3}, \d\d:\d\d"
        await expect(page.locator("[data-network]")).to_have_text(
            re.compile(f"Offline since {day}, 2 to send")
        )
        await expect(page.locator("[data-list]")).to_have_text(re.compile(f"List of {day}, 2 codes"))
        await page.context.set_offline(False)
        await expect(page.locator("[data-network]")).to_have_text("Online")
    assert await results_of(door) == ["accepted", "accepted"]


async def test_a_phone_whose_store_is_deleted_keeps_what_it_has_in_memory(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 3)
    async with opened(browser, server) as page:
        await enrol(office, door, page)
        await expect(page.locator("[data-door][data-kept=yes]")).to_be_attached()
        await page.context.set_offline(True)
        await answered_offline(page, door.tickets[0]["code"], "accepted")
        await page.reload()
        await ready(page)
        await expect(page.locator("[data-network]")).to_contain_text("1 to send")
        browser_itself = await page.context.new_cdp_session(page)
        await browser_itself.send(
            "Storage.clearDataForOrigin", {"origin": server.url, "storageTypes": "indexeddb"}
        )
        await expect(page.locator("[data-network]")).to_contain_text("1 to send, this browser keeps nothing")
        await answered_offline(page, door.tickets[0]["code"], "inside")
        await answer(page).get_by_role("button", name="Next").click()
        await answered_offline(page, door.tickets[1]["code"], "accepted")
        await expect(page.locator("[data-network]")).to_contain_text("2 to send")
        await page.context.set_offline(False)
        await expect(page.locator("[data-network]")).to_contain_text("Online")
        await until(lambda: has_two(door), "both scans are sent")


async def has_two(door: Door) -> bool:
    return await results_of(door) == ["accepted", "accepted"]


COUNTING = """
globalThis.asked = {};
for (const name of ["getAll", "getAllKeys", "get", "count", "put", "delete"]) {
  const real = IDBObjectStore.prototype[name];
  IDBObjectStore.prototype[name] = function (...more) {
    asked[name] = (asked[name] ?? 0) + 1;
    return real.apply(this, more);
  };
}
"""


async def test_a_scan_without_a_network_reads_nothing_that_grows(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    """A day's scans wait to be sent: the next one costs no more than the first."""
    door = await open_door(office, 6)
    async with opened(browser, server) as page:
        await page.add_init_script(COUNTING)
        await enrol(office, door, page)
        await page.context.set_offline(True)
        await answered_offline(page, door.tickets[0]["code"], "accepted")
        await expect(page.locator("[data-network]")).to_contain_text("1 to send")
        await page.evaluate("asked = {}")
        for number in range(1, 6):
            await answered_offline(page, door.tickets[number]["code"], "accepted")
            await expect(page.locator("[data-network]")).to_contain_text(f"{number + 1} to send")
        asked = await page.evaluate("asked")
        assert asked["put"] == 15, "the scan, whom this phone has let in, and the newest scans"
        assert {name for name in asked if name.startswith("get")} == set(), asked
        await page.evaluate("asked = {}")
        await page.context.set_offline(False)
        await expect(page.locator("[data-network]")).to_have_text("Online")
        assert (await page.evaluate("asked")).get("delete", 0) >= 6
    assert await results_of(door) == ["accepted"] * 6


async def test_the_desk_counts_gates_and_minutes_live(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    door = await open_door(office, 2)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url, "door")
        await page.goto(f"/organize/events/{show_id('evt', door.event.event_id)}/door")
        await expect(page.get_by_text("Nothing was scanned yet.")).to_be_visible()
        await door.results(door.attempt(0, gate="<b>West</b>"), door.attempt(0, gate="East"))
        west = page.get_by_role("row", name="<b>West</b>")
        await expect(west.get_by_role("cell").first).to_have_text("1")
        await expect(page.get_by_role("row", name="East").get_by_role("cell").nth(2)).to_have_text("1")
        await expect(page.get_by_text("Nothing was scanned yet.")).to_be_hidden()
        await expect(page.locator("[data-minutes] rect")).not_to_have_count(0)
        assert await page.locator("main b").get_by_text("West").count() == 0
