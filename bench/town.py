"""A town: an organizer with a hundred events, twenty thousand people, and their hundred thousand bookings.

    sell_town(directory, url, plan, now)   fill an empty, migrated database with it

Everything is sold by the product itself (engine, checkout, demo gateway, relay), at times in the past, so its
journal says what happened and the audit can replay it. A few events are big and most are small; a few people
book often. `copies.py` makes more towns of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import psycopg

from evently import accounts, catalogue, organizing, questions, sales, seating
from evently.accounts import Organizer, Person
from evently.catalogue import Category, EventTerms, VenueTerms
from evently.checkout import Checkout, PaymentChoice
from evently.db import Connection, Database, DatabaseOptions, load_queries
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms, SeatingDraft, Tax, ZoneDraft, plain_hall
from evently.payments import DemoGateway
from evently.questions import QuestionDraft
from evently.rehearsal.plan import run
from evently.rehearsal.server import own_server
from evently.sales import Engine, EngineOptions
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.commands.check_ins import ScanTicket
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, Listed, No
from evently.sales.reads import read_sale
from evently.sales.terms import Conditions, Fees, RefundWindow

sql: Final = load_queries(__name__)

Kind: TypeAlias = Literal["door", "online", "seated", "sold_out"]
Item = TypeVar("Item")

MARK: Final = "-8000-"  # in addresses; copies.py puts it into ids, too, and then replaces it
_KINDS: Final[dict[int, Kind]] = {
    3: "online",
    5: "seated",
    6: "online",
    7: "sold_out",
}  # by the last digit of the number
_QUANTITIES: Final = (1, 1, 1, 1, 2, 2)
_SKEW: Final = 1.5  # the most faithful buyer books about 200 times, most buy once or twice
_AT_ONCE: Final = 4  # events that sell at the same time
_SMALL: Final = 2_000  # bookings: smaller events sell a few at a time
_TOGETHER: Final = (8, 50)  # bookings at one instant, of small events and of big ones
_ANNOUNCED: Final = timedelta(days=60)
_CANCELLED_SHARE: Final = 0.05
_UNPAID_SHARE: Final = 0.1
_ADMITTED_SHARE: Final = 0.6
_WAITING_SHARE: Final = 0.05
_WAITING_MAX: Final = 500
_TRIES_MAX: Final = 100
_RELAY_SECONDS_MAX: Final = 1_200.0
_SOURCES: Final = ("", "", "", "newsletter", "poster", "friends")
_WORDS: Final = (
    ("Winter", "Summer", "Midnight", "Silent", "Golden", "Wild", "Northern", "Hidden", "Open", "Last"),
    ("Jazz", "Ballet", "Poetry", "Football", "Comedy", "Choir", "Cinema", "Chess", "Brass", "Opera"),
)
_VENUE: Final = VenueTerms("Town hall", "Market 1", "Lindau", "DE", "Europe/Berlin")
_ONLINE: Final = Conditions(
    payment="online",
    hold_seconds=600,
    fees=Fees(50, 300),
    refund_windows=(RefundWindow(7 * 24, 10_000), RefundWindow(24, 5_000)),
    cancel_hours_before=24,
)


class TownPlan(msgspec.Struct, frozen=True):
    """The size of a town."""

    events: int = 100
    people: int = 20_000
    bookings: int = 100_000

    @classmethod
    def of(cls, bookings: int) -> TownPlan:
        """Return a town with so many bookings."""
        return cls(max(10, bookings // 1_000), bookings // 5, bookings)

    def sizes(self) -> list[int]:
        """Return the bookings of each event: the second has half of those of the first, and so on."""
        whole = sum(1 / rank for rank in range(1, self.events + 1))
        return [max(1, round(self.bookings / whole / rank)) for rank in range(1, self.events + 1)]


class _Show(NamedTuple):
    """An event that is about to be sold."""

    number: int
    kind: Kind
    bookings: int
    starts_at: datetime
    announced: datetime
    closed: datetime  # when the last booking is made

    @property
    def units(self) -> list[int]:
        """The tickets of each booking."""
        draw = random.Random(self.number)
        return [draw.choice(_QUANTITIES) for _ in range(self.bookings)]


class _Clock:
    """A clock that only goes forward, when it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move_to(self, now: datetime) -> None:
        self.now = max(self.now, now)


