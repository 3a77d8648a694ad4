"""Seats, as the box office would tell it: named, best available, zones, blocked ones.

`.` free, `X` taken, `#` blocked, `-` no zone.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.stories import tell

NAMED: Final[dict[str, str]] = {
    "a seat is sold once": """
        seated
        book A 2 seats=A1,A2        -> booked
        seats A                     -> A1 A2
        row A                       -> XX....
        book B 1 seats=A2           -> seat-taken
        book B 2 seats=A3,A2        -> seat-taken
        row A                       -> XX....
        book B 1 seats=A3           -> booked
    """,
    "a seat is sold once in one batch": """
        seated
        book A 2 seats=A1,A2        -> booked
        & book B 2 seats=A2,A3      -> seat-taken
        & book C 2 seats=A3,A4      -> booked
        row A                       -> XXXX..
    """,
    "a seat that is given back is sold again, in the same batch": """
        seated
        book A 2 seats=A1,A2        -> booked
        cancel A 1                  -> booked
        & book B 1 seats=A1         -> booked
        cancel A                    -> cancelled
        & book C 1 seats=A2         -> booked
        row A                       -> XX....
        cancel C                    -> cancelled
        & block A2                  -> done
        & book D 1 seats=A2         -> seat-taken
        row A                       -> X#....
    """,
    "a seat of a hold that ran out is free at once": """
        seated
        terms online hold=60        -> done
        book A 2 seats=A1,A2        -> held
        book B 1 seats=A1           -> seat-taken
        wait 60s
        book B 1 seats=A1           -> held
        & pay A                     -> hold-expired
        row A                       -> X.....
    """,
    "a hold keeps its seats when it is paid": """
        seated
        terms online hold=60        -> done
        book A 2 seats=A1,A2        -> held
        pay A                       -> booked
        wait 60s
        nothing                     -> done
        book B 1 seats=A1           -> seat-taken
        seats A                     -> A1 A2
    """,
    "seats that are not there": """
        seated
        book A 1 seats=Z9           -> unknown-seat
        book A 2 seats=A1,Z9        -> unknown-seat
        row A                       -> ......
    """,
    "seats of another zone are another price": """
        seated
        book A 1 seats=C1           -> seat-of-another-zone
        book A 1 view seats=A1      -> seat-of-another-zone
        book A 1 view seats=C1      -> booked
        due A                       -> 2000
    """,
    "a seat named twice in one booking": """
        seated
        book A 2 seats=A1,A1        -> seat-taken
        row A                       -> ......
        type kid hall zone=stalls   -> done
        book A 1 std 1 kid seats=A1,A1 -> seat-taken
        row A                       -> ......
        book A 1 std 1 kid seats=A1,A2 -> booked
        seats A                     -> A1 A2
    """,
    "seats are no matter of general admission": """
        book A 1 seats=A1           -> not-seated
        book A 1 section=stalls     -> not-seated
        book A 1 accessible=1       -> not-seated
        block A1                    -> not-seated
        unblock A1                  -> not-seated
        type kid hall zone=stalls   -> not-seated
    """,
    "orphans may be forbidden": """
        seated
        terms door orphans=no       -> done
        book A 2 seats=A2,A3        -> orphan-seat
        row A                       -> ......
        book A 2 seats=A1,A2        -> booked
        book B 1 seats=A4           -> orphan-seat
        book B 2 seats=A3,A4        -> booked
        book C 1 seats=A5           -> booked
    """,
    "an orphan that no choice avoids is allowed": """
        seated
        terms door orphans=no       -> done
        block A4,A5,A6              -> done
        book A 2 seats=A2,A3        -> booked
        row A                       -> .XX###
    """,
    "or not": """
        seated
        book A 2 seats=A2,A3        -> booked
        row A                       -> .XX...
    """,
    "the best available leave no orphan": """
        seated
        block B1,B2,B3,B4,B5,B6     -> done
        book A 2                    -> booked
        book B 2                    -> booked
        book C 2                    -> booked
        row A                       -> XXXXXX
    """,
}

BEST: Final[dict[str, str]] = {
    "everybody gets other seats": """
        seated
        book A 4                    -> booked
        & book B 4                  -> booked
        & book C 4                  -> booked
        & book D 1                  -> sold-out
        row A                       -> XXXXXX
        row B                       -> XXXXXX
        left std                    -> 0
        left view                   -> 4
    """,
    "friends sit together while there are such seats": """
        seated
        block A3,B3                 -> done
        book A 3                    -> booked
        row A                       -> ..#XXX
        book B 2                    -> booked
        row A                       -> XX#XXX
        book C 4                    -> booked
        row B                       -> X.#XXX
    """,
    "whatever is left is better than nothing": """
        seated
        block A2,A4,A6,B2,B4,B6     -> done
        book A 6                    -> booked
        row A                       -> X#X#X#
        row B                       -> X#X#X#
    """,
    "of one section": """
        seated
        seating stalls=A,B,C        -> seats-in-use
        type loge hall zone=balcony -> done
        book A 2 loge section=balcony -> booked
        book B 2 loge section=stalls -> sold-out
        book B 2 loge section=nowhere -> unknown-seat
        row C                       -> XX..
    """,
    "several ticket types of one zone sit together": """
        seated
        type kid hall zone=stalls price=500 -> done
        book A 2 std 2 kid          -> booked
        due A                       -> 3000
        row A                       -> XXXX..
        book B 2 std 2 kid          -> booked
        row B                       -> XXXX..
        book C 2 std 3 kid          -> sold-out
        book C 2 std 2 kid          -> booked
        left std                    -> 0
    """,
    "named and best available in one booking": """
        seated
        type kid hall zone=stalls   -> done
        book A 1 std 1 kid seats=A3 -> booked
        look hall                   -> held 0 sold 2 of 100
    """,
    "what is refused takes nothing": """
        seated
        book C 2 std 1 view seats=A1,A2 section=nowhere -> unknown-seat
        row A                       -> ......
        book X 4 view               -> booked
        book A 2 std 1 view seats=A1,A2 -> sold-out
        row A                       -> ......
        book B 12                   -> over-booking-limit
        pool hall 5                 -> done
        book B 2 seats=A1,A2        -> sold-out
        row A                       -> ......
    """,
    "standing floor and seated balcony": """
        blank
        pool floor 10               -> done
        pool balcony 3              -> done
        seating up=C                -> done
        type floor floor            -> done
        type up balcony zone=up     -> done
        open                        -> done
        book A 2 floor 2 up         -> booked
        look floor                  -> held 0 sold 2 of 10
        left up                     -> 1
        row A                       -> ------
        book B 2 up                 -> sold-out
        pool balcony 9              -> done
        left up                     -> 2
        book B 3 floor 1 up         -> booked
        book C 1 floor seats=C1     -> not-seated
    """,
    "keys give the same seats again": """
        seated
        book A 2 key=k              -> booked
        book A 2 key=k              -> booked again
        left std                    -> 10
    """,
    "accessible places, and beside them whoever comes along": """
        seated
        seating stalls=A,B,D balcony=C -> done
        book A 10                   -> booked
        book B 3                    -> booked
        row D                       -> ..X
        left std                    -> 2
        book C 1                    -> sold-out
        book C 2 accessible=1       -> booked
        seats C                     -> D1 D2
    """,
}

ORGANIZER: Final[dict[str, str]] = {
    "blocked seats are not sold until they are unblocked": """
        seated
        block A1,A2                 -> done
        block A2,A3                 -> done
        block A3                    -> done
        row A                       -> ###...
        left std                    -> 9
        book A 1 seats=A1           -> seat-taken
        unblock A1                  -> done
        & book A 1 seats=A1         -> booked
        unblock A1                  -> done
        row A                       -> X##...
        block A1                    -> seat-taken
        block A4,A1                 -> seat-taken
        row A                       -> X##...
        block Z9                    -> unknown-seat
        unblock Z9                  -> unknown-seat
    """,
    "a block with a name ends by itself": """
        seated
        block A1,A2 as=partner until=1h -> done
        blocks                      -> partner 2 until 60m
        row A                       -> ##....
        releases std                -> 60m
        book A 1 seats=A1           -> seat-taken
        wait 61m
        book A 1 seats=A1           -> booked
        row A                       -> X.....
        blocks                      -> none
    """,
    "seats of a block leave it when they are unblocked": """
        seated
        block A1,A2,A3 as=partner until=1h -> done
        block B1 as=crew            -> done
        unblock A2,B1               -> done
        blocks                      -> partner 2 until 60m
        unblock A1,A3               -> done
        blocks                      -> none
        releases std                -> never
        block A1 as=partner         -> done
        blocks                      -> partner 1
    """,
    "a block takes more seats and keeps its terms": """
        seated
        block A1 as=partner until=1h -> done
        & block A2 as=partner until=2h -> done
        block A1,A2 as=partner      -> done
        blocks                      -> partner 2 until 60m
    """,
    "a block with a name is all or nothing": """
        seated
        book A 1 seats=A1           -> booked
        block A2                    -> done
        block A3 as=crew            -> done
        block A1,A4 as=partner      -> seat-taken
        block A2,A4 as=partner      -> seat-taken
        block A3,A4 as=partner      -> seat-taken
        block A4,Z9 as=partner      -> unknown-seat
        blocks                      -> crew 1
        row A                       -> X##...
        block A2,A3,A4              -> done
        blocks                      -> crew 1
    """,
    "a block gets another name and another end": """
        seated
        rename partner guests       -> unknown-seat-block
        block A1 as=partner until=1h -> done
        rename partner guests until=3h -> done
        rename partner guests until=3h -> done
        blocks                      -> guests 1 until 180m
        wait 61m
        nothing                     -> done
        row A                       -> #.....
        rename partner guests       -> done
        blocks                      -> guests 1
        wait 10h
        nothing                     -> done
        row A                       -> #.....
        rename partner guests until=1m -> done
        wait 1m
        nothing                     -> done
        row A                       -> ......
    """,
    "seats of a block that has ended go to the waitlist first": """
        seated
        book A 10 std               -> booked
        block B5,B6 as=partner until=1h -> done
        join B 2 std                -> waiting
        wait 61m
        nothing                     -> done
        entry B                     -> offered
        row B                       -> XXXXXX
        blocks                      -> none
    """,
    "blocked and taken in one batch": """
        seated
        block A1                    -> done
        & unblock A1                -> done
        & book A 1 seats=A1         -> booked
        cancel A                    -> cancelled
        & book B 1 seats=A1         -> booked
        cancel B                    -> cancelled
        & block A1                  -> done
        row A                       -> #.....
        unblock A1                  -> done
        & block A1                  -> done
        row A                       -> #.....
    """,
    "zones may change, but not those of seats that are taken": """
        seated
        book A 1 seats=A1           -> booked
        seating stalls=B balcony=A,C -> seats-in-use
        seating stalls=A balcony=B,C -> done
        left std                    -> 5
        left view                   -> 10
        book B 1 view seats=B1      -> booked
        due B                       -> 2000
        seating stalls=A balcony=B  -> done
        row C                       -> ----
        book C 1 view seats=C1      -> seat-of-another-zone
        seating stalls=A            -> seats-in-use
        seating balcony=B stalls=A  -> done
        row A                       -> X.....
        left view                   -> 5
    """,
    "the map may change while nothing can have been sold": """
        blank
        pool hall 100               -> done
        seating stalls=A,B          -> done
        type std hall zone=stalls   -> done
        seating other stalls=A      -> done
        left std                    -> 3
        block A1                    -> done
        seating stalls=A,B          -> seats-in-use
        unblock A1                  -> done
        seating stalls=A,B          -> done
        open                        -> done
        seating other stalls=A      -> seats-in-use
        left std                    -> 12
    """,
    "a ticket type keeps its zone once it may have sold": """
        seated
        type std hall zone=balcony  -> pool-in-use
        type std hall               -> pool-in-use
        type std hall zone=nowhere  -> not-seated
        type kid hall zone=balcony  -> done
    """,
}

STORIES: Final = NAMED | BEST | ORGANIZER


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    tell(story)
