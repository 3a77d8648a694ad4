"""Stories about tickets that are passed on: who holds them, which code opens the door, who may do what."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, Final

import pytest

from evently.kit.ids import new_id
from evently.sales import facts
from evently.sales.replay import Contradiction, Replay
from tests.support.rows import Rows
from tests.support.stories import tell

STORIES: Final[dict[str, str]] = {
    "the ticket is the receiver's, with another code": """
        book A 2               -> booked
        pass A 1 B             -> offered
        holder A 1             -> A
        take A 1 by=B          -> accepted
        take A 1 by=B          -> accepted again
        holder A 1             -> B
        code A 1               -> 2
        holder A 2             -> A
        code A 2               -> 1
        take-back A 1          -> transfer-ended
        refuse A 1 by=B        -> transfer-ended
        look hall              -> held 0 sold 2 of 10
    """,
    "only the person with the address accepts": """
        book A 1               -> booked
        pass A 1 B             -> offered
        take A 1 by=C          -> transfer-not-found
        refuse A 1 by=C        -> transfer-not-found
        take-back A 1 by=B     -> transfer-not-found
        refuse A 1 by=B        -> declined
        refuse A 1 by=B        -> declined again
        take A 1 by=B          -> transfer-ended
        holder A 1             -> A
        code A 1               -> 1
    """,
    "an offer can be taken back until it is accepted": """
        book A 1               -> booked
        pass A 1 B             -> offered
        take-back A 1          -> withdrawn
        take-back A 1          -> withdrawn again
        take A 1 by=B          -> transfer-ended
        pass A 1 C             -> offered
        take A 1 by=C          -> accepted
        holder A 1             -> C
    """,
    "one offer at a time, and the same one twice is one": """
        book A 1               -> booked
        pass A 1 B key=k       -> offered
        pass A 1 B key=k       -> offered again
        pass A 1 C key=k       -> key-reused
        pass A 1 B             -> offered again
        pass A 1 C             -> not-transferable
        take A 1 by=B          -> accepted
        pass A 1 B key=k       -> accepted again
    """,
    "nobody passes on what they do not hold": """
        book A 1               -> booked
        pass A 1 C by=B        -> unknown-ticket
        pass A 1 B             -> offered
        pass A 1 C by=B        -> unknown-ticket
        take A 1 by=B          -> accepted
        pass A 1 C             -> unknown-ticket
        pass A 1 C by=B        -> offered
        take A 1 by=C          -> accepted
        holder A 1             -> C
        code A 1               -> 3
    """,
    "nobody passes a ticket on to themselves": """
        book A 1               -> booked
        pass A 1 A             -> offered
        take A 1 by=A          -> not-transferable
        holder A 1             -> A
    """,
    "an offer ends after a week": """
        book A 1               -> booked
        pass A 1 B             -> offered
        wait 6d
        nothing                -> done
        take A 1 by=C          -> transfer-not-found
        wait 1d
        take A 1 by=B          -> transfer-ended
        take-back A 1          -> transfer-ended
        pass A 1 B             -> offered
    """,
    "and when the event starts": """
        book A 1               -> booked
        pass A 1 B before=2h   -> offered
        wait 2h
        take A 1 by=B          -> transfer-ended
        pass A 1 B before=0s   -> not-transferable
    """,
    "a start that is earlier than the offer ends it": """
        book A 1               -> booked
        pass A 1 B             -> offered
        wait 1h
        take A 1 by=B before=0s -> not-transferable
        take-back A 1          -> withdrawn
    """,
    "the clock ends all that is due, each at its time": """
        book A 3               -> booked
        pass A 1 B before=3h   -> offered
        pass A 2 B before=1h   -> offered
        wait 2h
        nothing                -> done
        take A 2 by=B          -> transfer-ended
        take A 1 by=B          -> accepted
        pass A 3 B before=1h   -> offered
        wait 1h
        nothing                -> done
        take A 3 by=B          -> transfer-ended
    """,
    "a hold is not passed on": """
        hold A 1               -> held
        pass A 1 B             -> not-transferable
    """,
    "a ticket that was used or cancelled is not passed on": """
        book A 2               -> booked
        use A 1
        pass A 1 B             -> ticket-used
        cancel A tickets=B     -> booked
        pass A 2 B             -> already-cancelled
    """,
    "cancelling withdraws the offer": """
        book A 2               -> booked
        pass A 1 B             -> offered
        cancel A 1             -> booked
        take A 1 by=B          -> transfer-ended
        pass A 2 B             -> offered
        cancel A by=organizer  -> cancelled
        take A 2 by=B          -> transfer-ended
    """,
    "the buyer cannot cancel what somebody else holds": """
        terms online           -> done
        hold A 2               -> held
        pay A                  -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        cancel A before=30d    -> ticket-passed-on
        cancel A 1 before=30d  -> ticket-passed-on
        return A 1             -> ticket-passed-on
        cancel A by=B          -> booking-not-found
        look hall              -> held 0 sold 2 of 10
        give-back A 1 by=C     -> unknown-ticket
        give-back A 1 by=B     -> done
        give-back A 1 by=B     -> unknown-ticket
        holder A 1             -> A
        code A 1               -> 3
        cancel A before=30d    -> cancelled
        refunded A             -> 2000
    """,
    "the organizer cancels every ticket, and the buyer gets the money": """
        terms online           -> done
        hold A 2               -> held
        pay A                  -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        cancel A by=organizer  -> cancelled
        refunded A             -> 2000
        give-back A 1 by=B     -> already-cancelled
    """,
    "what is returned is not passed on, and the other way round": """
        book A 10              -> booked
        return A 1             -> booked
        pass A 1 B             -> not-transferable
        keep A 1               -> booked
        pass A 1 B             -> offered
        return A 1             -> not-returnable
        take-back A 1          -> withdrawn
        return A 1             -> booked
    """,
    "a cancelled event has nothing to pass on": """
        book A 2               -> booked
        pass A 1 B             -> offered
        call-off               -> done
        take A 1 by=B          -> event-cancelled
        pass A 2 B             -> event-cancelled
        refuse A 1 by=B        -> declined
    """,
    "a ticket counts for who bought it and for who holds it": """
        type few hall each=2   -> done
        book A 2 few           -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        book A 1 few as=more   -> over-buyer-limit
        book B 2 few as=two    -> over-buyer-limit
        book B 1 few           -> booked
        pass A 2 B             -> offered
        take A 2 by=B          -> over-buyer-limit
        cancel B               -> cancelled
        & take A 2 by=B        -> accepted
        book B 1 few           -> over-buyer-limit
        give-back A 2 by=B     -> done
        & book B 1 few         -> booked
    """,
    "the buyer may have their own ticket back at any limit": """
        type few hall each=1   -> done
        book A 1 few           -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        pass A 1 A by=B        -> offered
        take A 1 by=A          -> accepted
        holder A 1             -> A
        code A 1               -> 3
        cancel A               -> cancelled
        book A 1 few           -> booked
        book B 1 few           -> booked
    """,
    "a cancelled ticket counts for nobody": """
        type few hall each=1   -> done
        book A 1 few           -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        cancel A by=organizer  -> cancelled
        & book B 1 few         -> booked
        & book A 1 few as=two  -> booked
    """,
    "an open offer ends when the ticket is given back": """
        book A 1               -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        pass A 1 C by=B        -> offered
        give-back A 1 by=B     -> done
        take A 1 by=C          -> transfer-ended
        holder A 1             -> A
    """,
    "with its seat": """
        seated
        book A 1 seats=A3      -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        seats A                -> A3
        row A                  -> ..X...
    """,
}


@pytest.mark.parametrize("story", STORIES)
def test_story(story: str) -> None:
    tell(STORIES[story])


def passed_on() -> Rows:
    """Return rows after a ticket was passed on, and passed on again to a third person, who gave it back."""
    rows = Rows()
    tell_with(
        rows,
        """
        book A 1               -> booked
        pass A 1 B             -> offered
        take A 1 by=B          -> accepted
        pass A 1 C by=B        -> offered
        take A 1 by=C          -> accepted
        give-back A 1 by=C     -> done
        pass A 1 B             -> offered
        refuse A 1 by=B        -> declined
    """,
    )
    return rows


def tell_with(rows: Rows, text: str) -> None:
    """Tell a story with these rows."""
    tell(text, (rows,))


OTHER: Final = {
    "transfer_id": new_id(),
    "booking_id": new_id(),
    "ticket_id": new_id(),
    "giver_id": new_id(),
    "receiver_id": new_id(),
    "holder_id": new_id(),
    "voided": b"v" * 32,
    "issued": b"i" * 32,
    "expires_at": None,
    "how": "expired",
}
PASSING: Final = (
    facts.TransferOffered,
    facts.TransferAccepted,
    facts.TransferEnded,
    facts.TicketGivenBack,
)


def test_every_field_of_a_fact_matters() -> None:
    """With another value in one field, the journal contradicts itself, or gives another sale."""
    rows = passed_on()
    told = rows.journal
    right, changed = replayed(told), 0
    for number, (at, row) in enumerate(told):
        for place, fact in enumerate(row):
            if not isinstance(fact, PASSING):
                continue
            for name in fact.__struct_fields__:
                changed += 1
                value: Any = OTHER[name] or at - timedelta(seconds=1)
                wrong = type(fact)(
                    **{**{each: getattr(fact, each) for each in fact.__struct_fields__}, name: value}
                )
                history = [
                    *told[:number],
                    (at, [*row[:place], wrong, *row[place + 1 :]]),
                    *told[number + 1 :],
                ]
                with contextlib.suppress(Contradiction):
                    assert replayed(history) != right, f"nobody has seen another {name} of {fact}"
    assert changed > 20


def replayed(told: list[Any]) -> tuple[Any, ...]:
    """Return what a replay has about tickets that were passed on."""
    again = Replay()
    for at, row in told:
        again.add(at, row)
    return again.transfers, again.holders, again.codes, again.void_codes, again.passing


def test_what_is_told_twice_is_a_contradiction() -> None:
    told = passed_on().journal
    for number, (at, row) in enumerate(told):
        if any(isinstance(fact, PASSING) for fact in row):
            with pytest.raises(Contradiction):
                replayed([*told[: number + 1], (at, row), *told[number + 1 :]])
