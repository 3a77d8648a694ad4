"""One address for a booking's whole life: held, paying, confirmed, expired, cancelled.

So Back, a refresh and the link in an e-mail are always right. Forms lead back here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from evently import catalogue, sales
from evently.attendees import AttendeesRefusal
from evently.checkout import CheckoutRefusal, Payment, PaymentChoice
from evently.kit.errors import Refused
from evently.kit.ids import BookingId, find_id, parse_id, reference_of, show_id
from evently.kit.money import Money
from evently.questions import QuestionsRefusal
from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    UNITS_MAX,
    CancelBooking,
    ExtendHold,
    KeepTickets,
    ReturnTickets,
)
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import No, SalesRefusal
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.idempotency import fingerprint_of
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.booking_page import (
    BookingOnPage,
    Moved,
    ShownBooking,
    TicketOnPage,
    marked,
    own_of,
    shown_booking,
)
from evently.web.pages.forms import Form, FormError, parse_form, read_form
from evently.web.pages.holding import find_longer_minutes, forget_hold, hold_of, keep_hold
from evently.web.pages.names import save_names, show_names, why_not_saved
from evently.web.pages.offline import kept_for
from evently.web.pages.questions import FIELDS_MAX, QuestionsOnPage, save_typed, show_questions
from evently.web.pages.questions import why_not_saved as why_no_answers
from evently.web.pages.rendering import act, new_key, render, render_alike, see_other, show
from evently.web.services import Request

_PAYING: Final = ("authorising", "authorised")
_ASKED_AGAIN_SECONDS: Final = 5
_UPCOMING_MAX: Final = 50
_PAST_MAX: Final = 20
_ANSWERS_BYTES_MAX: Final = 1_000_000  # a form with answers about a hundred tickets
Saved = Annotated[str, QueryParameter(max_length=10)]


@show("/bookings/{booking_id}", **policy(SIGNED_IN))
async def show_booking(request: Request, booking_id: FromPath[BookingId], saved: Saved = "") -> Response[str]:
    """Return a booking of the reader."""
    return await _page(request, await read_booking(request, booking_id), saved=saved)


@act("/bookings/{booking_id}/names", **policy(SIGNED_IN))
async def name_tickets(request: Request, booking_id: FromPath[BookingId]) -> Response[str] | Response[None]:
    """Write the names on the tickets of a booking."""
    form = await read_form(request)
    found = await read_booking(request, booking_id)
    # Whether names can be changed is decided by the event as it is now
    event = await catalogue.get_event(request.context.database, found.booking.event_id)
    found = found._replace(event=event)
    try:
        errors = await save_names(request, found.event, found.booking, form)
    except Refused as exc:
        if not isinstance(exc.refusal, AttendeesRefusal):
            raise
        return await _page(request, found, exc, typed=form)
    if errors:
        return await _page(request, found, typed=form, errors=errors)
    return see_other(f"{found.address}?saved=names#names")


@act("/bookings/{booking_id}/answers", **policy(SIGNED_IN, body_bytes_max=_ANSWERS_BYTES_MAX))
async def answer_questions(
    request: Request, booking_id: FromPath[BookingId]
) -> Response[str] | Response[None]:
    """Write what the buyer answers to the questions of the organizer."""
    form = await read_form(request, FIELDS_MAX)
    found = await read_booking(request, booking_id)
    return await _answer(request, found, form) or see_other(f"{found.address}?saved=answers#questions")


@act("/bookings/{booking_id}/pay", **policy(SIGNED_IN, rate="bookings", body_bytes_max=_ANSWERS_BYTES_MAX))
async def pay(request: Request, booking_id: FromPath[BookingId]) -> Response[str] | Response[None]:
    """Begin a payment, and go to the page of the gateway, or back to the booking.

    The form has the answers to the questions of the organizer, too.
    """
    form = await read_form(request, FIELDS_MAX)
    if form.pairs:
        found = await read_booking(request, booking_id)
        if found.state == "held" and (wrong := await _answer(request, found, form, strict=True)) is not None:
            return wrong
    address = f"/bookings/{show_id('bkg', booking_id)}"
    choice = PaymentChoice(hosted=True, return_url=f"{_origin(request)}{address}")
    try:
        paid = await request.context.checkout.pay(booking_id, request.actor.id, choice, None)
    except Refused as exc:
        # Paid, cancelled or expired meanwhile: the page of the booking shows which
        if exc.refusal in (
            SalesRefusal.HOLD_EXPIRED,
            SalesRefusal.ALREADY_CONFIRMED,
            SalesRefusal.ALREADY_CANCELLED,
            CheckoutRefusal.PAYMENT_PENDING,
            CheckoutRefusal.NOTHING_TO_PAY,
        ):
            return see_other(address)
        return await _page(request, await read_booking(request, booking_id), exc)
    action = paid.payment.next_action
    return see_other(action.url if action is not None and action.url is not None else address)


@act("/bookings/{booking_id}/extend", **policy(SIGNED_IN, rate="bookings"))
async def extend(request: Request, booking_id: FromPath[BookingId]) -> Response[str] | Response[None]:
    """Restart the time of a hold, once."""
    await read_form(request)
    found = await read_booking(request, booking_id)
    command = ExtendHold(found.booking.event_id, booking_id, request.actor.id)
    return await _act(request, found, command)


@show("/bookings/{booking_id}/cancel", **policy(SIGNED_IN))
async def show_cancelling(request: Request, booking_id: FromPath[BookingId]) -> Response[str]:
    """Return the page on which tickets are chosen that are cancelled or returned, with the refunds.

    The address may name tickets that are ticked already.
    """
    ticked = parse_form(request.scope["query_string"].decode("latin-1"))
    return await _cancel_page(request, await read_booking(request, booking_id), ticked)


@act("/bookings/{booking_id}/cancel", **policy(PUBLIC, rate="bookings"))
async def cancel(request: Request, booking_id: FromPath[BookingId]) -> Response[str] | Response[None]:
    """Cancel the chosen tickets; a hold is cancelled as a whole."""
    form = await read_form(request)
    if request.actor.kind == "anonymous":
        return _log_in_first(booking_id, form)
    found = await read_booking(request, booking_id)
    chosen = _chosen(form)
    if found.booking.state == "confirmed" and not chosen:
        return await _cancel_page(request, found, form, nothing_chosen=True)
    where = await sales.reads.locate_booking(request.context.database, booking_id)
    meant = _Chosen(sorted(map(str, chosen)))
    command = CancelBooking(
        where.event_id,
        booking_id,
        request.actor.id,
        request.actor.id,
        tuple(chosen) or None,
        event_starts_at=where.event_starts_at,
        key=f"page-{form.text('key')[:100]}" if form.text("key").isascii() and form.text("key") else None,
        fingerprint=fingerprint_of("cancel", booking_id, meant),
    )
    return await _act(request, found, command)


@act("/bookings/{booking_id}/return", **policy(PUBLIC, rate="bookings"))
async def return_tickets(request: Request, booking_id: FromPath[BookingId]) -> Response[str] | Response[None]:
    """Offer the chosen tickets to the waitlist."""
    form = await read_form(request)
    if request.actor.kind == "anonymous":
        return _log_in_first(booking_id, form)
    found = await read_booking(request, booking_id)
    chosen = _chosen(form)
    if not chosen:
        return await _cancel_page(request, found, form, nothing_chosen=True)
    command = ReturnTickets(found.booking.event_id, booking_id, request.actor.id, tuple(chosen))
    return await _act(request, found, command)


@act("/bookings/{booking_id}/keep", **policy(SIGNED_IN, rate="bookings"))
async def keep_tickets(request: Request, booking_id: FromPath[BookingId]) -> Response[str] | Response[None]:
    """Keep tickets that were offered to the waitlist."""
    form = await read_form(request)
    found = await read_booking(request, booking_id)
    chosen = _chosen(form)
    if not chosen:
        return see_other(found.address)
    command = KeepTickets(found.booking.event_id, booking_id, request.actor.id, tuple(chosen))
    return await _act(request, found, command)


@show("/me/tickets", **policy(SIGNED_IN))
async def my_tickets(request: Request) -> Response[str]:
    """Return the bookings of the reader: upcoming ones, then past ones."""
    context = request.context
    lists = {}
    for kind, limit in (("upcoming", _UPCOMING_MAX), ("past", _PAST_MAX), ("cancelled", _PAST_MAX)):
        page = await sales.reads.list_bookings_of_buyer(
            context.database, request.actor.id, kind, context.clock(), limit, None
        )
        lists[kind] = page.data
    shown = iter(await _show_all(request, [each for kind in lists.values() for each in kind]))
    upcoming, past, cancelled = [[next(shown) for _ in kind] for kind in lists.values()]
    upcoming.sort(key=lambda each: each.event.starts_at)
    received = await sales.reads.list_received_tickets(context.database, request.actor.id, _UPCOMING_MAX)
    offered = await _offered_to(request)
    event_ids = {each.event_id for each in received} | {each.transfer.event_id for each in offered}
    events = await catalogue.find_events(context.database, event_ids) if event_ids else {}
    return render(
        request,
        "my_tickets.html",
        headers=kept_for(request),
        upcoming=upcoming,
        past=past,
        cancelled=cancelled,
        received=[(each, events[each.event_id]) for each in received],
        offered=[(each, events[each.transfer.event_id]) for each in offered],
    )


async def _offered_to(request: Request) -> list[sales.reads.TransferStory]:
    """Return the tickets that others offer to the reader."""
    database, reader_id = request.context.database, request.actor.id
    address = await sales.reads.find_verified_address(database, reader_id)
    if address is None:
        return []
    page = await sales.reads.list_transfers_of_person(database, reader_id, address, _PAST_MAX, None)
    return [
        each for each in page.data if each.transfer.state == "offered" and each.transfer.giver_id != reader_id
    ]


async def _answer(
    request: Request, found: BookingOnPage, form: Form, *, strict: bool = False
) -> Response[str] | None:
    """Store the answers of a form, or return the page that says what is wrong with them."""
    # Whether answers can be given is decided by the event as it is now
    event = await catalogue.get_event(request.context.database, found.booking.event_id)
    found = found._replace(event=event)
    try:
        errors = await save_typed(request, event, found.booking, form, strict=strict)
    except Refused as exc:
        if not isinstance(exc.refusal, QuestionsRefusal):
            raise
        return await _page(request, found, exc, answers=form)
    return await _page(request, found, answers=form, errors=errors) if errors else None


async def read_booking(request: Request, booking_id: UUID) -> BookingOnPage:
    """Return a booking of the reader; another person's is not found."""
    context = request.context
    booking, offered_to = await context.bookings.get_with_offers(booking_id)
    if booking.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    type_ids = {ticket.ticket_type_id for ticket in booking.tickets}
    event, names, read = await context.booked_events.get(booking.event_id, type_ids)
    payment = None
    if booking.payment == "online" and booking.state == "held":  # later, the booking says how it ended
        payment = await context.checkout.find_latest_payment(booking_id)
    return _show(booking, event, names, payment, context.clock(), offered_to, read)


