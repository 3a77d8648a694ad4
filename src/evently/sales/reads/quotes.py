"""Quotes: what a booking would cost now, or a cancellation refund. Uses the rules and changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from evently.db import Connection, Database
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import Refused
from evently.kit.ids import NO_ID, new_id
from evently.sales import loading
from evently.sales.commands.bookings import BookingLine
from evently.sales.nouns import Booking
from evently.sales.outcomes import No, SalesRefusal
from evently.sales.reads.bookings import (
    find_conditions,
    get_booking,
    list_reschedulings,
    list_upcoming_with_tickets,
    locate_booking,
)
from evently.sales.reads.sale import find_sale, list_ticket_types, read_head, unlocked_by
from evently.sales.rules.add_ons import refuse_add_ons, with_add_ons
from evently.sales.rules.bookings import (
    chosen_tickets,
    is_paid_at_door,
    not_cancellable,
    not_returnable,
    repayable,
)
from evently.sales.rules.moves import is_due, not_exact, not_payable, valid_tickets
from evently.sales.rules.placing import discounts_on, tickets_of
from evently.sales.rules.pricing import (
    Promise,
    TicketQuote,
    amounts_of,
    discount_of,
    promise_to,
    quote_cancellation,
    total_of,
)
from evently.sales.rules.promos import Discounts, find_promo, unlocks
from evently.sales.rules.state import Batch, Sale
from evently.sales.terms import Conditions, PromoTerms, TicketTypeTerms


class LineQuote(msgspec.Struct, frozen=True):
    """What each of these tickets would cost. `surcharge_minor` comes on top of the price.

    A booking line has two of these when its tickets cannot share a discount on the booking evenly.
    `tax_minor`: of the price; `fee_tax_minor`: in the fee.
    """

    ticket_type_id: UUID
    quantity: int
    price_minor: int
    discount_minor: int
    surcharge_minor: int
    fee_minor: int
    tax_minor: int
    fee_tax_minor: int

    def total_minor(self) -> int:
        """Return what one ticket would cost."""
        return self.price_minor - self.discount_minor + self.surcharge_minor

    def all_tax_minor(self) -> int:
        """Return all the tax in the total."""
        return self.tax_minor + self.fee_tax_minor


class BookingQuote(msgspec.Struct, frozen=True):
    """What a booking would cost, and its conditions.

    `unlocked`: hidden ticket types that the promo code unlocks.
    """

    currency: str
    lines: list[LineQuote]
    conditions: Conditions
    promo: PromoTerms | None
    unlocked: list[TicketTypeTerms]


class CancellationPreview(msgspec.Struct, frozen=True):
    """What an organizer would do by cancelling tickets of a booking."""

    booking: Booking
    ticket_ids: tuple[UUID, ...]  # that would be void
    refund_minor: int  # paid back through the gateway
    at_door_minor: int  # paid, or to be paid, at the door: Evently moves none of it


class CancellationQuote(msgspec.Struct, frozen=True):
    """What cancelling these tickets of a booking would refund. `add_on_ids`: its tickets that are add-ons."""

    booking: Booking
    tickets: list[TicketQuote]
    conditions: Conditions
    promise: Promise
    add_on_ids: frozenset[UUID] = frozenset()


def price_to_buyers(sale: Sale, terms: TicketTypeTerms, promo: PromoTerms | None = None) -> int:
    """Return what a buyer pays for a ticket of a type now: its price with every fee and tax.

    A discount on the booking is not in it: what a ticket gets of that depends on the others.
    """
    discount = 0
    if promo is not None and promo.kind != "fixed_per_booking":
        discount = discount_of(promo, terms.ticket_type_id, terms.price_minor)
    _, conditions = sale.conditions_now()
    return total_of(terms, amounts_of(terms, discount, conditions.fees))


class LosableTickets(msgspec.Struct, frozen=True):
    """The valid tickets of a booking whose event is not over.

    `refund_minor`: what their buyer gets back who cancels them now; None: it is too late to cancel them.
    """

    booking_id: UUID
    tickets: int
    currency: str
    refund_minor: int | None


async def find_booking_quote(
    database: Database,
    event_id: UUID,
    buyer_id: UUID | None,
    lines: Sequence[BookingLine],
    promo_code: str | None,
    now: datetime,
    denominations: Denominations = iso_denomination,
) -> BookingQuote:
    """Return what lines would cost a buyer, or refuse as booking them would. Availability is not checked.

    `buyer_id` is None for a caller who is not signed in: then no limit per person is checked.
    """
    async with database.snapshot() as snapshot:
        sale, batch = await read_head(snapshot, event_id), Batch(now, new_id, bytes, denominations)
        buyer_id = buyer_id or NO_ID
        await loading.load_prices(snapshot, sale, batch, None if promo_code is None else buyer_id)
    return _quoted(quote_booking(sale, batch, buyer_id, lines, promo_code))


def quote_of_sale(
    sale: Sale,
    buyer_id: UUID,
    lines: Sequence[BookingLine],
    now: datetime,
    denominations: Denominations = iso_denomination,
) -> BookingQuote:
    """Return what lines would cost without a promo code, by a whole sale that was read; or refuse."""
    return _quoted(quote_booking(sale, Batch(now, new_id, bytes, denominations), buyer_id, lines, None))


def _quoted(quote: BookingQuote | No) -> BookingQuote:
    if isinstance(quote, No):
        raise quote.as_error()
    return quote


async def find_cancellation_quote(
    database: Database, booking_id: UUID, buyer_id: UUID, ticket_ids: tuple[UUID, ...] | None, now: datetime
) -> CancellationQuote:
    """Return the refund of a buyer who cancels now, or refuse as cancelling would."""
    location = await locate_booking(database, booking_id)
    if location.buyer_id != buyer_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    booking = await get_booking(database, booking_id)
    version = (booking.event_id, booking.conditions_version)
    conditions = (
        (await find_conditions(database, {version}))[version] if booking.conditions_version else Conditions()
    )
    reschedulings = await list_reschedulings(database, [booking.event_id])
    promise = promise_to(booking, conditions, reschedulings[booking.event_id], location.event_starts_at)
    types = await _types_of(database, booking)
    quote = quote_cancelled_tickets(booking, types, conditions, ticket_ids, promise, now)
    if isinstance(quote, No):
        raise quote.as_error()
    return quote


async def list_unreturnable(
    database: Database, event_id: UUID, type_ids: Collection[UUID], now: datetime
) -> dict[UUID, Refused]:
    """Return why tickets of these ticket types cannot be returned to the waitlist; those that can: absent.

    Returning them can still be refused: another person may cancel, or a hold expire, before.
    """
    sale = await find_sale(database, event_id)
    found = {type_id: not_returnable(sale, type_id, now) for type_id in type_ids}
    return {type_id: no.as_error() for type_id, no in found.items() if no is not None}


async def list_tickets_ahead(tx: Connection, buyer_id: UUID, now: datetime) -> list[LosableTickets]:
    """Return a person's valid tickets of events that are not over, and what cancelling them now refunds."""
    ahead = await list_upcoming_with_tickets(tx, buyer_id, now)
    versions = {(booking.event_id, booking.conditions_version) for booking, _ in ahead}
    conditions = await find_conditions(tx, versions) if versions else {}
    reschedulings = await list_reschedulings(tx, {booking.event_id for booking, _ in ahead})
    found = []
    for booking, starts_at in ahead:
        its = conditions.get((booking.event_id, booking.conditions_version), Conditions())
        promise = promise_to(booking, its, reschedulings[booking.event_id], starts_at)
        valid = tuple([ticket for ticket in valid_tickets(booking) if ticket.holder_id is None])
        refund: int | None = None
        if not_cancellable(booking, its, promise, now) is None:
            refund = sum(each.refund_minor for each in quote_cancellation(booking, valid, its, promise, now))
        found.append(LosableTickets(booking.booking_id, len(valid), booking.currency, refund))
    return found


