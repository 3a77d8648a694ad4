"""Passing a ticket on with a browser without script: the form, the receiver's page, and every end of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api.test_transfers import Stage, offer, set_stage, somebody
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


def page_of(stage: Stage) -> str:
    """Return the address of the page of the ticket."""
    return stage.path.removeprefix("/v1")


async def test_a_ticket_is_offered_accepted_and_given_back(office: BoxOffice) -> None:
    stage = await set_stage(office)
    giver, receiver = Visitor(office, stage.giver.headers), Visitor(office, stage.receiver.headers)
    assert f'href="{page_of(stage)}/pass-on"' in await giver.read(page_of(stage))
    form = f"{page_of(stage)}/pass-on"
    await giver.read(form)
    await giver.submit(form, email=stage.receiver.email)
    assert giver.path == form
    assert stage.receiver.email in giver.text.replace("<wbr>", "")
    assert "Take the offer back" in giver.text
    booking = f"/bookings/{stage.booking['id']}"
    for page in (page_of(stage), booking):
        said = (await giver.read(page)).replace('<bdi class="strong">', "")
        assert f"Offered to {stage.receiver.email}" in said
        assert "See the offer" in giver.text
    assert (await giver.read(booking)).count("Offered to") == 1, "of two tickets, one is offered"

    assert "A ticket for you" in await receiver.read("/me/tickets")
    rows = await office.context.database.fetch("SELECT transfer_id FROM transfers")
    assert len(rows) == 1
    mine = (await office.client.get("/v1/me/transfers", headers=stage.receiver.headers)).json()["data"]
    transfer = f"/transfers/{mine[0]['id']}"
    await receiver.read(transfer)
    assert receiver.heading() == "A ticket for you"
    assert "Mina Ito" in receiver.text
    await receiver.submit(f"{transfer}/accept")
    assert receiver.heading() == "The ticket is yours"
    ticket = await receiver.read(page_of(stage))
    assert 'class="qr"' in ticket
    assert "Ticket 1 of 2" in ticket
    assert stage.ticket["code"] not in ticket.replace(" ", "")
    lost = await giver.read(page_of(stage))
    assert 'class="qr"' not in lost
    assert "You passed this ticket on" in lost
    assert stage.ticket["code"] not in lost.replace(" ", "")
    assert stage.ticket["code"] not in await giver.read(f"/bookings/{stage.booking['id']}")
    assert "Passed on" in giver.text
    assert "Tickets that you passed on" in await giver.read(f"/bookings/{stage.booking['id']}/cancel")
    assert f'value="{stage.ticket["id"]}"' not in giver.text
    assert "Passed on to you" in await receiver.read("/me/tickets")
    await receiver.read(form)
    await receiver.submit(f"{page_of(stage)}/give-back")
    assert receiver.path == "/me/tickets"
    assert "Passed on to you" not in receiver.text
    assert 'class="qr"' in await giver.read(page_of(stage))
    for page in (page_of(stage), booking):
        assert "Offered to" not in await giver.read(page)


async def test_to_whom_a_receiver_offers_a_ticket_further_is_not_said_to_its_buyer(office: BoxOffice) -> None:
    stage = await set_stage(office)
    giver, receiver = Visitor(office, stage.giver.headers), Visitor(office, stage.receiver.headers)
    transfer = (await offer(office, stage))["id"]
    await receiver.read(f"/transfers/{transfer}")
    await receiver.submit(f"/transfers/{transfer}/accept")
    form, third = f"{page_of(stage)}/pass-on", "third@example.org"
    await receiver.read(form)
    await receiver.submit(form, email=third)
    assert third in receiver.text.replace("<wbr>", "")
    assert f'Offered to <bdi class="strong">{third}' in await receiver.read(page_of(stage))
    for page in (page_of(stage), f"/bookings/{stage.booking['id']}"):
        assert third not in await giver.read(page)
        assert "Passed on" in giver.text


async def test_an_address_of_a_transfer_without_a_verb_is_not_there(office: BoxOffice) -> None:
    stage = await set_stage(office)
    transfer = (await offer(office, stage))["id"]
    receiver = Visitor(office, stage.receiver.headers)
    await receiver.send(f"/transfers/{transfer}/steal", {})
    assert receiver.status == 404
    assert "A ticket for you" in await receiver.read("/me/tickets")


async def test_an_offer_is_declined_or_taken_back(office: BoxOffice) -> None:
    stage = await set_stage(office)
    giver, receiver = Visitor(office, stage.giver.headers), Visitor(office, stage.receiver.headers)
    transfer = f"/transfers/{(await offer(office, stage))['id']}"
    await receiver.read(transfer)
    await receiver.submit(f"{transfer}/decline")
    assert receiver.heading() == "Declined"
    form = f"{page_of(stage)}/pass-on"
    assert "was declined" in await giver.read(form)
    await giver.submit(form, email=stage.receiver.email)
    second = (await office.client.get("/v1/me/transfers", headers=stage.giver.headers)).json()["data"][0]
    await giver.submit(f"/transfers/{second['id']}/withdraw")
    assert "You took your last offer back" in giver.text
    await receiver.read(f"/transfers/{second['id']}")
    assert receiver.heading() == "The offer was taken back"
    await receiver.send(f"/transfers/{second['id']}/accept", {})
    assert receiver.status == 409
    assert "taken back" in receiver.text


async def test_what_is_typed_wrong_is_said_and_kept(office: BoxOffice) -> None:
    stage = await set_stage(office)
    giver, form = Visitor(office, stage.giver.headers), f"{page_of(stage)}/pass-on"
    for typed, words in (
        ("", "Enter the e-mail address"),
        ("no address", "There is a problem"),
        (stage.giver.email, "your own address"),
    ):
        await giver.read(form)
        await giver.submit(form, email=typed)
        assert giver.status in (409, 422)
        assert words in giver.text
        assert typed in giver.text
    assert await office.context.database.fetch("SELECT FROM transfers") == []


async def test_a_visitor_learns_nothing_and_finds_the_way(office: BoxOffice) -> None:
    stage = await set_stage(office)
    transfer = f"/transfers/{(await offer(office, stage))['id']}"
    visitor, other = Visitor(office), Visitor(office, (await somebody(office)).headers)
    seen = await visitor.read(transfer)
    assert visitor.heading() == "A ticket waits for you"
    assert "Mina Ito" not in seen
    assert "Jazz by night" not in seen
    assert "/login?next=%2Ftransfers%2Ftrf_" in seen
    await other.read(transfer)
    assert (other.status, other.heading()) == (404, "No ticket for you here")
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE people SET email_verified_at = NULL WHERE person_id = $1", stage.receiver.person_id
        )
    unverified = Visitor(office, stage.receiver.headers)
    await unverified.read(transfer)
    assert (unverified.status, unverified.heading()) == (403, "Confirm your e-mail first")
    assert "Mina Ito" not in unverified.text


async def test_the_copy_of_the_data_has_the_offers_of_both_sides(office: BoxOffice) -> None:
    stage = await set_stage(office)
    offered = await offer(office, stage)
    for person, side in ((stage.giver, "giver"), (stage.receiver, "receiver")):
        visitor = Visitor(office, person.headers)
        await visitor.read("/me/export")
        assert visitor.page is not None
        (told,) = visitor.page.json()["transfers"]
        assert (told["id"], told["side"], told["state"]) == (offered["id"], side, "offered")
        assert told["address"] == stage.receiver.email
    stranger = Visitor(office, (await somebody(office, "Eve")).headers)
    await stranger.read("/me/export")
    assert stranger.page is not None
    assert stranger.page.json()["transfers"] == []
