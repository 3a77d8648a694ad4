"""The outbox: what is stored, sent, put off, given back, expired, dropped and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from msgspec.structs import replace

from evently import attendees, notifications, sales
from evently import mail as mailing
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.mail import PasswordReset, SignInCode, mailbox
from evently.mail.outbox import KEPT, claim, find_bounce
from evently.mail.sending import CLAIM, CLAIMED_MAX, RETRY_MAX, Mail
from evently.mail.smtp import Answer
from evently.notifications import Choice
from evently.notifications.choices import NotificationsRefusal
from evently.reactions.tasks import remind
from evently.sales.commands.sale_terms import RescheduleEvent
from evently.sales.commands.waitlist import JoinWaitlist
from tests.support.catalogue import sale_terms
from tests.support.mail import BASE, Post, add_person, deliver, make_mail
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.smtp_sink import open_sink

ROBIN = "robin@evently.example"


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def mail(db: Database, desk: SalesDesk, post: Post) -> Mail:
    return make_mail(db, desk.clock, transport=post)


async def states(db: Database) -> dict[str, int]:
    rows = await db.fetch("SELECT state, count(*) AS messages FROM mail_messages GROUP BY state")
    return {row["state"]: row["messages"] for row in rows}


async def ask_for_code(db: Database, desk: SalesDesk, address: str = ROBIN, code: str = "123456") -> UUID:
    async with db.transaction() as tx:
        return await mailing.add(
            tx,
            SignInCode(code, "/login/link?token=s3cret"),
            address=address,
            person_id=None,
            expires_at=desk.clock() + timedelta(minutes=10),
            now=desk.clock(),
        )


async def row_of(db: Database, message_id: UUID) -> Any:
    return await db.fetch_row("SELECT * FROM mail_messages WHERE message_id = $1", message_id)


async def booked(db: Database, desk: SalesDesk, event: Event | None = None) -> Event:
    """Book for a new person with Robin's address, and deliver."""
    robin = await add_person(db, ROBIN)
    event = event or await desk.event()
    await desk.book(event, 2, buyer=robin)
    await deliver(db, desk.clock)
    return event


# From a fact to a message -----------------------------------------------------------------------------------


async def test_a_booking_becomes_one_message(db: Database, desk: SalesDesk) -> None:
    event = await booked(db, desk)
    await desk.book(event, 1)  # of a person without an address
    await deliver(db, desk.clock)
    demo = make_mail(db, desk.clock, mailbox=True)
    assert await demo.run_once() == 1.0
    assert await demo.run_once() == 1.0
    (shown,) = (await mailbox.list_shown(db, "robin@", 10, None)).data
    assert shown.subject == "Your tickets: Jazz by night, 1 July"
    assert "Wednesday, 1 July 2026, 14:00 to 17:00" in shown.text
    assert "2 × Regular" in shown.text
    assert "Your booking is confirmed" in shown.html
    assert (await mailbox.list_shown(db, "klara@", 10, None)).data == []


async def test_a_message_goes_through_a_real_server(db: Database, desk: SalesDesk) -> None:
    await booked(db, desk)
    async with open_sink() as sink:
        mail = make_mail(db, desk.clock, server_url=sink.url)
        await mail.run_once()
        await mail.stop()
        assert sink.addresses == [ROBIN]
        assert sink.senders == ["tickets@evently.example"]
        (message,) = sink.messages
        assert message["to"] == "Robin Roe <robin@evently.example>"
        assert message["list-unsubscribe"] is None  # tickets cannot be refused
        assert await states(db) == {"sent": 1}


async def test_facts_that_are_delivered_twice_store_one_message(db: Database, desk: SalesDesk) -> None:
    await booked(db, desk)
    await db.fetch("UPDATE journal SET delivered_at = NULL")
    await deliver(db, desk.clock)
    assert await states(db) == {"pending": 1}


