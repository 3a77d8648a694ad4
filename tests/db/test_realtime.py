"""Random histories: what readers of streams know is what the availability of the same journal row says."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from evently.catalogue import Event
from evently.db import Database
from evently.kit.ids import new_id, show_id
from evently.realtime import Frame, Hub, show_types
from evently.sales import Glance
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.sale_terms import PutTicketType
from evently.sales.commands.seats import BlockSeats, PutSeating, UnblockSeats
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked
from evently.sales.reads import BOARD_SECONDS, SeatBoards, find_sale, public_types
from tests.support.halls import SMALL_HALL
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.streams import Message, applied

STEPS = 60
ZONES = {"stalls": ["A", "B"], "balcony": ["C"]}
OTHER_ZONES = {"stalls": ["A"], "balcony": ["B", "C"]}
SEATS = [f"A{n}" for n in range(1, 7)] + [f"B{n}" for n in range(1, 7)] + [f"C{n}" for n in range(1, 5)]


class Watch:
    """The clock of the boards."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Reader:
    """A reader of the hub, which keeps what it gets; `slow` takes nothing."""

    def __init__(self, *, with_seats: bool = True) -> None:
        self.with_seats = with_seats
        self.messages: list[Message] = []
        self.slow = False
        self.dropped = False

    def take(self, frame: Frame) -> bool:
        """Keep a frame."""
        if not self.slow:
            self.messages.append(message_of(frame))
        return not self.slow

    def drop(self, reason: str, last: Frame | None) -> None:  # noqa: ARG002  # the hub's
        """Note the end."""
        self.dropped = True


def message_of(frame: Frame) -> Message:
    data = msgspec.json.decode(frame.json)
    return Message(data["type"], str(data["seq"]), data)


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest.mark.parametrize("seated", [True, False], ids=["seats", "no seats"])
async def test_snapshot_and_changes_add_up_to_the_availability(
    desk: SalesDesk,
    prove: bool,  # noqa: FBT001  # a fixture
    *,
    seated: bool,
) -> None:
    seed = time.time_ns() % 10**6
    print(f"seed {seed}")
    chance, watch = random.Random(seed), Watch()
    event = await (desk.seated(SMALL_HALL.seating(ZONES)) if seated else desk.event())
    hub = Hub(desk.db, desk.engine, SeatBoards(desk.db, watch), desk.clock)
    watched = await hub.watch(event.event_id)
    history = History(desk, event, chance, seated=seated)
    with ExitStack() as stack:
        readers: list[Reader] = []
        for step in range(STEPS * 50 if prove else STEPS):
            if step % 7 == 0:  # another reader, from the beginning or from a row that an earlier one knew
                reader = Reader(with_seats=chance.random() < 0.7)
                last = None
                if readers and chance.random() < 0.6:
                    earlier = chance.choice(readers)
                    reader.with_seats = earlier.with_seats
                    reader.messages = list(earlier.messages)
                    last = int(reader.messages[-1].id)
                first = watched.frame_for(last, with_seats=reader.with_seats)
                reader.messages.append(message_of(first))
                stack.enter_context(watched.reading(reader))
                readers.append(reader)
            slow = chance.choice(readers)
            slow.slow = chance.random() < 0.1
            for _ in range(chance.randrange(3)):
                await history.step()
            watch.now += BOARD_SECONDS * 1.01
            await hub.check()
            await check_all(desk, event, readers)
        assert any(each.dropped for each in readers) or not prove
        assert {message.name for each in readers for message in each.messages} == {"snapshot", "changes"}


async def check_all(desk: SalesDesk, event: Event, readers: list[Reader]) -> None:
    """Compare what each reader knows with the database, at the row that its last message is about."""
    sale, now = await find_sale(desk.db, event.event_id), desk.clock()
    glance = Glance.of(sale, public_types(sale), now)
    shown = {each.ticket_type_id: msgspec.to_builtins(each) for each in show_types(glance, now)}
    states = None
    if sale.hall is not None:
        states = (await SeatBoards(desk.db).get_board(event.event_id)).states()
    for reader in readers:
        if reader.dropped:
            continue
        known = applied(reader.messages)
        assert known["event_id"] == show_id("evt", event.event_id)
        if states is None:  # an engine knows only when the next hold ends at the earliest
            for each in (*shown.values(), *known["ticket_types"].values()):
                each["next_release_at"] = None
        assert known["ticket_types"] == shown
        assert known["seq"] <= sale.seq
        if reader.with_seats and states is not None:
            assert known["seats"]["states"] == states
        else:
            assert not known["seats"]