async def _show_all(request: Request, bookings: Sequence[Booking]) -> list[BookingOnPage]:
    if not bookings:
        return []
    async with request.context.database.snapshot() as snapshot:
        event_ids = list({booking.event_id for booking in bookings})
        events = await catalogue.find_events(snapshot, event_ids)
        names = await sales.reads.list_type_names(snapshot, event_ids)
    now = request.context.clock()
    return [_show(booking, events[booking.event_id], names, None, now) for booking in bookings]


def _show(
    booking: Booking,
    event: catalogue.Event,
    names: dict[UUID, str],
    payment: Payment | None,
    now: datetime,
    offered_to: Mapping[UUID, str] = MappingProxyType({}),
    read: object = None,
) -> BookingOnPage:
    state: str = booking.state
    if state == "held":
        if payment is not None and payment.state in _PAYING:
            state = "paying"
        elif booking.expires_at is not None and booking.expires_at <= now:
            state = "expired"
    return BookingOnPage(
        booking,
        event,
        read,
        state,
        show_id("bkg", booking.booking_id),
        reference_of(booking.booking_id),
        tuple(
            _show_ticket(number, ticket, names, booking, offered_to)
            for number, ticket in enumerate(booking.tickets, 1)
        ),
        Money(booking.total_minor(), booking.currency),
        payment,
    )


