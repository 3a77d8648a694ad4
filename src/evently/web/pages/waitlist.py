"""Waiting for tickets that come back: joining, the position, an offer to take or to decline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from evently import catalogue, notifications, push, sales
from evently.kit.errors import Refused
from evently.kit.ids import EventId, WaitlistEntryId, find_id, show_id
from evently.sales.commands import Command
from evently.sales.commands.bookings import UNITS_MAX, BookingLine
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import WaitlistEntry
from evently.sales.outcomes import Listed, No, SalesRefusal
from evently.sales.reads import WaitlistPosition
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.idempotency import fingerprint_of
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.admitting import is_admitted_here
from evently.web.pages.browsing import event_address
from evently.web.pages.events import Code, EventOnPage, read_with_code
from evently.web.pages.forms import FormError, read_form
from evently.web.pages.rendering import act, new_key, render, see_other, show
from evently.web.paying import refuse_unpayable
from evently.web.services import Request
from evently.web.unlocking import REFUSALS, count_guess

_ENTRIES_MAX: Final = 50
_REASONS: Final = {
    "left": "You left the waitlist.",
    "declined": "You passed the offer on.",
    "lapsed": "The offer ended before it was taken.",
    "cancelled": "The organizer took this entry off the list.",
    "over_limit": "You have as many tickets as one person may have.",
}
Type = Annotated[str, QueryParameter(name="type", max_length=64)]
Quantity = Annotated[str, QueryParameter(max_length=6)]
Joined = Annotated[str, QueryParameter(max_length=10)]


class EntryOnPage(NamedTuple):
    """A waitlist entry as its buyer sees it. Times are those at the venue."""

    id: str
    entry: WaitlistEntry
    event: catalogue.Event
    type_name: str
    event_address: str
    position: WaitlistPosition
    offer_ends: datetime | None
    expected: datetime | None
    ended: str | None  # why it is over
    again: str  # the address at which the buyer can join anew

    @property
    def address(self) -> str:
        """Where its forms are sent to."""
        return f"/waitlist/{self.id}"


@show("/events/{event_id}/waitlist", **policy(PUBLIC))
async def show_joining(
    request: Request,
    event_id: FromPath[EventId],
    type_id: Type = "",
    quantity: Quantity = "",
    code: Code = "",
) -> Response[str]:
    """Return the page on which a buyer joins the waitlist of a ticket type."""
    page, errors = await _read_public(request, event_id, code)
    return _joining(request, page, type_id, quantity, code, errors=errors)


@act("/events/{event_id}/waitlist", **policy(PUBLIC, rate="bookings"))
async def join(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Add the buyer to the waitlist; a visitor logs in first."""
    form = await read_form(request)
    code = form.text("code")[:PROMO_CODE_CHARACTERS_MAX]
    type_id, text, key = form.text("type"), form.text("quantity"), form.text("key")
    if request.actor.kind == "anonymous":
        query = {"type": type_id, "quantity": text} | ({"code": code} if code else {})
        here = f"/events/{show_id('evt', event_id)}/waitlist?{urlencode(query)}"
        return see_other(f"/login?{urlencode({'next': here})}")
    page, errors = await _read_public(request, event_id, code)
    if errors:
        return _joining(request, page, type_id, text, code, errors=errors)
    found = find_id("tty", type_id)
    quantity = int(text[:6]) if text.isdecimal() else 0
    if found is None or not 1 <= quantity <= UNITS_MAX:
        errors = [FormError("quantity", "Say how many tickets you want: a number from 1 on.")]
        return _joining(request, page, type_id, text, code, errors=errors)
    meant = _Meant(type_id, quantity, code)
    command = JoinWaitlist(
        event_id,
        request.actor.id,
        found,
        quantity,
        key=f"page-{key[:100]}" if key and key.isascii() else None,
        fingerprint=fingerprint_of("join", event_id, meant),
        promo_code=code or None,
        admitted=is_admitted_here(request, event_id),
    )
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No) and outcome.refusal is not SalesRefusal.ALREADY_WAITING:
        return _joining(request, page, type_id, text, code, refused=outcome.as_error())
    return see_other("/me/waitlist?joined=yes")


@show("/me/waitlist", **policy(SIGNED_IN))
async def my_waitlist(request: Request, joined: Joined = "") -> Response[str]:
    """Return the waitlist entries of the reader, live ones first."""
    return await _list(request, joined=joined == "yes")


@act("/waitlist/{entry_id}/accept", **policy(SIGNED_IN, rate="bookings"))
async def accept(request: Request, entry_id: FromPath[WaitlistEntryId]) -> Response[str] | Response[None]:
    """Accept an offer, and go to its booking. A promo code that does not count leaves the offer as it is."""
    code = (await read_form(request)).text("code")[:PROMO_CODE_CHARACTERS_MAX]
    entry = await _own(request, entry_id)
    if code:
        await count_guess(request)
    try:
        line = BookingLine(entry.ticket_type_id, entry.quantity)
        await refuse_unpayable(request, entry.event_id, [line], code or None, entry.promo_id)
        outcome = await _submit(
            request, AcceptOffer(entry.event_id, entry_id, request.actor.id, code or None)
        )
    except Refused as exc:
        if exc.refusal in REFUSALS:
            error = FormError(f"code-{show_id('wle', entry_id)}", sentence_of(exc))
            return await _list(request, error=error, code=code)
        return await _list(request, exc)
    assert outcome.booking is not None, "an accepted offer has a booking"
    return see_other(f"/bookings/{show_id('bkg', outcome.booking.booking_id)}")