class History:
    """What happens to an event: bookings, holds, cancellations, blocked seats, changes by its organizer."""

    def __init__(self, desk: SalesDesk, event: Event, chance: random.Random, *, seated: bool) -> None:
        self.desk = desk
        self.event = event
        self.chance = chance
        self.seated = seated
        self.booked: list[Booking] = []

    async def step(self) -> None:
        """Do one thing at random; a refusal is a thing, too."""
        what = self.chance.choice([self.book] * 5 + [self.cancel] * 3 + [self.change] * 2 + [self.wait])
        await what()

    async def book(self) -> None:
        """Book or hold some units, of seats by name or the best available."""
        types = list((await self.desk.types(self.event)).items())
        name, type_id = self.chance.choice(types)
        quantity = self.chance.randrange(1, 4)
        line = BookingLine(type_id, quantity)
        if self.seated and name == "stalls" and self.chance.random() < 0.5:
            line = replace(line, seats=tuple(self.chance.sample(SEATS[:12], quantity)))
        hold = self.chance.choice([None, 30])
        outcome = await self.desk.engine.submit(
            PlaceBooking(self.event.event_id, new_id(), (line,), hold_seconds=hold)
        )
        if isinstance(outcome, Booked):
            self.booked.append(outcome.booking)

    async def cancel(self) -> None:
        """Cancel a booking that is confirmed."""
        confirmed = [each for each in self.booked if each.expires_at is None]
        if confirmed:
            booking = self.chance.choice(confirmed)
            self.booked.remove(booking)
            await self.desk.cancel(booking)

    async def change(self) -> None:
        """Block or unblock a seat, add or change a ticket type."""
        event_id = self.event.event_id
        sale = await find_sale(self.desk.db, event_id)
        terms = self.chance.choice(list(sale.ticket_types.values()))
        dice = self.chance.random()
        if self.seated and dice < 0.7 and sale.hall is not None:
            board = await SeatBoards(self.desk.db).get_board(event_id)
            free = [seat for seat, state in zip(SEATS, board.states(), strict=False) if state == "0"]
            if free:
                seat = (self.chance.choice(free),)
                await self.desk.change(BlockSeats(event_id, seat))
                if self.chance.random() < 0.5:
                    await self.desk.change(UnblockSeats(event_id, seat))
        elif dice < 0.9:
            await self.desk.change(PutTicketType(event_id, replace(terms, price_minor=terms.price_minor + 1)))
        elif len(sale.ticket_types) < 4:
            await self.desk.change(
                PutTicketType(event_id, replace(terms, ticket_type_id=new_id(), name=f"{new_id()}"))
            )

    async def wait(self) -> None:
        """Move the clock on; holds end."""
        self.desk.clock.move(seconds=self.chance.randrange(1, 20))


async def test_another_seating_is_a_snapshot_for_those_with_seats(desk: SalesDesk) -> None:
    watch = Watch()
    event = await desk.seated(SMALL_HALL.seating(ZONES))
    hub = Hub(desk.db, desk.engine, SeatBoards(desk.db, watch), desk.clock)
    watched = await hub.watch(event.event_id)
    reader = Reader()
    with watched.reading(reader):
        await desk.change(PutSeating(event.event_id, SMALL_HALL.seating(OTHER_ZONES)))
        watch.now += BOARD_SECONDS * 1.01
        await hub.check()
    (message,) = reader.messages
    assert message.name == "snapshot"
    assert len(message.data["seats"]["states"]) == 19


async def test_the_clock_alone_changes_what_readers_know(desk: SalesDesk) -> None:
    event = await desk.event()
    hub = Hub(desk.db, desk.engine, SeatBoards(desk.db), desk.clock)
    watched = await hub.watch(event.event_id)
    reader = Reader()
    with watched.reading(reader):
        await hub.check()
        assert reader.messages == [], "nothing has changed, so nothing is written"
        desk.clock.now = watched.availability.off_sale_at
        desk.clock.move(seconds=1)
        await hub.check()
    assert reader.messages[0].data["state"] == "ended"
    assert reader.dropped, "the stream has ended"


async def test_nothing_is_asked_when_there_is_no_reader(desk: SalesDesk) -> None:
    event = await desk.event()
    hub = Hub(desk.db, desk.engine, SeatBoards(desk.db), desk.clock)
    hub.options = replace(hub.options, forget_seconds=-1.0)
    watched = await hub.watch(event.event_id)
    with watched.reading(Reader()):
        assert await hub.check() > 0
    hub._database = None  # type: ignore[assignment]  # any statement would fail
    assert await hub.check() == 0.0
