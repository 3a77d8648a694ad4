"""Holds, as the box office would tell them: paid online, released, extended once, run out to the second."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.stories import tell

STORIES: Final[dict[str, str]] = {
    "what is paid online is held until it is paid": """
        terms online hold=600 -> done
        book A 4              -> held
        look hall             -> held 4 sold 0 of 10
        pay A                 -> booked
        look hall             -> held 0 sold 4 of 10
        wait 1h
        nothing               -> done
        look hall             -> held 0 sold 4 of 10
    """,
    "one buyer has at most two live holds": """
        pool hall 300         -> done
        terms online hold=600 -> done
        book A 10 as=A1       -> held
        book A 10 as=A2       -> held
        book A 1              -> too-many-holds
        & book A 1            -> too-many-holds
        book B 10             -> held
        pay A1                -> booked
        book A 10 as=A3       -> held
        book A 1              -> too-many-holds
        cancel A2 by=A -> cancelled
        & book A 1 as=A4      -> held
        & book A 1            -> too-many-holds
        wait 10m
        book A 10 as=A5       -> held
    """,
    "one buyer has at most twenty units in live holds, and one booking of any size allowed": """
        pool hall 300         -> done
        type std hall max=30  -> done
        terms online holds=3 held-units=20 -> done
        book A 30 as=A1       -> held
        book A 1              -> too-many-holds
        cancel A1 20 by=A -> held
        book A 20 as=A2       -> held
        book A 1              -> too-many-holds
    """,
    "an organizer may allow more holds, and an offer is none of them": """
        terms online holds=3  -> done
        book A 1 as=A1        -> held
        book A 1 as=A2        -> held
        book A 1 as=A3        -> held
        book A 1              -> too-many-holds
        book X 7              -> held
        join A 1 as=W         -> waiting
        cancel X              -> cancelled
        cancel A1 by=A -> cancelled
        book A 1 as=A4        -> held
        type kid hall price=0 -> done
        book A 1 kid as=A5    -> booked
    """,
    "what costs nothing is not held": """
        terms online        -> done
        type kid hall price=0 -> done
        book A 4 kid        -> booked
        book B 1 kid 1 std  -> held
        due B               -> 1000
        look hall           -> held 2 sold 4 of 10
    """,
    "at the door, nothing is held": """
        terms door          -> done
        book A 4            -> booked
        ledger              -> door 4000 organizer -4000
    """,
    "a hold that may be paid on site is confirmed without a payment": """
        hold A 4            -> held
        confirm A           -> booked
        ledger              -> door 4000 organizer -4000
        cancel A            -> cancelled
        ledger              ->
    """,
    "a hold lasts as long as the conditions say, to the second": """
        terms online hold=60 -> done
        book A 10            -> held
        wait 59s
        book B 1             -> sold-out
        pay A                -> booked
        cancel A             -> cancelled
        book B 10            -> held
        wait 60s
        pay B                -> hold-expired
        book C 10            -> held
        look hall            -> held 10 sold 0 of 10
    """,
    "whoever comes after the last second gets the place, in the same batch": """
        terms online hold=60 -> done
        book A 10            -> held
        wait 60s
        pay A                -> hold-expired
        & book B 10          -> held
        & book C 1           -> sold-out
    """,
    "a hold is released": """
        terms online         -> done
        book A 10            -> held
        cancel A             -> cancelled
        & book B 10          -> held
        pay A                -> already-cancelled
        extend A             -> already-cancelled
    """,
    "a hold is extended once, and has its time again from then on": """
        terms online hold=600 -> done
        book A 10             -> held
        wait 5m
        extend A              -> held
        extend A              -> already-extended
        wait 599s
        book B 1              -> sold-out
        wait 1s
        extend A              -> hold-expired
        pay A                 -> hold-expired
        book B 10             -> held
    """,
    "extending twice in one batch extends once": """
        terms online hold=600 -> done
        book A 10             -> held
        extend A              -> held
        & extend A            -> already-extended
    """,
    "an extension in the last second keeps the place": """
        terms online hold=60  -> done
        book A 10             -> held
        wait 59s
        extend A              -> held
        & book B 1            -> sold-out
        wait 59s
        pay A                 -> booked
        extend A              -> already-confirmed
    """,
    "an extension never shortens": """
        terms online hold=60  -> done
        hold A 10             -> held
        extend A              -> held
        wait 899s
        pay A                 -> booked
    """,
    "a hold is its buyer's to extend": """
        terms online          -> done
        book A 1              -> held
        extend A by=B         -> booking-not-found
        extend nobody         -> booking-not-found
    """,
    "what is due is what is paid": """
        terms online          -> done
        book A 2              -> held
        pay A 1999            -> payment-mismatch
        pay A 2001            -> payment-mismatch
        pay A 0               -> payment-mismatch
        confirm A             -> payment-mismatch
        pay A                 -> booked
    """,
    "what is released of a hold is not due": """
        terms online          -> done
        book A 3              -> held
        cancel A 2            -> held
        pay A 3000            -> payment-mismatch
        pay A 1000            -> booked
        look hall             -> held 0 sold 1 of 10
    """,
    "a payment confirms once, however often it is told": """
        terms online          -> done
        book A 2              -> held
        pay A                 -> booked
        & pay A               -> booked
        pay A                 -> booked
        pay A with=other      -> already-confirmed
        confirm A             -> already-confirmed
        ledger                -> buyer 2000 organizer -2000
    """,
    "two payments for one booking: the second is told so": """
        terms online          -> done
        book A 2              -> held
        pay A with=first      -> booked
        & pay A with=second   -> already-confirmed
        ledger                -> buyer 2000 organizer -2000
    """,
    "nobody confirms after the event was called off": """
        terms online          -> done
        book A 2              -> held
        call-off              -> done
        pay A                 -> event-cancelled
        cancel A by=organizer -> cancelled
    """,
    "the conditions are those of the moment when it was booked": """
        terms online hold=60  -> done
        book A 2              -> held
        terms online hold=600 -> done
        book B 2              -> held
        terms door            -> done
        book C 2              -> booked
        wait 60s
        pay A                 -> hold-expired
        confirm B             -> payment-mismatch
        pay B                 -> booked
    """,
    "the same conditions again are no other": """
        terms online          -> done
        book A 2              -> held
        terms online          -> done
        book B 2              -> held
    """,
    "many holds run out at once": """
        terms online hold=60  -> done
        book A 3              -> held
        & book B 3            -> held
        & book C 4            -> held
        wait 30s
        extend B              -> held
        wait 30s
        book D 7              -> held
        & book E 1            -> sold-out
        & pay B               -> booked
    """,
    "a buyer's limit counts holds, and no longer when they are gone": """
        terms online hold=60    -> done
        type std hall each=3    -> done
        book A 3                -> held
        book A 1                -> over-buyer-limit
        cancel A 1              -> held
        book A 1 as=A2          -> held
        wait 60s
        book A 3 as=A3          -> held
        & book A 1              -> over-buyer-limit
    """,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    tell(story)
