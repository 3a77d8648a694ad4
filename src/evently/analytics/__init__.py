"""Analytics: sums of what was sold and when, kept by the relay, so that no report reads bookings.

    count(tx, rows)                     an effect of the relay: add the facts of journal rows, each exactly
    once read_report(database, scope, ...)   sums of an event, an organizer or the platform
    read_series(database, scope, ...)   sums by day or by hour of a time zone list_most_booked(database, ...)
    events in the order of their sold tickets

**Definitions.** A booking, its tickets and its amount count at the instant of its confirmation; a hold does
not count. A cancellation counts at its own instant, whenever the booking was confirmed. Cancelling some
tickets counts these tickets; cancelling the last ticket counts the booking, too. So `tickets -
cancelled_tickets` over all time is what is sold now. Amounts are the prices of the tickets: exact integers of
minor units, by currency. Revenue is what the ledger says, with discounts, fees, taxes and refunds, at the
instant of each posting. Capacity is the present capacity of all events that are on sale or over.

Sums are kept by event, and by event and quarter of an hour, because the days and hours of every time zone
consist of quarters. So a range is rounded outwards to quarters, and a series to whole days or hours. Sandbox
events have sums of their own and never count for an organizer or the platform.
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