def _show_ticket(
    number: int, ticket: Ticket, names: dict[UUID, str], booking: Booking, offered_to: Mapping[UUID, str]
) -> TicketOnPage:
    passed_on = ticket.holder_id is not None
    return TicketOnPage(
        show_id("tkt", ticket.ticket_id),
        number,
        names.get(ticket.ticket_type_id, "Ticket"),
        ticket.seat_label or ticket.seat_id,
        Money(ticket.total_minor(), booking.currency),
        ticket.state,
        ticket.returning_since is not None,
        passed_on,
        # To whom its new holder offers it is not the buyer's business
        None if passed_on else offered_to.get(ticket.ticket_id),
    )


async def _page(
    request: Request,
    found: BookingOnPage,
    refused: Refused | None = None,
    *,
    typed: Form | None = None,
    answers: Form | None = None,
    errors: Sequence[FormError] = (),
    saved: str = "",
) -> Response[str]:
    expires_at = found.booking.expires_at
    seconds = max(0, math.ceil((expires_at - request.context.clock()).total_seconds())) if expires_at else 0
    if found.state == "held":
        keep_hold(request, found.booking, seconds)
    else:
        forget_hold(request, found.booking)
    names, asked, moved, mailed = None, None, None, None
    if found.state in ("held", "confirmed"):
        names_wrong = errors if answers is None else ()
        names = await show_names(request, found.event, found.booking, typed, names_wrong)
        asked = await _ask(request, found, answers, errors)
    if found.state == "confirmed":
        moved = await _find_move(request, found)
        mailed = await request.context.ticket_mail.find(found.booking) if request.context.mail.on else None
    longer = await find_longer_minutes(request, found.booking) if found.state == "held" else None
    reasons = await _find_reasons(request, found)
    own, names_saved = own_of(found, seconds, mailed), saved == "names"
    is_plain = refused is None and not errors and found.state != "paying" and hold_of(request) is None
    if is_plain and asked is None and (alike := marked(found, names, mailed)) is not None:
        like, unnamed, marks = alike
        shown = shown_booking(like, marks, unnamed, moved, longer, mailed, reasons=reasons, saved=names_saved)

        def values() -> dict[str, Any]:
            return _values(found, shown, None) | {"here": shown.address}

        key = (found.since, shown)
        return render_alike(request, key, "booking.html", values, marks.texts(), own.texts())
    return render(
        request,
        "booking.html",
        status=PROBLEMS[refused.refusal].status if refused is not None else 422 if errors else 200,
        headers={"refresh": str(_ASKED_AGAIN_SECONDS)} if found.state == "paying" else {},
        **_values(
            found,
            shown_booking(found, own, names, moved, longer, mailed, reasons=reasons, saved=names_saved),
            _no(refused, found),
        )
        | {"asked": asked, "errors": list(errors), "saved": saved},
    )


