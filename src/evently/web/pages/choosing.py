"""From chosen tickets to a booking: the choice, its price, and the booking.

The choice stands in the address, so that it survives the log-in, Back and a second tab. Nothing is held
before the reader has logged in and pressed the button, which has an idempotency key.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import EventId, find_id, show_id
from evently.kit.money import Money
from evently.sales.commands.bookings import UNITS_MAX, BookingLine, PlaceBooking
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, No, SalesRefusal
from evently.sales.reads import BookingQuote
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.idempotency import fingerprint_of
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath
from evently.web.pages import words
from evently.web.pages.admitting import is_admitted_here
from evently.web.pages.events import EventOnPage, TypeOnPage, read_event, recent_event
from evently.web.pages.forms import Form, FormError, parse_form, read_form
from evently.web.pages.passkeys import passkey_offer
from evently.web.pages.rendering import act, new_key, render, see_other, show
from evently.web.pages.seats import seats_of
from evently.web.pages.sources import source_of
from evently.web.paying import refuse_unpayable
from evently.web.services import Request
from evently.web.unlocking import count_guess

_TYPE: Final = "tty"
_CODE: Final = "code"
_KEY: Final = "key"
_APPLY: Final = "apply"  # the button beside the promo code on the page of the event
_ENTER: Final = "enter"  # what Enter presses there: its value is the promo code that the page applied
_SEAT: Final = "seat"
_SECTION: Final = "section"
_ACCESSIBLE: Final = "accessible"
_SEAT_CHARACTERS_MAX: Final = 100
_KEY_CHARACTERS_MAX: Final = 100
_CHOICE_PATH: Final = re.compile("/events/([^/]+)/book")
_CODE_REFUSALS: Final = frozenset(
    (
        SalesRefusal.UNKNOWN_PROMO_CODE,
        SalesRefusal.PROMO_CODE_NOT_VALID,
        SalesRefusal.PROMO_CODE_USED_UP,
    )
)


class Choice(msgspec.Struct, frozen=True):
    """Ticket types with quantities, by public id; named seats, as `tty_...:id of the seat`; a promo code.

    Quantities of a ticket type with seats mean the best available ones, in a `section` if one is named.
    """

    quantities: tuple[tuple[str, int], ...] = ()
    code: str = ""
    seats: tuple[str, ...] = ()
    section: str = ""
    accessible: int = 0

    def pairs(self) -> list[tuple[str, str]]:
        """Return the choice as the fields of a form."""
        others = ((_CODE, self.code), (_SECTION, self.section), (_ACCESSIBLE, self.accessible))
        return [
            *((name, str(quantity)) for name, quantity in self.quantities),
            *((_SEAT, seat) for seat in self.seats),
            *((name, str(value)) for name, value in others if value),
        ]

    def query(self) -> str:
        """Return the choice as the query of an address."""
        return urlencode(self.pairs())

    def lines(self, page: EventOnPage | None = None) -> tuple[BookingLine, ...]:
        """Return the lines of a booking. `page` says which ticket types have seats; needed with a section."""
        seated = {each.id for each in page.types if each.zone is not None} if page is not None else set()
        named: dict[str, list[str]] = {}
        for seat in self.seats:
            name, _, seat_id = seat.partition(":")
            named.setdefault(name, []).append(seat_id)
        found = []
        for name, quantity in self.quantities:
            if (type_id := find_id(_TYPE, name)) is not None:
                line = BookingLine(type_id, quantity)
                if name in seated:
                    accessible = min(self.accessible, quantity)
                    line = BookingLine(type_id, quantity, None, self.section or None, accessible)
                found.append(line)
        for name, seat_ids in named.items():
            if (type_id := find_id(_TYPE, name)) is not None:
                found.append(BookingLine(type_id, len(seat_ids), tuple(seat_ids)))
        return tuple(found)

    def units(self) -> dict[str, int]:
        """Return how many tickets of each ticket type were chosen, by public id."""
        units = dict(self.quantities)
        for seat in self.seats:
            name = seat.partition(":")[0]
            units[name] = units.get(name, 0) + 1
        return units


class AddOnOnPage(NamedTuple):
    """An add-on that can be chosen, how many are, and how many may be."""

    type: TypeOnPage
    chosen: int
    most: int


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
    if form.text(_APPLY) or any(applied.strip() != choice.code for applied in form.all(_ENTER)):
        return see_other(f"{_address(event_id)}?{choice.query()}#tickets")
    if not choice.units():
        return await _show(request, event_id, choice)
    if request.actor.kind == "anonymous" or not 0 < len(key) <= _KEY_CHARACTERS_MAX or not key.isascii():
        return see_other(f"{_address(event_id)}/book?{choice.query()}")
    if choice.code:
        await count_guess(request)  # outside: a page that shows its refusal would read the code
    try:
        needs_page = choice.section or choice.accessible
        page = await read_event(request, event_id, choice.code or None) if needs_page else None
        lines = choice.lines(page)
        await refuse_unpayable(request, event_id, lines, choice.code or None)
        booking = await _place(request, event_id, choice, lines, key)
    except Refused as exc:
        if exc.refusal in (CommonRefusal.NOT_FOUND, SalesRefusal.EVENT_NOT_FOUND):
            raise
        return await _show(request, event_id, choice, exc)
    return see_other(f"/bookings/{show_id('bkg', booking.booking_id)}")


async def _place(
    request: Request, event_id: UUID, choice: Choice, lines: tuple[BookingLine, ...], key: str
) -> Booking:
    command = PlaceBooking(
        event_id,
        request.actor.id,
        lines,
        key=f"page-{key}",
        fingerprint=fingerprint_of("place", event_id, choice),
        promo_code=choice.code or None,
        via=source_of(request),
        admitted=is_admitted_here(request, event_id),
    )
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        raise outcome.as_error()
    assert isinstance(outcome, Booked), "the outcome of a booking command is a booking"
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
        # A refusal is explained by what is true after it
        recent = refused is None and not choice.code
        page = await (
            recent_event(request, event_id) if recent else read_event(request, event_id, choice.code or None)
        )
        sums = await _sums(request, page, choice)
    except Refused as exc:
        if exc.refusal in _CODE_REFUSALS:
            code_error = exc
        elif refused is None:
            refused = exc
        if page is None and exc.refusal not in _CODE_REFUSALS:
            raise
    without = msgspec.structs.replace(choice, code="")
    if code_error is not None:
        errors.append(FormError(_CODE, sentence_of(code_error)))
        page = await read_event(request, event_id)
        sums = await _sums(request, page, without)
    assert page is not None, "an event that is not there was refused"
    if page.event.for_members:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    if refused is not None and refused.refusal in _CODE_REFUSALS:
        refused = None
    wrong = [] if refused is None else _wrong_add_ons(refused, page, choice)
    if wrong:
        refused, errors = None, [*errors, *wrong]
    chosen = bool(choice.units())
    if not chosen:
        errors.append(FormError("tickets", "Choose at least one ticket."))
    status = PROBLEMS[refused.refusal].status if refused else 422 if errors else 200
    return render(
        request,
        "choice.html",
        status=status,
        page=page,
        choice=choice,
        change=(choice if code_error is None else without).query(),
        chosen=chosen,
        seats=await seats_of(request, page, choice.seats) if choice.seats else [],
        sums=sums if chosen else None,
        add_ons=_add_ons(page, choice),
        wrong_add_ons=bool(wrong),
        with_seats=bool(choice.seats)
        or any(each.zone and choice.units().get(each.id) for each in page.types),
        pairs=[pair for pair in choice.pairs() if pair[0] not in {each.id for each in page.add_ons}],
        errors=errors,
        no=None if refused is None else _no(refused, page, choice),
        key=new_key() if signed_in and chosen else None,
        signed_in=signed_in,
        admitted=signed_in and is_admitted_here(request, event_id),
        mail=request.context.mail.on,
        passkey=None if signed_in else passkey_offer(request),
        next_address=(next_address := f"{_address(event_id)}/book?{choice.query()}"),
        next_query=urlencode({"next": next_address}),
        address=_address(event_id),
    )


def _add_ons(page: EventOnPage, choice: Choice) -> list[AddOnOnPage]:
    """Return the add-ons that can go with what was chosen, and those that were chosen."""
    units = choice.units()
    found = []
    for each in page.add_ons:
        most = each.most_with(units) if each.state == "on_sale" else 0
        if most or units.get(each.id):
            found.append(AddOnOnPage(each, units.get(each.id, 0), most))
    return found


def _wrong_add_ons(refused: Refused, page: EventOnPage, choice: Choice) -> list[FormError]:
    """Return the errors at the add-ons that were chosen without what they need."""
    if refused.refusal not in (SalesRefusal.ADD_ON_ALONE, SalesRefusal.OVER_BOOKING_LIMIT):
        return []
    units = choice.units()
    wrong = []
    for each in page.add_ons:
        count, most = units.get(each.id, 0), each.most_with(units)
        needed = words.listed(list(each.needed.values()), "or")
        if count and not any(units.get(type_id) for type_id in each.needed):
            text = f"{each.name} is sold only together with {needed}: choose that, too."
            wrong.append(FormError(each.id, text))
        elif each.per_needed is not None and count > most:
            wrong.append(FormError(each.id, f"{each.name}: at most {most} with these tickets."))
    return wrong


class PricedChoice(NamedTuple):
    """What was chosen, for the pages on which a reader logs in."""

    page: EventOnPage
    choice: Choice
    sums: Sums


async def find_choice(request: Request, address: str) -> PricedChoice | None:
    """Return what was chosen, if this is the address of a choice that can be shown."""
    path, _, query = address.partition("?")
    found = _CHOICE_PATH.fullmatch(path)
    event_id = None if found is None else find_id("evt", found[1])
    if event_id is None:
        return None
    try:
        choice = _read_choice(parse_form(query))
        if choice.code:
            await count_guess(request)
            page = await read_event(request, event_id, choice.code)
        else:
            page = await recent_event(request, event_id)
        if page.event.for_members or not choice.units():
            return None
        sums = await _sums(request, page, choice)
        return None if sums is None else PricedChoice(page, choice, sums)
    except Refused:  # the page of the choice says why
        return None


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
    if refusal in (SalesRefusal.SEAT_TAKEN, SalesRefusal.ORPHAN_SEAT, SalesRefusal.UNKNOWN_SEAT):
        return _seat_gone(exc, page, choice, address)
    if refusal is SalesRefusal.NOT_ADMITTED:
        text = "People are let in one after the other. What you chose stays possible when it is your turn."
        room = f"{address}/waiting-room"
        return _No("This sale has a waiting room", text, "Go to the waiting room", room)
    if refusal is SalesRefusal.TOO_MANY_HOLDS:
        return _No("You already have tickets on hold here", sentence_of(exc), "See my tickets", "/me/tickets")
    return _No(PROBLEMS[refusal].title, sentence_of(exc), "Back to the event", page.address)


def _seat_gone(exc: Refused, page: EventOnPage, choice: Choice, address: str) -> _No:
    """Return which seat is gone; the others stay chosen on the page of the seats."""
    gone = exc.data.get("seat_id")
    rest = tuple(seat for seat in choice.seats if seat.partition(":")[2] != gone)
    link = f"{address}/seats?{msgspec.structs.replace(choice, seats=rest).query()}"
    if exc.refusal is SalesRefusal.ORPHAN_SEAT:
        text = "The organizer does not want that. Move by one, or take the single seat, too."
        return _No("That leaves one seat alone", text, "Change the seats", link)
    hall = page.sale.hall
    number = None if hall is None or not isinstance(gone, str) else hall.plan.numbers.get(gone)
    name = "A seat" if hall is None or number is None else hall.plan.label(number)
    others = "Your other seats are still chosen." if rest else "Nothing was booked."
    return _No(f"{name} was taken a moment ago", others, "Choose another seat", link)


def _sold_out(page: EventOnPage, choice: Choice, address: str) -> _No:
    """Return how many are left, with the smaller choice, or the way to the waitlist."""
    types = {each.id: each for each in page.types}
    known = [(types[name], quantity) for name, quantity in choice.units().items() if name in types]
    short = [(each, quantity) for each, quantity in known if each.available < quantity]
    if not short or choice.seats:
        text = "Another buyer was quicker. Nothing was booked."
        return _No("That was just taken", text, "Choose again", page.address)
    first, wanted = short[0]
    fewer = tuple((each.id, min(quantity, each.available)) for each, quantity in known if each.available > 0)
    if not fewer:
        query = {"type": first.id, "quantity": str(wanted)} | ({"code": choice.code} if choice.code else {})
        return _No(
            f"{first.name} is sold out",
            "Tickets that come back are offered to the waitlist first.",
            "Join the waitlist",
            f"{address}/waitlist?{urlencode(query)}",
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
    """Return what the choice costs: quoted with a code or a log-in, else by public prices."""
    known = {each.id: each for each in page.types}
    chosen = [(known[name], quantity) for name, quantity in choice.units().items() if name in known]
    if not chosen:
        return None
    types = page.sale.ticket_types
    known_lines = [line for line in choice.lines() if line.ticket_type_id in types]
    if no := sales.reads.refuse_add_ons(types, known_lines):
        raise no.as_error()
    currency = page.sale.currency
    _, conditions = page.sale.conditions_now()
    if request.actor.kind == "anonymous" and not choice.code:
        lines = [
            ChosenLine(each.name, quantity, Money(each.price.amount * quantity, currency))
            for each, quantity in chosen
        ]
        total = Money(sum(line.total.amount for line in lines), currency)
        return _with_payment(lines, None, None, None, total, conditions.payment)
    context = request.context
    buyer_id, wanted, now = request.actor.id, choice.lines(page), context.clock()
    if choice.code:
        quote = await sales.reads.find_booking_quote(
            context.database,
            page.event.event_id,
            None if request.actor.kind == "anonymous" else buyer_id,
            wanted,
            choice.code,
            now,
            context.checkout.denominations,
        )
    else:
        quote = sales.reads.quote_of_sale(page.sale, buyer_id, wanted, now, context.checkout.denominations)
    lines = _chosen_lines(quote, {each.id: each.name for each, _ in chosen})
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


def _chosen_lines(quote: BookingQuote, names: dict[str, str]) -> list[ChosenLine]:
    """Return one line for each ticket type: a quote has two where a discount cannot be shared evenly.

    The discount stands on a line of its own; fees and taxes are inside.
    """
    lines: dict[UUID, ChosenLine] = {}
    for each in quote.lines:
        minor = (each.total_minor() + each.discount_minor) * each.quantity
        before = lines.get(each.ticket_type_id)
        lines[each.ticket_type_id] = ChosenLine(
            names[show_id(_TYPE, each.ticket_type_id)],
            each.quantity + (before.quantity if before else 0),
            Money(minor + (before.total.amount if before else 0), quote.currency),
        )
    return list(lines.values())


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
    """Return the choice in a form; refuse quantities that are no numbers, and too many tickets."""
    quantities: dict[str, int] = {}
    for name, value in form.pairs:
        if name.startswith(f"{_TYPE}_") and find_id(_TYPE, name) is not None:
            quantities[name] = quantities.get(name, 0) + _read_number(name, value)
    seats = []
    for value in form.all(_SEAT):
        name, _, seat_id = value.partition(":")
        if seat_id and find_id(_TYPE, name) is not None and len(value) <= _SEAT_CHARACTERS_MAX:
            seats.append(value)
    named = {seat.partition(":")[0] for seat in seats}  # whose seats are chosen, so no best ones are
    choice = Choice(
        tuple((name, count) for name, count in quantities.items() if count and name not in named),
        form.text(_CODE)[: sales.terms.PROMO_CODE_CHARACTERS_MAX],
        tuple(dict.fromkeys(seats)),
        form.text(_SECTION)[:_SEAT_CHARACTERS_MAX],
        _read_number(_ACCESSIBLE, form.text(_ACCESSIBLE)),
    )
    if sum(choice.units().values()) > UNITS_MAX:
        raise Refused(SalesRefusal.OVER_BOOKING_LIMIT)
    return choice


def _read_number(name: str, value: str) -> int:
    text = value.strip()
    if text and not (text.isdecimal() and text.isascii()):
        raise Invalid([FieldError(f"/{name}", "not-a-number")])
    return int(text[:6] or "0")


def _address(event_id: UUID) -> str:
    return f"/events/{show_id('evt', event_id)}"


routes: Final = [show_choice, book]
