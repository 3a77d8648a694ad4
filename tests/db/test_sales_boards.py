"""Boards follow what other processes do to seats; what they tell of changes adds up to what they show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from uuid import UUID

import pytest
import pytest_asyncio
from msgspec.structs import replace

from evently.audit import examine
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.sale_terms import PutTicketType, RetireTicketType, WakeSale
from evently.sales.commands.seats import BlockSeats, PutSeating, UnblockSeats
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.nouns import Booking
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import (
    BOARD_SECONDS,
    SeatBoard,
    SeatBoards,
    find_sale,
    list_sale_summaries,
    price_from,
    public_types,
    state_of_sale,
)
from tests.db.test_audit import found
from tests.support.halls import SMALL_HALL
from tests.support.sales_desk import SalesDesk, booking, open_sales_desk

ZONES = {"stalls": ["A", "B"], "balcony": ["C"]}  # row D, three seats, is not for sale
EMPTY = "0" * 16 + "---"


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Lobby:
    """Boards of a process that sells nothing itself."""

    def __init__(self, desk: SalesDesk, event: Event) -> None:
        self.desk = desk
        self.event = event
        self.watch = Watch()
        self.boards = SeatBoards(desk.db, self.watch)

    async def look(self) -> SeatBoard:
        """Look when the board is too old to be shown."""
        self.watch.now += BOARD_SECONDS * 1.01
        return await self.boards.get_board(self.event.event_id)

    async def states(self) -> str:
        """Return the states that are shown, and check them against a process without memory."""
        shown = await self.look()
        fresh = await SeatBoards(self.desk.db).get_board(self.event.event_id)
        assert (shown.states(), shown.tag, shown.digest) == (fresh.states(), fresh.tag, fresh.digest)
        assert [shown.hall.available_in(zone) for zone in shown.hall.zones] == [
            fresh.hall.available_in(zone) for zone in fresh.hall.zones
        ]
        return shown.states()

    async def take(self, *seats: str, **more: int) -> Booking:
        """Book seats of the stalls."""
        line = BookingLine((await self.desk.types(self.event))["stalls"], len(seats), seats)
        command = PlaceBooking(self.event.event_id, new_id(), (line,), **more)  # type: ignore[arg-type]
        return booking(await self.desk.engine.submit(command))


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest_asyncio.fixture
async def lobby(desk: SalesDesk) -> Lobby:
    return Lobby(desk, await desk.seated(SMALL_HALL.seating(ZONES)))


def after(states: str, changes: list[tuple[int, str]] | None) -> str:
    assert changes is not None
    seats = list(states)
    for number, state in changes:
        seats[number] = state
    return "".join(seats)


async def test_it_follows_what_another_engine_sells(lobby: Lobby) -> None:
    assert await lobby.states() == EMPTY
    board = await lobby.look()
    first = board.seq
    booked = await lobby.take("A2", "A3")
    assert await lobby.states() == "011" + EMPTY[3:]
    assert board.changes_since(first) == [(1, "1"), (2, "1")]
    second = board.seq
    await lobby.desk.cancel(booked, booked.tickets[0].ticket_id)
    assert (await lobby.states()).count("1") == 1
    assert len(board.changes_since(second) or ()) == 1
    await lobby.desk.cancel(await lobby.take("B1"))
    await lobby.desk.change(BlockSeats(lobby.event.event_id, ("B6", "C1")))
    blocked = await lobby.states()
    assert (blocked[11], blocked[12]) == ("1", "1"), "nobody learns why"
    await lobby.desk.change(UnblockSeats(lobby.event.event_id, ("C1",)))
    unblocked = await lobby.states()
    assert after(EMPTY, board.changes_since(first)) == unblocked
    assert board is await lobby.look(), "it was never loaded again"
    assert board.changes_since(board.seq) == []
    assert board.changes_since(board.seq + 1) is None
    assert board.changes_since(first - 1) is None


async def test_more_changes_than_there_are_seats_are_forgotten(lobby: Lobby) -> None:
    await lobby.states()
    first = (board := await lobby.look()).seq
    for _ in range(5):
        await lobby.desk.change(BlockSeats(lobby.event.event_id, ("A1", "A2")))
        await lobby.desk.change(UnblockSeats(lobby.event.event_id, ("A1", "A2")))
        await lobby.look()
    assert board is await lobby.look()
    assert board.seq == first + 10
    assert board.changes_since(first) is None, "twenty changes of nineteen seats"
    assert board.changes_since(first + 1) == [(0, "0"), (1, "0")]


async def test_holds_that_run_out(lobby: Lobby) -> None:
    assert await lobby.states() == EMPTY
    seq = (await lobby.look()).seq
    await lobby.take("A1", hold_seconds=60)
    assert await lobby.states() == "1" + EMPTY[1:]
    lobby.desk.clock.move(seconds=61)
    await lobby.desk.engine.submit(WakeSale(lobby.event.event_id))
    assert await lobby.states() == EMPTY
    assert (await lobby.look()).changes_since(seq) == [(0, "0")]


async def test_it_is_a_quarter_of_a_second_old_and_one_reads_for_all(lobby: Lobby) -> None:
    await lobby.look()
    await lobby.take("A1")
    lobby.watch.now += BOARD_SECONDS * 0.99
    assert (await lobby.boards.get_board(lobby.event.event_id)).states() == EMPTY
    lobby.watch.now += 0.01
    seen = await asyncio.gather(*[lobby.boards.get_board(lobby.event.event_id) for _ in range(50)])
    assert {board.states() for board in seen} == {"1" + EMPTY[1:]}
    assert len({id(board) for board in seen}) == 1


async def listed(lobby: Lobby) -> tuple[int | None, bool]:
    """Return what a list shows; it counts what the page of the event counts."""
    event_id, now = lobby.event.event_id, lobby.desk.clock()
    async with lobby.desk.db.snapshot() as snapshot:
        summary = (await list_sale_summaries(snapshot, [event_id], now))[event_id]
    sale = await find_sale(lobby.desk.db, event_id)
    units = [(terms, sale.available_at(terms, now)) for terms in public_types(sale)]
    assert summary == (price_from(sale, units, now), state_of_sale(sale, units, now) == "on_sale")
    return summary


async def test_a_list_shows_what_has_seats_left_however_many_units_the_pool_has(lobby: Lobby) -> None:
    desk, event_id = lobby.desk, lobby.event.event_id
    sale = await find_sale(desk.db, event_id)
    (balcony,) = [terms for terms in sale.ticket_types.values() if terms.zone == "balcony"]
    (stalls,) = [terms for terms in sale.ticket_types.values() if terms.zone == "stalls"]
    (standing,) = [terms for terms in sale.ticket_types.values() if terms.zone is None]
    await desk.change(
        RetireTicketType(event_id, standing.ticket_type_id),
        PutTicketType(event_id, replace(balcony, price_minor=2000)),
    )
    assert await listed(lobby) == (1000, True)
    first, _ = await lobby.take(*[f"A{n}" for n in range(1, 7)]), await lobby.take("B1", "B2", "B3", "B4")
    assert await listed(lobby) == (1000, True)
    await desk.change(BlockSeats(event_id, ("B5", "B6")))
    assert await listed(lobby) == (2000, True)
    await desk.change(BlockSeats(event_id, ("C1", "C2", "C3", "C4")))
    assert await listed(lobby) == (1000, False)
    await desk.change(PutSeating(event_id, SMALL_HALL.seating({"stalls": ["A", "B"], "balcony": ["C", "D"]})))
    assert await listed(lobby) == (2000, True)
    await desk.change(PutSeating(event_id, SMALL_HALL.seating({"stalls": ["A", "B", "D"], "balcony": ["C"]})))
    assert await listed(lobby) == (1000, True)
    await desk.change(PutSeating(event_id, SMALL_HALL.seating(ZONES)), UnblockSeats(event_id, ("C1",)))
    assert await listed(lobby) == (2000, True)
    # One seat comes back, and is kept for two who wait, until the window of their ticket type ends
    await desk.engine.submit(JoinWaitlist(event_id, new_id(), stalls.ticket_type_id, 2))
    await desk.cancel(first, first.tickets[0].ticket_id)
    assert await listed(lobby) == (2000, True)
    desk.clock.move(minutes=1)
    await desk.change(PutTicketType(event_id, replace(stalls, off_sale_at=desk.clock())))
    other = replace(stalls, ticket_type_id=new_id(), name="another", price_minor=500)
    await desk.change(PutTicketType(event_id, other))
    assert await listed(lobby) == (500, True)
    async with desk.db.transaction() as tx:
        assert "I2" not in found(await examine(tx, event_id))


async def test_the_revision_counts_the_seats_that_are_left(lobby: Lobby) -> None:
    desk, event_id = lobby.desk, lobby.event.event_id
    await lobby.take("A2", "A3")
    await desk.change(BlockSeats(event_id, ("B6", "C1", "C2", "C3", "C4")))
    read = "SELECT available FROM event_seating WHERE event_id = $1"
    (counted,) = await desk.db.fetch(read, event_id)
    assert counted["available"] == [9, 0]
    async with desk.db.transaction() as tx:
        await tx.execute("ALTER TABLE event_seating DROP COLUMN available")
        await tx.execute(
            files("evently.db.migrations.versions").joinpath("0018_available_seats.sql").read_text("utf-8")
        )
        assert await tx.fetchval(read, event_id) == [9, 0]


async def test_another_seating_is_loaded_anew(lobby: Lobby) -> None:
    before = await lobby.look()
    digest, seq = before.digest, before.seq
    await lobby.desk.change(
        PutSeating(lobby.event.event_id, SMALL_HALL.seating({"stalls": ["A", "B"], "balcony": ["C", "D"]}))
    )
    assert await lobby.states() == "0" * 19
    board = await lobby.look()
    assert board.digest != digest
    assert board.changes_since(seq) is None


async def test_a_chain_that_does_not_fit_is_not_followed(lobby: Lobby) -> None:
    board = await lobby.look()
    seq = board.seq
    board.sale.head_hash = (
        b"\0" * 32
    )  # as after a failover that lost the row: this one was of a history that is no more
    await lobby.take("A4")
    assert await lobby.states() == "0001" + EMPTY[4:]
    assert (await lobby.look()).changes_since(seq) is None


async def test_no_event_no_seats_and_not_yet(desk: SalesDesk) -> None:
    async def refusal(event_id: UUID) -> object:
        with pytest.raises(Refused) as refused:
            await SeatBoards(desk.db).get_board(event_id)
        return refused.value.refusal

    assert await refusal(new_id()) is SalesRefusal.EVENT_NOT_FOUND
    assert await refusal((await desk.event()).event_id) is SalesRefusal.NOT_SEATED
    draft = await desk.seated(SMALL_HALL.seating(ZONES), opened=False)
    assert await refusal(draft.event_id) is SalesRefusal.EVENT_NOT_FOUND


async def test_the_least_asked_for_is_forgotten(desk: SalesDesk, lobby: Lobby) -> None:
    other = await desk.seated(SMALL_HALL.seating(ZONES))
    boards = SeatBoards(desk.db, boards_max=1)
    first = await boards.get_board(lobby.event.event_id)
    await boards.get_board(other.event_id)
    assert await boards.get_board(lobby.event.event_id) is not first
