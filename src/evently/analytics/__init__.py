"""Analytics: sums of what was sold and when, kept by the relay, so that no report reads bookings.

    count(tx, rows)                        an effect of the relay: add the facts of journal rows, exactly once
    read_report(database, scope, ...)      sums of an event, an organizer or the platform
    read_series(database, scope, ...)      sums by day or by hour of a time zone
    list_most_booked(database, ...)        events in the order of their sold tickets
    Evenings(database, clock).get(event)   the figures of a sale under way, for all who watch it
    list_sources(database, event)          what came from which campaign link

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

from evently.analytics.counting import OutOfOrder, count, forget_minutes
from evently.analytics.evening import Evening, Evenings, PoolNow, read_evening
from evently.analytics.forecast import Forecast
from evently.analytics.nouns import (
    EARLIEST,
    LATEST,
    Capacity,
    Conversions,
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
from evently.analytics.reading import count_tickets_from, list_most_booked, read_report, read_series
from evently.analytics.slots import SLOTS_MAX, round_outwards, slots_of
from evently.analytics.sources import SOURCE_CHARACTERS_MAX, Source, SourceSums, list_sources, read_source

__all__ = [
    "EARLIEST",
    "LATEST",
    "SLOTS_MAX",
    "SOURCE_CHARACTERS_MAX",
    "Capacity",
    "Conversions",
    "CurrencyTotals",
    "Evening",
    "Evenings",
    "EventSums",
    "Forecast",
    "Granularity",
    "OutOfOrder",
    "PoolNow",
    "Range",
    "Report",
    "Revenue",
    "Scope",
    "Slot",
    "SlotTotals",
    "Source",
    "SourceSums",
    "Sums",
    "count",
    "count_tickets_from",
    "forget_minutes",
    "list_most_booked",
    "list_sources",
    "quarter_of",
    "read_evening",
    "read_report",
    "read_series",
    "read_source",
    "round_outwards",
    "slots_of",
]
