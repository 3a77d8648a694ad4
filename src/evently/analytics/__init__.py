"""What was sold, when: sums that the relay keeps, so that no question about them ever looks at a booking.

    count(tx, rows)                     the relay's verb: adds the facts of journal rows, each exactly once
    read_report(database, scope, ...)   sums of an event, an organizer or the platform
    read_series(database, scope, ...)   the same by day or by hour of a time zone
    list_most_booked(database, ...)     events in the order of the tickets they sold

**Definitions.** A booking, its tickets and its amount count at the instant at which it is confirmed; nothing counts while it is held. A
cancellation counts when it happens, whenever the booking was confirmed; cancelling some tickets counts those tickets, cancelling the last
one counts the booking, too. So `tickets - cancelled_tickets` over all time is what is sold now. Amounts are what the tickets cost by their
prices, exact integers of minor units, by currency; revenue is what the ledger says, with discounts, fees, taxes and refunds, when it was
posted. Capacity is what it is now, of everything that is on sale or over.

Sums are kept whole by event, and by event and quarter of an hour: every time zone's days and hours are made
of quarters. A range is therefore rounded outwards to quarters, a series to whole days or hours. Sandbox
events count for themselves, never for an organizer or the platform.
"""

from evently.analytics.counting import OutOfOrder, count
from evently.analytics.nouns import (
    EARLIEST,
    LATEST,
    Capacity,
    CurrencyTotals,
    EventSums,
    Granularity,
    Range,
    Report,
    Revenue,
    Scope,
    Slot,
    SlotTotals,
    Sums,
    quarter_of,
)
from evently.analytics.reading import list_most_booked, read_report, read_series
from evently.analytics.slots import SLOTS_MAX, round_outwards, slots_of

__all__ = [
    "EARLIEST",
    "LATEST",
    "SLOTS_MAX",
    "Capacity",
    "CurrencyTotals",
    "EventSums",
    "Granularity",
    "OutOfOrder",
    "Range",
    "Report",
    "Revenue",
    "Scope",
    "Slot",
    "SlotTotals",
    "Sums",
    "count",
    "list_most_booked",
    "quarter_of",
    "read_report",
    "read_series",
    "round_outwards",
    "slots_of",
]
