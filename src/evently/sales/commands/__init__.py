"""The commands that a sale accepts: plain values, in a module for each domain.

bookings    place, confirm, extend, cancel a booking; record its money; return its tickets to the waitlist
transfers   pass a ticket on, accept it, decline it, take it back, give it back
exchanges   give tickets other seats
waitlist    join, leave, accept an offer
waiting_rooms  put a waiting room before a sale, and record what was drawn
check_ins   scan a ticket at the door; undo that
seats       give an event its seats; block them
sale_terms  what else an organizer sets about a sale

The rules of a module stand in the module of `sales/rules` with the same name; the rule of placing a booking
is in `placing.py`. A command's ids were created by the caller. Each command declares in `needs` what must be
loaded before it can be decided; loading.py reads that and knows no command. A new command is a struct in one
of these modules, a rule, and a line in the table of `sales/rules`.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What loading.py must load before a command is decided. Each need names the fields that it reads."""

    key: bool = False  # `actor_id`, `key`: the outcome of an earlier request with this key
    booking: bool = False  # `booking_id`: the booking, and bookings related to it by returned tickets
    # `entry_id`: the waitlist entry, the booking that it was offered, and the bookings of returned tickets
    entry: bool = False
    refund: bool = False  # `refund_id`
    transfer: bool = False  # `transfer_id`
    outside: bool = False  # `booking_id`: its refunds by another hand that are current
    posted: bool = False  # `booking_id`: what the ledger has of it, when it was paid
    live_entries: bool = False  # `buyer_id`: the buyer's entries that wait or have an offer
    waiting_entries: bool = False  # every waiting entry of the event
    # `buyer_id`, `ticket_type_ids()`: the buyer's live units of ticket types with a limit per buyer
    buyer_units: bool = False
    # `buyer_id`, `hold_seconds`: the buyer's live holds, when the booking may be held
    buyer_holds: bool = False
    # `scan_id`: the scan, its ticket's booking and check-in
    scan: bool = False
    ticket: bool = False  # `ticket_id`: the ticket's booking and check-in; None: there is none
    # `buyer_id`, `promo_code`: how often the buyer has used each promo code; also with an entry that has one
    promo_uses: bool = False
    # The command may release units or make entries fit that did not fit before. When no command of a batch
    # may, the waitlist's buyers are not loaded; should units be released all the same, the next batch serves
    # it.
    may_release: bool = True


class Command(msgspec.Struct, frozen=True):
    """A request to change the sale of one event."""

    needs: ClassVar[Needs]

    event_id: UUID