async def _find_reasons(request: Request, found: BookingOnPage) -> list[str]:
    """Return why the organizer cancelled the event, or tickets: only a booking with void tickets reads it."""
    if (reason := found.event.cancellation_reason) is not None:
        return [reason]
    if all(ticket.state != "void" for ticket in found.tickets):
        return []
    booking = found.booking
    return await sales.reads.list_cancellation_reasons(
        request.context.database, booking.event_id, booking.booking_id
    )


async def _ask(
    request: Request, found: BookingOnPage, answers: Form | None, errors: Sequence[FormError]
) -> QuestionsOnPage | None:
    """Return what the buyer is asked. `answers`: what was typed, of which the errors are."""
    labels = {
        parse_id("tkt", ticket.id): f"Ticket {ticket.number}: {ticket.label}" for ticket in found.live_tickets
    }
    wrong = errors if answers is not None else ()
    return await show_questions(request, found.event, found.booking, labels, answers, wrong)


def _no(refused: Refused | None, found: BookingOnPage) -> str | None:
    if refused is None:
        return None
    if isinstance(refused.refusal, AttendeesRefusal):
        return why_not_saved(refused, found.event)
    if isinstance(refused.refusal, QuestionsRefusal):
        return why_no_answers(refused, found.event)
    return sentence_of(refused)


