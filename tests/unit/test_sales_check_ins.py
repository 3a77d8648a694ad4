"""The rules of the door, as stories."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.stories import tell

STORIES: Final = {
    "a ticket lets one person in": """
        book A 2               -> booked
        scan A 1               -> accepted
        scan A 1               -> inside
        & scan A 2             -> accepted
        & scan A 2             -> inside
    """,
    "a scan that is repeated is the same scan, whatever happened since": """
        book A 2               -> booked
        scan A 1 scan=s        -> accepted
        scan A 1 scan=s        -> accepted again
        scan A 1 out           -> accepted
        scan A 1 scan=s        -> accepted again
        scan A 2 scan=s        -> key-reused
        scan A 1 out scan=s    -> key-reused
        scan A 1 scan=t        -> no_reentry
        scan A 1 scan=t reentry=yes -> no_reentry again
        & scan nobody 1 scan=u -> unknown
        & scan nobody 1 scan=u -> unknown again
    """,
    "a code that is wrong lets nobody in, and uses nothing": """
        book A 1               -> booked
        scan A 1 forged=yes    -> forged
        scan nobody 1          -> unknown
        scan A 1               -> accepted
        scan A 1 out forged=yes -> forged
    """,
    "only a valid ticket of a confirmed booking admits": """
        hold A 1               -> held
        scan A 1               -> unpaid
        confirm A              -> booked
        cancel A               -> cancelled
        scan A 1               -> cancelled
        hold B 1               -> held
        wait 15m
        scan B 1               -> unpaid
        book C 1               -> booked
        book D 1               -> booked
        scan D 1               -> accepted
        call-off               -> done
        scan C 1               -> cancelled
        scan D 1 out           -> cancelled
    """,
    "a gate admits its ticket types, in its time": """
        type vip hall          -> done
        book A 1 std 1 vip     -> booked
        scan A 1 for=vip       -> wrong_gate
        scan A 1 from=1h       -> too_early
        wait 1h
        scan A 2 for=vip until=0h -> too_late
        scan A 2 for=vip+std until=1h -> accepted
        scan A 1 offline=yes from=1h -> accepted
    """,
    "who leaves may come back where the organizer allows it": """
        book A 1               -> booked
        scan A 1 out           -> outside
        scan A 1 reentry=yes   -> accepted
        scan A 1 reentry=yes   -> inside
        scan A 1 out           -> accepted
        scan A 1 out           -> outside
        scan A 1               -> no_reentry
        scan A 1 reentry=yes   -> accepted
        & scan A 1 out         -> accepted
        & scan A 1 reentry=yes -> accepted
    """,
    "a mistake is undone: the ticket is valid again": """
        book A 2               -> booked
        scan A 1 scan=s        -> accepted
        & undo s               -> accepted
        undo s                 -> accepted again
        scan A 1 scan=t        -> accepted
        scan A 1 scan=u        -> inside
        undo u                 -> not-undoable
        undo none              -> scan-not-found
        undo t                 -> accepted
        cancel A               -> cancelled
    """,
    "a ticket is cancelled in the batch that undoes its check-in": """
        book A 2               -> booked
        scan A 1 scan=s        -> accepted
        undo s                 -> accepted
        & cancel A             -> cancelled
        scan A 1               -> cancelled
    """,
    "who came by mistake keeps a returned ticket": """
        book A 10              -> booked
        return A 2             -> booked
        scan A 1               -> accepted
        join C 1               -> waiting
        entry C                -> offered
        scan A 2 scan=s        -> accepted
        undo s                 -> accepted
        accept C               -> offer-expired
    """,
    "only the last check-in is undone, and who had been in before is outside then": """
        book A 1               -> booked
        scan A 1 scan=s        -> accepted
        scan A 1 out scan=o    -> accepted
        undo s                 -> not-undoable
        undo o                 -> not-undoable
        scan A 1 reentry=yes scan=t -> accepted
        undo t                 -> accepted
        scan A 1 out           -> outside
        scan A 1               -> no_reentry
        undo s                 -> not-undoable
        cancel A               -> ticket-used
    """,
    "a used ticket is not cancelled or returned": """
        book A 10              -> booked
        scan A 1               -> accepted
        cancel A tickets=used  -> ticket-used
        cancel A               -> ticket-used
        cancel A 1             -> booked
        scan A 2               -> cancelled
    """,
    "whoever comes keeps a returned ticket": """
        book A 10              -> booked
        return A 2             -> booked
        scan A 1               -> accepted
        join B 2               -> waiting
        join C 1               -> waiting
        entry C                -> offered
        scan A 2               -> accepted
        accept C               -> offer-expired
        leave C                -> withdrawn
        join D 1               -> waiting
        look hall              -> held 0 sold 10 of 10
    """,
    "a ticket that was passed on admits its holder alone": """
        book A 2               -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        scan A 1 old=yes       -> passed_on
        scan A 1 forged=yes    -> forged
        scan A 1               -> accepted
        pass A 1 C by=B        -> ticket-used
    """,
    "a ticket that is offered to another admits its holder, and is offered no longer": """
        book A 2               -> booked
        pass A 1 B             -> offered
        scan A 1 scan=s        -> accepted
        take A 1 by=B          -> transfer-ended
        undo s                 -> accepted
        take A 1 by=B          -> transfer-ended
        pass A 1 B             -> offered
    """,
    "an offer ends when the holder of its ticket comes, and the ticket can be offered anew": """
        book A 10              -> booked
        return A 1             -> booked
        join B 1               -> waiting
        entry B                -> offered
        scan A 1 scan=s        -> accepted
        entry B                -> lapsed
        look hall              -> held 0 sold 10 of 10
        undo s                 -> accepted
        accept B               -> offer-expired
        return A 1             -> booked
        join C 1               -> waiting
        entry C                -> offered
        cancel A 1             -> booked
        accept C               -> booked
        look hall              -> held 0 sold 10 of 10
    """,
    "an offer of several tickets ends as a whole, and the next in line are asked": """
        book X 8               -> booked
        book Y 1               -> booked
        book Z 1               -> booked
        join A 3               -> waiting
        return X 2             -> booked
        cancel Y               -> cancelled
        entry A                -> offered
        join B 1               -> waiting
        join C 1               -> waiting
        scan X 1               -> accepted
        entry A                -> lapsed
        entry B                -> offered
        entry C                -> offered
        accept C               -> booked
        accept B               -> booked
        look hall              -> held 0 sold 10 of 10
    """,
    "who pays for a ticket whose holder comes is not given it": """
        terms online           -> done
        hold X 9               -> held
        pay X                  -> booked
        book A 1               -> held
        pay A                  -> booked
        return A 1             -> booked
        join B 1               -> waiting
        accept B               -> held
        scan A 1               -> accepted
        pay B                  -> already-cancelled
        entry B                -> fulfilled
        refunded A             -> 0
        look hall              -> held 0 sold 10 of 10
    """,
    "the line of a ticket type with a limit per buyer is served when an offer ends": """
        type few hall each=2   -> done
        book A 8               -> booked
        book B 2 few           -> booked
        return B 2             -> booked
        join C 2 few           -> waiting
        join D 1 few           -> waiting
        entry C                -> offered
        entry D                -> waiting
        scan B 1               -> accepted
        entry C                -> lapsed
        entry D                -> offered
        accept D               -> booked
        look hall              -> held 0 sold 10 of 10
    """,
    "a code that is void since this batch is old, and not made up": """
        book A 1               -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        & scan A 1             -> passed_on
        & scan A 1 forged=yes  -> forged
    """,
    "a part of a booking that is to be replaced was used at the door": """
        book X 8               -> booked
        book A 2               -> booked
        return A 2             -> booked
        join B 2               -> waiting
        entry B                -> offered
        scan A 1               -> accepted
        cancel A 1             -> booked
        accept B               -> offer-expired
    """,
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    tell(STORIES[name])
