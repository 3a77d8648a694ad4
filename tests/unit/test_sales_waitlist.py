"""Stories about the waitlist: first come, first served among entries that fit; no buyer overtakes it."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.stories import tell

LINE: Final[dict[str, str]] = {
    "what falls free is offered to who waits": """
        terms online           -> done
        hold X 10              -> held
        join A 2               -> waiting
        join A 1               -> already-waiting
        cancel X 3             -> held
        entry A                -> offered
        look hall              -> held 9 sold 0 of 10
        left std               -> 1
        accept A               -> held
        accept A               -> held
        due A                  -> 2000
        pay A                  -> booked
        accept A               -> booked
        entry A                -> fulfilled
        leave A                -> not-offered
    """,
    "with nothing to pay online an offer is booked at once": """
        book X 10              -> booked
        join A 2               -> waiting
        cancel X               -> cancelled
        accept A               -> booked
        look hall              -> held 0 sold 2 of 10
        ledger                 -> door 2000 organizer -2000
    """,
    "first come, first served": """
        book X 10              -> booked
        join A 1               -> waiting
        & join B 1             -> waiting
        join C 1               -> waiting
        cancel X 1             -> booked
        entry A                -> offered
        entry B                -> waiting
        cancel X 1             -> booked
        entry B                -> offered
        entry C                -> waiting
    """,
    "a group that does not fit is passed over and keeps its place": """
        book X 10              -> booked
        join A 4               -> waiting
        join B 2               -> waiting
        join C 1               -> waiting
        cancel X 2             -> booked
        entry A                -> waiting
        entry B                -> offered
        cancel X 3             -> booked
        entry A                -> waiting
        entry C                -> offered
        aside std              -> 2
        cancel X 2             -> booked
        entry A                -> offered
        aside std              -> 0
        look hall              -> held 7 sold 3 of 10
    """,
    "nobody snipes, not even in the same batch": """
        book X 10              -> booked
        join A 2               -> waiting
        cancel X 2             -> booked
        & book B 1             -> sold-out
        & book B 2             -> sold-out
        entry A                -> offered
        join B 4               -> waiting
        cancel X 3             -> booked
        & book C 1             -> sold-out
        book C 1               -> sold-out
        aside std              -> 3
        look hall              -> held 2 sold 5 of 10 aside 3
        left std               -> 0
    """,
    "what more falls free than is wished for is for everybody": """
        book X 10              -> booked
        join A 2               -> waiting
        cancel X 5             -> booked
        & book B 3             -> booked
        look hall              -> held 2 sold 8 of 10
    """,
    "what is set aside goes to whoever joins and fits": """
        book X 10              -> booked
        join A 4               -> waiting
        cancel X 2             -> booked
        aside std              -> 2
        join B 1               -> waiting
        entry B                -> offered
        aside std              -> 1
    """,
    "nothing stays set aside when nobody waits": """
        book X 10              -> booked
        join A 4               -> waiting
        cancel X 2             -> booked
        aside std              -> 2
        leave A                -> withdrawn
        entry A                -> left
        aside std              -> 0
        left std               -> 2
        book B 2               -> booked
        leave A                -> withdrawn
        accept A               -> offer-expired
    """,
    "when a group leaves, others get what was set aside for it": """
        book X 10              -> booked
        join A 4               -> waiting
        join B 3               -> waiting
        cancel X 2             -> booked
        aside std              -> 2
        leave A                -> withdrawn
        aside std              -> 2
        cancel X 1             -> booked
        entry B                -> offered
    """,
    "an offer that is declined goes to the next": """
        terms online           -> done
        book X 10              -> held
        pay X                  -> booked
        join A 2               -> waiting
        join B 2               -> waiting
        cancel X 2             -> booked
        leave A                -> withdrawn
        entry A                -> declined
        entry B                -> offered
        look hall              -> held 2 sold 8 of 10
        join A 1               -> waiting
    """,
    "cancelling the booking of an offer declines it": """
        book X 10              -> booked
        join A 2               -> waiting
        join B 2               -> waiting
        cancel X 2             -> booked
        cancel A.offer         -> cancelled
        entry A                -> declined
        entry B                -> offered
    """,
    "an offer that lapses goes to the next, in the first batch after": """
        terms online offer=3600 -> done
        hold X 10              -> held
        pay X                  -> booked
        join A 2               -> waiting
        join B 2               -> waiting
        cancel X 2             -> booked
        wait 3599s
        nothing                -> done
        entry A                -> offered
        wait 1s
        accept A               -> offer-expired
        & book C 1             -> sold-out
        entry A                -> lapsed
        entry B                -> offered
        join A 2               -> waiting
    """,
    "when nobody is left, the units go back on sale": """
        book X 10              -> booked
        join A 2               -> waiting
        cancel X 2             -> booked
        wait 1h
        book C 2               -> booked
        entry A                -> lapsed
    """,
    "an offer is accepted in its last second, and paid in time": """
        terms online hold=600 offer=3600 -> done
        hold X 10              -> held
        pay X                  -> booked
        join A 2               -> waiting
        cancel X 2             -> booked
        extend A.offer by=A    -> already-extended
        wait 3599s
        accept A               -> held
        entry A                -> fulfilled
        wait 599s
        extend A               -> held
        wait 599s
        pay A                  -> booked
    """,
    "an offer may be paid without being accepted first": """
        terms online           -> done
        hold X 10              -> held
        pay X                  -> booked
        join A 2               -> waiting
        cancel X 2             -> booked
        pay A.offer            -> booked
        entry A                -> fulfilled
    """,
    "an accepted offer that is not paid goes to the next": """
        terms online hold=60 offer=60 -> done
        hold X 10              -> held
        pay X                  -> booked
        join A 2               -> waiting
        join B 2               -> waiting
        cancel X 2             -> booked
        accept A               -> held
        entry B                -> waiting
        wait 60s
        nothing                -> done
        entry A                -> fulfilled
        entry B                -> offered
    """,
    "many offers lapse at once, and the line moves on": """
        terms online offer=60  -> done
        hold X 10              -> held
        pay X                  -> booked
        join A 2               -> waiting
        & join B 2             -> waiting
        & join C 3             -> waiting
        & join D 1             -> waiting
        cancel X 4             -> booked
        wait 60s
        nothing                -> done
        entry A                -> lapsed
        entry B                -> lapsed
        entry C                -> offered
        entry D                -> offered
    """,
    "more room is for those who wait": """
        book X 10              -> booked
        join A 2               -> waiting
        join B 1               -> waiting
        pool hall 14           -> done
        & book C 2             -> sold-out
        & book C 1             -> booked
        entry A                -> offered
        entry B                -> offered
    """,
    "what is set aside belongs to nobody yet when capacity is lowered": """
        book X 8               -> booked
        book Y 2               -> booked
        join A 4               -> waiting
        cancel Y               -> cancelled
        aside std              -> 2
        pool hall 9            -> done
        aside std              -> 1
        left std               -> 0
        pool hall 7            -> capacity-taken
        aside std              -> 1
        pool hall 8            -> done
        aside std              -> 0
        look hall              -> held 0 sold 8 of 8
        pool hall 12           -> done
        entry A                -> offered
    """,
    "units that two groups had set aside go with the capacity": """
        pool extra 10          -> done
        type std hall+extra    -> pool-in-use
        type vip hall          -> done
        book X 10              -> booked
        join A 4               -> waiting
        join B 4 vip           -> waiting
        cancel X 3             -> booked
        aside std              -> 3
        pool hall 8            -> done
        aside std              -> 1
        pool hall 7            -> done
        aside std              -> 0
        look hall              -> held 0 sold 7 of 7
    """,
    "a buyer's limit counts what he is offered": """
        type std hall each=3   -> done
        book X 3               -> booked
        book Y 3               -> booked
        book Z 3               -> booked
        book A 1               -> booked
        join A 3               -> over-buyer-limit
        join A 2               -> waiting
        join B 1               -> waiting
        cancel X 2             -> booked
        entry A                -> offered
        book A 1               -> over-buyer-limit
        join A 1               -> over-buyer-limit
        leave A                -> withdrawn
        entry B                -> offered
        book A 1               -> booked
    """,
    "whoever has got enough meanwhile is asked no more": """
        type std hall each=3   -> done
        type vip hall          -> done
        book X 6 vip           -> booked
        book A 1               -> booked
        book Y 3               -> booked
        join A 2               -> waiting
        join B 2               -> waiting
        type std hall each=2   -> done
        cancel X 2             -> booked
        entry A                -> over_limit
        entry B                -> offered
    """,
    "the line is closed when the sale is, and nobody is asked any more": """
        book X 10              -> booked
        join A 2               -> waiting
        join B 4               -> waiting
        wait 1d
        join C 1               -> sale-ended
        cancel X 5             -> booked
        entry A                -> waiting
        aside std              -> 0
        leave A                -> withdrawn
    """,
    "a sale that is called off sends the line home": """
        book X 10              -> booked
        join A 1               -> waiting
        join B 4               -> waiting
        cancel X 3             -> booked
        entry A                -> offered
        call-off               -> done
        entry B                -> cancelled
        aside std              -> 0
        accept A               -> event-cancelled
        accept B               -> offer-expired
        join C 1               -> event-cancelled
        cancel A.offer by=organizer -> cancelled
        entry A                -> declined
    """,
    "a retired ticket type has no line": """
        type vip hall          -> done
        book X 10              -> booked
        join A 4               -> waiting
        join B 3 vip           -> waiting
        cancel X 1             -> booked
        retire std             -> done
        entry A                -> cancelled
        aside std              -> 0
        aside vip              -> 1
        join C 1               -> unknown-ticket-type
    """,
    "joining has limits": """
        type std hall max=4    -> done
        book X 4               -> booked
        book Y 4               -> booked
        book Z 2               -> booked
        join A 5               -> over-booking-limit
        join A 4 nobody        -> unknown-ticket-type
        join A 4 key=k         -> waiting
        join A 4 key=k         -> waiting again
        join A 3 key=k         -> key-reused
        leave A by=B           -> waitlist-entry-not-found
        accept A by=B          -> waitlist-entry-not-found
        accept A               -> not-offered
        leave A                -> withdrawn
    """,
    "whoever joined before the sale begins comes first when it does": """
        window 1h 2d           -> done
        join A 2               -> waiting
        join B 3               -> waiting
        wait 59m
        book C 1               -> not-on-sale-yet
        entry A                -> waiting
        wait 1m
        book C 10              -> sold-out
        & book C 5             -> booked
        entry A                -> offered
        entry B                -> offered
        left std               -> 0
    """,
    "and when nobody books": """
        window 1h 2d           -> done
        join A 2               -> waiting
        wait 1h
        nothing                -> done
        entry A                -> offered
        left std               -> 8
    """,
    "and so it is when the sale of the ticket type alone begins": """
        type vip hall from=1h  -> done
        join A 2 vip           -> waiting
        join B 1 vip           -> waiting
        book X 8               -> booked
        entry A                -> waiting
        wait 1h
        book C 1               -> sold-out
        & book C 1 vip         -> sold-out
        entry A                -> offered
        entry B                -> waiting
        aside vip              -> 0
    """,
    "and so it is with what fell free before": """
        book X 10              -> booked
        window 1h 2d           -> done
        join A 2               -> waiting
        cancel X 3             -> booked
        entry A                -> waiting
        wait 1h
        book B 2               -> sold-out
        & book B 1             -> booked
        entry A                -> offered
    """,
    "a group that the whole hall would not suffice for keeps nobody from buying": """
        type std hall max=20   -> done
        window 1h 2d           -> done
        join A 11              -> waiting
        wait 1h
        book B 6               -> booked
        aside std              -> 0
        join C 5               -> waiting
        left std               -> 4
        entry C                -> waiting
        cancel B 1             -> booked
        entry C                -> offered
        left std               -> 0
        join D 1               -> waiting
        cancel B 3             -> booked
        entry D                -> offered
        aside std              -> 2
    """,
    "whoever joins where enough is left is asked at once": """
        book X 6               -> booked
        join A 2               -> waiting
        entry A                -> offered
        left std               -> 2
        join B 3               -> waiting
        entry B                -> waiting
        left std               -> 2
        book C 1               -> booked
        cancel X 1             -> booked
        aside std              -> 1
        left std               -> 1
        join D 1               -> waiting
        entry D                -> offered
        aside std              -> 1
        left std               -> 0
    """,
    "joining holds nothing for longer than booking would": """
        terms online hold=600 offer=3600 -> done
        join A 2               -> waiting
        entry A                -> offered
        hold X 8               -> held
        join B 1               -> waiting
        wait 599s
        nothing                -> done
        entry A                -> offered
        wait 1s
        nothing                -> done
        entry A                -> lapsed
        entry B                -> offered
        wait 3599s
        nothing                -> done
        entry B                -> offered
        wait 1s
        nothing                -> done
        entry B                -> lapsed
    """,
    "a clock releases what is held": """
        releases std           -> never
        hold A 6               -> held
        wait 5m
        hold B 4               -> held
        releases std           -> 10m
        wait 10m
        nothing                -> done
        left std               -> 6
        releases std           -> 5m
        wait 5m
        nothing                -> done
        releases std           -> never
    """,
    "a clock releases what is offered, and what the end of a sale leaves": """
        terms online offer=1800 -> done
        type early hall until=1h -> done
        book X 10 early        -> held
        pay X                  -> booked
        releases std           -> never
        join A 1 early         -> waiting
        join B 3 early         -> waiting
        cancel X 3             -> booked
        aside early            -> 2
        releases std           -> 30m
        releases early         -> 30m
        accept A               -> held
        pay A                  -> booked
        releases std           -> 60m
        releases early         -> never
        wait 1h
        left std               -> 0
        nothing                -> done
        left std               -> 2
        releases std           -> never
    """,
    "a clock releases nothing of other pools, or after the end of a sale": """
        pool yard 5            -> done
        type out yard          -> done
        type soon yard until=10m -> done
        hold A 2 out           -> held
        releases std           -> never
        releases out           -> 15m
        releases soon          -> never
        call-off               -> done
        releases out           -> never
    """,
    "when the sale has ended, nothing stays set aside": """
        book X 10              -> booked
        join A 4               -> waiting
        cancel X 2             -> booked
        aside std              -> 2
        wait 1d
        nothing                -> done
        aside std              -> 0
        entry A                -> waiting
    """,
    "who waits is not served before the sale begins": """
        book X 10              -> booked
        window 1h 2d           -> done
        join A 2               -> waiting
        cancel X 2             -> booked
        entry A                -> waiting
        aside std              -> 0
        window 0s 2d           -> done
        entry A                -> offered
    """,
}

POOLS: Final[dict[str, str]] = {
    "there is one line for ticket types that share a pool": """
        type kid hall          -> done
        book X 10              -> booked
        join A 1 std           -> waiting
        join B 1 kid           -> waiting
        join C 1 std           -> waiting
        cancel X 2             -> booked
        entry A                -> offered
        entry B                -> offered
        entry C                -> waiting
    """,
    "what is set aside for a group of one type is for whoever fits of another": """
        type kid hall          -> done
        book X 10              -> booked
        join A 4 std           -> waiting
        cancel X 2             -> booked
        aside std              -> 2
        join B 1 kid           -> waiting
        entry B                -> offered
        aside std              -> 1
        join C 3 kid           -> waiting
        cancel X 1             -> booked
        aside std              -> 2
        aside kid              -> 0
        leave A                -> withdrawn
        aside std              -> 0
        aside kid              -> 2
    """,
    "a unit needs one of each of its pools": """
        pool balcony 2         -> done
        type view hall+balcony -> done
        book X 2 view 8 std    -> booked
        join A 2 view          -> waiting
        join B 2 std           -> waiting
        pool balcony 4         -> done
        entry A                -> waiting
        aside view             -> 0
        pool hall 11           -> done
        aside view             -> 1
        aside std              -> 0
        pool hall 12           -> done
        entry A                -> offered
        entry B                -> waiting
    """,
}

RETURNS: Final[dict[str, str]] = {
    "a returned ticket stays its holder's until somebody takes it, then it is paid back": """
        terms online           -> done
        hold X 9               -> held
        pay X                  -> booked
        book A 1               -> held
        pay A                  -> booked
        capture A              -> booked
        return A 1             -> booked
        join B 1               -> waiting
        entry B                -> offered
        look hall              -> held 0 sold 10 of 10
        accept B               -> held
        look hall              -> held 0 sold 10 of 10
        pay B                  -> booked
        look hall              -> held 0 sold 10 of 10
        refunded A             -> 1000
        cancel A               -> already-cancelled
        refund A               -> cancelled
        ledger                 -> buyer 10000 organizer -10000
    """,
    "an offer for a returned ticket that lapses leaves it where it was": """
        book X 10              -> booked
        join B 1               -> waiting
        join C 1               -> waiting
        return X 1             -> booked
        entry B                -> offered
        wait 1h
        nothing                -> done
        entry B                -> lapsed
        entry C                -> offered
        leave C                -> withdrawn
        look hall              -> held 0 sold 10 of 10
        keep X 1               -> booked
        cancel X 1             -> booked
        book D 1               -> booked
    """,
    "a return is taken back, but not from under an offer": """
        book X 10              -> booked
        return X 2             -> booked
        join B 1               -> waiting
        keep X 1               -> not-returnable
        keep X 2               -> not-returnable
        leave B                -> withdrawn
        keep X 2               -> booked
        keep X 2               -> booked
        join C 1               -> waiting
        entry C                -> waiting
    """,
    "a returned ticket that is cancelled while it is offered is the offer's": """
        terms online           -> done
        hold X 9               -> held
        pay X                  -> booked
        book A 1               -> held
        pay A                  -> booked
        return A 1             -> booked
        join B 1               -> waiting
        look hall              -> held 0 sold 10 of 10
        cancel A               -> cancelled
        refunded A             -> 1000
        look hall              -> held 1 sold 9 of 10
        accept B               -> held
        pay B                  -> booked
        look hall              -> held 0 sold 10 of 10
    """,
    "and that works after an earlier offer for it has lapsed": """
        book X 10              -> booked
        return X 1             -> booked
        join B 1               -> waiting
        join C 1               -> waiting
        wait 1h
        nothing                -> done
        entry C                -> offered
        cancel X 1             -> booked
        look hall              -> held 1 sold 9 of 10
        accept C               -> booked
    """,
    "a group is offered free units and returned tickets together": """
        book X 10              -> booked
        join A 3               -> waiting
        return X 2             -> booked
        entry A                -> waiting
        cancel X 1             -> booked
        entry A                -> waiting
        cancel X tickets=X     -> cancelled
        entry A                -> offered
    """,
    "free units first, then returned tickets": """
        book X 9               -> booked
        book Y 1               -> booked
        join A 3               -> waiting
        return X 2             -> booked
        cancel Y               -> cancelled
        entry A                -> offered
        look hall              -> held 1 sold 9 of 10
        accept A               -> booked
        look hall              -> held 0 sold 10 of 10
        due X                  -> 7000
    """,
    "tickets of several holders go to one group": """
        book X 8               -> booked
        book Y 1               -> booked
        book Z 1               -> booked
        return Y 1             -> booked
        return Z 1             -> booked
        join A 2               -> waiting
        accept A               -> booked
        look hall              -> held 0 sold 10 of 10
        cancel Y               -> already-cancelled
        cancel Z               -> already-cancelled
    """,
    "one may return only what is sold out, what one has, and what is valid": """
        book A 2               -> booked
        return A 1             -> not-sold-out
        book X 8               -> booked
        return A 1 by=B        -> booking-not-found
        return A 1             -> booked
        return A 1             -> booked
        use X 1
        return X 8             -> booked
        hold H 1               -> sold-out
        wait 1d
        return X 8             -> sale-ended
    """,
    "a hold is not returned": """
        hold A 10              -> held
        return A 1             -> not-returnable
    """,
    "a returned ticket that was used is nobody else's": """
        book X 10              -> booked
        return X 1             -> booked
        join A 1               -> waiting
        use X 1
        accept A               -> offer-expired
        leave A                -> withdrawn
        look hall              -> held 0 sold 10 of 10
    """,
    "whoever took a returned ticket may return it again": """
        book X 9               -> booked
        book A 1               -> booked
        return A 1             -> booked
        join B 1               -> waiting
        accept B               -> booked
        return B 1             -> booked
        join C 1               -> waiting
        accept C               -> booked
        cancel B               -> already-cancelled
        look hall              -> held 0 sold 10 of 10
    """,
    "who joins in the batch of the return is asked": """
        book X 10              -> booked
        return X 1             -> booked
        & join A 1             -> waiting
        entry A                -> offered
        leave A                -> withdrawn
        join B 1               -> waiting
        & keep X 1             -> not-returnable
        accept B               -> booked
    """,
    "a fee that is kept is kept here as well": """
        terms online fee=100 fee-kept=yes -> done
        hold X 9               -> held
        pay X                  -> booked
        book A 1               -> held
        pay A                  -> booked
        return A 1             -> booked
        join B 1               -> waiting
        accept B               -> held
        pay B                  -> booked
        refunded A             -> 1000
    """,
    "part of what was offered is declined": """
        book X 8               -> booked
        book Y 2               -> booked
        join A 2               -> waiting
        return X 1             -> booked
        cancel Y 1             -> booked
        entry A                -> offered
        cancel A.offer 1 by=A  -> held
        accept A               -> booked
        look hall              -> held 0 sold 9 of 10
    """,
}

SEATS: Final[dict[str, str]] = {
    "a clock releases seats of a zone, whatever their pool": """
        seated
        pool side 3                          -> done
        type kid side zone=stalls            -> done
        hold A 2 std                         -> held
        releases std                         -> 15m
        releases kid                         -> 15m
        releases view                        -> 15m
        cancel A                             -> cancelled
        hold A 2 kid                         -> held
        releases std                         -> 15m
        releases view                        -> never
    """,
    "who waits gets seats together when there are any": """
        seated
        book X 10 std          -> booked
        book Y 2 std           -> booked
        join A 2               -> waiting
        cancel Y               -> cancelled
        & book B 1             -> sold-out
        entry A                -> offered
        accept A               -> booked
        left std               -> 0
    """,
    "seats that are owed are nobody else's, whichever he names": """
        seated
        book X 10 std          -> booked
        book Y 2 std           -> booked
        join A 3               -> waiting
        cancel Y               -> cancelled
        aside std              -> 2
        book B 1 seats=B6      -> sold-out
        & book B 1 seats=A1    -> sold-out
    """,
    "blocking a seat takes it from those for whom it was set aside": """
        seated
        book X 6 seats=A1,A2,A3,A4,A5,A6 -> booked
        book Y 4 seats=B1,B2,B3,B4 -> booked
        book Z 2 seats=B5,B6   -> booked
        join A 3               -> waiting
        cancel Z               -> cancelled
        aside std              -> 2
        block B6               -> done
        aside std              -> 1
        join B 1               -> waiting
        entry B                -> offered
        seats B.offer          -> B5
        unblock B6             -> done
        aside std              -> 1
        block B6               -> done
        aside std              -> 0
    """,
    "a returned ticket's seat goes with it": """
        seated
        book X 11 std          -> over-booking-limit
        book X 10 std          -> booked
        book Y 2 std as=Y      -> booked
        return Y 1             -> booked
        join A 1               -> waiting
        entry A                -> offered
        accept A               -> booked
        book B 1               -> sold-out
        cancel A               -> cancelled
        left std               -> 1
    """,
    "a returned seat whose holder cancels is the offer's": """
        seated
        book X 9 std           -> booked
        book Y 2 std           -> booked
        book Z 1 std           -> booked
        return Z 1             -> booked
        join A 1               -> waiting
        cancel Z               -> cancelled
        & book B 1             -> sold-out
        & leave A              -> withdrawn
        left std               -> 1
    """,
}

PROMOS: Final[dict[str, str]] = {
    "a promo code takes something off what was offered": """
        terms online fee=50+10% hold=60 -> done
        promo HALF percent 50  -> done
        hold X 10              -> held
        join A 2               -> waiting
        cancel X 3             -> held
        accept A promo=half    -> held
        due A                  -> 1200
        uses HALF              -> 1 for 1000
        accept A promo=HALF    -> held
        accept A               -> held
        pay A                  -> booked
        accept A promo=HALF    -> booked
        ledger                 -> buyer 1200 fees -200 organizer -1000
        cancel A by=organizer  -> cancelled
        refunded A             -> 1200
        uses HALF              -> 0 for 0
    """,
    "an accepted offer takes no other code": """
        terms online           -> done
        promo HALF percent 50  -> done
        promo TEN percent 10   -> done
        hold X 10              -> held
        join A 1               -> waiting
        join B 1               -> waiting
        cancel X 2             -> held
        accept A               -> held
        accept A promo=HALF    -> not-offered
        due A                  -> 1000
        accept B promo=TEN     -> held
        accept B promo=HALF    -> not-offered
        accept B promo=NONE    -> not-offered
        due B                  -> 900
        uses HALF              -> 0 for 0
    """,
    "what is refused of a code leaves the offer open": """
        terms online offer=3600 -> done
        type vip hall price=10 -> done
        promo SOON percent 10 from=10m until=20m -> done
        promo VIP percent 10 for=vip -> done
        promo ONE percent 10 units=1 -> done
        promo POOR percent 10 budget=199 -> done
        promo GONE percent 10  -> done
        unpromo GONE           -> done
        promo LAST percent 10 uses=1 -> done
        promo MINE percent 10 each=1 -> done
        book A 1 promo=MINE as=A1 -> held
        book C 1 promo=LAST    -> held
        hold X 8               -> held
        join A 2               -> waiting
        cancel X 2             -> held
        accept A promo=NONE    -> unknown-promo-code
        & accept A promo=GONE  -> unknown-promo-code
        & accept A promo=SOON  -> promo-code-not-valid
        & accept A promo=VIP   -> promo-code-not-valid
        & accept A promo=ONE   -> promo-code-not-valid
        & accept A promo=POOR  -> promo-code-used-up
        & accept A promo=LAST  -> promo-code-used-up
        & accept A promo=MINE  -> promo-code-used-up
        entry A                -> offered
        uses ONE               -> 0 for 0
        cancel C               -> cancelled
        accept A promo=LAST    -> held
        due A                  -> 1800
    """,
    "everything off is booked at once": """
        terms online fee=50    -> done
        promo GUEST percent 100 -> done
        hold X 10              -> held
        join A 2               -> waiting
        cancel X 2             -> held
        accept A promo=GUEST   -> booked
        due A                  -> 0
        ledger                 ->
        uses GUEST             -> 1 for 2000
    """,
    "paid on site, it is booked at the lower price": """
        promo TEN fixed 100    -> done
        book X 10              -> booked
        join A 2               -> waiting
        cancel X 2             -> booked
        accept A promo=TEN     -> booked
        ledger                 -> door 9800 organizer -9800
    """,
    "an amount off the booking is split over the tickets of an offer": """
        promo TEN fixed_per_booking 1000 -> done
        book X 10              -> booked
        join A 3               -> waiting
        cancel X 3             -> booked
        accept A promo=TEN     -> booked
        off A                  -> 334 333 333
        cancel A 1             -> booked
        uses TEN               -> 1 for 1000
        cancel A               -> cancelled
        uses TEN               -> 0 for 0
    """,
    "it is off the price that was offered, under the conditions of the offer": """
        terms online fee=100   -> done
        promo HALF percent 50  -> done
        hold X 10              -> held
        join A 1               -> waiting
        cancel X 1             -> held
        type std hall price=9000 -> done
        terms online fee=700   -> done
        accept A promo=HALF    -> held
        due A                  -> 600
    """,
    "a code unlocks the waitlist of a hidden ticket type, and its offer uses the code": """
        type crew hall price=500 hidden=yes -> done
        promo CREW percent 10 for=crew uses=1 -> done
        promo STD percent 10 for=std -> done
        book A 10              -> booked
        join B 1 crew          -> unknown-ticket-type
        join B 1 crew promo=NONE -> unknown-promo-code
        join B 1 crew promo=STD -> unknown-ticket-type
        join B 1 crew promo=crew -> waiting
        join C 1 crew promo=CREW -> waiting
        join D 1 std promo=CREW -> waiting
        cancel A 2             -> booked
        entry B                -> offered
        uses CREW              -> 0 for 0
        confirm B.offer        -> not-offered
        accept B promo=STD     -> promo-code-not-valid
        accept B               -> booked
        accept B               -> booked
        uses CREW              -> 1 for 50
        accept C               -> promo-code-used-up
        confirm C.offer        -> not-offered
        entry C                -> offered
        cancel B.offer         -> cancelled
        accept C               -> booked
        uses CREW              -> 1 for 50
    """,
    "a code that only unlocks has its use counted by the offer, too": """
        terms online hold=600 offer=3600 -> done
        type crew hall price=500 hidden=yes -> done
        promo CREW unlock 0 for=crew each=1 -> done
        hold A 10              -> held
        join B 1 crew promo=CREW -> waiting
        unpromo CREW           -> done
        cancel A 1             -> held
        pay B.offer            -> not-offered
        accept B               -> unknown-promo-code
        promo CREW unlock 0 for=crew each=1 -> done
        accept B               -> held
        pay B.offer            -> booked
        uses CREW              -> 1 for 0
        join B 1 crew promo=CREW -> promo-code-used-up
    """,
    "what is shown to everybody, or was when an entry joined, needs no code": """
        type crew hall price=500 hidden=yes -> done
        type open hall price=500 -> done
        promo CREW percent 10 for=crew+open -> done
        book A 10              -> booked
        join B 1 crew promo=CREW -> waiting
        join C 1 open promo=CREW -> waiting
        type crew hall price=500 -> done
        type open hall price=500 hidden=yes -> done
        cancel A 2             -> booked
        accept B               -> booked
        confirm C.offer        -> booked
        uses CREW              -> 0 for 0
    """,
    "an offer keeps its tax, so another one refuses the code": """
        type std hall tax=10% tax-on-top=y -> done
        promo HALF percent 50  -> done
        book X 10              -> booked
        join A 1               -> waiting
        cancel X 1             -> booked
        type std hall tax=20% tax-on-top=y -> done
        accept A promo=HALF    -> promo-code-not-valid
        accept A               -> booked
        due A                  -> 1100
    """,
    "the tax in its fee is of the lower fee": """
        terms online fee=100+100% fee-tax=25% -> done
        promo HALF percent 50  -> done
        hold X 10              -> held
        join A 1               -> waiting
        cancel X 1             -> held
        accept A promo=HALF    -> held
        pay A                  -> booked
        ledger                 -> buyer 1100 fees -480 organizer -500 tax -120
    """,
    "a code is used up by the batch that uses it": """
        promo ONE percent 10 uses=1 -> done
        book X 10              -> booked
        join A 1               -> waiting
        join B 1               -> waiting
        cancel X 2             -> booked
        accept A promo=ONE     -> booked
        & accept B promo=ONE   -> promo-code-used-up
        & cancel A.offer by=A  -> cancelled
        & accept B promo=ONE   -> booked
    """,
    "an offer whose hold ends gives the use back": """
        terms online hold=60   -> done
        promo ONE percent 10 uses=1 -> done
        hold X 10              -> held
        join A 1               -> waiting
        cancel X 1             -> held
        accept A promo=ONE     -> held
        uses ONE               -> 1 for 100
        wait 3600s
        nothing                -> done
        uses ONE               -> 0 for 0
    """,
    "tickets of an offer that were cancelled before get nothing": """
        terms online           -> done
        promo TEN fixed_per_booking 1000 -> done
        hold X 10              -> held
        join A 3               -> waiting
        cancel X 3             -> held
        nothing                -> done
        cancel A.offer 1 by=A  -> held
        accept A promo=TEN     -> held
        off A                  -> 500 500
        uses TEN               -> 1 for 1000
    """,
    "a returned ticket is replaced at a discount": """
        terms online           -> done
        promo HALF percent 50  -> done
        book X 10              -> held
        pay X                  -> booked
        join A 1               -> waiting
        return X 1             -> booked
        accept A promo=HALF    -> held
        pay A                  -> booked
        due A                  -> 500
        refunded X             -> 1000
    """,
}

STORIES: Final = LINE | POOLS | RETURNS | SEATS | PROMOS


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    tell(story)
