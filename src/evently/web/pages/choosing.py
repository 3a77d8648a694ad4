"""From chosen tickets to a booking: the choice, its price, and the booking.

The choice stands in the address, so that it survives the log-in, Back and a second tab. Nothing is held
before the reader has logged in and pressed the button, which has an idempotency key.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import EventId, find_id, show_id
from evently.kit.money import Money
from evently.sales.commands import UNITS_MAX, BookingLine, SalesRefusal
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.idempotency import fingerprint_of
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath
from evently.web.pages.events import EventOnPage, read_event
from evently.web.pages.forms import Form, FormError, parse_form, read_form
from evently.web.pages.rendering import act, new_key, render, see_other, show
from evently.web.paying import refuse_unpayable
from evently.web.services import Request
from evently.web.unlocking import count_guess

_TYPE: Final = "tty"
_CODE: Final = "code"
_KEY: Final = "key"
_KEY_CHARACTERS_MAX: Final = 100
_CODE_REFUSALS: Final = frozenset(
    (
        SalesRefusal.UNKNOWN_PROMO_CODE,
        SalesRefusal.PROMO_CODE_NOT_VALID,
        SalesRefusal.PROMO_CODE_USED_UP,
    )
)


class Choice(msgspec.Struct, frozen=True):
    """Ticket types with quantities, by public id, and a promo code."""

    quantities: tuple[tuple[str, int], ...] = ()
    code: str = ""

    def query(self) -> str:
        """Return the choice as the query of an address."""
        pairs = [(name, str(quantity)) for name, quantity in self.quantities]
        return urlencode([*pairs, (_CODE, self.code)] if self.code else pairs)

    def lines(self) -> tuple[BookingLine, ...]:
        """Return the lines of a booking."""
        found = [(find_id(_TYPE, name), quantity) for name, quantity in self.quantities]
        return tuple(BookingLine(type_id, quantity) for type_id, quantity in found if type_id is not None)


class ChosenLine(NamedTuple):
    """A line of the summary."""

    name: str
    quantity: int
    total: Money


class Sums(NamedTuple):
    """What the choice costs. The discount is None without a promo code that gives one."""

    lines: list[ChosenLine]
    discount: Money | None
    fee: Money | None
    tax: Money | None
    total: Money
    paid_online: bool
    at_door: bool


@show("/events/{event_id}/book", **policy(PUBLIC))
async def show_choice(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Return what was chosen, with its price; the next step is to log in, or to book."""
    choice = _read_choice(parse_form(request.scope["query_string"].decode("latin-1")))
    return await _show(request, event_id, choice)


