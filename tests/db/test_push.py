"""Pushes: who gets one, what a push service answers, what is no longer true, devices and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from evently import notifications, push
from evently.accounts import sessions
from evently.accounts.tokens import TokenOptions, Tokens
from evently.catalogue import Event
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.kit.public_network import PublicNetwork
from evently.notifications import Choice
from evently.push import DEVICES_MAX, NewDevice, Push, PushServices
from evently.push.outbox import FAILURES_MAX, KEPT, claim
from evently.push.sending import CLAIM, RETRY_MAX
from evently.sales.commands.waitlist import JoinWaitlist
from tests.support.catalogue import sale_terms
from tests.support.mail import add_person, deliver
from tests.support.push import HOST, FakeService, Phone, check_proof, make_push, open_push_service, point_of
from tests.support.sales_desk import SalesDesk, open_sales_desk

ROBIN = "robin@evently.example"


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[FakeService]:
    async with open_push_service(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def pushes(db: Database, desk: SalesDesk, service: FakeService) -> AsyncIterator[Push]:
    made = make_push(db, desk.clock, service)
    yield made
    await made.stop()


async def turn_on(
    db: Database, desk: SalesDesk, person_id: UUID, phone: Phone, session: UUID | None = None
) -> None:
    new = NewDevice(phone.endpoint, point_of(phone.key), phone.auth)
    async with db.transaction() as tx:
        await push.add_device(tx, person_id, session or new_id(), new, desk.clock())


async def booked(db: Database, desk: SalesDesk, buyer: UUID, event: Event | None = None) -> Any:
    booking = await desk.book(event or await desk.event(), 2, buyer=buyer)
    await deliver(db, desk.clock)
    return booking


async def states(db: Database) -> dict[str, int]:
    rows = await db.fetch("SELECT state, count(*) AS messages FROM push_messages GROUP BY state")
    return {row["state"]: row["messages"] for row in rows}


async def test_a_booking_reaches_every_device_of_its_buyer_once(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin, ada = await add_person(db, ROBIN), await add_person(db, "ada@evently.example")
    phone, laptop, other = Phone("phone"), Phone("laptop"), Phone("other")
    for person_id, device in ((robin, phone), (robin, laptop), (ada, other)):
        await turn_on(db, desk, person_id, device)
    booking = await booked(db, desk, robin)
    for _ in range(3):
        await pushes.run_once()
    (shown,) = service.read(phone)
    assert shown["title"] == "Your tickets: Jazz by night, 1 July"
    assert shown["body"].startswith("Wednesday, 1 July 2026, 14:00 to 17:00")
    assert shown["path"] == f"/bookings/{show_id('bkg', booking.booking_id)}"
    assert service.read(laptop) == [shown]
    assert service.read(other) == []
    assert "Robin" not in str(shown), "no more than the message needs"
    assert await states(db) == {"sent": 2}
    received = service.received[0]
    assert check_proof(received, desk.clock())["sub"].startswith("mailto:")
    assert received.headers["host"] == HOST
    assert received.headers["content-encoding"] == "aes128gcm"
    assert received.headers["ttl"] == str(4 * 86_400)
    assert received.headers["urgency"] == "normal"
    assert received.headers["topic"] == shown["tag"]
    assert len(received.headers["topic"]) == 32


async def test_facts_that_are_delivered_twice_store_one_message(db: Database, desk: SalesDesk) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    await booked(db, desk, robin)
    await db.fetch("UPDATE journal SET delivered_at = NULL")
    await deliver(db, desk.clock)
    assert await states(db) == {"pending": 1}


async def test_people_get_only_what_they_want(db: Database, desk: SalesDesk) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    async with db.transaction() as tx:
        await notifications.choose(tx, robin, Choice("tickets", "push", wanted=False), desk.clock())
    await booked(db, desk, robin)
    assert await states(db) == {}
    assert await db.fetch_value("SELECT count(*) FROM mail_messages") == 1, "the e-mail cannot be refused"
    async with db.transaction() as tx:
        await notifications.choose(tx, robin, Choice("tickets", "push", wanted=True), desk.clock())
    await booked(db, desk, robin)
    assert await states(db) == {"pending": 1}


async def test_an_offer_is_urgent_leads_to_the_waitlist_and_ends(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin, phone = await add_person(db, ROBIN), Phone("phone")
    await turn_on(db, desk, robin, phone)
    event = await desk.event(sale_terms(capacity=1))
    only = await desk.book(event, 1)
    (type_id,) = (await desk.types(event)).values()
    await desk.engine.submit(JoinWaitlist(event.event_id, robin, type_id, 1))
    await desk.cancel(only)
    await deliver(db, desk.clock)
    await pushes.run_once()
    (shown,) = service.read(phone)
    assert (shown["title"], shown["path"]) == ("Tickets for you: Jazz by night", "/me/waitlist")
    assert service.received[0].headers["urgency"] == "high"
    await db.fetch(
        "UPDATE push_messages SET state = 'pending', finished_at = NULL, due_at = $1", desk.clock()
    )
    desk.clock.move(days=1)  # the phone was off: the offer has ended
    await pushes.run_once()
    assert await states(db) == {"dropped": 1}
    assert len(service.received) == 1


@pytest.mark.parametrize("answer", ["410 Gone\r\ncontent-length: 0", "404 Not Found\r\ncontent-length: 0"])
async def test_a_device_that_is_gone_is_deleted(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push, answer: str
) -> None:
    robin, phone, laptop = await add_person(db, ROBIN), Phone("phone"), Phone("laptop")
    await turn_on(db, desk, robin, phone)
    await turn_on(db, desk, robin, laptop)
    service.answers["/send/phone"] = answer
    await booked(db, desk, robin)
    await pushes.run_once()
    left = await push.list_devices(db, robin)
    assert [device.endpoint for device in left] == [laptop.endpoint]
    assert await states(db) == {"sent": 1}


async def test_what_is_put_off_is_tried_again_until_it_is_of_no_use(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    service.answers["/send/phone"] = "503 Service Unavailable\r\ncontent-length: 0"
    await booked(db, desk, robin)
    pauses = []
    while (await states(db)).get("pending"):
        await pushes.run_once()
        row = await db.fetch_row("SELECT due_at, state, attempts FROM push_messages")
        assert row is not None
        if row["state"] == "pending":
            pauses.append(row["due_at"] - desk.clock())
            desk.clock.now = row["due_at"]
        assert len(pauses) < 500
    assert await states(db) == {"expired": 1}
    assert timedelta(seconds=7) < pauses[0] < timedelta(seconds=13)
    assert max(pauses) <= RETRY_MAX * 1.25
    assert sum(pauses, timedelta()) >= timedelta(days=4) - timedelta(seconds=1)


async def test_a_service_says_when_it_wants_to_be_asked_again(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    service.answers["/send/phone"] = "429 Too Many Requests\r\nretry-after: 600\r\ncontent-length: 0"
    await booked(db, desk, robin)
    await pushes.run_once()
    due = await db.fetch_value("SELECT due_at FROM push_messages")
    assert due == desk.clock() + timedelta(seconds=600)
    service.answers.clear()
    desk.clock.move(seconds=600)
    await pushes.run_once()
    assert await states(db) == {"sent": 1}


async def test_a_refused_message_is_not_sent_again_and_a_device_that_never_works_is_deleted(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    service.answers["/send/phone"] = "301 Moved\r\nlocation: https://127.0.0.1/\r\ncontent-length: 0"
    event = await desk.event()
    for number in range(FAILURES_MAX):
        assert len(await push.list_devices(db, robin)) == 1
        await booked(db, desk, robin, event)
        await pushes.run_once()
        assert len(service.received) == number + 1, "no redirect is followed"
    assert await push.list_devices(db, robin) == []


async def test_one_message_that_arrives_forgives_earlier_failures(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin, event = await add_person(db, ROBIN), await desk.event()
    await turn_on(db, desk, robin, Phone("phone"))
    for answer in ("400 Bad Request\r\ncontent-length: 0", None):
        if answer is None:
            service.answers.clear()
        else:
            service.answers["/send/phone"] = answer
        await booked(db, desk, robin, event)
        await pushes.run_once()
    assert await db.fetch_value("SELECT failures FROM push_devices") == 0


async def test_a_service_that_is_not_there_is_asked_again(
    db: Database, desk: SalesDesk, tmp_path: Path
) -> None:
    async with open_push_service(tmp_path) as service:
        pushes = make_push(db, desk.clock, service)
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    await booked(db, desk, robin)
    await pushes.run_once()
    await pushes.stop()
    row = await db.fetch_row("SELECT state, attempts, answer FROM push_messages")
    assert row is not None
    assert (row["state"], row["attempts"], row["answer"]) == ("pending", 1, "no answer (ConnectError)")


async def test_an_address_that_leads_inside_is_not_called(db: Database, desk: SalesDesk) -> None:
    """With the network of the product: the name is in the public DNS, its address is this machine's."""

    async def find(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    pushes = make_push(db, desk.clock, contact="mailto:admin@evently.example")
    pushes._services = PushServices(PublicNetwork(find))
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    await booked(db, desk, robin)
    await pushes.run_once()
    await pushes.stop()
    assert await db.fetch_value("SELECT answer FROM push_messages") == "its address is not public"
    assert await states(db) == {"failed": 1}


async def test_a_process_that_dies_leaves_its_messages_to_another(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    await booked(db, desk, robin)
    async with db.transaction() as tx:
        assert len(await claim(tx, desk.clock(), desk.clock() + CLAIM, 10)) == 1
    await pushes.run_once()
    assert service.received == []
    desk.clock.move(seconds=CLAIM.total_seconds())
    await pushes.run_once()
    assert len(service.received) == 1


async def test_two_processes_send_each_message_once(
    db: Database, desk: SalesDesk, service: FakeService
) -> None:
    event = await desk.event()
    for number in range(50):
        person_id = await add_person(db, f"p{number}@evently.example")
        await turn_on(db, desk, person_id, Phone(f"p{number}"))
        await desk.book(event, buyer=person_id)
    await deliver(db, desk.clock)
    processes = [make_push(db, desk.clock, service) for _ in range(2)]
    while await states(db) != {"sent": 50}:
        await asyncio.gather(*[process.run_once() for process in processes])
    paths = [received.path for received in service.received]
    assert len(paths) == len(set(paths)) == 50
    assert service.connections <= 16
    for process in processes:
        await process.stop()


async def test_what_a_stopping_process_has_not_begun_is_given_back(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    event = await desk.event()
    for number in range(20):
        person_id = await add_person(db, f"p{number}@evently.example")
        await turn_on(db, desk, person_id, Phone(f"p{number}"))
        await desk.book(event, buyer=person_id)
    await deliver(db, desk.clock)
    service.hang = True
    running = asyncio.create_task(pushes.run_once())
    async with asyncio.timeout(60):
        while service.connections < 8:
            await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    due = await db.fetch_value("SELECT count(*) FROM push_messages WHERE due_at <= $1", desk.clock())
    assert due == 20 - 8


# Devices ----------------------------------------------------------------------------------------------------


async def test_a_person_has_so_many_devices_and_the_newest_stay(db: Database, desk: SalesDesk) -> None:
    robin, ada = await add_person(db, ROBIN), await add_person(db, "ada@evently.example")
    await turn_on(db, desk, ada, Phone("ada"))
    for number in range(DEVICES_MAX + 3):
        desk.clock.move(seconds=1)
        await turn_on(db, desk, robin, Phone(f"p{number}"))
    found = [device.endpoint.rpartition("/")[2] for device in await push.list_devices(db, robin)]
    assert found == [f"p{number}" for number in reversed(range(3, DEVICES_MAX + 3))]
    assert len(await push.list_devices(db, ada)) == 1


async def test_a_device_is_of_the_person_who_turned_it_on_last(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin, ada, phone = await add_person(db, ROBIN), await add_person(db, "ada@evently.example"), Phone("p")
    for person_id in (robin, ada, ada):
        await turn_on(db, desk, person_id, phone)
    assert await push.list_devices(db, robin) == []
    await booked(db, desk, robin)
    await pushes.run_once()
    assert service.received == []
    await booked(db, desk, ada)
    await pushes.run_once()
    assert len(service.read(phone)) == 1


async def test_a_session_that_was_ended_gets_no_more_pushes(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin = await add_person(db, ROBIN)
    tokens = Tokens(TokenOptions(bytes(32)), desk.clock, frozenset())
    async with db.transaction() as tx:
        session = await sessions.open_session(tx, tokens, robin, desk.clock(), in_browser=True)
    await turn_on(db, desk, robin, Phone("phone"), session.session_id)
    await booked(db, desk, robin)  # stored, and not sent yet
    async with db.transaction() as tx:
        await sessions.end_sessions(tx, [session.session_id], desk.clock())
    await booked(db, desk, robin)
    await pushes.run_once()
    assert service.received == []
    assert await push.list_devices(db, robin) == []
    assert await db.fetch_value("SELECT count(*) FROM push_devices") == 1
    await push.forget_ended(db)
    assert await db.fetch_value("SELECT count(*) FROM push_devices") == 0
    assert await states(db) == {}


async def test_a_session_that_expired_by_itself_keeps_its_pushes(
    db: Database, desk: SalesDesk, service: FakeService, pushes: Push
) -> None:
    robin, phone = await add_person(db, ROBIN), Phone("phone")
    await turn_on(db, desk, robin, phone)  # its session is long gone
    await push.forget_ended(db)
    await booked(db, desk, robin)
    await pushes.run_once()
    assert len(service.read(phone)) == 1


async def test_an_erased_person_leaves_nothing(db: Database, desk: SalesDesk) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    await booked(db, desk, robin)
    async with db.transaction() as tx:
        await push.forget_person(tx, robin)
    for table in ("push_devices", "push_messages"):
        assert await db.fetch_value(f"SELECT count(*) FROM {table}") == 0


async def test_messages_expire_and_are_forgotten(db: Database, desk: SalesDesk) -> None:
    robin = await add_person(db, ROBIN)
    await turn_on(db, desk, robin, Phone("phone"))
    await booked(db, desk, robin)
    off = make_push(db, desk.clock)
    assert not off.on
    await off.run_once()
    assert await push.oldest_due(db) is not None
    assert not await push.expire(db, desk.clock())
    assert not await push.expire(db, desk.clock() + timedelta(days=4))
    assert await states(db) == {"expired": 1}
    await push.forget_old(db, utc_now())  # ids have the real time
    assert await states(db) == {"expired": 1}
    await push.forget_old(db, utc_now() + KEPT + timedelta(seconds=1))
    assert await states(db) == {}


async def test_the_key_is_made_once_and_stays(db: Database, desk: SalesDesk) -> None:
    processes = [make_push(db, desk.clock, contact="mailto:admin@evently.example") for _ in range(3)]
    keys = await asyncio.gather(*[process.public_key() for process in processes])
    assert len(set(keys)) == 1
    assert await make_push(db, desk.clock, contact="mailto:a@b.example").public_key() == keys[0]
    own = make_push(
        db, desk.clock, contact="mailto:a@b.example", key="yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
    )
    assert await own.public_key() != keys[0]
    for process in (*processes, own):
        await process.stop()
