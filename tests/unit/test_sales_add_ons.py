"""Add-ons: ticket types that are sold only together with a ticket of another type."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.sale_terms import OpenSale, SetUpSale
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    Fact,
    PoolPut,
    SaleOpened,
    SaleSetUp,
    TicketsCancelled,
    TicketTypePut,
    TransferAccepted,
    TransferOffered,
    encode_facts,
)
from evently.sales.outcomes import No
from evently.sales.replay import Contradiction, Replay
from evently.sales.terms import PoolTerms, TicketTypeTerms
from tests.support.rows import Rows
from tests.support.stories import EVENT, NOON, tell

GARAGE: Final = """
        pool lot 5                                        -> done
        type vip hall price=3000                          -> done
        type parking lot price=500 needs=std+vip          -> done
"""
ONE_EACH: Final = GARAGE.replace("needs=std+vip", "needs=std+vip per-needed=1")

STORIES: Final[dict[str, str]] = {
    "it is not sold alone": GARAGE
    + """
        book A 1 parking           -> add-on-alone
        hold A 1 parking           -> add-on-alone
        book A 1 std 2 parking     -> booked
        book B 3 parking 1 vip     -> booked
        look lot                   -> held 0 sold 5 of 5
        book C 1 std 1 parking     -> sold-out
        book C 1 std               -> booked
    """,
    "only so many for each ticket that it needs": ONE_EACH
    + """
        book A 1 std 2 parking         -> over-booking-limit
        book A 1 std 1 vip 2 parking   -> booked
        due A                          -> 5000
    """,
    "what is no longer sold supports nothing": GARAGE
    + """
        retire vip                     -> done
        book A 1 vip 1 parking         -> unknown-ticket-type
        retire std                     -> done
        book A 1 parking               -> add-on-alone
    """,
    "it is cancelled with the last ticket that it needs": GARAGE
    + """
        terms online window=48h:50%    -> done
        book A 2 std 2 parking         -> held
        pay A                          -> booked
        capture A                      -> booked
        cancel A 1 before=5d           -> booked
        look lot                       -> held 0 sold 2 of 5
        refunded A                     -> 500
        cancel A 1 before=5d           -> cancelled
        refunded A                     -> 1500
        look lot                       -> held 0 sold 0 of 5
        look hall                      -> held 0 sold 0 of 10
    """,
    "with a limit for each, the newest goes with each": ONE_EACH
    + """
        book A 2 std 2 parking         -> booked
        cancel A 1                     -> booked
        look lot                       -> held 0 sold 1 of 5
        scan A 4                       -> cancelled
        cancel A 1                     -> cancelled
        look lot                       -> held 0 sold 0 of 5
    """,
    "a part of a hold": ONE_EACH
    + """
        hold A 2 std 2 parking         -> held
        cancel A 1                     -> held
        due A                          -> 1500
        confirm A                      -> booked
        look lot                       -> held 0 sold 1 of 5
    """,
    "no more go than its organizer has made too many meanwhile": ONE_EACH.replace(
        "per-needed=1", "per-needed=2"
    )
    + """
        book A 2 std 4 parking                                -> booked
        type parking lot price=500 needs=std+vip per-needed=1 -> done
        cancel A 1                                            -> booked
        look lot                                              -> held 0 sold 3 of 5
    """,
    "one that was used stays": GARAGE
    + """
        book A 1 std 2 parking         -> booked
        scan A 3                       -> accepted
        cancel A 1                     -> booked
        look lot                       -> held 0 sold 1 of 5
        scan A 3                       -> inside
        scan A 2                       -> cancelled
    """,
    "ticket and add-on are passed on apart, and what another person holds stays": GARAGE
    + """
        book A 2 std 2 parking         -> booked
        pass A 1 B                     -> offered
        take A 1 by=B                  -> accepted
        pass A 3 C                     -> offered
        take A 3 by=C                  -> accepted
        holder A 3                     -> C
        cancel A by=organizer          -> cancelled
        book D 1 std 2 parking         -> booked
        pass D 2 C                     -> offered
        take D 2 by=C                  -> accepted
        cancel D 1                     -> booked
        look lot                       -> held 0 sold 1 of 5
        scan D 2                       -> accepted
    """,
    "it has no waitlist, and is not returned": GARAGE
    + """
        book A 2 std 5 parking         -> booked
        join B 1 parking               -> add-on-alone
        book B 8 std                   -> booked
        join C 1 std                   -> waiting
        return A 3                     -> not-returnable
        return A 1                     -> booked
    """,
    "it goes with a ticket that is returned and sold again": GARAGE
    + """
        terms online                   -> done
        book A 1 std 1 parking         -> held
        pay A                          -> booked
        capture A                      -> booked
        book B 9 std                   -> held
        pay B                          -> booked
        return A 1                     -> booked
        look lot                       -> held 0 sold 1 of 5
        join C 1                       -> waiting
        accept C                       -> held
        pay C.offer                    -> booked
        look lot                       -> held 0 sold 0 of 5
        refunded A                     -> 1500
        look hall                      -> held 0 sold 10 of 10
    """,
    "a code may name it": GARAGE
    + """
        promo PARK fixed 200 for=parking     -> done
        book A 1 parking promo=PARK          -> add-on-alone
        book A 1 std 1 parking promo=PARK    -> booked
        due A                                -> 1300
        uses PARK                            -> 1 for 200
        cancel A 1                           -> cancelled
        uses PARK                            -> 0 for 0
    """,
    "what an add-on can need": """
        blank
        pool hall 10                         -> done
        type parking hall needs=std          -> unknown-ticket-type
        type std hall                        -> done
        type std hall needs=std              -> unknown-ticket-type
        type parking hall needs=std          -> done
        type pump hall needs=parking         -> not-an-add-on
        type std hall needs=parking          -> not-an-add-on
        open                                 -> done
        type parking hall                    -> done
        type parking hall needs=std          -> not-an-add-on
        type locker hall needs=std           -> done
        book A 1 parking                     -> booked
    """,
    "an event of add-ons alone sells nothing": """
        blank
        pool hall 10                         -> done
        type std hall                        -> done
        type parking hall needs=std          -> done
        retire std                           -> done
        open                                 -> nothing-to-sell
    """,
    "it has no seats": """
        seated
        type locker hall needs=std zone=stalls   -> not-an-add-on
        type locker hall needs=std+view          -> done
        book A 1 view 1 locker                   -> booked
        seats A                                  -> C1 -
        exchange A 1=C3                          -> booked
        seats A                                  -> C3 -
    """,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_stories(story: str) -> None:
    tell(story)


def test_the_refusals_say_what_is_missing() -> None:
    hall, types = UUID(int=11), [UUID(int=number) for number in (21, 22, 23)]
    std, vip, parking = types
    rows = Rows()
    rows.run(
        [
            SetUpSale(
                EVENT,
                "EUR",
                NOON,
                NOON + timedelta(days=1),
                (PoolTerms(hall, "hall", 9),),
                (  # in any order
                    TicketTypeTerms(
                        parking, "Parking", "", 3, 500, 9, (hall,), needed_ids=(std, vip), per_needed_max=2
                    ),
                    TicketTypeTerms(std, "Standing", "", 1, 1000, 9, (hall,)),
                    TicketTypeTerms(vip, "Box", "", 2, 3000, 9, (hall,)),
                ),
            ),
            OpenSale(EVENT),
        ],
        NOON,
    )
    buyer = UUID(int=31)
    alone, too_many = rows.run(
        [
            PlaceBooking(EVENT, buyer, (BookingLine(parking, 1),)),
            PlaceBooking(EVENT, buyer, (BookingLine(std, 1), BookingLine(parking, 3))),
        ],
        NOON,
    )
    assert isinstance(alone, No)
    assert isinstance(too_many, No)
    assert alone.data == {"ticket_type": "Parking", "needed": "'Standing' or 'Box'"}
    assert (too_many.reason, too_many.data) == (
        "per_needed_max",
        {"quantity_max": 2, "ticket_type": "Parking"},
    )


HALL, STD, PARKING, BUYER, ID = (UUID(int=number) for number in (11, 21, 22, 31, 51))
LATER: Final = NOON + timedelta(minutes=1)
STD_TYPE: Final = TicketTypePut(STD, "std", 1000, 10, None, None, None, (HALL,))
PARKING_TYPE: Final = TicketTypePut(
    PARKING, "parking", 500, 10, None, None, None, (HALL,), needed_ids=(STD,), per_needed_max=1
)
BEFORE: Final[list[Fact]] = [
    SaleSetUp("EUR", NOON, LATER),
    PoolPut(HALL, "hall", 9),
    STD_TYPE,
    PARKING_TYPE,
    SaleOpened(),
]
TICKET, SECOND = (UUID(int=41), STD, 1000), (UUID(int=42), STD, 1000)
PLACE, OTHER_PLACE = (UUID(int=43), PARKING, 500), (UUID(int=44), PARKING, 500)
BOOKED: Final = BookingConfirmed(ID, BUYER, (TICKET, SECOND, PLACE, OTHER_PLACE))
PASSED_ON: Final[list[Fact]] = [
    TransferOffered(UUID(int=61), ID, PLACE[0], BUYER, LATER),
    TransferAccepted(UUID(int=61), ID, BUYER, UUID(int=32), b"a", b"b"),
]


@pytest.mark.parametrize(
    "facts",
    [
        [BookingConfirmed(ID, BUYER, (PLACE,))],
        [BookingHeld(ID, BUYER, LATER, (PLACE,))],
        [BookingConfirmed(ID, BUYER, (TICKET, PLACE, OTHER_PLACE))],
        [BOOKED, TicketsCancelled(ID, "confirmed", (TICKET,))],
        [BOOKED, TicketsCancelled(ID, "confirmed", (TICKET, SECOND, PLACE))],
        [BOOKED, *PASSED_ON, TicketsCancelled(ID, "confirmed", (TICKET, SECOND))],
    ],
)
def test_a_replay_contradicts_an_add_on_alone(facts: list[Fact]) -> None:
    replay = Replay()
    replay.add(NOON, BEFORE)
    replay.add(NOON, facts[:-1])
    with pytest.raises(Contradiction):
        replay.add(NOON, facts[-1:])


@pytest.mark.parametrize(
    "facts",
    [
        [BOOKED, TicketsCancelled(ID, "confirmed", (TICKET, OTHER_PLACE))],
        [BOOKED, TicketsCancelled(ID, "confirmed", (PLACE,))],
        [BOOKED, BookingCancelled(ID, "confirmed", (TICKET, SECOND, PLACE, OTHER_PLACE))],
        [BOOKED, *PASSED_ON, TicketsCancelled(ID, "confirmed", (TICKET, SECOND, OTHER_PLACE))],
    ],
)
def test_a_replay_believes_what_took_its_add_ons_along(facts: list[Fact]) -> None:
    replay = Replay()
    replay.add(NOON, [*BEFORE, *facts])
    assert replay.seq == 1


def test_a_ticket_type_of_before_is_stored_as_before() -> None:
    assert b"needed" not in encode_facts([STD_TYPE])
    assert b'"needed_ids":["' in encode_facts([PARKING_TYPE])
