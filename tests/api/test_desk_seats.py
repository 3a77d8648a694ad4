"""The seats of an event at the desk, without script: zones, blocks, refusals in words."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.seating import add_seat_map
from tests.support.box_office import HALL, BoxOffice, open_box_office
from tests.support.desk import address_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, rate_heavy=0) as opened:
        yield opened


async def _member(office: BoxOffice, role: str = "manager") -> Visitor:
    visitor = Visitor(office, await office.as_member(role))
    office.context.accounts.roles.forget(office.venue.organizer_id)
    return visitor


async def _states(visitor: Visitor, event: Event) -> str:
    answer = await visitor.client.get(f"{address_of(event)}/seats/states")
    assert answer.status_code == 200
    found: str = answer.json()["seats"]
    return found


async def test_an_event_gets_seats_and_zones(office: BoxOffice) -> None:
    visitor, event = await _member(office), await office.open_event(publish=False)
    where = f"{address_of(event)}/seats"
    text = await visitor.read(where)
    assert "has no seats yet" in text
    assert "has no seat map yet" in text
    async with office.context.database.transaction() as tx:
        made = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, HALL, utc_now())
    await visitor.read(where)
    await visitor.submit(where, map="smp_nonsense")
    assert visitor.status == 422
    await visitor.submit(where, map=show_id("smp", made.seat_map_id))
    assert "The event has its seats." in visitor.text
    assert await _states(visitor, event) == "0" * 16
    await visitor.submit(f"{where}/paint", zone="Seats", new_zone="Front", row="Stalls/A")
    assert "The seats are in their zone." in visitor.text
    assert visitor.text.count("No ticket type sells it") == 2
    fields = visitor.form(f"{where}/paint")
    await visitor.send(f"{where}/paint", fields | {"version": "1", "zone": "Front", "row": "Stalls/B"})
    assert visitor.status == 412
    assert "was changed meanwhile" in visitor.text
    assert 'value="Stalls/B" checked' in visitor.text, "nothing chosen is lost"
    await visitor.submit(f"{where}/paint", zone="-", section="Balcony")
    assert await _states(visitor, event) == "0" * 12 + "----"
    layout = await visitor.client.get(
        f"{where}/layout/{(await visitor.client.get(f'{where}/states')).json()['digest']}"
    )
    assert layout.json()["zones"] == ["Seats", "Front"]


async def test_seats_are_kept_for_a_partner(office: BoxOffice) -> None:
    visitor, event = await _member(office), await office.open_hall()
    where = f"{address_of(event)}/seats"
    types = await office.types(event)
    booked = await office.place(
        event, office.as_buyer(), {"ticket_type_id": types["Stalls"], "seats": ["S-B-1"]}
    )
    assert booked.status_code == 201
    await visitor.read(where)
    await visitor.submit(f"{where}/paint", zone="Stalls")
    assert visitor.status == 422
    assert "Choose seats first" in visitor.text
    form = visitor.form(f"{where}/paint")
    partner = {"name": "Sponsor <b>", "until": "2031-05-20T18:00"}
    await visitor.send(f"{where}/block", form | partner | {"section": "Stalls"})
    assert visitor.status == 409
    assert "Stalls, row B, seat 1 is sold or held, so it cannot be blocked." in visitor.text
    assert 'value="Stalls" checked' in visitor.text
    await visitor.send(f"{where}/block", form | partner | {"until": "soon", "row": "Stalls/A"})
    assert visitor.status == 422
    await visitor.send(f"{where}/block", form | partner | {"name": "", "row": "Stalls/A"})
    assert "only named blocks end by themselves" in visitor.text
    await visitor.send(f"{where}/block", form | partner | {"until": "2020-05-20T18:00", "row": "Stalls/A"})
    assert "Must be in the future" in visitor.text
    await visitor.send(f"{where}/block", form | partner | {"row": "Stalls/A", "seats": "S-B-3\r\nS-B-4"})
    assert visitor.status == 200
    assert "The seats are blocked" in visitor.text
    assert "Sponsor &lt;b&gt;</b>, 8 seats, back on sale" in visitor.text
    assert await _states(visitor, event) == "bbbbbbs0bb000000"
    await visitor.send(f"{where}/block", form | {"name": "Crew", "seats": "S-A-1"})
    assert "Stalls, row A, seat 1 is blocked already." in visitor.text
    await visitor.send(f"{where}/unblock", form | {"seats": "S-A-1"})
    assert "7 seats" in visitor.text
    (block,) = [each for each in visitor.text.split('action="') if "/blocks/blk_" in each[:120]][:1]
    action = block.split('"')[0]
    await visitor.submit(action, name="Press", until="")
    assert "Press</b>, 7 seats<br>" in visitor.text
    await visitor.submit(action, name=" ")
    assert visitor.status == 422
    await visitor.send(f"{action}/end", {})
    assert await _states(visitor, event) == "000000s000000000"
    await visitor.send(f"{action}/end", {})
    assert visitor.status == 409
    assert "no block of seats" in visitor.text


async def test_each_role_sees_seats_and_only_managers_change_them(office: BoxOffice) -> None:
    event, door = await office.open_hall(), await _member(office, "door")
    where = f"{address_of(event)}/seats"
    text = await door.read(where)
    assert door.status == 200
    assert "Paint a zone" not in text
    for verb in ("paint", "block", "unblock"):
        await door.send(f"{where}/{verb}", {"section": "Stalls"})
        assert door.status == 403
    stranger = Visitor(office, office.as_buyer())
    for path in (where, f"{where}/states", f"{where}/layout/x"):
        await stranger.read(path)
        assert stranger.status == 404