class _Shop(NamedTuple):
    database: Database
    engine: Engine
    checkout: Checkout
    clock: _Clock


def sell_town(directory: Path, url: str, plan: TownPlan, now: datetime) -> None:
    """Fill an empty, migrated database with a town, and let a server deliver its facts."""
    run(_sell_all(url, plan, now.replace(microsecond=0)))
    with own_server(directory, {"database_url": url, "workers": "1"}):
        _wait_for_relay(url)
    run(_add_people_things(url))


async def _sell_all(url: str, plan: TownPlan, now: datetime) -> None:
    database = await Database.open(DatabaseOptions(url, pool_connections_max=4 * _AT_ONCE))
    try:
        organizer_id, owner_id, venue_id = await _add_organizer(database, plan, now - timedelta(days=400))
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(show: _Show) -> None:
            async with turns:
                await _Sale(database, show, plan.people, owner_id).run(organizer_id, venue_id)

        async with asyncio.TaskGroup() as group:
            for show in _shows(plan, now):
                group.create_task(one(show))
    finally:
        await database.close()


def _shows(plan: TownPlan, now: datetime) -> Iterator[_Show]:
    """Yield the events: every second one is over, the others come within half a year."""
    for number, bookings in enumerate(plan.sizes()):
        days = 3 + 7 * (number // 2 % 26)
        evening = now.replace(hour=19, minute=0, second=0)
        starts_at = evening + timedelta(days=days if number % 2 else -days)
        closed = min(starts_at, now) - timedelta(hours=1)
        announced = closed - _ANNOUNCED
        yield _Show(number, _KINDS.get(number % 10, "door"), bookings, starts_at, announced, closed)


async def _add_organizer(database: Database, plan: TownPlan, since: datetime) -> tuple[UUID, UUID, UUID]:
    owner = Person(new_id(), f"owner{MARK}@bench.example", "Owner", "buyer", 1, since, None)
    organizer = Organizer(new_id(), "Bench", f"owner{MARK}@bench.example", 1, since)
    async with database.transaction() as tx:
        await tx.execute(*sql.add_people(since=since, count=plan.people))
        await accounts.people.add_person(tx, owner, None)
        await accounts.organizers.create_organizer(tx, organizer, owner.person_id)
        venue = await catalogue.create_venue(tx, organizer.organizer_id, _VENUE, since)
    return organizer.organizer_id, owner.person_id, venue.venue_id


class _Sale:
    """One event, from its announcement to its door."""

    def __init__(self, database: Database, show: _Show, people: int, owner_id: UUID) -> None:
        self._database = database
        self._show = show
        self._people = people
        self._owner_id = owner_id
        self._draw = random.Random(f"{show.number} {show.bookings}")
        self._booked: list[Booking] = []
        self._event_id = self._ticket_type_id = new_id()

    async def run(self, organizer_id: UUID, venue_id: UUID) -> None:
        show = self._show
        await self._announce(organizer_id, venue_id)
        async with self._open() as shop:
            units = list(enumerate(show.units))
            parts = list(_parts(units, _TOGETHER[show.bookings > _SMALL]))
            for place, part in enumerate(parts, start=1):
                # Most bookings are made soon after the opening
                shop.clock.move_to(
                    show.announced + (show.closed - show.announced) * (place / len(parts)) ** 2
                )
                await self._book(shop, part)
            if show.kind == "sold_out":
                await self._wait(shop)
            else:
                await self._cancel(shop)
            if show.number % 2 == 0:  # it is over
                shop.clock.move_to(show.starts_at - timedelta(minutes=30))
                await self._admit(shop)

    async def _announce(self, organizer_id: UUID, venue_id: UUID) -> None:
        show = self._show
        places = sum(show.units) if show.kind == "sold_out" else 2 * sum(show.units) + 10
        first, second = _WORDS
        title = f"{first[show.number % 10]} {second[show.number // 10 % 10]} {show.number}"
        terms = EventTerms(
            venue_id=venue_id,
            title=title,
            description="An evening of the town. " * 10,
            category=list(Category)[show.number % len(Category)],
            tags=(second[show.number // 10 % 10].lower(),),
            starts_at=show.starts_at,
            ends_at=show.starts_at + timedelta(hours=3),
        )
        async with self._database.transaction(seconds_max=None) as tx:
            event, _ = await organizing.create_event(
                tx, organizer_id, terms, await self._terms(tx, organizer_id, venue_id, places), show.announced
            )
            self._event_id = event.event_id
            meal = QuestionDraft(kind="choice", label="Which meal?", choices=("Meat", "Fish", "None"))
            await questions.add_question(tx, event.event_id, meal, show.announced)
            await organizing.publish_event(tx, event.event_id, show.announced)
            (self._ticket_type_id,) = (await read_sale(tx, event.event_id)).ticket_types

    async def _terms(self, tx: Connection, organizer_id: UUID, venue_id: UUID, places: int) -> SaleTerms:
        show, price = self._show, Money(1_500 + 100 * self._show.number, "EUR")
        conditions = _ONLINE if show.kind == "online" else None
        if show.kind != "seated":
            ticket = NewTicketType(name="Standing", price=price, tax=Tax(700))
            return SaleTerms(currency="EUR", capacity=places, ticket_types=(ticket,), conditions=conditions)
        seat_map = await seating.add_seat_map(tx, organizer_id, venue_id, plain_hall(places), show.announced)
        seats = SeatingDraft(seat_map_id=seat_map.seat_map_id, zones=(ZoneDraft(name="Hall"),))
        ticket = NewTicketType(name="Seat", price=price, zone="Hall", tax=Tax(700))
        return SaleTerms(currency="EUR", ticket_types=(ticket,), seating=seats)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[_Shop]:
        clock = _Clock(self._show.announced)
        engine = Engine(self._database, EngineOptions(lanes=1), clock, new_id)
        gateway = DemoGateway(self._database, clock)
        checkout = Checkout(self._database, engine, {"demo": gateway}, "demo", clock, new_id)
        await engine.start()
        try:
            yield _Shop(self._database, engine, checkout, clock)
        finally:
            await checkout.stop()
            await engine.stop()

    async def _book(self, shop: _Shop, part: Sequence[tuple[int, int]]) -> None:
        orders = [self._order(*each) for each in part]
        outcomes = await asyncio.gather(*[_ask(partial(shop.engine.submit, order)) for order in orders])
        booked = []
        for outcome in outcomes:
            assert isinstance(outcome, Booked), f"there is enough for all: {outcome}"
            booked.append(outcome.booking)
        if self._show.kind == "online":
            booked = await self._pay(shop, booked)
        self._booked += booked

    def _order(self, number: int, quantity: int) -> PlaceBooking:
        line = BookingLine(self._ticket_type_id, quantity)
        return PlaceBooking(
            self._event_id,
            self._somebody(),
            (line,),
            key=f"order-{number}",
            fingerprint=hashlib.sha256(f"{number}".encode()).digest(),
            via=self._draw.choice(_SOURCES),
        )

    def _somebody(self) -> UUID:
        number = int(self._people * self._draw.random() ** _SKEW)
        return UUID(f"01900000-0000-7000-8000-{number:012x}")

    async def _pay(self, shop: _Shop, held: Sequence[Booking]) -> list[Booking]:
        """Pay for most holds; the others expire."""
        paid = [each for each in held if self._draw.random() >= _UNPAID_SHARE]
        shop.clock.now += timedelta(seconds=95)
        card = PaymentChoice("succeeds")
        pays = [partial(shop.checkout.pay, each.booking_id, each.buyer_id, card) for each in paid]
        await asyncio.gather(*map(_ask, pays))
        await shop.checkout.wait_until_idle()
        if len(paid) < len(held):
            shop.clock.now += timedelta(minutes=11)
            await _ask(partial(shop.engine.submit, WakeSale(self._event_id)))
        return paid

    async def _cancel(self, shop: _Shop) -> None:
        self._draw.shuffle(self._booked)
        number = int(len(self._booked) * _CANCELLED_SHARE)
        cancelled, self._booked = self._booked[:number], self._booked[number:]
        for part in _parts(cancelled, _TOGETHER[0]):
            shop.clock.now += timedelta(seconds=20)
            commands = [
                CancelBooking(
                    self._event_id,
                    each.booking_id,
                    each.buyer_id,
                    each.buyer_id,
                    key=f"cancel-{each.booking_id}",
                )
                for each in part
            ]
            outcomes = await asyncio.gather(*[_ask(partial(shop.engine.submit, each)) for each in commands])
            # On a busy machine, a payment may come after its hold has expired
            assert all(isinstance(outcome, Booked | No) for outcome in outcomes), outcomes
            if self._show.kind == "online":
                await asyncio.gather(*[self._pay_back(shop, each) for each in part])

    async def _pay_back(self, shop: _Shop, booking: Booking) -> None:
        for refund in await sales.reads.list_refunds(shop.database, self._event_id, booking.booking_id):
            await shop.checkout.pay_back(self._event_id, refund.refund_id)

    async def _wait(self, shop: _Shop) -> None:
        number = min(int(self._show.bookings * _WAITING_SHARE), _WAITING_MAX, self._people)
        waiting = list(dict.fromkeys(self._somebody() for _ in range(number)))
        for part in _parts(waiting, _TOGETHER[0]):
            shop.clock.now += timedelta(seconds=30)
            joins = [
                JoinWaitlist(self._event_id, person_id, self._ticket_type_id, 1, key="join")
                for person_id in part
            ]
            outcomes = await asyncio.gather(*[_ask(partial(shop.engine.submit, join)) for join in joins])
            assert all(isinstance(outcome, Listed) for outcome in outcomes), outcomes

    async def _admit(self, shop: _Shop) -> None:
        tickets = [ticket for booking in self._booked for ticket in booking.tickets]
        for part in _parts(tickets[: int(len(tickets) * _ADMITTED_SHARE)], _TOGETHER[1]):
            shop.clock.now += timedelta(seconds=2)
            scans = [
                ScanTicket(
                    self._event_id,
                    new_id(),
                    ticket.ticket_id,
                    ticket.secret,
                    "in",
                    self._owner_id,
                    shop.clock(),
                )
                for ticket in part
            ]
            await asyncio.gather(*[_ask(partial(shop.engine.submit, scan)) for scan in scans])


async def _add_people_things(url: str) -> None:
    """Add names and answers, which no journal contains; forget what is not kept for long."""
    database = await Database.open(DatabaseOptions(url))
    try:
        async with database.transaction(seconds_max=None) as tx:
            await tx.execute(*sql.add_names())
            await tx.execute(*sql.add_answers())
            await tx.execute(*sql.forget_keys())
            await tx.execute(*sql.forget_mail())
    finally:
        await database.close()


def _wait_for_relay(url: str) -> None:
    until = time.monotonic() + _RELAY_SECONDS_MAX
    text, *_ = sql.count_undone()
    with psycopg.connect(url, autocommit=True) as connection:
        while (row := connection.execute(text.encode()).fetchone()) is not None and row[0]:
            assert time.monotonic() < until, f"{row[0]:,} facts or jobs are not done"
            time.sleep(0.2)


async def _ask(ask: Callable[[], Awaitable[Item]]) -> Item:
    """Ask again with the same key until there is an answer: on a busy machine, a connection may be lost."""
    for _ in range(_TRIES_MAX):
        try:
            return await ask()
        except Trouble:
            await asyncio.sleep(0.1)
    return await ask()


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
