"""A sale behind a waiting room: who may book, who may wait, what stays as it was promised."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

import pytest

from evently.sales.facts import (
    Fact,
    SaleChanged,
    SaleSetUp,
    WaitingRoomClosed,
    WaitingRoomDrawn,
    WaitingRoomPut,
    WaitingRoomRemoved,
)
from evently.sales.replay import Contradiction, Replay
from tests.support.stories import NOON, SEED, tell

AHEAD: Final = """
        window 1h 25h              -> done
        room 30m                   -> done
"""

STORIES: Final[dict[str, str]] = {
    "only who is admitted books": AHEAD
    + """
        book A 1 admitted=yes      -> not-on-sale-yet
        wait 1h
        close-list 3               -> done
        draw                       -> done
        book A 1                   -> not-admitted
        book A 1 key=k             -> not-admitted
        book A 1 admitted=yes      -> booked
        book B 2 admitted=yes key=k -> booked
        book B 2 key=k             -> booked again
        hold C 1                   -> not-admitted
        hold C 1 admitted=yes      -> held
        confirm C                  -> booked
    """,
    "the waitlist is no way around it": AHEAD
    + """
        join A 1                   -> not-admitted
        wait 2h
        join A 1                   -> not-admitted
        join A 1 admitted=yes      -> waiting
        entry A                    -> offered
        book B 9 admitted=yes      -> booked
        join C 2                   -> waiting
        join C 2                   -> already-waiting
        cancel B                   -> cancelled
        entry C                    -> offered
        join D 1                   -> not-admitted
    """,
    "the waitlist is no way around it before the sale": """
        pool hall 0                -> done
        window 1h 25h              -> done
        room 30m                   -> done
        join A 1                   -> not-admitted
        wait 1h
        join A 1                   -> waiting
    """,
    "the sale begins when it was promised": AHEAD
    + """
        window 2h 25h              -> waiting-room-fixed
        window 1h 20h              -> done
        no-room                    -> done
        no-room                    -> done
        window 2h 25h              -> done
        wait 2h
        book A 1                   -> booked
    """,
    "it is put before the sale and before anybody waits": """
        room 30m                   -> waiting-room-fixed
        window 1h 25h              -> done
        join A 1                   -> waiting
        room 30m                   -> waiting-room-fixed
        leave A                    -> withdrawn
        room 30m source=drand      -> done
        room 20m source=drand      -> done
        wait 1h
        room 30m                   -> waiting-room-fixed
        close-list 0               -> done
        wait 5m
        draw value=7               -> done
        book A 1                   -> not-admitted
    """,
    "an event that is called off": AHEAD
    + """
        call-off                   -> done
        room 20m                   -> event-cancelled
        no-room                    -> event-cancelled
        wait 1h
        book A 1 admitted=yes      -> event-cancelled
    """,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_stories(story: str) -> None:
    tell(story)


SEED_HASH: Final = hashlib.sha256(SEED).hexdigest()
LATER: Final = NOON + timedelta(hours=1)
SET_UP: Final = SaleSetUp("EUR", LATER, LATER + timedelta(hours=1))
PUT: Final = WaitingRoomPut(NOON, SEED_HASH)
CLOSED, DRAWN = WaitingRoomClosed(3, "00"), WaitingRoomDrawn(SEED.hex())


@pytest.mark.parametrize(
    ("before", "at", "impossible"),
    {
        "put when the sale has begun": ([SET_UP], LATER, PUT),
        "put when the list is closed": ([SET_UP, PUT], LATER, PUT),
        "removed twice": ([SET_UP, PUT, WaitingRoomRemoved()], NOON, WaitingRoomRemoved()),
        "closed before the sale begins": ([SET_UP, PUT], NOON, CLOSED),
        "closed without a room": ([SET_UP], LATER, CLOSED),
        "drawn from a list that is open": ([SET_UP, PUT], LATER, DRAWN),
        "another beginning of the sale": (
            [SET_UP, PUT],
            NOON,
            SaleChanged(LATER + timedelta(hours=1), LATER + timedelta(hours=2)),
        ),
    }.values(),
    ids=lambda case: str(case)[:20],
)
def test_what_cannot_have_happened(before: list[Fact], at: datetime, impossible: Fact) -> None:
    replay = Replay()
    replay.add(NOON, before)
    with pytest.raises(Contradiction):
        replay.add(at, [impossible])


@pytest.mark.parametrize(
    ("before", "impossible"),
    {
        "closed twice": ([CLOSED], CLOSED),
        "drawn twice": ([CLOSED, DRAWN], DRAWN),
        "drawn with another seed": ([CLOSED], WaitingRoomDrawn("00" * 32)),
        "drawn with a value that was not promised": ([CLOSED], WaitingRoomDrawn(SEED.hex(), "7")),
        "removed when the list is closed": ([CLOSED], WaitingRoomRemoved()),
    }.values(),
    ids=lambda case: str(case)[:20],
)
def test_what_cannot_have_happened_after_the_list_closed(before: list[Fact], impossible: Fact) -> None:
    replay = Replay()
    replay.add(NOON, [SET_UP, PUT])
    replay.add(LATER, before)
    with pytest.raises(Contradiction):
        replay.add(LATER, [impossible])
