"""The rules of sale, told as stories. The language is in tests/stories.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.commands.sale_terms import SetUpSale
from evently.sales.outcomes import No, Outcome, SalesRefusal
from evently.sales.terms import POOLS_MAX, TICKET_TYPES_MAX, PoolTerms, TicketTypeTerms
from tests.support.rows import Rows
from tests.support.stories import EVENT, NOON, tell

STORIES: Final[dict[str, str]] = {
    "the last unit goes to the first who asks": """
        book A 6      -> booked
        book B 4      -> booked
        book C 1      -> sold-out
        cancel B      -> cancelled
        book C 1      -> booked
        look hall     -> held 0 sold 7 of 10
    """,
    "nobody gets a part of what was asked": """
        book A 7      -> booked
        book B 4      -> sold-out
        book B 3      -> booked
        left std      -> 0
    """,
    "a batch decides in its order": """
        book A 6      -> booked
        & book B 6    -> sold-out
        & book C 4    -> booked
        & book D 1    -> sold-out
    """,
    "a refused line refuses the booking": """
        pool stage 1       -> done
        type vip stage     -> done
        book A 2 std 2 vip -> sold-out
        look hall          -> held 0 sold 0 of 10
        book A 2 std 1 vip -> booked
        look stage         -> held 0 sold 1 of 1
    """,
    "two ticket types draw on one pool": """
        type kid hall price=0 -> done
        book A 6 std 5 kid    -> sold-out
        book A 6 std 4 kid    -> booked
        due A                 -> 6000
        book B 1 kid          -> sold-out
    """,
    "a unit takes one of each of its pools": """
        pool early 5                 -> done
        pool balcony 2               -> done
        type bird hall+early         -> done
        type view hall+early+balcony -> done
        book A 3 view                -> sold-out
        book A 2 view                -> booked
        book B 4 bird                -> sold-out
        book B 3 bird                -> booked
        look hall                    -> held 0 sold 5 of 10
        look early                   -> held 0 sold 5 of 5
        look balcony                 -> held 0 sold 2 of 2
        book C 5 std                 -> booked
        left view                    -> 0
        cancel A 1                   -> booked
        left view                    -> 1
        look early                   -> held 0 sold 4 of 5
    """,
    "the window opens with its first instant and closes with its last": """
        window 1h 2h  -> done
        book A 1      -> not-on-sale-yet
        wait 3599s
        book A 1      -> not-on-sale-yet
        wait 1s
        book A 1      -> booked
        wait 3599s
        book B 1      -> booked
        wait 1s
        book C 1      -> sale-ended
    """,
    "a ticket type has a window within the sale's": """
        type early hall until=1h -> done
        type late hall from=2h   -> done
        book A 1 early           -> booked
        book A 1 late            -> not-on-sale-yet
        wait 1h
        book B 1 early           -> sale-ended
        book B 1 std             -> booked
        wait 1h
        book B 1 late            -> booked
        wait 22h
        book C 1 late            -> sale-ended
    """,
    "one booking has a limit": """
        type std hall max=4 -> done
        book A 5            -> over-booking-limit
        book A 4            -> booked
        book A 4 as=A2      -> booked
    """,
    "one buyer has a limit over all bookings": """
        type std hall each=3 -> done
        book A 4             -> over-buyer-limit
        book A 2             -> booked
        book A 2             -> over-buyer-limit
        book A 1 as=A2       -> booked
        book A 1             -> over-buyer-limit
        book B 3             -> booked
    """,
    "one buyer has a limit within a batch": """
        type std hall each=3 -> done
        book A 2             -> booked
        & book A 2           -> over-buyer-limit
        & book A 1 as=A2     -> booked
        & hold A 1           -> over-buyer-limit
    """,
    "what a buyer gives back can be had again": """
        type std hall each=2 -> done
        book A 2             -> booked
        & book B 1           -> booked
        cancel A 1           -> booked
        & book A 1 as=A2     -> booked
        & book A 1 as=A3     -> over-buyer-limit
        cancel A             -> cancelled
        hold A 1 as=A4       -> held
        wait 15m
        book A 1 as=A5       -> booked
        book A 1             -> over-buyer-limit
    """,
    "a used ticket still counts for its buyer": """
        type std hall each=2 -> done
        book A 2             -> booked
        use A 2
        book A 1 as=A2       -> over-buyer-limit
    """,
    "a hold takes units and becomes a booking": """
        hold A 8      -> held
        look hall     -> held 8 sold 0 of 10
        book B 3      -> sold-out
        wait 899s
        confirm A     -> booked
        look hall     -> held 0 sold 8 of 10
        confirm A     -> already-confirmed
        wait 1h
        nothing       -> done
        look hall     -> held 0 sold 8 of 10
    """,
    "a hold runs out at its very instant": """
        hold A 10     -> held
        wait 15m
        confirm A     -> hold-expired
        cancel A      -> hold-expired
        look hall     -> held 0 sold 0 of 10
    """,
    "the units of a due hold go to whoever asks in the same batch": """
        hold A 10     -> held
        wait 899s
        book B 1      -> sold-out
        wait 1s
        book B 10     -> booked
        & confirm A   -> hold-expired
    """,
    "whoever confirms first keeps it": """
        hold A 10     -> held
        wait 899s
        confirm A     -> booked
        & book B 1    -> sold-out
    """,
    "a hold is cancelled": """
        hold A 10     -> held
        cancel A 4    -> held
        look hall     -> held 6 sold 0 of 10
        cancel A      -> cancelled
        look hall     -> held 0 sold 0 of 10
        confirm A     -> already-cancelled
        wait 15m
        nothing       -> done
        look hall     -> held 0 sold 0 of 10
    """,
    "what is left of a hold runs out, too": """
        hold A 10     -> held
        cancel A 4    -> held
        wait 15m
        book B 10     -> booked
    """,
    "what is left of a hold is confirmed": """
        hold A 10     -> held
        cancel A 4    -> held
        confirm A     -> booked
        look hall     -> held 0 sold 6 of 10
        due A         -> 6000
    """,
    "tickets are cancelled one by one": """
        book A 3             -> booked
        cancel A 1           -> booked
        due A                -> 2000
        cancel A tickets=void -> already-cancelled
        cancel A 1           -> booked
        cancel A 1           -> cancelled
        due A                -> 0
        look hall            -> held 0 sold 0 of 10
    """,
    "a ticket named twice is cancelled once": """
        book A 3               -> booked
        cancel A tickets=twice -> booked
        look hall              -> held 0 sold 2 of 10
    """,
    "cancelling all tickets by name ends the booking": """
        book A 3      -> booked
        cancel A 3    -> cancelled
        cancel A      -> already-cancelled
    """,
    "cancelling twice gives back once": """
        book A 3      -> booked
        cancel A      -> cancelled
        & cancel A    -> already-cancelled
        cancel A      -> already-cancelled
        look hall     -> held 0 sold 0 of 10
    """,
    "tickets of another booking are unknown": """
        book A 2           -> booked
        book B 2           -> booked
        cancel A tickets=B -> unknown-ticket
        look hall          -> held 0 sold 4 of 10
    """,
    "a used ticket stays": """
        book A 3              -> booked
        use A 1
        cancel A              -> ticket-used
        cancel A tickets=used -> ticket-used
        cancel A 2            -> booked
        look hall             -> held 0 sold 1 of 10
        cancel A              -> ticket-used
    """,
    "a booking is its buyer's, and the organizer's": """
        book A 2              -> booked
        cancel A by=B         -> booking-not-found
        cancel nobody         -> booking-not-found
        confirm nobody        -> booking-not-found
        cancel A by=organizer -> cancelled
    """,
    "a buyer cancels before the event starts, the organizer at any time": """
        book A 2                        -> booked
        book B 2                        -> booked
        cancel A before=1s              -> cancelled
        cancel B before=0s              -> too-late-to-cancel
        cancel B before=-1s             -> too-late-to-cancel
        cancel B by=organizer           -> cancelled
    """,
    "a key gives the same answer again": """
        book A 6 key=k   -> booked
        book A 6 key=k   -> booked again
        & book A 6 key=k -> booked again
        look hall        -> held 0 sold 6 of 10
    """,
    "a key in one batch books once": """
        book A 4 key=k   -> booked
        & book A 4 key=k -> booked again
        & book A 5 key=k -> key-reused
        look hall        -> held 0 sold 4 of 10
    """,
    "a key is bound to its body and to its verb": """
        book A 4 key=k            -> booked
        book A 5 key=k            -> key-reused
        book A 4 key=k body=other -> key-reused
        cancel A key=k            -> key-reused
        look hall                 -> held 0 sold 4 of 10
    """,
    "a key is its actor's alone": """
        book A 4 key=k -> booked
        book B 4 key=k -> booked
    """,
    "a key that was refused may succeed later": """
        book A 8       -> booked
        book B 8 key=k -> sold-out
        cancel A       -> cancelled
        book B 8 key=k -> booked
        book B 8 key=k -> booked again
    """,
    "a replay says what was answered then": """
        book A 4 key=k         -> booked
        cancel A               -> cancelled
        book A 4 key=k         -> booked again
        look hall              -> held 0 sold 0 of 10
        wait 1d
        book A 4 key=k         -> booked again
        call-off               -> done
        book A 4 key=k         -> booked again
    """,
    "a cancellation is replayed, too": """
        book A 4         -> booked
        cancel A key=k   -> cancelled
        cancel A key=k   -> cancelled again
        cancel A         -> already-cancelled
        cancel A 1 key=k -> key-reused
    """,
    "a hold's key answers with the hold": """
        hold A 4 key=k -> held
        wait 15m
        hold A 4 key=k -> held again
        look hall      -> held 0 sold 0 of 10
    """,
    "capacity is raised and lowered down to what is taken": """
        book A 6      -> booked
        hold B 2      -> held
        pool hall 7   -> capacity-taken
        pool hall 8   -> done
        left std      -> 0
        book C 1      -> sold-out
        pool hall 9   -> done
        book C 1      -> booked
        wait 15m
        pool hall 7   -> done
        pool hall 6   -> capacity-taken
    """,
    "capacity and bookings in one batch": """
        book A 6      -> booked
        & pool hall 5 -> capacity-taken
        & pool hall 6 -> done
        & book B 1    -> sold-out
    """,
    "a retired ticket type is not sold; its tickets live on": """
        type kid hall -> done
        book A 2      -> booked
        hold B 2      -> held
        retire std    -> done
        book C 1      -> unknown-ticket-type
        left std      -> 0
        book C 1 kid  -> booked
        confirm B     -> booked
        cancel A 1    -> booked
        retire std    -> done
        retire nobody -> unknown-ticket-type
        type std hall -> done
        book C 1 std  -> unknown-ticket-type
    """,
    "a pool that is drawn on stays": """
        pool side 5        -> done
        type vip hall+side -> done
        drop side          -> pool-in-use
        drop nobody        -> unknown-pool
        type vip hall      -> pool-in-use
        pool spare 5       -> done
        drop spare         -> done
    """,
    "the pools of a draft's ticket type may change": """
        blank
        pool hall 10  -> done
        pool side 5   -> done
        type std hall -> done
        type std side -> done
        drop hall     -> done
        type std hall -> unknown-pool
        open          -> done
        left std      -> 5
    """,
    "a draft is nobody's to see": """
        blank
        pool hall 10  -> done
        type std hall -> done
        book A 1      -> event-not-found
        open          -> done
        book A 1      -> booked
        open          -> done
    """,
    "an event without anything to sell is not opened": """
        blank
        open          -> nothing-to-sell
        pool hall 10  -> done
        open          -> nothing-to-sell
        type std hall -> done
        retire std    -> done
        open          -> nothing-to-sell
    """,
    "a cancelled event sells nothing and takes everything back": """
        book A 2      -> booked
        hold B 2      -> held
        call-off      -> done
        book C 1      -> event-cancelled
        confirm B     -> event-cancelled
        cancel B      -> cancelled
        cancel A      -> cancelled
        open          -> event-cancelled
        window 1h 2h  -> event-cancelled
        call-off      -> done
        look hall     -> held 0 sold 0 of 10
    """,
    "unknown ticket types are refused": """
        book A 1 nobody       -> unknown-ticket-type
        book A 1 std 1 nobody -> unknown-ticket-type
        look hall             -> held 0 sold 0 of 10
    """,
    "a price is that of the moment": """
        book A 2                -> booked
        type std hall price=900 -> done
        book B 2                -> booked
        due A                   -> 2000
        due B                   -> 1800
    """,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    tell(story)


@pytest.mark.parametrize(
    ("pools", "ticket_types", "refusal"),
    [
        (POOLS_MAX, TICKET_TYPES_MAX, None),
        (POOLS_MAX + 1, 1, SalesRefusal.TOO_MANY_PARTS),
        (1, TICKET_TYPES_MAX + 1, SalesRefusal.TOO_MANY_PARTS),
        (0, 1, SalesRefusal.UNKNOWN_POOL),
    ],
)
def test_a_sale_has_so_many_parts(pools: int, ticket_types: int, refusal: SalesRefusal | None) -> None:
    outcome = set_up(Rows(), pools, ticket_types)
    assert (outcome.refusal if isinstance(outcome, No) else None) == refusal


def test_one_more_part_than_allowed_is_refused() -> None:
    tell(
        "\n".join(
            f"pool p{number} 1 -> {'done' if number < POOLS_MAX else 'too-many-parts'}"
            for number in range(1, POOLS_MAX + 1)
        )
    )


@pytest.mark.parametrize(
    "nonsense",
    [
        PlaceBooking(EVENT, EVENT, ()),
        PlaceBooking(EVENT, EVENT, (BookingLine(UUID(int=1), 0),)),
        PlaceBooking(EVENT, EVENT, (BookingLine(UUID(int=1), -1),)),
        PlaceBooking(EVENT, EVENT, (BookingLine(UUID(int=1), 1), BookingLine(UUID(int=1), 1))),
    ],
)
def test_what_the_edge_lets_nobody_ask_is_a_bug(nonsense: PlaceBooking) -> None:
    rows = Rows()
    set_up(rows, 1, 1)
    assert rows.sale is not None
    rows.sale.state = "open"
    with pytest.raises(AssertionError):
        rows.run([nonsense], NOON)


def test_cancelling_no_ticket_at_all_is_a_bug() -> None:
    rows = Rows()
    set_up(rows, 1, 1)
    assert rows.sale is not None
    rows.sale.state = "open"
    rows.run([PlaceBooking(EVENT, EVENT, (BookingLine(UUID(int=1), 1),))], NOON)
    with pytest.raises(AssertionError):
        rows.run([CancelBooking(EVENT, next(iter(rows.bookings)), EVENT, EVENT, ())], NOON)


def set_up(rows: Rows, pools: int, ticket_types: int) -> Outcome:
    ids = [UUID(int=number) for number in range(1, 1 + max(pools, ticket_types))]
    made = tuple(PoolTerms(each, "pool", 5) for each in ids[:pools])
    types = tuple(TicketTypeTerms(each, "type", "", 1, 0, 9, (ids[0],)) for each in ids[:ticket_types])
    return rows.run([SetUpSale(EVENT, "EUR", NOON, NOON + timedelta(days=1), made, types)], NOON)[0]
