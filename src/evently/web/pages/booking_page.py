"""The page of one booking: what its template sees, and how bookings that are alike share one rendering.

In an on-sale, thousands of buyers read pages of bookings that differ by their ids alone. So the template gets
a `ShownBooking` and nothing else but the event, and marks stand in it for what is the reader's own. Equal
ones give equal pages: such a page is rendered once, and filled in for each reader. It is forgotten when the
event is read again, a quarter of a second later. No page with a name on it, an error or a payment is kept.

A booking of one ticket: 230 us of processor to render, 25 to fill in.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

import markupsafe

from evently import catalogue
from evently.checkout import Payment
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.mail import TicketMail
from evently.sales.nouns import Booking
from evently.web.pages import words
from evently.web.pages.browsing import event_address
from evently.web.pages.names import NamesOnPage

ALIKE_TICKETS_MAX: Final = 10  # of a booking whose page others share; more are rare, and rarely alike


class TicketOnPage(NamedTuple):
    """A ticket as its buyer sees it. `number` counts those of the booking, as on the ticket.

    `offered_to`: the address of whom the buyer offers it to now.
    """

    id: str
    number: int
    name: str
    seat: str | None
    total: Money
    state: str
    returning: bool
    passed_on: bool
    offered_to: str | None

    @property
    def label(self) -> str:
        """The ticket type and the seat."""
        return words.with_seat(self.name, self.seat)


class BookingOnPage(NamedTuple):
    """A booking as its buyer sees it. `state`: what the page is about; `since`: a reading of its event."""

    booking: Booking
    event: catalogue.Event
    since: object
    state: str  # held, paying, confirmed, expired, cancelled
    id: str
    reference: str
    tickets: tuple[TicketOnPage, ...]
    total: Money
    payment: Payment | None

    @property
    def address(self) -> str:
        """The address of the booking."""
        return f"/bookings/{self.id}"

    @property
    def event_address(self) -> str:
        """The address of its event."""
        return event_address(self.event)

    @property
    def expires(self) -> datetime | None:
        """When a hold ends, at the venue."""
        at = self.booking.expires_at
        return None if at is None else at.astimezone(self.event.place.zone)

    @property
    def live_tickets(self) -> tuple[TicketOnPage, ...]:
        """The tickets that are not void."""
        return live_tickets(self.tickets)


class Moved(NamedTuple):
    """Another time or place of the event, since the booking. Times are those at the venue."""

    starts_before: datetime | None  # None: only the place changed
    give_back_until: datetime | None


class Own(NamedTuple):
    """What no other booking has. `expires_at` is for programs, `expires` for people at the venue."""

    id: str
    reference: str
    expires_at: str
    expires: str
    seconds: str  # until a hold ends
    address: str  # to which the tickets were sent
    tickets: tuple[str, ...]

    def texts(self) -> list[str]:
        """Return all of it as HTML, in an order that is the same for bookings that are alike."""
        return [*self[:-2], str(markupsafe.escape(self.address)), *self.tickets]


def _mark() -> str:
    return f"own{secrets.token_hex(12)}"


# Nobody else can write them into a page
MARKS: Final = Own(
    _mark(), _mark(), _mark(), _mark(), _mark(), _mark(), tuple(_mark() for _ in range(ALIKE_TICKETS_MAX))
)


class ShownBooking(NamedTuple):
    """What the page of a booking shows, but for its event."""

    own: Own
    state: str
    tickets: tuple[TicketOnPage, ...]
    total: Money
    refunded: Money | None
    paid: Money
    payment: str
    longer_minutes: int | None  # for which a hold can be kept once more; None: it cannot
    names: NamesOnPage | None
    moved: Moved | None
    saved: bool
    declined: bool
    failure: str | None  # why a payment was declined
    asks: str | None  # the address at which the bank asks
    again: str  # the query with which the same can be chosen anew, where that is offered
    reasons: tuple[str, ...]  # why the organizer cancelled tickets, or the event
    mailed: str  # what became of the e-mail with the tickets; empty if there is none

    @property
    def address(self) -> str:
        """The address of the booking."""
        return f"/bookings/{self.own.id}"

    @property
    def live_tickets(self) -> tuple[TicketOnPage, ...]:
        """The tickets that are not void."""
        return live_tickets(self.tickets)


def own_of(found: BookingOnPage, seconds: int, mailed: TicketMail | None) -> Own:
    """Return what is the reader's own."""
    expires = found.expires
    return Own(
        found.id,
        found.reference,
        "" if expires is None or found.booking.expires_at is None else found.booking.expires_at.isoformat(),
        "" if expires is None else words.clock(expires),
        str(seconds),
        "" if mailed is None else mailed.address,
        tuple(ticket.id for ticket in found.tickets),
    )


def shown_booking(
    found: BookingOnPage,
    own: Own,
    names: NamesOnPage | None,
    moved: Moved | None,
    longer_minutes: int | None,
    mailed: TicketMail | None,
    *,
    reasons: Sequence[str] = (),
    saved: bool = False,
) -> ShownBooking:
    """Return what the page shows, with `own` for what is the reader's own: theirs, or marks."""
    booking, payment = found.booking, found.payment
    currency, back = booking.currency, booking.refunded_minor + booking.outside_minor
    asking = payment is not None and payment.state == "action_needed" and payment.next_action is not None
    return ShownBooking(
        own,
        found.state,
        found.tickets,
        found.total,
        Money(back, currency) if back else None,
        Money(booking.paid_minor, currency),
        booking.payment,
        longer_minutes,
        names,
        moved,
        saved,
        payment is not None and payment.state == "declined",
        None if payment is None else payment.failure_message,
        payment.next_action.url if asking and payment is not None and payment.next_action else None,
        _chosen_again(booking) if found.state == "expired" else "",
        tuple(reasons),
        "" if mailed is None else mailed.state,
    )


def marked(
    found: BookingOnPage, names: NamesOnPage | None, mailed: TicketMail | None
) -> tuple[BookingOnPage, NamesOnPage | None, Own] | None:
    """Return the same with marks for what is the reader's own; None if the page has more of that."""
    count, ends = len(found.tickets), found.booking.expires_at is not None
    if (
        found.payment is not None
        or count > ALIKE_TICKETS_MAX
        or any(each.offered_to for each in found.tickets)
    ):
        return None
    marks = {each.id: mark for each, mark in zip(found.tickets, MARKS.tickets, strict=False)}
    if names is not None and (names := names.marked(marks)) is None:
        return None
    own = Own(
        MARKS.id,
        MARKS.reference,
        MARKS.expires_at if ends else "",
        MARKS.expires if ends else "",
        MARKS.seconds,
        "" if mailed is None else MARKS.address,
        tuple(marks.values()),
    )
    tickets = tuple(each._replace(id=marks[each.id]) for each in found.tickets)
    return found._replace(tickets=tickets), names, own


def live_tickets(tickets: Sequence[TicketOnPage]) -> tuple[TicketOnPage, ...]:
    """Return the tickets that are not void."""
    return tuple(ticket for ticket in tickets if ticket.state != "void")


def _chosen_again(booking: Booking) -> str:
    counts: dict[str, int] = {}
    for ticket in booking.tickets:
        name = show_id("tty", ticket.ticket_type_id)
        counts[name] = counts.get(name, 0) + 1
    return f"/events/{show_id('evt', booking.event_id)}/book?{urlencode(counts)}"