def _values(found: BookingOnPage, shown: ShownBooking, no: str | None) -> dict[str, Any]:
    return {
        "found": shown,
        "event": found.event,
        "event_address": found.event_address,
        "names": shown.names,
        "asked": None,
        "errors": [],
        "saved": "",
        "no": no,
    }


def _log_in_first(booking_id: UUID, form: Form) -> Response[None]:
    """Lead a reader whose session has ended to the log-in, and then back to the tickets that were ticked."""
    ticked = [("ticket", show_id("tkt", each)) for each in _chosen(form)[:UNITS_MAX]]
    address = f"/bookings/{show_id('bkg', booking_id)}/cancel"
    here = f"{address}?{urlencode(ticked)}" if ticked else address
    return see_other(f"/login?{urlencode({'next': here})}")


async def _find_move(request: Request, found: BookingOnPage) -> Moved | None:
    """Return the other time or place that the event got after the booking, if it did."""
    booking, event, database = found.booking, found.event, request.context.database
    if event.changed_at <= booking.placed_at:
        return None
    moves = (await sales.reads.list_reschedulings(database, [event.event_id]))[event.event_id]
    moves = [each for each in moves if each.at >= booking.placed_at]
    if not moves:
        return None
    zone, until, now = event.place.zone, None, request.context.clock()
    try:
        quote = await sales.reads.find_cancellation_quote(
            database, booking.booking_id, request.actor.id, None, now
        )
        until = quote.promise.give_back_until
    except Refused:  # it is too late to cancel
        pass
    before = moves[0].starts_before
    return Moved(
        before.astimezone(zone) if before != event.starts_at else None,
        until.astimezone(zone) if until is not None and until > now else None,
    )


async def _cancel_page(
    request: Request,
    found: BookingOnPage,
    form: Form,
    refused: Refused | None = None,
    *,
    nothing_chosen: bool = False,
) -> Response[str]:
    context = request.context
    quote: Any = None
    try:
        quote = await sales.reads.find_cancellation_quote(
            context.database, found.booking.booking_id, request.actor.id, _own_tickets(found), context.clock()
        )
    except Refused as exc:
        refused = refused or exc
    currency, zone = found.booking.currency, found.event.place.zone
    offers = await _find_returnable(request, found) if quote is not None else Returnable(frozenset(), None)
    refunds = (
        {show_id("tkt", each.ticket_id): Money(each.refund_minor, currency) for each in quote.tickets}
        if quote is not None
        else {}
    )
    until = (
        None
        if quote is None
        else sales.reads.cancellable_until(quote.booking, quote.conditions, quote.promise).astimezone(zone)
    )
    status = PROBLEMS[refused.refusal].status if refused is not None else 422 if nothing_chosen else 200
    return render(
        request,
        "cancel.html",
        status=status,
        found=found,
        refunds=refunds,
        add_ons={show_id("tkt", each) for each in quote.add_on_ids} if quote is not None else set(),
        total=Money(sum(each.amount for each in refunds.values()), currency),
        until=until,
        terms=words.refund_terms(quote.conditions, quote.promise.starts_at, zone)
        if quote is not None
        else [],
        offers=offers,
        chosen=set(form.all("ticket")),
        no=None if refused is None else _why_not(refused),
        nothing_chosen=nothing_chosen,
        key=new_key(),
    )


