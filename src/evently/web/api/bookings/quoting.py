"""Quote a booking: what tickets would cost."""

from __future__ import annotations

from typing import Final

import msgspec

from evently import sales
from evently.kit.ids import EventId, show_id
from evently.kit.money import Money
from evently.sales.outcomes import SalesRefusal
from evently.web.api.bookings.bodies import QuoteBody, lines_of
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, post
from evently.web.services import Request
from evently.web.unlocking import count_guess


class QuotedLine(msgspec.Struct, frozen=True):
    """The price of each of these tickets of one type; `line_total` is the total of all of them.

    A ticket type has two lines when its tickets cannot share a discount on the booking evenly: their
    discounts differ by the smallest amount.
    `tax` is all the tax in `total`; `fee_tax` is the part of it that is included in the fee.
    """

    ticket_type_id: str
    quantity: int
    price: Money
    discount: Money
    fee: Money
    tax: Money
    fee_tax: Money
    total: Money
    line_total: Money


class UnlockedType(msgspec.Struct, frozen=True):
    """A hidden ticket type that the promo code unlocks."""

    ticket_type_id: str
    name: str
    description: str
    price: Money


class QuoteView(msgspec.Struct, frozen=True):
    """The cost of a booking, for each line and in total.

    `tax` is all the tax in `total`; `fee_tax` is the part of it that is included in the fee. `payment`:
    online, door or none. `promo_code` is spelled as the organizer wrote it.
    """

    event_id: str
    lines: list[QuotedLine]
    price: Money
    discount: Money
    fee: Money
    tax: Money
    fee_tax: Money
    total: Money
    payment: str
    hold_seconds: int
    promo_code: str | None
    unlocks: list[UnlockedType]


@post(
    "/v1/events/{event_id}/quote",
    operation_id="quoteBooking",
    summary="Quote a booking",
    description=(
        "Returns the prices, discount, fee and tax that a booking placed now would have. It books nothing "
        "and does not check whether the tickets are available. Without `lines`, it returns the ticket types "
        "that a promo code unlocks."
    ),
    tags=["Bookings"],
    status_code=200,
    responses=problems(
        SalesRefusal.EVENT_NOT_FOUND,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.UNKNOWN_TICKET_TYPE,
        SalesRefusal.ADD_ON_ALONE,
        SalesRefusal.OVER_BOOKING_LIMIT,
        SalesRefusal.UNKNOWN_PROMO_CODE,
        SalesRefusal.PROMO_CODE_NOT_VALID,
        SalesRefusal.PROMO_CODE_USED_UP,
        SalesRefusal.AMOUNT_NOT_PAYABLE,
    ),
    **policy(SIGNED_IN),
)
async def quote_booking(
    request: Request, event_id: FromPath[EventId], data: JSONBody[QuoteBody]
) -> Response[QuoteView]:
    """Return what booking lines would cost the caller."""
    context, buyer_id = request.context, request.actor.id
    if data.promo_code is not None:
        await count_guess(request)
    lines = lines_of(data.lines)
    quote = await sales.reads.find_booking_quote(
        context.database,
        event_id,
        buyer_id,
        lines,
        data.promo_code,
        context.clock(),
        context.checkout.denominations,
    )
    return Response(_show_quote(show_id("evt", event_id), quote), headers=NO_STORE)


def _show_quote(event_id: str, quote: sales.reads.BookingQuote) -> QuoteView:
    currency, lines = quote.currency, quote.lines
    total = sum(line.total_minor() * line.quantity for line in lines)
    return QuoteView(
        event_id,
        [_show_line(line, currency) for line in lines],
        Money(sum(line.price_minor * line.quantity for line in lines), currency),
        Money(sum(line.discount_minor * line.quantity for line in lines), currency),
        Money(sum(line.fee_minor * line.quantity for line in lines), currency),
        Money(sum(line.all_tax_minor() * line.quantity for line in lines), currency),
        Money(sum(line.fee_tax_minor * line.quantity for line in lines), currency),
        Money(total, currency),
        quote.conditions.payment if total else "none",
        quote.conditions.hold_seconds,
        None if quote.promo is None else quote.promo.code,
        [
            UnlockedType(
                show_id("tty", terms.ticket_type_id),
                terms.name,
                terms.description,
                Money(terms.price_minor, currency),
            )
            for terms in quote.unlocked
        ],
    )


def _show_line(line: sales.reads.LineQuote, currency: str) -> QuotedLine:
    return QuotedLine(
        show_id("tty", line.ticket_type_id),
        line.quantity,
        Money(line.price_minor, currency),
        Money(line.discount_minor, currency),
        Money(line.fee_minor, currency),
        Money(line.all_tax_minor(), currency),
        Money(line.fee_tax_minor, currency),
        Money(line.total_minor(), currency),
        Money(line.total_minor() * line.quantity, currency),
    )


routes: Final = [quote_booking]
