"""Simulated buyers in a waiting room, against a server that answers by heart."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from evently.rehearsal import waiting
from evently.rehearsal.buying import BookingShown, MoneyShown, Ticketing
from evently.rehearsal.checks import DrawShown, PoolShown, ProofShown, ServerRecords, check_room, is_clean
from evently.rehearsal.crowd import Buyer, CrowdOptions, make_crowd
from evently.rehearsal.driver import NO_ANSWER, Reply
from evently.rehearsal.waiting import PlaceNoted, RoomJournal, Waiting

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SPREAD_SECONDS", 0.0)


def buyer(**changes: Any) -> Buyer:
    return replace(make_crowd(CrowdOptions(1, 1))[0], **({"tries_max": 2} | changes))


def place(state: str = "waiting", **changes: Any) -> Reply:
    said: dict[str, Any] = {
        "state": state,
        "position": None if state == "entered" else 7,
        "turn_at": None if state == "entered" else NOON,
        "admission": {"token": "let-me-in"} if state == "admitted" else None,
        "sold_out": False,
        "poll_after_seconds": 0,
    }
    return Reply(200, (), msgspec.json.encode(said | changes))


def entered(entry: str = "e1", **changes: Any) -> Reply:
    said: dict[str, Any] = {"state": "entered", "id": entry, "token": f"token-{entry}", "late": False}
    return place(**said | changes)._replace(status=201)


class Server:
    """Answers entering and polling in turn; the last answer stays."""

    def __init__(self, enters: Sequence[Reply], polls: Sequence[Reply] = ()) -> None:
        self.left = {"POST": list(enters), "GET": list(polls)}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def request(
        self, buyer: Buyer, method: str, path: str, *, headers: dict[str, str] | None = None
    ) -> bytes:
        assert path.startswith("/v1/events/evt_1/waiting-room/")
        self.asked.append((method, headers or {}))
        return f"{method} {path} HTTP/1.1 of {buyer.number}".encode()

    async def send(self, request: bytes) -> Reply:
        answers = self.left[request.split()[0].decode()]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def room(self) -> Waiting:
        return Waiting("/v1/events/evt_1", self.request, self.send, lambda: 4.5)


async def test_a_buyer_waits_and_is_admitted() -> None:
    server = Server([entered()], [place("entered"), place(), place("admitted")])
    room = server.room()
    assert room.headers_of(buyer()) == {}
    assert await room.wait(buyer()) == "admitted"
    assert room.headers_of(buyer()) == {"admission-token": "let-me-in"}
    assert server.asked == [("POST", {}), *[("GET", {"place-token": "token-e1"})] * 3]
    assert room.journal.places[0] == PlaceNoted("e1", "token-e1", False, 7, NOON, "let-me-in")
    assert room.journal.contradictions == []


async def test_who_waits_is_told_that_nothing_is_left() -> None:
    room = Server([entered()], [place("entered", sold_out=True), place(), place(sold_out=True)]).room()
    assert await room.wait(buyer()) == "sold_out"
    assert room.journal.sold_out == {0: 4.5}


async def test_many_tabs_are_one_place() -> None:
    server = Server([entered()], [place(), place(), place(), place("admitted")])
    room = server.room()
    assert await room.wait(buyer(tabs=5)) == "admitted"
    assert [method for method, _ in server.asked].count("POST") == 5
    assert (len(room.journal.places), room.journal.tabs, room.journal.many_tabs) == (1, 5, 1)
    assert room.journal.contradictions == []


async def test_a_second_place_and_a_place_that_moves_are_contradictions() -> None:
    room = Server([entered(), entered("e2")], [place("admitted")]).room()
    await room.wait(buyer(tabs=2))
    assert room.journal.contradictions == ["buyer 0: e1 and e2"]
    room = Server([entered()], [place(), place(position=8), place("admitted", position=8)]).room()
    await room.wait(buyer())
    assert room.journal.contradictions == ["e1: number 7, then 8"]


async def test_who_missed_the_turn_enters_again() -> None:
    again = entered("e2", state="waiting", position=9, late=True)
    room = Server([entered(), again], [place("passed"), place("admitted", position=9)]).room()
    assert await room.wait(buyer()) == "admitted"
    assert (room.journal.places[0].entry, room.journal.places[0].late) == ("e2", True)
    assert room.journal.contradictions == []


@pytest.mark.parametrize(
    "answer", [NO_ANSWER, Reply(503, ((b"retry-after", b"0"),), b""), Reply(409, (), b"")]
)
async def test_a_buyer_without_answers_gives_up(answer: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reply, "retry_after", lambda _: 0.0)
    assert await Server([answer]).room().wait(buyer()) == "gave_up"
    assert await Server([entered()], [answer]).room().wait(buyer(tabs=2)) == "gave_up"


async def test_whose_turn_is_sooner() -> None:
    room = Server([entered()]).room()
    crowd = make_crowd(CrowdOptions(4, 1))
    room.journal.places = {
        0: PlaceNoted("a", "", False, 9),
        1: PlaceNoted("b", "", False, 4),
        2: PlaceNoted("c", "", False, 12, NOON, "admission"),
    }
    assert [each.number for each in sorted(crowd, key=room.order_of)] == [2, 1, 0, 3]


# What is checked afterwards ---------------------------------------------------------------------------------

SEED, ENTRIES = bytes(range(32)), [hashlib.md5(b"%d" % number).hexdigest() for number in range(3)]  # noqa: S324
LIST_HASH = hashlib.sha256("".join(sorted(ENTRIES)).encode()).hexdigest()
ORDER = sorted(ENTRIES, key=lambda entry: hmac.digest(SEED, (entry + LIST_HASH).encode(), "sha256"))
DRAW = DrawShown(hashlib.sha256(SEED).hexdigest(), SEED.hex(), LIST_HASH, "", sorted(ENTRIES), None)
TICKETING = Ticketing("evt_1", 5, [], ["per_0", "per_1", "per_2", "per_3"], [])
Sides = tuple[RoomJournal, DrawShown, ServerRecords]


def sides() -> Sides:
    """Three people on the list, of whom two were admitted and one booked; a fourth came late."""
    places = {
        number: PlaceNoted(
            entry,
            "",
            False,
            number + 1,
            NOON + timedelta(seconds=number),
            "admission" if number < 2 else None,
        )
        for number, entry in enumerate(ORDER)
    }
    places[3] = PlaceNoted("late", "", True, 4, NOON)
    booking = BookingShown("bkg_1", "per_1", "confirmed", MoneyShown(0, "EUR"), [])
    pool = PoolShown("pol_1", "Hall", 5, 0, 5, 0)
    proof = ProofShown(7, "00", consistent=True, differences=[], stored=[pool])
    return (
        RoomJournal(places),
        msgspec.convert(msgspec.to_builtins(DRAW), DrawShown),
        ServerRecords([booking], proof, 0),
    )


def told(**changes: Any) -> Callable[[RoomJournal, DrawShown], None]:
    def change(journal: RoomJournal, _: DrawShown) -> None:
        for name, value in changes.items():
            setattr(journal.places[1], name, value)

    return change


def drawn(**changes: Any) -> Callable[[RoomJournal, DrawShown], None]:
    def change(_: RoomJournal, draw: DrawShown) -> None:
        for name, value in changes.items():
            setattr(draw, name, value)

    return change


def test_an_honest_draw_is_clean() -> None:
    journal, draw, records = sides()
    assert is_clean(check_room(journal, draw, records, TICKETING))


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (lambda journal, _: journal.contradictions.append("e1 and e2"), "W1"),
        (told(position=3), "W2"),
        (told(entry="nobody"), "W2"),
        (told(entry="later", late=True), "W2"),  # late, and before those on the list
        (drawn(seed="00" * 32), "W2"),
        (drawn(data=ENTRIES[:2]), "W2"),
        (drawn(public_value="7"), "W2"),
        (drawn(seed=None), "W2"),
        (told(turn_at=NOON - timedelta(seconds=1)), "W3"),
        (told(admission=None), "W4"),
    ],
)
def test_a_lie_is_found(lie: Callable[[RoomJournal, DrawShown], None], code: str) -> None:
    journal, draw, records = sides()
    lie(journal, draw)
    found = {finding.code for finding in check_room(journal, draw, records, TICKETING) if finding.count}
    assert code in found