async def _find_returnable(request: Request, found: BookingOnPage) -> Returnable:
    """Return which tickets the waitlist would get, or why it gets none."""
    mine = {
        ticket.id: each.ticket_type_id
        for ticket, each in zip(found.tickets, found.booking.tickets, strict=True)
        if ticket.state == "valid" and not ticket.passed_on and not ticket.returning
    }
    free = {ticket.id for ticket in found.tickets if ticket.offered_to is None}
    if not mine.keys() & free:
        return Returnable(frozenset(), None)
    context = request.context
    no = await sales.reads.list_unreturnable(
        context.database, found.booking.event_id, set(mine.values()), context.clock()
    )
    ids = frozenset(ticket_id for ticket_id in mine.keys() & free if mine[ticket_id] not in no)
    return Returnable(ids, None if ids else _why_not_returnable(next(iter(no.values()))))


def _why_not_returnable(refused: Refused) -> str | None:
    if refused.refusal is SalesRefusal.NOT_SOLD_OUT:
        return None  # nobody waits, so nobody misses that way
    if refused.refusal is SalesRefusal.SALE_ENDED:
        return "They cannot go to the waitlist: the sale has ended."
    return f"They cannot go to the waitlist. {sentence_of(refused)}"


def _why_not(refused: Refused) -> str:
    if refused.refusal is SalesRefusal.TOO_LATE_TO_CANCEL:
        return "It is too late to cancel these tickets. They stay valid; the organizer can still help you."
    if refused.refusal is SalesRefusal.TICKET_USED:
        return "These tickets were used at the door, so nothing can be cancelled any more."
    return sentence_of(refused)


async def _act(request: Request, found: BookingOnPage, command: Command) -> Response[str] | Response[None]:
    """Submit a command about a booking; go back to its page, or show why not."""
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        again = await read_booking(request, found.booking.booking_id)
        return await _page(request, again, outcome.as_error())
    return see_other(found.address)


class Returnable(NamedTuple):
    """Which tickets of a booking can be returned to the waitlist; why none, where that needs a sentence."""

    ids: frozenset[str]
    why_none: str | None


class _Chosen(msgspec.Struct, frozen=True):
    tickets: list[str]


def _own_tickets(found: BookingOnPage) -> tuple[UUID, ...] | None:
    """Return the tickets that the buyer can cancel, where one of the others was used or passed on."""
    live = [ticket for ticket in found.booking.tickets if ticket.state != "void"]
    own = tuple([each.ticket_id for each in live if each.state == "valid" and each.holder_id is None])
    return own if own and len(own) < len(live) else None


def _chosen(form: Form) -> list[UUID]:
    found = [find_id("tkt", text) for text in form.all("ticket")]
    return list(dict.fromkeys(each for each in found if each is not None))


def _origin(request: Request) -> str:
    """Return the address of this site, to which a gateway sends the buyer back."""
    public_url = request.context.options.public_url
    return public_url or f"{request.scope['scheme']}://{request.header('host')}"


routes: Final = [
    show_booking,
    name_tickets,
    answer_questions,
    pay,
    extend,
    show_cancelling,
    cancel,
    return_tickets,
    keep_tickets,
    my_tickets,
]