@act("/waitlist/{entry_id}/leave", **policy(SIGNED_IN, rate="bookings"))
async def leave(request: Request, entry_id: FromPath[WaitlistEntryId]) -> Response[str] | Response[None]:
    """Leave the waitlist, or pass an offer on to the next person."""
    await read_form(request)
    entry = await _own(request, entry_id)
    try:
        await _submit(request, LeaveWaitlist(entry.event_id, entry_id, request.actor.id))
    except Refused as exc:
        return await _list(request, exc)
    return see_other("/me/waitlist")


async def _read_public(request: Request, event_id: UUID, code: str) -> tuple[EventOnPage, list[FormError]]:
    """Return an event with the ticket types that a promo code unlocks, and what is wrong with the code."""
    page, errors = await read_with_code(request, event_id, code)
    if page.event.for_members:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return page, errors


def _joining(
    request: Request,
    page: EventOnPage,
    type_id: str,
    quantity: str,
    code: str,
    *,
    errors: list[FormError] | None = None,
    refused: Refused | None = None,
) -> Response[str]:
    status = PROBLEMS[refused.refusal].status if refused else 422 if errors else 200
    return render(
        request,
        "join_waitlist.html",
        status=status,
        page=page,
        chosen=type_id,
        quantity=quantity or "1",
        code=code,
        errors=errors or [],
        no=None if refused is None else sentence_of(refused),
        key=new_key(),
    )


async def _list(
    request: Request,
    refused: Refused | None = None,
    *,
    error: FormError | None = None,
    code: str = "",
    joined: bool = False,
) -> Response[str]:
    context = request.context
    page = await sales.reads.list_entries_of_buyer(
        context.database, request.actor.id, _ENTRIES_MAX, None, live=False
    )
    shown = await _show_all(request, page.data)
    live = [each for each in shown if each.entry.state in ("waiting", "offered")]
    over = [each for each in shown if each.entry.state not in ("waiting", "offered")]
    live.sort(key=lambda each: each.entry.state != "offered")  # what must be decided comes first
    return render(
        request,
        "my_waitlist.html",
        status=422 if error is not None else 200 if refused is None else PROBLEMS[refused.refusal].status,
        live=live,
        over=over,
        errors=[] if error is None else [error],
        code=code,
        no=None if refused is None else sentence_of(refused),
        joined=joined and any(each.entry.state == "waiting" for each in live),
        ways=await _ways(request) if joined else {},
    )


async def _ways(request: Request) -> dict[str, bool]:
    """Return how the reader is told of an offer, and whether this device could tell and does not yet."""
    context, actor = request.context, request.actor
    wanted = {
        each.channel
        for each in await notifications.list_choices(context.database, actor.id)
        if each.wanted and each.topic == "waitlist"
    }
    devices = await push.list_devices(context.database, actor.id) if context.push.on else []
    here = any(each.session_id == actor.session_id for each in devices)
    return {
        "by_email": context.mail.on and "email" in wanted,
        "by_push": here and "push" in wanted,
        "offers_push": context.push.on and not here,
    }


async def _show_all(request: Request, entries: Sequence[WaitlistEntry]) -> list[EntryOnPage]:
    """Return entries as pages show them: their events and ticket types are read together."""
    if not entries:
        return []
    context, event_ids = request.context, list({entry.event_id for entry in entries})
    async with context.database.snapshot() as snapshot:
        events = await catalogue.find_events(snapshot, event_ids)
        names = await sales.reads.list_type_names(snapshot, event_ids)
    positions = await context.waitlist_positions.get_positions(entries)
    return [
        _show(
            each,
            events[each.event_id],
            names.get(each.ticket_type_id, "Ticket"),
            positions[each.entry_id],
        )
        for each in entries
    ]


def _show(
    entry: WaitlistEntry, event: catalogue.Event, type_name: str, position: WaitlistPosition
) -> EntryOnPage:
    zone, estimate, ends = event.place.zone, position.estimate, position.offer_expires_at
    query = urlencode({"type": show_id("tty", entry.ticket_type_id), "quantity": entry.quantity})
    return EntryOnPage(
        show_id("wle", entry.entry_id),
        entry,
        event,
        type_name,
        event_address(event),
        position,
        None if ends is None else ends.astimezone(zone),
        estimate.expected_at.astimezone(zone) if estimate is not None and estimate.in_time else None,
        "You got your tickets." if entry.state == "fulfilled" else _REASONS.get(entry.reason),
        f"/events/{show_id('evt', entry.event_id)}/waitlist?{query}",
    )


class _Meant(msgspec.Struct, frozen=True, omit_defaults=True):
    ticket_type_id: str
    quantity: int
    code: str = ""


async def _own(request: Request, entry_id: UUID) -> WaitlistEntry:
    entry = await sales.reads.get_entry(request.context.database, entry_id)
    if entry.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.ENTRY_NOT_FOUND)
    return entry


async def _submit(request: Request, command: Command) -> Listed:
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        raise outcome.as_error()
    assert isinstance(outcome, Listed), "the outcome of a waitlist command is an entry"
    return outcome


routes: Final = [show_joining, join, my_waitlist, accept, leave]
