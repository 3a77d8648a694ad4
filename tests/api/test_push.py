"""Web push over HTTP: what is offered, devices, choices, the copy of the data, and the end of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from evently import push
from evently.kit.ids import new_id
from evently.push import DEVICES_MAX
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.mail import add_person
from tests.support.push import CONTACT, Phone, text_of
from tests.support.visitor import Visitor

ROBIN = "robin@evently.example"
PAGE = "/me/notifications"
CHOICES = "/v1/me/notification-choices"
PASSWORD = "nine lively herons wade"


@pytest_asyncio.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, push_contact=CONTACT) as opened:
        yield opened


async def a_person(office: BoxOffice) -> tuple[Visitor, dict[str, str]]:
    session = office.as_person(await add_person(office.context.database, f"{new_id()}@evently.example"))
    return Visitor(office, session), session


async def test_a_device_is_turned_on_and_off(office: BoxOffice) -> None:
    robin, session = await a_person(office)
    phone = Phone("phone")
    key = await office.context.push.public_key()
    assert f'data-push-on="{key}"' in await robin.read(PAGE)
    text = await robin.send("/me/devices", phone.form)
    assert "This device is on" in text
    assert "Here" in text
    assert "data-push-on" not in text, "it is on already"
    found = (await office.client.get(CHOICES, headers=session)).json()["push"]
    assert found == {"offered": True, "devices": 1}
    again = await robin.send("/me/devices", phone.form)
    assert again.count("Turn off</button>") == 1
    stranger, _ = await a_person(office)
    action = next(each for each in again.split('"') if each.startswith("/me/devices/dev_"))
    await stranger.send(action, {})
    assert "Turn off</button>" in await robin.read(PAGE), "only its own person turns it off"
    assert "That device is off" in await robin.send(action, {})
    assert "Turn off</button>" not in robin.text
    assert (await office.client.get(CHOICES, headers=session)).json()["push"]["devices"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": ""},
        {"endpoint": "https://127.0.0.1/send"},
        {"endpoint": "https://localhost/send"},
        {"endpoint": "http://push.service.example/send"},
        {"endpoint": "https://metadata.google.internal/computeMetadata/v1/"},
        {"p256dh": ""},
        {"p256dh": text_of(b"\4" + bytes(64))},
        {"auth": ""},
        {"auth": text_of(bytes(15))},
        {"auth": "ä" * 22},
    ],
)
async def test_what_no_browser_sends_is_refused(office: BoxOffice, wrong: dict[str, str]) -> None:
    robin, _ = await a_person(office)
    text = await robin.send("/me/devices", Phone("phone").form | wrong)
    assert robin.status == 422
    assert "an address that we cannot send to" in text
    assert await office.context.database.fetch_value("SELECT count(*) FROM push_devices") == 0


async def test_another_site_turns_nothing_on(office: BoxOffice) -> None:
    robin, _ = await a_person(office)
    await robin.send("/me/devices", Phone("phone").form, site="cross-site")
    assert robin.status == 403
    nobody = Visitor(office)
    await nobody.send("/me/devices", Phone("phone").form)
    assert nobody.path == "/login"


async def test_a_person_turns_on_so_many_devices(office: BoxOffice) -> None:
    robin, session = await a_person(office)
    for number in range(DEVICES_MAX + 1):
        await robin.send("/me/devices", Phone(f"p{number}").form)
    found = (await office.client.get(CHOICES, headers=session)).json()["push"]
    assert found["devices"] == DEVICES_MAX


async def test_each_topic_has_a_choice_for_each_channel(office: BoxOffice) -> None:
    robin, session = await a_person(office)
    await robin.read(PAGE)
    assert robin.text.count(" checked") == 8
    fields = [("topic", "changes"), ("push", "waitlist"), ("push", "tickets")]
    assert "Saved." in await robin.send(PAGE, fields)

    async def chosen() -> dict[str, tuple[bool, bool]]:
        topics = (await office.client.get(CHOICES, headers=session)).json()["topics"]
        return {each["topic"]: (each["channels"]["email"], each["channels"]["push"]) for each in topics}

    assert await chosen() == {
        "tickets": (True, True),
        "changes": (True, False),
        "waitlist": (False, True),
        "reminders": (False, False),
    }
    await robin.send(PAGE, [*fields, ("only", "necessary")])
    necessary = {"changes": (False, False), "waitlist": (False, False), "reminders": (False, False)}
    assert await chosen() == {"tickets": (True, False), **necessary}
    put = await office.client.put(f"{CHOICES}/tickets", json={"email": True, "push": True}, headers=session)
    assert put.status_code == 200
    await office.client.put(f"{CHOICES}/waitlist", json={"email": True}, headers=session)
    assert await chosen() == {**necessary, "tickets": (True, True), "waitlist": (True, False)}


async def test_without_a_contact_nothing_is_offered(database_url: str) -> None:
    async with open_box_office(database_url) as office:
        robin, session = await a_person(office)
        text = await robin.read(PAGE)
        assert "devices" not in text
        assert "push" not in text
        await robin.send("/me/devices", Phone("phone").form)
        assert robin.status == 404
        await robin.send(PAGE, [("topic", "changes")])
        found = (await office.client.get(CHOICES, headers=session)).json()
        assert found["push"] == {"offered": False, "devices": 0}
        assert all(each["channels"]["push"] for each in found["topics"]), (
            "boxes that were not there say nothing"
        )
        check = (await office.client.get("/health")).json()["checks"]["push"]
        assert (check["status"], "EVENTLY_PUSH_CONTACT" in check["output"]) == ("pass", True)


async def test_health_passes_while_no_push_waits(office: BoxOffice) -> None:
    assert (await office.client.get("/health")).json()["checks"]["push"]["status"] == "pass"


async def test_health_says_that_pushes_wait(office: BoxOffice) -> None:
    robin, session = await a_person(office)
    await robin.send("/me/devices", Phone("phone").form)
    await office.book(await office.open_event(), session)
    await office.deliver()
    database = office.context.database
    await database.fetch("UPDATE push_messages SET due_at = due_at - interval '10 minutes'")
    check = (await office.client.get("/health")).json()["checks"]["push"]
    assert check["status"] == "warn"
    assert check["observed"] >= 600


async def test_the_copy_of_the_data_has_devices_and_no_secret(office: BoxOffice) -> None:
    robin, _ = await a_person(office)
    phone = Phone("phone")
    await robin.send("/me/devices", phone.form)
    text = await robin.read("/me/export")
    assert phone.endpoint in text
    assert phone.form["auth"] not in text


async def test_closing_an_account_and_logging_out_end_the_pushes(office: BoxOffice) -> None:
    database = office.context.database
    await office.post("/v1/auth/register", {}, email=ROBIN, name="Robin", password=PASSWORD)
    robin = Visitor(office)
    await robin.send("/login", {"email": ROBIN, "password": PASSWORD})
    await robin.send("/me/devices", Phone("phone").form)
    person_id = await database.fetch_value("SELECT person_id FROM people WHERE email = $1", ROBIN)
    assert len(await push.list_devices(database, person_id)) == 1
    await robin.send("/logout", {})
    assert await push.list_devices(database, person_id) == []
    await robin.send("/login", {"email": ROBIN, "password": PASSWORD})
    await robin.send("/me/devices", Phone("phone").form)
    assert len(await push.list_devices(database, person_id)) == 1, "the same browser, turned on again"
    await robin.send("/me/delete", {"password": PASSWORD})
    assert await database.fetch_value("SELECT count(*) FROM push_devices") == 0
