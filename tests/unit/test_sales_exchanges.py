"""Stories about tickets that get other seats: which seats, which codes, who may have them."""

from __future__ import annotations

from typing import Any, Final

import pytest
from msgspec.structs import replace

from evently.sales import facts
from evently.sales.replay import Contradiction, Replay
from tests.support.rows import Rows
from tests.support.stories import tell

STORIES: Final[dict[str, str]] = {
    "a ticket gets another seat and another code": """
        seated
        book A 2 seats=A1,A2     -> booked
        exchange A 1=B3          -> booked
        seats A                  -> B3 A2
        row A                    -> .X....
        row B                    -> ..X...
        code A 1                 -> 2
        code A 2                 -> 1
        left std                 -> 10
        look hall                -> held 0 sold 2 of 100
        book B 1 seats=A1        -> booked
        book C 1 seats=B3        -> seat-taken
    """,
    "the code of before admits nobody": """
        seated
        book A 1 seats=A1        -> booked
        exchange A 1=B3          -> booked
        scan A 1 old=yes         -> passed_on
        scan A 1                 -> accepted
        exchange A 1=B4          -> ticket-used
        cancel A                 -> ticket-used
    """,
    "two tickets swap, and three go round": """
        seated
        book A 3 seats=A1,A2,A3         -> booked
        exchange A 1=A2 2=A1            -> booked
        seats A                         -> A2 A1 A3
        exchange A 1=A1 2=A3 3=A4       -> booked
        seats A                         -> A1 A3 A4
        row A                           -> X.XX..
        code A 1                        -> 3
    """,
    "all of them or none": """
        seated
        book A 2 seats=A1,A2     -> booked
        book B 1 seats=B1        -> booked
        exchange A 1=A5 2=B1     -> seat-taken
        seats A                  -> A1 A2
        row A                    -> XX....
        code A 1                 -> 1
        exchange A 1=A5 3=B2     -> unknown-ticket
        exchange A 1=Z9          -> unknown-seat
        exchange A 1=C1          -> seat-of-another-zone
        exchange A 1=A2          -> seat-taken
        seats A                  -> A1 A2
    """,
    "a blocked seat stays blocked": """
        seated
        book A 1 seats=A1        -> booked
        block A2                 -> done
        exchange A 1=A2          -> seat-taken
        unblock A2               -> done
        exchange A 1=A2          -> booked
        block A1                 -> done
        row A                    -> #X....
    """,
    "a repeated request changes nothing": """
        seated
        book A 1 seats=A1        -> booked
        exchange A 1=A2 key=k    -> booked
        exchange A 1=A2 key=k    -> booked again
        exchange A 1=A3 key=k body=other -> key-reused
        exchange A 1=A2          -> booked
        code A 1                 -> 2
        seats A                  -> A2
    """,
    "one after the other in a batch": """
        seated
        book A 1 seats=A1        -> booked
        exchange A 1=A2          -> booked
        & exchange A 1=A3        -> booked
        & book B 1 seats=A2      -> booked
        & exchange A 1=A2        -> seat-taken
        & exchange A 1=A1        -> booked
        seats A                  -> A1
        code A 1                 -> 4
        row A                    -> XX....
    """,
    "only what is confirmed and nobody waits for": """
        seated
        terms online             -> done
        book A 1 seats=A1        -> held
        exchange A 1=A2          -> not-exchangeable
        pay A                    -> booked
        exchange A 1=A2          -> booked
        cancel A                 -> cancelled
        exchange A 1=A3          -> not-exchangeable
        book B 12 seats=A1,A2,A3,A4,A5,A6,B1,B2,B3,B4,B5,B6 -> over-booking-limit
    """,
    "a returned ticket stays where it is": """
        seated
        book A 6 seats=A1,A2,A3,A4,A5,A6   -> booked
        book B 6 seats=B1,B2,B3,B4,B5,B6   -> booked
        return A 1                         -> booked
        exchange A 1=A2 2=A1               -> not-exchangeable
        keep A 1                           -> booked
        exchange A 1=A2 2=A1               -> booked
        join C 1 std                       -> waiting
        return A 1                         -> booked
        seats C.offer                      -> A2
    """,
    "one that was passed on stays with its holder": """
        seated
        book A 2 seats=A1,A2     -> booked
        pass A 1 B               -> offered
        exchange A 1=A4          -> booked
        take A 1 by=B            -> accepted
        code A 1                 -> 3
        exchange A 1=A5 2=A6     -> booked
        holder A 1               -> B
        holder A 2               -> A
        code A 1                 -> 4
        give-back A 1 by=B       -> done
        seats A                  -> A5 A6
    """,
    "cancelling releases the new seat": """
        seated
        book A 2 seats=A1,A2     -> booked
        exchange A 1=B1 2=B2     -> booked
        cancel A 1               -> booked
        row B                    -> .X....
        exchange A 1=B3          -> already-cancelled
        cancel A                 -> cancelled
        row A                    -> ......
        row B                    -> ......
    """,
    "nothing moves after the event was called off": """
        seated
        book A 1 seats=A1        -> booked
        call-off                 -> done
        exchange A 1=A2          -> event-cancelled
    """,
    "without seats there is nothing to move": """
        book A 1                 -> booked
        exchange A 1=A2          -> not-seated
    """,
    "a seat of the waitlist's share may be swapped, none is lost": """
        seated
        book A 6 seats=A1,A2,A3,A4,A5,A6   -> booked
        book B 6 seats=B1,B2,B3,B4,B5,B6   -> booked
        join C 2 std                       -> waiting
        cancel A 1                         -> booked
        aside std                          -> 1
        exchange A 2=A1                    -> booked
        aside std                          -> 1
        left std                           -> 0
        cancel B 1                         -> booked
        seats C.offer                      -> A2 B1
    """,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    tell(story)


def _told() -> tuple[Replay, facts.TicketsExchanged, Any]:
    rows = Rows()
    tell("seated\nbook A 2 seats=A1,A2 -> booked\nexchange A 1=B1 2=A1 -> booked", [rows])
    replay = Replay()
    for at, row in rows.journal[:-1]:
        replay.add(at, row)
    at, (fact,) = rows.journal[-1]
    assert isinstance(fact, facts.TicketsExchanged)
    return replay, fact, at


@pytest.mark.parametrize(
    "lie",
    [
        {"freed": (0, 3)},
        {"freed": (1, 0)},
        {"seats": (1, 1)},
        {"seats": (6, 12)},  # the balcony
        {"seats": (6, 99)},
        {"issued": (b"x", b"y"), "voided": (b"x", b"y")},
    ],
)
def test_the_replay_contradicts_what_cannot_have_happened(lie: dict[str, Any]) -> None:
    replay, fact, at = _told()
    with pytest.raises(Contradiction):
        replay.add(at, [replace(fact, **lie)])


def test_the_replay_knows_who_had_which_seat() -> None:
    replay, fact, at = _told()
    replay.add(at, [fact])
    assert {number for number, owner in replay.seats.items() if owner in fact.ticket_ids} == set(fact.seats)