async def test_people_get_only_what_they_want(db: Database, desk: SalesDesk, mail: Mail, post: Post) -> None:
    robin, event = await add_person(db, ROBIN), await desk.event()
    async with db.transaction() as tx:
        await notifications.choose(tx, robin, Choice("changes", "email", wanted=False), desk.clock())
        with pytest.raises(Refused, match=NotificationsRefusal.TOPIC_REQUIRED.value):
            await notifications.choose(tx, robin, Choice("tickets", "email", wanted=False), desk.clock())
    await desk.book(event, buyer=robin)
    ada = await add_person(db, "ada@evently.example")
    await desk.book(event, buyer=ada)
    await reschedule(db, desk, event)
    await deliver(db, desk.clock)
    await mail.run_once()
    assert sorted((address, str(message["subject"])[:8]) for address, message in post.sent) == [
        ("ada@evently.example", "New time"),
        ("ada@evently.example", "Your tic"),
        (ROBIN, "Your tic"),
    ]
    assert len((await notifications.list_notifications(db, robin, 10, None)).data) == 2  # the list has all


async def reschedule(db: Database, desk: SalesDesk, event: Event, days: int = 1) -> None:
    """Move an event, and run the job that notifies its buyers."""
    moved = event.starts_at + timedelta(days=days)
    await desk.change(RescheduleEvent(event.event_id, event.starts_at, moved, place_changed=False))
    async with db.transaction() as tx:
        booking_ids = [
            row["booking_id"]
            for row in await tx.fetch("SELECT booking_id FROM bookings WHERE event_id = $1", event.event_id)
        ]
        new = await notifications.add_for_bookings(
            tx, event.event_id, 99, "event_rescheduled", desk.clock(), booking_ids
        )
        await mailing.add_for_notifications(tx, new)


