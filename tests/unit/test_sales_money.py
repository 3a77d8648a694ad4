"""Stories about money: prices, refunds, promo codes.

After every line the ledger adds up: to nothing over all accounts, and for each to what the bookings say.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.stories import tell

PRICES: Final[dict[str, str]] = {
    "paying moves money from the buyer to whom it is due": """
        terms online fee=50+5%       -> done
        book A 2                     -> held
        due A                        -> 2200
        ledger                       ->
        pay A                        -> booked
        ledger                       -> buyer 2200 fees -200 organizer -2000
        capture A                    -> booked
        ledger                       -> fees -200 gateway 2200 organizer -2000
    """,
    "a payment is captured once": """
        terms online                 -> done
        book A 2                     -> held
        capture A                    -> payment-mismatch
        pay A                        -> booked
        capture A with=other         -> payment-mismatch
        capture A                    -> booked
        & capture A                  -> booked
        capture A                    -> booked
        capture nobody               -> booking-not-found
        ledger                       -> gateway 2000 organizer -2000
    """,
    "the organizer may pay the fee": """
        terms online fee=50+5% fee-of=organizer -> done
        book A 2                     -> held
        due A                        -> 2000
        pay A                        -> booked
        ledger                       -> buyer 2000 fees -200 organizer -1800
    """,
    "a fee takes no more than there is": """
        terms online fee=2000 fee-of=organizer -> done
        type std hall tax=19%        -> done
        book A 1                     -> held
        pay A                        -> booked
        ledger                       -> buyer 1000 fees -840 tax -160
    """,
    "tax may be included": """
        type std hall tax=19%        -> done
        book A 1                     -> booked
        due A                        -> 1000
        ledger                       -> door 1000 organizer -840 tax -160
    """,
    "tax may come on top": """
        type std hall tax=7% tax-on-top=yes -> done
        terms online fee=50          -> done
        book A 2                     -> held
        due A                        -> 2240
        pay A                        -> booked
        ledger                       -> buyer 2240 fees -94 organizer -2000 tax -146
    """,
    "the fee includes its tax, at the rate of the ticket": """
        terms online fee=200         -> done
        type std hall price=3400 tax=7% -> done
        book A 2                     -> held
        due A                        -> 7200
        pay A                        -> booked
        ledger                       -> buyer 7200 fees -374 organizer -6356 tax -470
    """,
    "or at a rate of its own": """
        terms online fee=200 fee-tax=19% -> done
        type std hall price=3400 tax=7% -> done
        type free-of-tax hall price=1000 -> done
        book A 1 std 1 free-of-tax   -> held
        due A                        -> 4800
        pay A                        -> booked
        ledger                       -> buyer 4800 fees -336 organizer -4178 tax -286
    """,
    "so has one that is paid at the door": """
        terms fee=200 fee-tax=19%    -> done
        book A 1                     -> booked
        due A                        -> 1200
        ledger                       -> door 1200 fees -168 organizer -1000 tax -32
    """,
    "or has none": """
        terms online fee=200 fee-tax=0% -> done
        type std hall price=3400 tax=7% -> done
        book A 2                     -> held
        pay A                        -> booked
        ledger                       -> buyer 7200 fees -400 organizer -6356 tax -444
    """,
    "when the organizer pays the fee, the tax of the price is all the tax there is": """
        terms online fee=200 fee-of=organizer fee-tax=19% -> done
        type std hall price=3400 tax=7% -> done
        book A 1                     -> held
        due A                        -> 3400
        pay A                        -> booked
        ledger                       -> buyer 3400 fees -200 organizer -2978 tax -222
    """,
    "halves are rounded up, once for each ticket": """
        type std hall price=5 tax=10% tax-on-top=yes -> done
        book A 3                     -> booked
        due A                        -> 18
        ledger                       -> door 18 organizer -15 tax -3
    """,
    "free tickets have no fee": """
        terms online fee=50          -> done
        type kid hall price=0        -> done
        book A 3 kid                 -> booked
        due A                        -> 0
        ledger                       ->
    """,
    "a price is frozen when it is booked": """
        terms online fee=50          -> done
        book A 2                     -> held
        type std hall price=9000 tax=19% tax-on-top=yes -> done
        terms online fee=500         -> done
        due A                        -> 2100
        pay A                        -> booked
        ledger                       -> buyer 2100 fees -100 organizer -2000
    """,
}

REFUNDS: Final[dict[str, str]] = {
    "cancelling pays back what was paid, through the gateway": """
        terms online                 -> done
        book A 2                     -> held
        pay A                        -> booked
        capture A                    -> booked
        cancel A before=1h           -> cancelled
        refunded A                   -> 2000
        ledger                       -> gateway 2000 refunds -2000
        refund A                     -> cancelled
        ledger                       ->
    """,
    "a refund is settled once": """
        terms online                 -> done
        book A 2                     -> held
        pay A                        -> booked
        capture A                    -> booked
        cancel A                     -> cancelled
        refund A                     -> cancelled
        & refund A                   -> cancelled
        refund A                     -> cancelled
        refund nobody                -> refund-not-found
        ledger                       ->
    """,
    "what was never taken is never paid back": """
        terms online                 -> done
        book A 2                     -> held
        pay A                        -> booked
        cancel A                     -> cancelled
        ledger                       -> buyer 2000 refunds -2000
        refund A how=never_paid      -> cancelled
        ledger                       ->
    """,
    "a payment that turns out to be void cancels without a refund": """
        terms online fee=50          -> done
        book A 2                     -> held
        pay A                        -> booked
        cancel A by=organizer unpaid=yes -> cancelled
        refunded A                   -> 0
        ledger                       ->
    """,
    "cancelling a hold pays nothing back, for nothing was paid": """
        terms online                 -> done
        book A 2                     -> held
        cancel A                     -> cancelled
        refunded A                   -> 0
        ledger                       ->
    """,
    "tickets are paid back one by one, never more than was paid": """
        terms online fee=50          -> done
        book A 3                     -> held
        pay A                        -> booked
        capture A                    -> booked
        cancel A 1 before=1h         -> booked
        refunded A                   -> 1050
        ledger                       -> fees -100 gateway 3150 organizer -2000 refunds -1050
        cancel A 1 before=1h         -> booked
        cancel A tickets=void        -> already-cancelled
        refunded A                   -> 2100
        cancel A before=1h           -> cancelled
        & cancel A before=1h         -> already-cancelled
        refunded A                   -> 3150
        refund A                     -> cancelled
        refund A                     -> cancelled
        refund A                     -> cancelled
        refund A                     -> cancelled
        ledger                       ->
    """,
    "a key pays back once": """
        terms online                 -> done
        book A 3                     -> held
        pay A                        -> booked
        cancel A 1 key=k             -> booked
        & cancel A 1 key=k           -> booked again
        cancel A 1 key=k             -> booked again
        refunded A                   -> 1000
    """,
    "of several windows the next to close counts": """
        terms online window=48h:100%,24h:50%,0h:10% -> done
        book A 2                     -> held
        pay A                        -> booked
        quote A before=49h           -> 2000
        quote A before=48h           -> 1000
        quote A before=24h           -> 200
        quote A before=1s            -> 200
        quote A before=0s            -> 0
        cancel A 1 before=49h        -> booked
        refunded A                   -> 1000
        cancel A before=48h          -> cancelled
        refunded A                   -> 1500
    """,
    "after the last window nothing is paid back": """
        terms online window=48h:50%  -> done
        book A 2                     -> held
        pay A                        -> booked
        capture A                    -> booked
        quote A before=48h           -> 0
        cancel A before=48h          -> cancelled
        refunded A                   -> 0
        refund A                     -> refund-not-found
        ledger                       -> gateway 2000 organizer -2000
    """,
    "buyers cancel until a deadline, the organizer after it as well, and pays everything back": """
        terms online window=48h:50% late=24h -> done
        book A 2                     -> held
        book B 2                     -> held
        pay A                        -> booked
        cancel A before=24h          -> too-late-to-cancel
        cancel A 1 before=24h        -> too-late-to-cancel
        cancel B before=24h          -> cancelled
        cancel A by=organizer        -> cancelled
        refunded A                   -> 2000
    """,
    "half of everything is half of tax and fee as well": """
        terms online fee=100 window=0h:50% -> done
        type std hall tax=25% tax-on-top=yes -> done
        book A 1                     -> held
        pay A                        -> booked
        ledger                       -> buyer 1350 fees -80 organizer -1000 tax -270
        cancel A before=1h           -> cancelled
        ledger                       -> buyer 1350 fees -40 organizer -500 refunds -675 tax -135
    """,
    "a fee may be kept with its tax, and then the organizer pays back no more than he got": """
        terms online fee=100 fee-kept=yes -> done
        type std hall tax=25%        -> done
        book A 1                     -> held
        pay A                        -> booked
        ledger                       -> buyer 1100 fees -80 organizer -800 tax -220
        quote A before=1h            -> 1000
        cancel A before=1h           -> cancelled
        refunded A                   -> 1000
        ledger                       -> buyer 1100 fees -80 refunds -1000 tax -20
    """,
    "of a kept fee no tax is refunded, however little is": """
        terms online fee=100 fee-kept=yes fee-tax=100% window=0h:50% -> done
        type std hall tax=25%        -> done
        book A 2                     -> held
        pay A                        -> booked
        capture A                    -> booked
        ledger                       -> fees -100 gateway 2200 organizer -1600 tax -500
        cancel A 1 before=1h         -> booked
        refunded A                   -> 500
        ledger                       -> fees -100 gateway 2200 organizer -1200 refunds -500 tax -400
        cancel A by=organizer        -> cancelled
        refunded A                   -> 1600
        ledger                       -> fees -50 gateway 2200 organizer -400 refunds -1600 tax -150
    """,
    "a fee is not kept when everything is paid back, by whose hand ever": """
        terms online fee=100 fee-kept=yes -> done
        type std hall tax=25%        -> done
        book A 1                     -> held
        pay A                        -> booked
        capture A                    -> booked
        outside A 550                -> booked
        ledger                       -> fees -40 gateway 550 organizer -400 tax -110
        cancel A by=organizer        -> cancelled
        refunded A                   -> 550
        ledger                       -> gateway 550 refunds -550
    """,
    "no account gives more than it got when others paid back a part": """
        terms online fee=50          -> done
        type kid hall price=800      -> done
        book A 1 std 1 kid           -> held
        pay A                        -> booked
        capture A                    -> booked
        outside A 850                -> booked
        ledger                       -> fees -55 gateway 1050 organizer -995
        cancel A 1 by=organizer      -> booked
        ledger                       -> gateway 1050 refunds -1050
        cancel A by=organizer        -> cancelled
        ledger                       -> gateway 1050 refunds -1050
    """,
    "what others take back leaves each account what the valid tickets gave it": """
        terms online fee=100 fee-tax=0% -> done
        type std hall tax=25%        -> done
        type kid hall price=800      -> done
        book A 1 std 1 kid           -> held
        pay A                        -> booked
        capture A                    -> booked
        outside A 300                -> booked
        ledger                       -> fees -170 gateway 1700 organizer -1360 tax -170
        cancel A 1 by=organizer      -> booked
        ledger                       -> fees -67 gateway 1700 organizer -533 refunds -1100
        outside A                    -> booked
        ledger                       -> fees -100 gateway 2000 organizer -800 refunds -1100
    """,
    "the organizer may keep what was paid at the door, but never captured money": """
        type std hall tax=25%        -> done
        book A 2                     -> booked
        ledger                       -> door 2000 organizer -1600 tax -400
        cancel A 1 by=organizer keep-door=yes -> booked
        cancel A by=organizer keep-door=yes   -> cancelled
        ledger                       -> door 2000 organizer -1600 tax -400
        book B 1                     -> booked
        cancel B by=organizer        -> cancelled
        book D 1                     -> booked
        cancel D keep-door=yes           -> cancelled
        ledger                       -> door 2000 organizer -1600 tax -400
        terms online                 -> done
        book C 1                     -> held
        pay C                        -> booked
        capture C                    -> booked
        cancel C by=organizer keep-door=yes -> cancelled
        refunded C                   -> 1000
    """,
    "whether a cancelled event keeps what was paid at the door is decided once for all bookings": """
        book A 2                     -> booked
        book B 1                     -> booked
        hold C 1                     -> held
        cancel A 1 by=organizer keep-door=yes -> booked
        call-off                     -> done
        & cancel A by=organizer keep-door=yes -> event-cancelled
        cancel B by=organizer keep-door=yes   -> event-cancelled
        cancel C by=organizer keep-door=yes   -> cancelled
        cancel A by=organizer        -> cancelled
        cancel B by=organizer        -> cancelled
        ledger                       -> door 1000 organizer -1000
    """,
    "a cancelled event may keep what was paid at the door": """
        book A 2                     -> booked
        book B 1                     -> booked
        book C 1                     -> booked
        call-off keep-door=yes       -> done
        & cancel A by=organizer keep-door=yes -> cancelled
        cancel B by=organizer keep-door=yes   -> cancelled
        cancel C by=organizer        -> cancelled
        ledger                       -> door 3000 organizer -3000
    """,
    "refunds by another hand are counted once, fall, and are never more than is left": """
        terms online                 -> done
        book A 1                     -> held
        pay A                        -> booked
        capture A                    -> booked
        outside A re1:300            -> booked
        outside A re1:300 re2:200    -> booked
        outside A re1:300 re2:200    -> booked
        ledger                       -> gateway 500 organizer -500
        outside A re2:200 known=300  -> payment-mismatch
        outside A re2:200            -> booked
        ledger                       -> gateway 800 organizer -800
        cancel A by=organizer        -> cancelled
        refunded A                   -> 800
        outside A re2:200 re3:100    -> cancelled
        ledger                       -> gateway 800 refunds -800
        outside A                    -> cancelled
        ledger                       -> gateway 1000 organizer -200 refunds -800
    """,
    "a fee is not kept when the organizer cancels": """
        terms online fee=100 fee-kept=yes -> done
        book A 1                     -> held
        pay A                        -> booked
        cancel A by=organizer        -> cancelled
        refunded A                   -> 1100
        ledger                       -> buyer 1100 refunds -1100
    """,
    "a fee that the organizer pays is no part of what is kept from the buyer": """
        terms online fee=100 fee-of=organizer fee-kept=yes window=0h:50% -> done
        book A 1                     -> held
        pay A                        -> booked
        cancel A before=1h           -> cancelled
        refunded A                   -> 500
        ledger                       -> buyer 1000 fees -50 organizer -450 refunds -500
    """,
    "what is paid on site is paid back on site": """
        book A 2                     -> booked
        cancel A 1 before=1h         -> booked
        refunded A                   -> 0
        ledger                       -> door 1000 organizer -1000
        quote A before=1h            -> 0
    """,
    "conditions of the booking count, not those of today": """
        terms online window=0h:100%  -> done
        book A 2                     -> held
        pay A                        -> booked
        terms online window=0h:0%    -> done
        cancel A 1 before=1h         -> booked
        refunded A                   -> 1000
    """,
}

PROMOS: Final[dict[str, str]] = {
    "a percentage": """
        terms online fee=5+10%       -> done
        promo FRIENDS percent 10     -> done
        book A 2 promo=friends       -> held
        due A                        -> 1990
        uses FRIENDS                 -> 1 for 200
        pay A                        -> booked
        ledger                       -> buyer 1990 fees -190 organizer -1800
    """,
    "a fixed amount off each ticket, and never more than it costs": """
        promo FRIENDS fixed 300      -> done
        type kid hall price=200      -> done
        book A 1 std 2 kid promo=FRIENDS -> booked
        due A                        -> 700
        uses FRIENDS                 -> 1 for 700
    """,
    "everything off is confirmed at once": """
        terms online fee=50          -> done
        promo GUEST percent 100      -> done
        book A 2 promo=GUEST         -> booked
        due A                        -> 0
        ledger                       ->
    """,
    "tax is of what is left": """
        type std hall tax=25%        -> done
        promo HALF percent 50        -> done
        book A 1 promo=HALF          -> booked
        ledger                       -> door 500 organizer -400 tax -100
    """,
    "for some ticket types only": """
        type vip hall price=5000     -> done
        promo VIP percent 10 for=vip -> done
        book A 1 std promo=VIP       -> promo-code-not-valid
        book A 1 std 1 vip promo=VIP -> booked
        due A                        -> 5500
        promo ODD percent 10 for=nobody -> unknown-ticket-type
    """,
    "hidden ticket types are for those who know": """
        type crew hall price=0 hidden=yes -> done
        promo CREW unlock 0 for=crew -> done
        promo OTHER percent 10       -> done
        book A 1 crew                -> unknown-ticket-type
        book A 1 crew promo=OTHER    -> unknown-ticket-type
        book A 1 crew promo=CREW     -> booked
        book A 1 std promo=CREW      -> promo-code-not-valid
        uses CREW                    -> 1 for 0
        join B 1 crew                -> unknown-ticket-type
    """,
    "a code is used so many times": """
        promo TWO percent 10 uses=2  -> done
        book A 1 promo=TWO           -> booked
        & book B 1 promo=TWO         -> booked
        & book C 1 promo=TWO         -> promo-code-used-up
        book C 1 promo=TWO           -> promo-code-used-up
    """,
    "and so many times by one buyer": """
        promo TWO percent 10 each=2  -> done
        book A 1 promo=TWO           -> booked
        & book A 2 promo=TWO as=A2   -> booked
        & book A 1 promo=TWO         -> promo-code-used-up
        book A 1 promo=TWO           -> promo-code-used-up
        book B 1 promo=TWO           -> booked
        cancel A2 by=A               -> cancelled
        & book A 1 promo=TWO         -> booked
    """,
    "a use is given back with the booking, not before": """
        terms online hold=60         -> done
        promo ONE percent 10 uses=1  -> done
        book A 2 promo=ONE           -> held
        cancel A 1                   -> held
        book B 1 promo=ONE           -> promo-code-used-up
        wait 60s
        book B 1 promo=ONE           -> held
        pay B                        -> booked
        cancel B                     -> cancelled
        & book C 1 promo=ONE         -> held
        cancel C                     -> cancelled
        uses ONE                     -> 0 for 0
    """,
    "a code may limit the units of one use": """
        type kid hall price=500        -> done
        promo TWO percent 100 for=std units=2 -> done
        book A 3 promo=TWO             -> promo-code-not-valid
        book A 2 std 3 kid promo=TWO   -> booked
        uses TWO                       -> 1 for 2000
        promo TWO percent 100 units=4  -> done
        book B 2 std 3 kid promo=TWO   -> promo-code-not-valid
        book B 1 std 3 kid promo=TWO   -> booked
    """,
    "a fixed amount off the booking is split over its tickets": """
        terms online                 -> done
        promo TEN fixed_per_booking 1000 -> done
        book A 3 promo=TEN           -> held
        due A                        -> 2000
        off A                        -> 334 333 333
        uses TEN                     -> 1 for 1000
        pay A                        -> booked
        ledger                       -> buyer 2000 organizer -2000
    """,
    "and what each ticket cost is paid back when it is cancelled": """
        terms online                 -> done
        promo TEN fixed_per_booking 1000 -> done
        book A 3 promo=TEN           -> held
        pay A                        -> booked
        cancel A 1 before=1h         -> booked
        refunded A                   -> 666
        uses TEN                     -> 1 for 1000
        cancel A before=1h           -> cancelled
        refunded A                   -> 2000
        uses TEN                     -> 0 for 0
    """,
    "dear tickets get more of it, whichever is named first": """
        type vip hall price=3000     -> done
        promo TEN fixed_per_booking 1000 -> done
        book A 1 std 1 vip promo=TEN -> booked
        off A                        -> 250 750
        book B 1 vip 1 std promo=TEN -> booked
        off B                        -> 750 250
    """,
    "it never takes off more than the tickets cost": """
        type kid hall price=0        -> done
        promo ALL fixed_per_booking 5000 budget=9000 -> done
        book A 2 std 1 kid promo=ALL -> booked
        due A                        -> 0
        uses ALL                     -> 1 for 2000
    """,
    "nor more than the tickets that it is for": """
        type vip hall price=300      -> done
        promo VIP fixed_per_booking 1000 for=vip -> done
        book A 1 std 2 vip promo=VIP -> booked
        off A                        -> 0 300 300
        book B 1 std promo=VIP       -> promo-code-not-valid
    """,
    "nor more than its budget": """
        promo TEN fixed_per_booking 600 budget=1000 -> done
        book A 5 promo=TEN           -> booked
        book B 1 promo=TEN           -> promo-code-used-up
    """,
    "tax and fee are of what is left of each ticket": """
        type std hall price=10 tax=50% tax-on-top=yes -> done
        promo ONE fixed_per_booking 1 -> done
        book A 2 promo=ONE           -> booked
        ledger                       -> door 29 organizer -19 tax -10
    """,
    "seats share a discount as well": """
        seated
        promo TEN fixed_per_booking 1000 -> done
        book A 3 seats=A1,A2,A3 promo=TEN -> booked
        off A                        -> 334 333 333
        seats A                      -> A1 A2 A3
    """,
    "a budget is never passed": """
        promo SOME fixed 300 budget=700 -> done
        book A 2 promo=SOME          -> booked
        book B 1 promo=SOME          -> promo-code-used-up
        cancel A                     -> cancelled
        & book B 2 promo=SOME        -> booked
        promo SOME fixed 300 budget=599 -> promo-code-limit-too-low
        promo SOME fixed 300 budget=600 -> done
        promo SOME fixed 300 uses=0  -> promo-code-limit-too-low
    """,
    "a code has its time": """
        promo SOON percent 10 from=1h until=2h -> done
        book A 1 promo=SOON          -> promo-code-not-valid
        wait 1h
        book A 1 promo=SOON          -> booked
        wait 3599s
        book A 1 promo=SOON          -> booked
        wait 1s
        book A 1 promo=SOON          -> promo-code-not-valid
    """,
    "a code is retired, and what was booked with it stays": """
        promo FRIENDS percent 10     -> done
        book A 1 promo=FRIENDS       -> booked
        unpromo FRIENDS              -> done
        unpromo FRIENDS              -> done
        unpromo NOBODY               -> unknown-promo-code
        book B 1 promo=FRIENDS       -> unknown-promo-code
        book B 1 promo=NOBODY        -> unknown-promo-code
        due A                        -> 900
        cancel A                     -> cancelled
        uses FRIENDS                 -> 0 for 0
    """,
    "two codes never have one name": """
        promo FRIENDS percent 10     -> done
        promo FRIENDS percent 20 as=another -> promo-code-taken
        promo OTHERS percent 20 as=another -> done
        promo FRIENDS percent 20 as=another -> promo-code-taken
    """,
    "a code is renamed in the batch that uses it": """
        promo FRIENDS percent 10     -> done
        book A 1 promo=FRIENDS       -> booked
        & promo FAMILY percent 20 as=FRIENDS -> done
        & book B 1 promo=FRIENDS     -> unknown-promo-code
        & book B 1 promo=FAMILY      -> booked
        uses FRIENDS                 -> 2 for 300
    """,
    "what is refused uses nothing": """
        promo ONE percent 10 uses=1  -> done
        book A 11 promo=ONE          -> over-booking-limit
        book A 8                     -> booked
        book B 3 promo=ONE           -> sold-out
        uses ONE                     -> 0 for 0
        book B 2 promo=ONE key=k     -> booked
        book B 2 promo=ONE key=k     -> booked again
        uses ONE                     -> 1 for 200
    """,
}

PROMISES: Final[dict[str, str]] = {
    "deadlines count from the start that was promised, when the event is earlier": """
        terms online window=336h:50% late=48h give-back=0 -> done
        hold A 2                     -> held
        pay A                        -> booked
        quote A before=start         -> 1000
        wait 1h
        move 30h                     -> done
        quote A before=start         -> 1000
        wait 1h
        hold B 1                     -> held
        pay B                        -> booked
        cancel B before=start        -> too-late-to-cancel
        cancel A 1 before=start      -> booked
        refunded A                   -> 500
        wait 29h
        cancel A before=start        -> too-late-to-cancel
    """,
    "what a later start has opened stays open when the event is back": """
        terms online window=48h:100% give-back=0 -> done
        hold A 1                     -> held
        pay A                        -> booked
        wait 1h
        move 24h                     -> done
        wait 1h
        hold B 1                     -> held
        pay B                        -> booked
        quote B before=start         -> 0
        move 90d                     -> done
        quote B before=start         -> 1000
        wait 1h
        move 20h                     -> done
        quote A before=start         -> 1000
        quote B before=start         -> 1000
        wait 20h
        cancel A before=start        -> too-late-to-cancel
        cancel B before=start        -> too-late-to-cancel
    """,
    "another place is given back in full for a while, with the fee": """
        terms online fee=100 fee-kept=yes window=1440h:50% late=1440h -> done
        hold A 2                     -> held
        pay A                        -> booked
        cancel A before=start        -> too-late-to-cancel
        wait 1h
        move elsewhere               -> done
        wait 1s
        hold B 1                     -> held
        pay B                        -> booked
        cancel B before=start        -> too-late-to-cancel
        quote A before=start         -> 2200
        cancel A 1 before=start      -> booked
        refunded A                   -> 1100
        wait 14d
        cancel A before=start        -> too-late-to-cancel
        move elsewhere               -> done
        quote A before=start         -> 1100
        quote B before=start         -> 1100
    """,
    "nothing is given back after the new start": """
        terms online window=48h:50%  -> done
        hold A 1                     -> held
        pay A                        -> booked
        wait 1h
        move 30m                     -> done
        quote A before=start         -> 1000
        wait 30m
        quote A before=start         -> 500
        cancel A before=start        -> too-late-to-cancel
    """,
    "a start that moves by a minute is another start": """
        terms online window=         -> done
        hold A 1                     -> held
        pay A                        -> booked
        quote A before=start         -> 0
        move 86401m                  -> done
        quote A before=start         -> 1000
    """,
    "when it was placed counts for a booking, not when it was paid": """
        terms online window=         -> done
        hold A 1                     -> held
        wait 1m
        move elsewhere               -> done
        & hold B 1                   -> held
        wait 1m
        pay A                        -> booked
        pay B                        -> booked
        hold C 1                     -> held
        pay C                        -> booked
        quote A before=start         -> 1000
        quote B before=start         -> 1000
        quote C before=start         -> 0
    """,
    "an event that is not on sale has promised nothing": """
        blank
        pool hall 10                 -> done
        type std hall                -> done
        terms online window=         -> done
        move 10d                     -> done
        open                         -> done
        hold A 1                     -> held
        pay A                        -> booked
        quote A before=start         -> 0
        call-off                     -> done
        move 20d                     -> event-cancelled
    """,
}

STORIES: Final = PRICES | REFUNDS | PROMOS | PROMISES


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    tell(story)