async def preview_cancellation(
    database: Database, event_id: UUID, booking_id: UUID, ticket_ids: tuple[UUID, ...] | None, now: datetime
) -> CancellationPreview:
    """Return what cancelling tickets of a booking as its organizer would do now, or refuse as it would.

    Without tickets, the whole booking.
    """
    location = await locate_booking(database, booking_id)
    if location.event_id != event_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    booking = await get_booking(database, booking_id)
    preview = preview_cancelled_tickets(booking, await _types_of(database, booking), ticket_ids, now)
    if isinstance(preview, No):
        raise preview.as_error()
    return preview


async def _types_of(database: Database, booking: Booking) -> Mapping[UUID, TicketTypeTerms]:
    """Return the ticket types of a booking that may have add-ons; of one with a single type, none are."""
    type_ids = {ticket.ticket_type_id for ticket in booking.tickets}
    if len(type_ids) == 1:
        return {}
    return await list_ticket_types(database, booking.event_id)


def preview_cancelled_tickets(
    booking: Booking,
    types: Mapping[UUID, TicketTypeTerms],
    ticket_ids: tuple[UUID, ...] | None,
    now: datetime,
) -> CancellationPreview | No:
    """Return what cancelling tickets of a booking as its organizer would do, or refuse as it would."""
    if is_due(booking, now):
        return No(SalesRefusal.HOLD_EXPIRED)
    if no := not_cancellable(booking, Conditions(), None, now):
        return no
    chosen = chosen_tickets(booking, ticket_ids, by_buyer=False)
    if isinstance(chosen, No):
        return chosen
    chosen = with_add_ons(types, booking, chosen)
    total = sum([ticket.total_minor() for ticket in chosen])
    return CancellationPreview(
        booking,
        tuple([ticket.ticket_id for ticket in chosen]),
        refund_minor=repayable(booking, chosen),
        at_door_minor=total if is_paid_at_door(booking) else 0,
    )