async def test_what_may_be_refused_has_a_button_for_it(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    robin, event = await add_person(db, ROBIN), await desk.event()
    await desk.book(event, buyer=robin)
    await reschedule(db, desk, event)
    await mail.run_once()
    ((_, message),) = post.sent
    link = str(message["list-unsubscribe"]).strip("<>")
    assert link.startswith(f"{BASE}/unsubscribe/")
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert link in post.text_of()
    assert mail.unsubscriptions.read(link.rpartition("/")[2]) == (robin, "changes")


# What the server answers ------------------------------------------------------------------------------------


async def test_a_put_off_message_is_tried_for_days_with_growing_pauses(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    await booked(db, desk)
    post.answers[ROBIN] = Answer("later", "450 4.2.1 Try later")
    pauses = []
    while (await states(db)).get("pending"):
        await mail.run_once()
        row = await db.fetch_row("SELECT due_at, attempts, state FROM mail_messages")
        assert row is not None
        if row["state"] == "pending":
            pauses.append(row["due_at"] - desk.clock())
            desk.clock.now = row["due_at"]
        assert len(pauses) < 500
    assert await states(db) == {"expired": 1}
    assert timedelta(seconds=3) < pauses[0] < timedelta(seconds=7)
    assert max(pauses) <= RETRY_MAX * 1.25
    assert sum(pauses, timedelta()) >= timedelta(days=4) - timedelta(seconds=1)
    assert len({pause.total_seconds() for pause in pauses[-20:-1]}) > 10  # jitter


@pytest.mark.parametrize("answer", ["452 4.2.2 Mailbox full", "552 5.2.2 Mailbox full"])
async def test_a_full_mailbox_gets_its_message_once_there_is_room(
    db: Database, desk: SalesDesk, answer: str
) -> None:
    await booked(db, desk)
    async with open_sink() as sink:
        mail = make_mail(db, desk.clock, server_url=sink.url)
        sink.on_rcpt = lambda address: answer if address == ROBIN else None
        await ask_for_code(db, desk, "ada@evently.example")
        await mail.run_once()
        assert sink.addresses == ["ada@evently.example"], "the others are not held up"
        assert await states(db) == {"pending": 1, "sent": 1}
        assert await find_bounce(db, ROBIN) is None, "a full mailbox is no wrong address"
        desk.clock.move(hours=30)  # over a night
        sink.on_rcpt = None
        for _ in range(2):
            await mail.run_once()
        await mail.stop()
        assert sink.addresses == ["ada@evently.example", ROBIN]
        assert await states(db) == {"sent": 2}


async def test_a_bounce_marks_the_address_until_it_accepts_a_message(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await booked(db, desk)
    post.answers[ROBIN] = Answer("bounced", "550 5.1.1 No such user")
    await mail.run_once()
    assert await states(db) == {"bounced": 1}
    bounce = await find_bounce(db, ROBIN)
    assert bounce is not None
    assert (bounce.answer, bounce.bounced_at) == ("550 5.1.1 No such user", desk.clock())
    await reschedule(db, desk, event)
    assert (await states(db)).get("pending") is None  # news do not go there
    robin = await db.fetch_value("SELECT person_id FROM people WHERE email = $1", ROBIN)
    await desk.book(event, buyer=robin)
    await deliver(db, desk.clock)  # tickets do
    post.answers.clear()
    await mail.run_once()
    assert post.subjects == ["Your tickets: Jazz by night, 1 July"]
    assert await find_bounce(db, ROBIN) is None


async def test_a_refused_message_is_not_sent_again(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    await booked(db, desk)
    post.answers[ROBIN] = Answer("refused", "554 5.6.0 Spam")
    for _ in range(3):
        await mail.run_once()
    assert await states(db) == {"failed": 1}
    assert await find_bounce(db, ROBIN) is None


async def test_a_server_that_is_down_for_an_hour_loses_nothing(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await desk.event()
    for number in range(30):
        await desk.book(event, buyer=await add_person(db, f"p{number}@evently.example"))
    await deliver(db, desk.clock)
    post.down = True
    pauses = []
    until = desk.clock() + timedelta(hours=1)
    while desk.clock() < until:
        pauses.append(await mail.run_once())
        desk.clock.move(seconds=pauses[-1])
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert await states(db) == {"pending": 30}
    assert await db.fetch_value("SELECT max(attempts) FROM mail_messages") == 0
    assert await mailing.oldest_due(db) == until - timedelta(hours=1)  # what /health measures
    post.down = False
    while await states(db) != {"sent": 30}:
        await mail.run_once()
    assert len({address for address, _ in post.sent}) == len(post.sent) == 30


async def test_a_process_that_dies_leaves_its_messages_to_another(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    await booked(db, desk)
    async with db.transaction() as tx:
        assert len(await claim(tx, desk.clock(), desk.clock() + CLAIM, 10)) == 1
    await mail.run_once()
    assert post.sent == []
    desk.clock.move(seconds=CLAIM.total_seconds())
    await mail.run_once()
    assert len(post.sent) == 1


async def test_a_repeated_message_has_the_same_id(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    """The server accepts it, and the process dies before it writes so."""
    await booked(db, desk)
    await mail.run_once()
    await db.fetch("UPDATE mail_messages SET state = 'pending', finished_at = NULL")
    desk.clock.move(seconds=CLAIM.total_seconds())
    await mail.run_once()
    first, second = (message["message-id"] for _, message in post.sent)
    assert first == second
    assert str(first).endswith("@evently.example>")


async def test_two_processes_send_each_message_once(db: Database, desk: SalesDesk) -> None:
    event, posts = await desk.event(), [Post(), Post()]
    for number in range(60):
        await desk.book(event, buyer=await add_person(db, f"p{number}@evently.example"))
    await deliver(db, desk.clock)
    processes = [make_mail(db, desk.clock, transport=post) for post in posts]
    while await states(db) != {"sent": 60}:
        await asyncio.gather(*[mail.run_once() for mail in processes])
    addresses = [address for post in posts for address, _ in post.sent]
    assert len(addresses) == len(set(addresses)) == 60
    assert all(post.sent for post in posts)


async def test_what_a_stopping_process_has_not_begun_is_given_back(db: Database, desk: SalesDesk) -> None:
    begun = 0

    class Stuck(Post):
        async def send(self, sender: str, address: str, raw: bytes) -> Answer:
            nonlocal begun
            begun += 1
            await asyncio.Event().wait()
            return await super().send(sender, address, raw)

    event = await desk.event()
    for number in range(12):
        await desk.book(event, buyer=await add_person(db, f"p{number}@evently.example"))
    await deliver(db, desk.clock)
    stuck = make_mail(db, desk.clock, transport=Stuck())
    running = asyncio.create_task(stuck.run_once())
    async with asyncio.timeout(60):
        while begun < stuck.options.connections_max:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    due = await db.fetch_value("SELECT count(*) FROM mail_messages WHERE due_at <= $1", desk.clock())
    assert due == 12 - stuck.options.connections_max


async def test_a_code_passes_a_crowd_of_confirmations(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await desk.event()
    for number in range(CLAIMED_MAX + 5):
        await desk.book(event, buyer=await add_person(db, f"p{number}@evently.example"))
    await deliver(db, desk.clock)
    await ask_for_code(db, desk)
    await mail.run_once()
    assert "123456 is your code to sign in" in post.subjects[:4]
    assert len(post.sent) == CLAIMED_MAX


# Secrets ----------------------------------------------------------------------------------------------------


async def test_a_code_and_its_link_are_deleted_once_sent(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    message_id = await ask_for_code(db, desk)
    assert "123456" in (await row_of(db, message_id))["data"]
    await mail.run_once()
    assert "123456" in post.text_of()
    assert f"{BASE}/login/link?token=s3cret" in post.text_of()
    assert "10 minutes" in post.text_of()
    row = await row_of(db, message_id)
    assert (row["state"], row["data"], row["rendered"]) == ("sent", None, None)


async def test_a_reset_link_is_deleted_when_it_expires(db: Database, desk: SalesDesk, mail: Mail) -> None:
    async with db.transaction() as tx:
        message_id = await mailing.add(
            tx,
            PasswordReset("654321", "/forgot/link?token=s3cret"),
            address=ROBIN,
            person_id=None,
            expires_at=desk.clock() + timedelta(minutes=10),
            now=desk.clock(),
        )
    off = make_mail(db, desk.clock)
    assert not off.on
    await off.run_once()
    assert (await row_of(db, message_id))["state"] == "pending"
    desk.clock.move(minutes=10)
    assert not await mailing.expire(db, desk.clock())
    row = await row_of(db, message_id)
    assert (row["state"], row["data"]) == ("expired", None)


async def test_a_late_code_is_not_sent(db: Database, desk: SalesDesk, mail: Mail, post: Post) -> None:
    await ask_for_code(db, desk)
    desk.clock.move(minutes=10)
    await mail.run_once()
    assert (post.sent, await states(db)) == ([], {"expired": 1})


async def test_a_demo_with_a_mail_server_shows_nobody_what_it_sends(db: Database, desk: SalesDesk) -> None:
    await ask_for_code(db, desk)
    async with open_sink() as sink:
        mail = make_mail(db, desk.clock, server_url=sink.url, mailbox=True)
        await mail.run_once()
        await mail.stop()
        assert (mail.on, mail.shows_mailbox, sink.addresses) == (True, False, [ROBIN])
    assert (await mailbox.list_shown(db, "", 10, None)).data == []


async def test_the_mailbox_of_the_demo_needs_the_demo(db: Database, desk: SalesDesk) -> None:
    await ask_for_code(db, desk)
    off = make_mail(db, desk.clock)
    await off.run_once()
    assert (await mailbox.list_shown(db, "", 10, None)).data == []
    assert not off.shows_mailbox
    demo = make_mail(db, desk.clock, mailbox=True)
    await demo.run_once()
    (shown,) = (await mailbox.list_shown(db, "", 10, None)).data
    assert "123456" in shown.text
    with pytest.raises(Refused):
        await mailbox.get_shown(db, new_id())


# What is no longer true -------------------------------------------------------------------------------------


async def test_a_confirmation_of_a_cancelled_booking_is_dropped(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    robin, event = await add_person(db, ROBIN), await desk.event()
    await desk.cancel(await desk.book(event, 2, buyer=robin))
    await deliver(db, desk.clock)
    await mail.run_once()
    assert post.subjects == ["Booking cancelled: Jazz by night"]
    assert "You had paid nothing" in post.text_of()
    assert await states(db) == {"sent": 1, "dropped": 1}


async def test_an_offer_is_made_warned_of_once_and_dropped_when_it_has_ended(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    robin, event = await add_person(db, ROBIN), await desk.event(sale_terms(capacity=1))
    only = await desk.book(event, 1)
    (type_id,) = (await desk.types(event)).values()
    await desk.engine.submit(JoinWaitlist(event.event_id, robin, type_id, 1))
    await desk.cancel(only)
    await deliver(db, desk.clock)
    await mail.run_once()
    assert post.subjects[-1] == "Tickets for you: Jazz by night"
    assert "1 hour left" in post.text_of() or "60 minutes left" in post.text_of()
    for minutes, warned in ((44, 0), (2, 1), (5, 0)):  # the last quarter of an hour
        desk.clock.move(minutes=minutes)
        async with db.transaction() as tx:
            new = await notifications.add_for_ending_offers(tx, desk.clock())
            await mailing.add_for_notifications(tx, new)
        assert len(new) == warned
    desk.clock.move(minutes=30)
    await mail.run_once()
    assert "left: Jazz" not in post.subjects[-1]
    assert (await states(db))["dropped"] == 1


async def test_an_expired_hold_is_a_failed_payment_only_if_somebody_tried_to_pay(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    robin, event = await add_person(db, ROBIN), await desk.event()
    paid, left = [await desk.book(event, 1, buyer=robin, hold_seconds=60) for _ in range(2)]
    await db.fetch(
        "INSERT INTO payments (event_id, payment_id, booking_id, buyer_id, attempt, fingerprint, gateway, "
        "hosted, description, expires_at, state, amount_minor, currency, created_at, changed_at, tries) "
        "VALUES ($1, $2, $3, $4, 1, ''::bytea, 'demo', false, '', $5, 'declined', 2500, 'EUR', $5, $5, 0)",
        event.event_id,
        new_id(),
        paid.booking_id,
        robin,
        desk.clock(),
    )
    desk.clock.move(seconds=61)
    await desk.book(event, 1)
    await deliver(db, desk.clock)
    await mail.run_once()
    assert post.subjects == ["Not paid, not booked: Jazz by night"]
    rows = await db.fetch("SELECT booking_id FROM notifications WHERE kind = 'payment_failed'")
    assert [row["booking_id"] for row in rows] == [paid.booking_id]
    assert left.booking_id != paid.booking_id


# By the clock -----------------------------------------------------------------------------------------------


async def test_buyers_are_reminded_once_at_noon_on_the_day_before(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await booked(db, desk)  # on 1 July, 14:00 in Berlin: the day before at noon is 10:00 UTC
    await mail.run_once()
    desk.clock.now = event.starts_at.replace(hour=9, minute=59) - timedelta(days=1)
    assert await remind(db, None, desk.clock()) == 0
    desk.clock.move(minutes=1)
    late = await add_person(db, "late@evently.example")
    desk.clock.move(minutes=1)
    await desk.book(event, 1, buyer=late)  # knows the date
    for _ in range(2):  # a process restarts
        assert await remind(db, None, desk.clock()) == 1
    assert await remind(db, desk.clock(), desk.clock() + timedelta(hours=1)) == 0
    await mail.run_once()
    assert post.subjects[1:] == ["Tomorrow: Jazz by night"]
    assert await db.fetch_value("SELECT count(*) FROM notifications WHERE kind = 'event_reminder'") == 1


async def test_a_reminder_names_the_tickets_without_a_required_name(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await booked(db, desk)
    await db.fetch("UPDATE events SET attendee_names = 'required'")
    tickets = await db.fetch("SELECT ticket_id, booking_id FROM tickets")
    found = await sales.reads.get_booking(db, tickets[0]["booking_id"])
    desk.clock.now = event.starts_at - timedelta(hours=24)
    async with db.transaction() as tx:
        given = {tickets[0]["ticket_id"]: "Grace Hopper"}
        asked = replace(event, attendee_names="required")
        await attendees.put_names(tx, asked, found, given, desk.clock())
    await remind(db, None, desk.clock())
    await mail.run_once()
    assert post.subjects[-1] == "Tomorrow: Jazz by night"
    assert "A ticket has no name yet" in " ".join(post.text_of().split())
    assert "Grace Hopper" not in post.text_of(), "names travel on the tickets alone"


async def test_a_moved_event_is_reminded_of_again_and_a_late_reminder_says_today(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await booked(db, desk)
    desk.clock.now = event.starts_at - timedelta(hours=24)
    await remind(db, None, desk.clock())
    await db.fetch("UPDATE events SET starts_at = starts_at + $1, ends_at = ends_at + $1", timedelta(days=7))
    desk.clock.now = event.starts_at + timedelta(days=7, hours=-2)
    await remind(db, None, desk.clock())
    assert await db.fetch_value("SELECT count(*) FROM notifications WHERE kind = 'event_reminder'") == 2
    await mail.run_once()
    assert post.subjects[-1] == "Today: Jazz by night"


async def test_a_cancelled_event_is_not_reminded_of(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    event = await booked(db, desk)
    desk.clock.now = event.starts_at - timedelta(hours=24)
    await remind(db, None, desk.clock())
    await db.fetch("UPDATE events SET state = 'cancelled', cancelled_at = $1", desk.clock())
    assert await remind(db, None, desk.clock()) == 0
    await mail.run_once()
    assert all("Tomorrow" not in subject for subject in post.subjects)
    assert (await states(db))["dropped"] == 1


# The end of a message ---------------------------------------------------------------------------------------


async def test_old_messages_are_forgotten(db: Database, desk: SalesDesk) -> None:
    await ask_for_code(db, desk)
    await mailing.expire(db, desk.clock() + timedelta(minutes=10))
    now = datetime.now(UTC)  # ids have the real time
    await mailing.forget_old(db, now)
    assert await states(db) == {"expired": 1}
    await mailing.forget_old(db, now + KEPT + timedelta(seconds=1))
    assert await states(db) == {}


async def test_an_erased_person_leaves_no_message(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    await booked(db, desk)
    robin = await db.fetch_value("SELECT person_id FROM people WHERE email = $1", ROBIN)
    post.answers[ROBIN] = Answer("bounced", "550 No")
    await mail.run_once()
    async with db.transaction() as tx:
        await notifications.choose(tx, robin, Choice("reminders", "email", wanted=False), desk.clock())
        await notifications.forget_person(tx, robin)
        await mailing.forget_person(tx, robin)
    for table in ("mail_messages", "mail_bounces", "notification_choices", "notifications"):
        assert await db.fetch_value(f"SELECT count(*) FROM {table}") == 0


async def test_a_message_of_a_newer_version_stops_no_other(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    await booked(db, desk)
    await db.fetch('UPDATE mail_messages SET data = \'{"type": "hologram"}\'')
    await ask_for_code(db, desk, "ada@evently.example")
    await mail.run_once()
    assert [address for address, _ in post.sent] == ["ada@evently.example"]
    assert await states(db) == {"sent": 1, "pending": 1}


async def test_a_message_that_cannot_be_written_stops_no_other(
    db: Database, desk: SalesDesk, mail: Mail, post: Post
) -> None:
    await booked(db, desk)
    await db.fetch("UPDATE mail_messages SET kind = 'unheard_of'")
    await ask_for_code(db, desk, "ada@evently.example")
    await mail.run_once()
    assert [address for address, _ in post.sent] == ["ada@evently.example"]
    assert await states(db) == {"sent": 1, "pending": 1}
