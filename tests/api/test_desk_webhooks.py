"""The desk's pages of webhooks, as a browser without script uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest_asyncio

from evently.kit.clock import utc_now
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import open_desk
from tests.support.visitor import Visitor
from tests.support.webhooks import Program, open_program, send_all

FIELDS = [("description", "Our <b>shop</b>"), ("kind", "booking.confirmed"), ("kind", "event.changed")]


@pytest_asyncio.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, webhook_networks="127.0.0.0/8") as opened:
        yield opened


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Program]:
    async with open_program() as opened:
        yield opened


def secret_of(text: str) -> str:
    (found,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", text)
    return str(found)


async def test_a_webhook_is_registered_tried_changed_and_removed(office: BoxOffice, program: Program) -> None:
    desk = await open_desk(office)
    visitor, address = desk.visitor, f"{desk.home}/webhooks"
    await visitor.read(desk.home)
    assert f'href="{address}"' in visitor.text
    await visitor.read(address)
    assert visitor.heading() == "Webhooks"
    await visitor.send(address, [("address", "nowhere"), ("description", "x")])
    assert visitor.status == 422
    assert "Name at least one kind of messages." in visitor.text
    assert "https:// address" in visitor.text
    assert visitor.form(address)["address"] == "nowhere", "nothing typed is lost"
    text = await visitor.send(address, [("address", program.address), *FIELDS])
    secret = secret_of(text)
    assert "<b>shop" not in text
    (one,) = re.findall(r'action="(\S+)/test"', text)
    assert "whsec_" not in await visitor.read(one), "it is shown once"
    await visitor.submit(f"{one}/test")
    assert "A test message is on its way" in visitor.text
    await send_all(office.context.webhooks)
    assert program.verify(program.got[0], secret, utc_now())["type"] == "webhook.test"
    assert "Delivered" in await visitor.read(one)
    (delivery,) = re.findall(r'href="(\S+/deliveries/\S+)"', visitor.text)
    await visitor.read(delivery)
    assert visitor.heading() == "webhook.test"
    assert "attempt 1" in visitor.text
    await visitor.submit(f"{delivery}/send-again")
    assert "It is sent again in a moment." in visitor.text
    await send_all(office.context.webhooks)
    assert len(program.got) == 2
    await visitor.read(one)
    other = secret_of(await visitor.submit(f"{one}/rotate"))
    assert other != secret
    await visitor.send(f"{one}/rotate", {})
    assert visitor.status == 409
    await visitor.submit(f"{one}/remove")
    assert "for good" in visitor.text
    await visitor.submit(f"{one}/remove")
    assert (visitor.path, "The webhook is removed." in visitor.text) == (address, True)
    await visitor.read(one)
    assert visitor.status == 404


async def test_two_owners_see_both_versions(office: BoxOffice, program: Program) -> None:
    desk = await open_desk(office)
    visitor, address = desk.visitor, f"{desk.home}/webhooks"
    text = await visitor.send(address, [("address", program.address), *FIELDS])
    (one,) = re.findall(r'action="(\S+)/test"', text)
    await visitor.read(one)
    version = visitor.form(one)["version"]
    await visitor.send(one, [("address", program.address), ("kind", "event.changed"), ("version", version)])
    assert "It is saved." in visitor.text
    mine = [("address", program.address), ("kind", "booking.confirmed"), ("personal_data", "yes")]
    await visitor.send(one, [*mine, ("version", version)])
    assert (visitor.status, visitor.heading()) == (412, "Another editor was first")
    for different in ("A booking was confirmed", "Messages name them"):
        assert different in visitor.text
    assert visitor.form(one)["version"] != version
    await visitor.submit(one)
    assert "It is saved." in visitor.text
    assert 'name="personal_data" value="yes" checked' in visitor.text, "mine was kept"
    version = visitor.form(one)["version"]
    await visitor.send(one, [("address", program.address), ("version", version)])
    assert (visitor.status, visitor.form(one)["version"]) == (422, version)


async def test_a_program_that_fails_is_seen_and_its_messages_are_given_up_or_sent_again(
    office: BoxOffice, program: Program
) -> None:
    desk = await open_desk(office)
    visitor, address = desk.visitor, f"{desk.home}/webhooks"
    text = await visitor.send(address, [("address", program.address), *FIELDS])
    (one,) = re.findall(r'action="(\S+)/test"', text)
    program.answer = lambda _: "500 No\r\n\r\nout of <script>order</script>"
    await office.book(desk.event, office.as_buyer())
    await office.deliver()
    await send_all(office.context.webhooks)
    await visitor.read(one)
    assert "Fails" in visitor.text
    (delivery,) = re.findall(r'href="(\S+/deliveries/\S+)"', visitor.text)
    await visitor.read(delivery)
    assert "out of &lt;script&gt;order" in visitor.text
    await visitor.submit(f"{delivery}/skip")
    assert "It is given up" in visitor.text
    await visitor.send(f"{delivery}/skip", {})
    assert visitor.status == 409
    await visitor.read(one)
    await visitor.submit(f"{one}/pause")
    assert "Nothing is sent until you resume it." in visitor.text
    await visitor.submit(f"{one}/resume")
    assert "What waits is sent now" in visitor.text
    for wrong in ({"from": ""}, {"from": "yesterday"}, {"from": "2026-01-01T00:00", "to": "x"}):
        await visitor.send(f"{one}/send-again", wrong)
        assert visitor.status == 422
    program.answer = lambda _: "200 OK\r\n\r\n"
    await visitor.send(f"{one}/send-again", {"from": f"{utc_now():%Y-%m-%d}T00:00", "to": ""})
    assert "1 message is sent again." in visitor.text
    await send_all(office.context.webhooks)
    assert program.got[-1].kind == "booking.confirmed"


async def test_only_owners_open_them(office: BoxOffice) -> None:
    desk = await open_desk(office)
    address = f"{desk.home}/webhooks"
    for role in ("manager", "door"):
        member = Visitor(office, await office.as_member(role))
        await member.read(address)
        assert member.status == 403
        assert f'href="{address}"' not in await member.read(desk.home)
    nobody = Visitor(office)
    await nobody.read(address)
    assert nobody.path == "/login"
