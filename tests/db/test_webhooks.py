"""Webhooks: what is stored, sent, signed and tried again; order, pauses, isolation; crashes lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest_asyncio

from evently.catalogue import Event
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, reference_of, show_id
from evently.reactions.relay import Relay
from evently.sales.commands.sale_terms import CancelSale, RescheduleEvent
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    CheckInUndone,
    Fact,
    OfferMade,
    OutsideRefundsRecorded,
    PaymentCaptured,
    RefundSettled,
    SaleCancelled,
    SaleChanged,
    SaleOpened,
    TicketCheckedIn,
    TicketCheckedOut,
    TicketGivenBack,
    TicketsCancelled,
)
from evently.sales.outbox import JournalFacts
from evently.webhooks import (
    KINDS,
    Caller,
    Webhooks,
    forget_old,
    lock_webhook,
    log,
    remove_webhook,
    resume_webhook,
    store,
)
from evently.webhooks.log import KEPT
from evently.webhooks.sending import CLAIM, EVENTS_MAX, JITTER, PAUSES, QUIET_FIRST, QUIET_MAX
from tests.support.catalogue import make_event, sale_terms
from tests.support.crash_points import CrashingDatabase, CrashPoint, ProcessCrashed
from tests.support.mail import Post, add_person, deliver, make_mail
from tests.support.sales_desk import SalesDesk, open_sales_desk, until
from tests.support.webhooks import LOOPBACK, Got, Program, make_webhooks, open_program, register, send_all


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Program]:
    async with open_program() as opened:
        yield opened


@pytest_asyncio.fixture
async def sender(db: Database, desk: SalesDesk) -> AsyncIterator[Webhooks]:
    made = make_webhooks(db, desk.clock)
    yield made
    await made.stop()


async def states(db: Database) -> dict[str, int]:
    rows = await db.fetch("SELECT state, count(*) AS messages FROM webhook_deliveries GROUP BY state")
    return {row["state"]: row["messages"] for row in rows}


async def booked(db: Database, desk: SalesDesk, event: Event, times: int = 1, **more: Any) -> list[Any]:
    bookings = [await desk.book(event, 2, **more) for _ in range(times)]
    await deliver(db, desk.clock)
    return bookings


async def test_a_confirmed_booking_is_sent_signed_and_once(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    _, secret = await register(
        db, event.organizer_id, program.address, desk.clock(), "booking.confirmed", "booking.cancelled"
    )
    (booking,) = await booked(db, desk, event)
    await db.fetch("UPDATE journal SET delivered_at = NULL WHERE seq > 1")  # delivered twice, stored once
    await deliver(db, desk.clock)
    await send_all(sender)
    (got,) = program.got
    body = program.verify(got, secret, desk.clock())
    assert body == {
        "type": "booking.confirmed",
        "timestamp": body["timestamp"],
        "data": {
            "event_id": show_id("evt", event.event_id),
            "seq": body["data"]["seq"],
            "url": f"/v1/events/{show_id('evt', event.event_id)}/bookings/"
            f"{show_id('bkg', booking.booking_id)}/story",
            "booking_id": show_id("bkg", booking.booking_id),
            "reference": reference_of(booking.booking_id),
            "state": "confirmed",
            "ticket_ids": [show_id("tkt", ticket.ticket_id) for ticket in booking.tickets],
            "total": {"amount": 2 * booking.tickets[0].price_minor, "currency": "EUR"},
        },
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("Evently/")
    assert await states(db) == {"delivered": 1}
    row = await db.fetch_row("SELECT number, status, answer, milliseconds FROM webhook_attempts")
    assert row is not None
    assert (row["number"], row["status"], row["answer"]) == (1, 200, "")
    assert 0 <= row["milliseconds"] < 10_000


async def test_each_fact_that_others_may_know_has_its_message(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event(sale_terms(capacity=3))
    await register(db, event.organizer_id, program.address, desk.clock())
    desk.clock.move(seconds=1)
    first = await desk.book(event, 1)
    second = await desk.book(event, 2)
    await desk.cancel(second, second.tickets[0].ticket_id)
    await desk.book(event, 1, hold_seconds=600)
    (type_id,) = (await desk.types(event)).values()
    await desk.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, 1))
    await desk.cancel(first)
    moved = desk.clock() + timedelta(days=9)
    await desk.change(RescheduleEvent(event.event_id, event.starts_at, moved, place_changed=True))
    await desk.change(CancelSale(event.event_id))
    await deliver(db, desk.clock)
    await send_all(sender)
    assert program.kinds == [
        "event.published",
        "booking.confirmed",
        "booking.confirmed",
        "booking.tickets_cancelled",
        "booking.cancelled",
        "waitlist.offered",
        "event.changed",
        "event.cancelled",
    ]
    data = [each.body["data"] for each in program.got]
    assert data[3]["state"] == "confirmed"
    assert data[3]["ticket_ids"] == [show_id("tkt", second.tickets[0].ticket_id)]
    assert data[3]["refund"] is None
    assert data[5]["expires_at"] is not None
    assert data[6]["changed"] == ["time", "place"]
    assert [each["seq"] for each in data] == sorted(each["seq"] for each in data)


async def test_every_message_has_the_shape_that_is_described(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    """Each kind is written from a fact, and read back as the type that the documents show."""
    event = await desk.event()
    await deliver(db, desk.clock)
    await register(db, event.organizer_id, program.address, desk.clock())
    one, two = new_id(), new_id()
    ticket = (new_id(), new_id(), 1000)
    facts: list[Fact] = [
        SaleOpened(),
        SaleChanged(desk.clock(), desk.clock()),
        SaleCancelled(),
        BookingConfirmed(one, two, (ticket,)),
        BookingCancelled(one, "confirmed", (ticket,), refund_id=two, refund_minor=700),
        TicketsCancelled(one, "confirmed", (ticket,)),
        PaymentCaptured(one, two, 1000),
        RefundSettled(one, two, 700, "gateway"),
        OutsideRefundsRecorded(one, two, 300),
        TicketGivenBack(one, ticket[0], two, b"", b""),
        TicketCheckedIn(one, ticket[0], two, again=True),
        TicketCheckedOut(one, ticket[0], two),
        CheckInUndone(one, ticket[0], two),
        OfferMade(two, one),
    ]
    desk.clock.move(seconds=1)
    async with db.transaction() as tx:
        await store(tx, [JournalFacts(event.event_id, 1_000, desk.clock(), facts)])
    await send_all(sender)
    assert set(program.kinds) == KINDS.keys() - {
        "ticket.passed_on"
    }  # it needs a transfer: see test_transfers
    for got in program.got:
        read = msgspec.convert(got.body["data"], KINDS[got.kind].data, strict=False)
        assert msgspec.to_builtins(read) == got.body["data"], got.kind
    (refund,) = [each.body["data"]["refund"] for each in program.got if each.kind == "booking.cancelled"]
    assert refund["amount"] == {"amount": 700, "currency": "EUR"}


async def test_drafts_and_rehearsals_are_nobody_elses_business(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await register(db, event.organizer_id, program.address, desk.clock())
    await db.fetch("UPDATE events SET sandbox = true")
    await booked(db, desk, event)
    assert await states(db) == {}
    await make_event(db, desk.venue, sale_terms(capacity=5), publish=False, now=desk.clock())
    await deliver(db, desk.clock)
    await send_all(sender)
    assert program.got == []


async def test_people_are_named_only_where_that_was_chosen_and_never_stored(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    robin = await add_person(db, "robin@evently.example", "Robin Roe")
    plain, named = f"{program.address}/plain", f"{program.address}/named"
    await register(db, event.organizer_id, plain, desk.clock())
    await register(db, event.organizer_id, named, desk.clock(), personal_data=True)
    await booked(db, desk, event, buyer=robin)
    await send_all(sender)
    by_path = {got.path: got.body["data"] for got in program.got}
    assert by_path["/hooks/named"]["person"] == {"name": "Robin Roe", "email": "robin@evently.example"}
    assert "person" not in by_path["/hooks/plain"]
    bodies = [row["body"] for row in await db.fetch("SELECT body FROM webhook_deliveries")]
    assert "Robin" not in str(bodies)
    await db.fetch("UPDATE people SET erased_at = now(), name = '', email = NULL WHERE person_id = $1", robin)
    await db.fetch("UPDATE webhook_deliveries SET state = 'pending', finished_at = NULL")
    await send_all(sender)
    again = [got.body["data"] for got in program.got[2:] if got.path == "/hooks/named"]
    assert [each["person"] for each in again] == [None]


async def test_a_program_that_was_down_gets_everything_in_order(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    events = [await desk.event(), await desk.event()]
    await deliver(db, desk.clock)
    await register(db, events[0].organizer_id, program.address, desk.clock(), "booking.confirmed")
    program.answer = lambda _: "500 Broken\r\ncontent-length: 4\r\n\r\noops"
    for event in events:
        await booked(db, desk, event, 8)
    for _ in range(30):
        await send_all(sender)
        desk.clock.move(minutes=5)
    assert 3 <= len(program.got) < 60, "calls become rare"
    assert await states(db) == {"pending": 16}
    program.got.clear()
    program.answer = lambda _: "200 Ok\r\ncontent-length: 0\r\n\r\n"
    for _ in range(2):
        desk.clock.move(minutes=37)
        await send_all(sender)
    assert await states(db) == {"delivered": 16}
    for event in events:
        seqs = [
            got.body["data"]["seq"]
            for got in program.got
            if got.body["data"]["event_id"] == show_id("evt", event.event_id)
        ]
        assert len(seqs) == 8
        assert seqs == sorted(seqs)
    answers = await db.fetch("SELECT DISTINCT status, answer FROM webhook_attempts ORDER BY status")
    assert [tuple(row) for row in answers] == [(200, ""), (500, "oops")]


async def test_a_message_that_fails_holds_back_its_event_alone(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    bad, good = await desk.event(), await desk.event()
    await deliver(db, desk.clock)
    await register(db, bad.organizer_id, program.address, desk.clock(), "booking.confirmed")
    ids = [show_id("evt", each.event_id) for each in (bad, good)]

    def answer(got: Got) -> str:
        return "400 No\r\n\r\n" if got.body["data"]["event_id"] == ids[0] else "200 OK\r\n\r\n"

    program.answer = answer
    await booked(db, desk, bad, 3)
    await booked(db, desk, good, 3)
    await send_all(sender)
    assert [got.body["data"]["event_id"] for got in program.got].count(ids[1]) == 3
    assert await states(db) == {"delivered": 3, "pending": 3}
    head = await db.fetch_value(
        "SELECT delivery_id FROM webhook_deliveries WHERE tries > 0 AND state = 'pending'"
    )
    (webhook_id,) = [row["webhook_id"] for row in await db.fetch("SELECT webhook_id FROM webhooks")]
    program.answer = lambda _: "200 OK\r\n\r\n"
    async with db.transaction() as tx:
        await log.skip(tx, webhook_id, head, desk.clock())
    await send_all(sender)
    assert await states(db) == {"delivered": 5, "skipped": 1}


async def test_after_three_days_it_is_paused_its_owner_is_told_and_nothing_is_lost(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    webhook, _ = await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    owner = await add_person(db, "owner@evently.example", "Olu")
    async with db.transaction() as tx:
        await tx.execute(
            "INSERT INTO organizer_members (organizer_id, person_id, role, version, since) "
            "VALUES ($1, $2, 'owner', 1, $3)",
            event.organizer_id,
            owner,
            desk.clock(),
        )
    program.answer = lambda _: "503 Away\r\nretry-after: 999999\r\n\r\n"
    await booked(db, desk, event, 2)
    began, pauses = desk.clock(), list[float]()
    for _ in range(100):
        await send_all(sender)
        due = await db.fetch_value(
            "SELECT coalesce(max(quiet_until), max(due_at)) FROM webhook_deliveries, webhooks WHERE tries > 0"
        )
        if await db.fetch_value("SELECT paused_at FROM webhooks") is not None:
            break
        pauses.append((due - desk.clock()).total_seconds())
        desk.clock.now = due
    assert timedelta(days=3) <= desk.clock() - began < timedelta(days=3, hours=1)
    assert pauses[0] == 3600, "a program may ask for an hour at most"
    assert await db.fetch_value("SELECT paused_because FROM webhooks") == "failing"
    row = await db.fetch_row("SELECT address, data FROM mail_messages WHERE kind = 'webhook_paused'")
    assert row is not None
    assert row["address"] == "owner@evently.example"
    assert show_id("whk", webhook.webhook_id) in row["data"]
    post = Post()
    await make_mail(db, desk.clock, transport=post).run_once()
    assert "is paused" in post.subjects[0]
    assert "It answered 503." in post.text_of()
    calls = len(program.got)
    desk.clock.move(days=1)
    await booked(db, desk, event)
    await send_all(sender)
    assert len(program.got) == calls, "nothing is sent while it is paused"
    program.answer = lambda _: "200 OK\r\n\r\n"
    program.got.clear()
    async with db.transaction() as tx:
        locked = await lock_webhook(tx, event.organizer_id, webhook.webhook_id)
        await resume_webhook(tx, locked, desk.clock())
    await send_all(sender)
    seqs = [got.body["data"]["seq"] for got in program.got]
    assert (len(seqs), seqs) == (3, sorted(seqs))


async def test_the_pauses_grow_with_jitter(db: Database, desk: SalesDesk, program: Program) -> None:
    """Of a message that fails while others arrive; and of a program that is down."""
    event = await desk.event()
    await deliver(db, desk.clock)
    await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    program.answer = lambda _: "500 No\r\n\r\n"
    await booked(db, desk, event)
    sender, pauses, quiet = make_webhooks(db, desk.clock), list[timedelta](), list[timedelta]()
    for _ in range(len(PAUSES) + 2):
        await send_all(sender)
        row = await db.fetch_row("SELECT due_at, quiet_until FROM webhook_deliveries, webhooks")
        assert row is not None
        pauses.append(row["due_at"] - desk.clock())
        if row["quiet_until"] is not None:
            quiet.append(row["quiet_until"] - desk.clock())
        desk.clock.now = row["quiet_until"] or row["due_at"]
    await sender.stop()
    meant = [QUIET_FIRST * 2**doublings for doublings in range(5)] + [QUIET_MAX, QUIET_MAX]
    for found, expected in ((pauses, [*PAUSES, PAUSES[-1], PAUSES[-1]]), (quiet, meant)):
        assert len(found) == len(expected)
        for each, pause in zip(found, expected, strict=True):
            assert abs(each - pause) <= pause * JITTER, (found, expected)
        assert len(set(found)) == len(found), "with jitter"


async def test_410_pauses_at_once(db: Database, desk: SalesDesk, program: Program, sender: Webhooks) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    program.answer = lambda _: "410 Gone\r\n\r\n"
    await booked(db, desk, event, 2)
    await send_all(sender)
    assert len(program.got) == 1
    assert await db.fetch_value("SELECT paused_because FROM webhooks") == "gone"


async def test_a_redirect_is_not_followed_and_4_kilobytes_are_read(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    program.answer = lambda _: (
        f"307 There\r\nlocation: {program.address}/elsewhere\r\ncontent-length: 9000\r\n\r\n{'x' * 9000}"
    )
    await booked(db, desk, event)
    await send_all(sender)
    assert [got.path for got in program.got] == ["/hooks"]
    row = await db.fetch_row("SELECT status, answer FROM webhook_attempts")
    assert row is not None
    assert (row["status"], len(row["answer"])) == (307, 4096)


async def test_a_program_that_hangs_delays_nobody_else(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    slow = [await desk.event() for _ in range(EVENTS_MAX + 3)]
    await deliver(db, desk.clock)
    released = asyncio.Event()
    async with open_program() as hanging:

        async def hang(_: Got) -> None:
            await released.wait()

        hanging.before = hang
        await register(db, slow[0].organizer_id, hanging.address, desk.clock(), "booking.confirmed")
        for event in slow:
            await booked(db, desk, event, 2)
        await sender.run_once()
        await until(lambda: as_coroutine(hanging.at_once > 0))
        await register(db, slow[0].organizer_id, program.address, desk.clock(), "booking.confirmed")
        for event in slow:
            await booked(db, desk, event, 3)
        while len(program.got) < 3 * len(slow):
            await sender.run_once()
        assert not released.is_set()
        assert hanging.at_once_max <= EVENTS_MAX, "of one webhook, a few calls at a time"
        assert program.at_once_max <= EVENTS_MAX
        released.set()
        await sender.finish()


async def as_coroutine(value: bool) -> bool:  # noqa: FBT001  # a condition of `until`
    return value


async def test_two_processes_send_each_message_once_and_in_order(
    db: Database, desk: SalesDesk, program: Program
) -> None:
    events = [await desk.event() for _ in range(6)]
    await deliver(db, desk.clock)
    await register(db, events[0].organizer_id, program.address, desk.clock(), "booking.confirmed")
    for event in events:
        await booked(db, desk, event, 7)
    processes = [make_webhooks(db, desk.clock) for _ in range(2)]
    await asyncio.gather(*[send_all(each) for each in processes])
    await asyncio.gather(*[each.stop() for each in processes])
    assert len({got.message_id for got in program.got}) == len(program.got) == 42
    for event in events:
        seqs = [
            got.body["data"]["seq"]
            for got in program.got
            if got.body["data"]["event_id"] == show_id("evt", event.event_id)
        ]
        assert seqs == sorted(seqs)


async def test_a_process_that_dies_anywhere_loses_nothing(
    db: Database, desk: SalesDesk, program: Program
) -> None:
    """It dies one step later each time; after its claim another process sends what was not finished."""
    event = await desk.event()
    await deliver(db, desk.clock)
    await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    for points in range(1, 60):
        program.got.clear()
        await booked(db, desk, event, 3)
        crash_point = CrashPoint(points)
        dying = make_webhooks(CrashingDatabase(db, crash_point), desk.clock)
        with suppress(ProcessCrashed):
            await dying.run_once()
            await asyncio.gather(*(dying._well | dying._troubled), return_exceptions=True)
        await dying.stop()
        desk.clock.move(seconds=CLAIM.total_seconds())
        other = make_webhooks(db, desk.clock)
        await send_all(other)
        await other.stop()
        seqs = list(dict.fromkeys(got.body["data"]["seq"] for got in program.got))
        assert (len(seqs), seqs) == (3, sorted(seqs)), crash_point.passed
        repeated = len(program.got) - len(seqs)
        assert repeated <= 1, "what was sent when it died, at most"
        assert await db.fetch_value("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'") == 0
        if not crash_point.reached:
            break
    assert points > 5


async def test_a_relay_that_dies_stores_all_or_nothing(
    db: Database, desk: SalesDesk, program: Program
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    await desk.book(event, 1)

    async def die(*_: Any) -> None:
        raise ProcessCrashed("after the deliveries were stored")

    with suppress(ProcessCrashed):
        await Relay(db, desk.clock, [store, die]).run_once()
    assert await states(db) == {}
    desk.clock.move(minutes=1)
    await deliver(db, desk.clock)
    assert await states(db) == {"pending": 1}


async def test_names_are_resolved_once_and_private_networks_are_not_called(
    db: Database, desk: SalesDesk, program: Program
) -> None:
    """A name that leads to us as well as to the public network is not called; nor one that changes."""
    event = await desk.event()
    await deliver(db, desk.clock)
    port = program.address.split(":")[2]
    await register(
        db, event.organizer_id, f"http://hooks.evently-tests.org:{port}", desk.clock(), "booking.confirmed"
    )
    asked = list[str]()

    async def find(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1", "93.184.215.14"]

    await booked(db, desk, event)
    sender = make_webhooks(db, desk.clock, caller=Caller(LOOPBACK, find))
    await send_all(sender)
    await sender.stop()
    assert asked == ["hooks.evently-tests.org"]
    assert program.got == []
    assert "not public" in await db.fetch_value("SELECT answer FROM webhook_attempts")


async def test_old_deliveries_and_removed_webhooks_are_deleted(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    now = utc_now()  # ids have the time of the machine
    kept, _ = await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    gone, _ = await register(db, event.organizer_id, program.address, desk.clock(), "booking.confirmed")
    await booked(db, desk, event)
    await send_all(sender)
    await forget_old(db, now)
    assert await states(db) == {"delivered": 2}
    async with db.transaction() as tx:
        await remove_webhook(tx, gone, now - timedelta(hours=2))
    await forget_old(db, now)
    assert [row["webhook_id"] for row in await db.fetch("SELECT webhook_id FROM webhooks")] == [
        kept.webhook_id
    ]
    assert await states(db) == {"delivered": 1}
    await forget_old(db, now + KEPT + timedelta(minutes=1))
    assert await states(db) == {}
    assert await db.fetch_value("SELECT count(*) FROM webhook_attempts") == 0