@act("/events/{event_id}/bookings", **policy(PUBLIC, rate="bookings"))
async def book(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Book what was chosen; without a key or a session, go to the page of the choice."""
    form = await read_form(request)
    choice, key = _read_choice(form), form.text(_KEY)
    if not choice.quantities:
        return await _show(request, event_id, choice)
    if request.actor.kind == "anonymous" or not 0 < len(key) <= _KEY_CHARACTERS_MAX or not key.isascii():
        return see_other(f"{_address(event_id)}/book?{choice.query()}")
    try:
        if choice.code:
            await count_guess(request)
        await refuse_unpayable(request, event_id, choice.lines(), choice.code or None)
        booking = await _place(request, event_id, choice, key)
    except Refused as exc:
        if exc.refusal in (CommonRefusal.NOT_FOUND, SalesRefusal.EVENT_NOT_FOUND):
            raise
        return await _show(request, event_id, choice, exc)
    return see_other(f"/bookings/{show_id('bkg', booking.booking_id)}")


async def _place(request: Request, event_id: UUID, choice: Choice, key: str) -> sales.commands.Booking:
    command = sales.commands.PlaceBooking(
        event_id,
        request.actor.id,
        choice.lines(),
        key=f"page-{key}",
        fingerprint=fingerprint_of("place", event_id, choice),
        promo_code=choice.code or None,
    )
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, sales.commands.No):
        raise outcome.as_error()
    assert isinstance(outcome, sales.commands.Booked), "the outcome of a booking command is a booking"
    return outcome.booking


async def _show(
    request: Request, event_id: UUID, choice: Choice, refused: Refused | None = None
) -> Response[str] | Response[None]:
    """Return the page of a choice. A refusal stands above it, with what can be done."""
    signed_in = request.actor.kind != "anonymous"
    errors: list[FormError] = []
    code_error, sums, page = None, None, None
    try:
        if choice.code and refused is None:
            await count_guess(request)
        page = await read_event(request, event_id, choice.code or None)
        sums = await _sums(request, page, choice)
    except Refused as exc:
        if exc.refusal in _CODE_REFUSALS:
            code_error = exc
        elif refused is None:
            refused = exc
        if page is None and exc.refusal not in _CODE_REFUSALS:
            raise
    if code_error is not None:
        errors.append(FormError(_CODE, sentence_of(code_error)))
        without = msgspec.structs.replace(choice, code="")
        page = await read_event(request, event_id)
        sums = await _sums(request, page, without)
    assert page is not None, "an event that is not there was refused"
    if page.event.state == "draft":
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    if refused is not None and refused.refusal in _CODE_REFUSALS:
        refused = None
    if not choice.quantities:
        errors.append(FormError("tickets", "Choose at least one ticket."))
    status = PROBLEMS[refused.refusal].status if refused else 422 if errors else 200
    return render(
        request,
        "choice.html",
        status=status,
        page=page,
        choice=choice,
        sums=sums if choice.quantities else None,
        errors=errors,
        no=None if refused is None else _no(refused, page, choice),
        key=new_key() if signed_in and choice.quantities else None,
        signed_in=signed_in,
        next_query=urlencode({"next": f"{_address(event_id)}/book?{choice.query()}"}),
        address=_address(event_id),
    )


class _No(NamedTuple):
    """A refusal in words, and the next step as a link, if there is one."""

    title: str
    text: str
    link: str | None = None
    address: str = ""


def _no(exc: Refused, page: EventOnPage, choice: Choice) -> _No:
    """Return what is true now, and the next step."""
    refusal, address = exc.refusal, f"/events/{show_id('evt', page.event.event_id)}"
    if refusal is SalesRefusal.SOLD_OUT:
        return _sold_out(page, choice, address)
    if refusal is SalesRefusal.TOO_MANY_HOLDS:
        return _No("You already have tickets on hold here", sentence_of(exc), "See my tickets", "/me/tickets")
    return _No(PROBLEMS[refusal].title, sentence_of(exc), "Back to the event", page.address)


def _sold_out(page: EventOnPage, choice: Choice, address: str) -> _No:
    """Return how many are left, with the smaller choice, or the way to the waitlist."""
    types = {each.id: each for each in page.types}
    known = [(types[name], quantity) for name, quantity in choice.quantities if name in types]
    short = [(each, quantity) for each, quantity in known if each.available < quantity]
    if not short:
        text = "Another buyer was quicker. Nothing was booked."
        return _No("That was just taken", text, "Choose again", page.address)
    first, wanted = short[0]
    fewer = tuple((each.id, min(quantity, each.available)) for each, quantity in known if each.available > 0)
    if not fewer:
        return _No(
            f"{first.name} is sold out",
            "Tickets that come back are offered to the waitlist first.",
            "Join the waitlist",
            f"{address}/waitlist?{urlencode({'type': first.id, 'quantity': wanted})}",
        )
    count, left = sum(quantity for _, quantity in fewer), first.available
    verb = "is" if left == 1 else "are"
    return _No(
        f"There {verb} {left} left of {first.name}",
        f"You asked for {wanted}. Nothing was booked.",
        f"Take {count}",
        f"{address}/book?{Choice(fewer, choice.code).query()}",
    )


async def _sums(request: Request, page: EventOnPage, choice: Choice) -> Sums | None:
    """Return what the choice costs: quoted for a reader who has logged in, else the public prices."""
    known = {each.id: each for each in page.types}
    chosen = [(known[name], quantity) for name, quantity in choice.quantities if name in known]
    if not chosen:
        return None
    currency = page.sale.currency
    _, conditions = page.sale.conditions_now()
    if request.actor.kind == "anonymous":
        lines = [
            ChosenLine(each.name, quantity, Money(each.price.amount * quantity, currency))
            for each, quantity in chosen
        ]
        total = Money(sum(line.total.amount for line in lines), currency)
        return _with_payment(lines, None, None, None, total, conditions.payment)
    context = request.context
    quote = await sales.reads.find_booking_quote(
        context.database,
        page.event.event_id,
        request.actor.id,
        choice.lines(),
        choice.code or None,
        context.clock(),
        context.checkout.denominations,
    )
    lines = []
    for line in quote.lines:
        name = known[show_id(_TYPE, line.ticket_type_id)].name
        # The discount stands on a line of its own; fees and taxes are inside
        each = line.total_minor() + line.discount_minor
        lines.append(ChosenLine(name, line.quantity, Money(each * line.quantity, currency)))
    total = Money(sum(line.total_minor() * line.quantity for line in quote.lines), currency)
    discount = sum(line.discount_minor * line.quantity for line in quote.lines)
    fee = sum(line.fee_minor * line.quantity for line in quote.lines)
    tax = sum(line.all_tax_minor() * line.quantity for line in quote.lines)
    if conditions.fees.paid_by != "buyer":
        fee = 0
    return _with_payment(
        lines,
        Money(discount, currency) if discount else None,
        Money(fee, currency) if fee else None,
        Money(tax, currency) if tax else None,
        total,
        quote.conditions.payment,
    )


def _with_payment(
    lines: list[ChosenLine],
    discount: Money | None,
    fee: Money | None,
    tax: Money | None,
    total: Money,
    payment: str,
) -> Sums:
    due = total.amount > 0
    return Sums(lines, discount, fee, tax, total, due and payment == "online", due and payment == "door")


def _read_choice(form: Form) -> Choice:
    """Return the choice in a form; refuse quantities that are no numbers, or too many tickets."""
    quantities: dict[str, int] = {}
    for name, value in form.pairs:
        if not name.startswith(f"{_TYPE}_") or find_id(_TYPE, name) is None:
            continue
        text = value.strip()
        if not text.isdecimal() and text:
            raise Invalid([FieldError(f"/{name}", "is not a number")])
        quantity = int(text[:6] or "0")
        if quantity:
            quantities[name] = quantities.get(name, 0) + quantity
    if sum(quantities.values()) > UNITS_MAX:
        raise Refused(SalesRefusal.OVER_BOOKING_LIMIT)
    code = form.text(_CODE)[: sales.terms.PROMO_CODE_CHARACTERS_MAX]
    return Choice(tuple(quantities.items()), code)


def _address(event_id: UUID) -> str:
    return f"/events/{show_id('evt', event_id)}"


routes: Final = [show_choice, book]
