"""What other packages read: sales, bookings, waitlists, seats, quotes, the journal, the proof.

Decides nothing.
"""

from evently.sales.loading import load_hall
from evently.sales.reads.bookings import (
    get_booking,
    list_bookings_of_buyer,
    list_bookings_of_event,
    list_events_to_release,
    list_live_bookings,
    list_refunds,
    list_reschedulings,
    locate_booking,
    sum_outside,
)
from evently.sales.reads.journal import JournalRow, list_journal
from evently.sales.reads.on_sale import (
    OnSaleState,
    list_sale_summaries,
    list_totals_from,
    lowest_price,
    price_from,
    public_types,
    state_of,
    state_of_sale,
)
from evently.sales.reads.payable import Unpayable, find_problem_ticket
from evently.sales.reads.proof import Balance, Figure, Proof, prove
from evently.sales.reads.quotes import (
    BookingQuote,
    CancellationPreview,
    CancellationQuote,
    LineQuote,
    LosableTickets,
    find_booking_quote,
    find_cancellation_quote,
    list_tickets_ahead,
    preview_cancellation,
    price_to_buyers,
)
from evently.sales.reads.sale import find_sale, read_sale, read_seating, read_types_for
from evently.sales.reads.seats import BOARD_SECONDS, SeatBoard, SeatBoards, ZoneType, picture_digest
from evently.sales.reads.waitlist import (
    Estimate,
    WaitlistPosition,
    WaitlistPositions,
    WaitlistSummary,
    get_entry,
    list_entries_of_buyer,
    list_events_to_serve,
    list_live_entries,
    list_waitlist,
    list_waitlists,
)
from evently.sales.rules.pricing import Promise, TicketQuote, cancellable_until, window_at
from evently.sales.rules.state import Pool, Promo, Refund, Sale

__all__ = [
    "BOARD_SECONDS",
    "Balance",
    "BookingQuote",
    "CancellationPreview",
    "CancellationQuote",
    "Estimate",
    "Figure",
    "JournalRow",
    "LineQuote",
    "LosableTickets",
    "OnSaleState",
    "Pool",
    "Promise",
    "Promo",
    "Proof",
    "Refund",
    "Sale",
    "SeatBoard",
    "SeatBoards",
    "TicketQuote",
    "Unpayable",
    "WaitlistPosition",
    "WaitlistPositions",
    "WaitlistSummary",
    "ZoneType",
    "cancellable_until",
    "find_booking_quote",
    "find_cancellation_quote",
    "find_problem_ticket",
    "find_sale",
    "get_booking",
    "get_entry",
    "list_bookings_of_buyer",
    "list_bookings_of_event",
    "list_entries_of_buyer",
    "list_events_to_release",
    "list_events_to_serve",
    "list_journal",
    "list_live_bookings",
    "list_live_entries",
    "list_refunds",
    "list_reschedulings",
    "list_sale_summaries",
    "list_tickets_ahead",
    "list_totals_from",
    "list_waitlist",
    "list_waitlists",
    "load_hall",
    "locate_booking",
    "lowest_price",
    "picture_digest",
    "preview_cancellation",
    "price_from",
    "price_to_buyers",
    "prove",
    "public_types",
    "read_sale",
    "read_seating",
    "read_types_for",
    "state_of",
    "state_of_sale",
    "sum_outside",
    "window_at",
]