def quote_booking(
    sale: Sale, batch: Batch, buyer_id: UUID, lines: Sequence[BookingLine], promo_code: str | None
) -> BookingQuote | No:
    """Return what lines would cost, without checking availability and sale windows.

    Without lines, the quote shows what the promo code unlocks.
    """
    if sale.state == "closed":
        return No(SalesRefusal.EVENT_NOT_FOUND)
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    promo = None if promo_code is None else find_promo(sale, batch, promo_code, buyer_id)
    if isinstance(promo, No):
        return promo
    for line in lines:
        terms = sale.ticket_types.get(line.ticket_type_id)
        if terms is None or terms.retired or (terms.hidden and not unlocks(promo, terms)):
            return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    if no := refuse_add_ons(sale.ticket_types, lines):
        return no
    discounts = discounts_on(sale, batch, promo, lines) if promo is not None and lines else {}
    if isinstance(discounts, No):
        return discounts
    _, conditions = sale.conditions_now()
    quoted = [
        _quote_line(sale, conditions, line.ticket_type_id, quantity, discount_minor)
        for line in lines
        for quantity, discount_minor in tickets_of(line, discounts)
    ]
    if conditions.payment == "online" and (no := _not_payable(sale, batch, conditions, quoted, discounts)):
        return no
    return BookingQuote(
        sale.currency,
        quoted,
        conditions,
        None if promo is None else promo.terms,
        unlocked_by(sale, promo),
    )


def quote_cancelled_tickets(
    booking: Booking,
    types: Mapping[UUID, TicketTypeTerms],
    conditions: Conditions,
    ticket_ids: tuple[UUID, ...] | None,
    promise: Promise,
    now: datetime,
) -> CancellationQuote | No:
    """Return the refund for cancelling tickets of a booking now, or refuse as cancelling would."""
    if is_due(booking, now):
        return No(SalesRefusal.HOLD_EXPIRED)
    if no := not_cancellable(booking, conditions, promise, now):
        return no
    chosen = chosen_tickets(booking, ticket_ids, by_buyer=True)
    if isinstance(chosen, No):
        return chosen
    chosen = with_add_ons(types, booking, chosen)
    return CancellationQuote(
        booking,
        quote_cancellation(booking, chosen, conditions, promise, now),
        conditions,
        promise,
        frozenset(
            ticket.ticket_id
            for ticket in booking.tickets
            if ticket.ticket_type_id in types and types[ticket.ticket_type_id].needed_ids
        ),
    )


def _not_payable(
    sale: Sale, batch: Batch, conditions: Conditions, quoted: Sequence[LineQuote], discounts: Discounts
) -> No | None:
    total = sum([line.total_minor() * line.quantity for line in quoted])
    if (no := not_payable(batch, sale.currency, total)) or not discounts:
        return no
    tickets = [(line.total_minor(), line.fee_minor) for line in quoted]
    return not_exact(batch, sale.currency, conditions, tickets)


def _quote_line(
    sale: Sale, conditions: Conditions, ticket_type_id: UUID, quantity: int, discount_minor: int
) -> LineQuote:
    terms = sale.ticket_types[ticket_type_id]
    return LineQuote(
        terms.ticket_type_id,
        quantity,
        terms.price_minor,
        *amounts_of(terms, discount_minor, conditions.fees),
    )
