"""Boards follow what other processes do to seats; what they tell of changes adds up to what they show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.sales.commands import (
    BlockSeats,
    Booking,
    BookingLine,
    PlaceBooking,
    PutSeating,
    SalesRefusal,
    UnblockSeats,
    WakeSale,
)
from evently.sales.reads import BOARD_SECONDS, SeatBoard, SeatBoards
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
