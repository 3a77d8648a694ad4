"""The states of what a sale consists of, and the transitions that the rules may make.

A state is a `Literal`, not an enumeration: a row comes from the driver with plain strings, so a literal costs
nothing, and mypy refuses a comparison with a word that is not a state. Each table of transitions maps a state
to the states that may follow; `None` is "does not exist yet". Tests hold that the rules make no other
transition (tests/support/rows.py) and that the database accepts exactly these states
(tests/db/test_sales_states.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, TypeVar

SaleState: TypeAlias = Literal["closed", "open", "cancelled"]
BookingState: TypeAlias = Literal["held", "confirmed", "expired", "cancelled"]
TicketState: TypeAlias = Literal["valid", "used", "void"]
EntryState: TypeAlias = Literal["waiting", "offered", "fulfilled", "withdrawn"]
RefundState: TypeAlias = Literal["pending", "settled"]
TransferState: TypeAlias = Literal["offered", "accepted", "declined", "withdrawn", "expired"]

# Why an entry was withdrawn; empty in every other state
WithdrawalReason: TypeAlias = Literal["left", "declined", "lapsed", "cancelled", "over_limit"]
# How a transfer ended without being accepted
TransferEnd: TypeAlias = Literal["declined", "withdrawn", "expired"]
# Who cancelled: the buyer, who also may decline an offer; the organizer; or Evently, because the event was
# cancelled, the payment turned out to be void, the waitlist took a returned ticket, or the holder of one came
# with it to the door and so ended an offer. Empty: an earlier version did not say it
CancelledBy: TypeAlias = Literal["", "buyer", "organizer", "event", "payment", "waitlist", "door"]
# How a refund was settled: by the gateway, not at all because the payment had never been taken, or outside
# by a person of the organizer
SettledBy: TypeAlias = Literal["gateway", "never_paid", "by_hand"]
# What moved money at the gateway by another hand: a refund there, or a dispute of the buyer's bank
OutsideKind: TypeAlias = Literal["refund", "dispute"]
# Which way a scan goes through the door
Direction: TypeAlias = Literal["in", "out"]
# What a scan came to; only after `accepted` may the holder pass
ScanResult: TypeAlias = Literal[
    "accepted",
    "unknown",  # the code is of no ticket of this event
    "forged",  # the ticket exists, but never had this code
    "passed_on",  # the code is void since the ticket has another holder, or another seat
    "cancelled",  # the ticket is void, or the event is cancelled
    "unpaid",  # the booking is a hold
    "wrong_gate",  # the gate admits other ticket types
    "too_early",
    "too_late",
    "inside",  # the ticket is used, and its holder has not left
    "no_reentry",  # its holder has left, and cannot come back
    "outside",  # a scan outward of a ticket that is not inside
]
# How a booking is paid; none: nothing is due
BookingPayment: TypeAlias = Literal["online", "door", "none"]

_State = TypeVar("_State")
Transitions: TypeAlias = Mapping[_State | None, frozenset[_State]]

SALE_TRANSITIONS: Final[Transitions[SaleState]] = {
    None: frozenset({"closed"}),
    "closed": frozenset({"open", "cancelled"}),
    "open": frozenset({"cancelled"}),
    "cancelled": frozenset(),
}
BOOKING_TRANSITIONS: Final[Transitions[BookingState]] = {
    None: frozenset({"held", "confirmed"}),
    "held": frozenset({"confirmed", "expired", "cancelled"}),
    "confirmed": frozenset({"cancelled"}),
    "expired": frozenset(),
    "cancelled": frozenset(),
}
TICKET_TRANSITIONS: Final[Transitions[TicketState]] = {
    None: frozenset({"valid"}),
    "valid": frozenset({"used", "void"}),
    "used": frozenset({"valid"}),  # the check-in was undone
    "void": frozenset(),
}
ENTRY_TRANSITIONS: Final[Transitions[EntryState]] = {
    None: frozenset({"waiting"}),
    "waiting": frozenset({"offered", "withdrawn"}),
    "offered": frozenset({"fulfilled", "withdrawn"}),
    "fulfilled": frozenset(),
    "withdrawn": frozenset(),
}
REFUND_TRANSITIONS: Final[Transitions[RefundState]] = {
    None: frozenset({"pending"}),
    "pending": frozenset({"settled"}),
    "settled": frozenset(),
}
TRANSFER_TRANSITIONS: Final[Transitions[TransferState]] = {
    None: frozenset({"offered"}),
    "offered": frozenset({"accepted", "declined", "withdrawn", "expired"}),
    "accepted": frozenset(),
    "declined": frozenset(),
    "withdrawn": frozenset(),
    "expired": frozenset(),
}
