"""The names on the tickets of a booking, as one form: all errors at once, each at its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from evently import attendees
from evently.attendees import AttendeesRefusal, TicketName
from evently.catalogue import Event
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import show_id
from evently.sales.nouns import Booking, Ticket
from evently.web.edge.problems import sentence_of
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, errors_of
from evently.web.services import Request

_FIELD: Final = "name_"
# Why a name stays as it is, beside it; without a word where it holds for all tickets
_FIXED: Final = {
    "passed_on": "passed on; its holder names it",
    "used": "used",
    "returned": "offered to the waitlist",
}


class NamedTicket(NamedTuple):
    """A ticket with its name. `value`: what was typed, or is stored. `note`: why a name is fixed."""

    id: str
    ticket_id: str
    number: int
    value: str
    fixed: bool
    note: str


class NamesOnPage(NamedTuple):
    """The names of the tickets of a booking that are not void. `until`: at the venue; None: all are fixed."""

    required: bool
    missing: int
    until: datetime | None
    ended: datetime | None  # at the venue, where the time of the organizer is over
    fields: tuple[NamedTicket, ...]
    errors: tuple[FormError, ...]

    def given(self, ticket_id: str) -> str:
        """Return the name on a ticket, or an empty text."""
        return next((field.value for field in self.fields if field.ticket_id == ticket_id), "")

    def marked(self, marks: Mapping[str, str]) -> NamesOnPage | None:
        """Return the same with marks for the ids of tickets; None if there is a name or an error."""
        if self.errors or any(field.value for field in self.fields):
            return None
        fields = tuple(
            NamedTicket(
                _FIELD + marks[each.ticket_id], marks[each.ticket_id], each.number, "", each.fixed, each.note
            )
            for each in self.fields
        )
        return self._replace(fields=fields)


async def show_names(
    request: Request,
    event: Event,
    booking: Booking,
    typed: Form | None = None,
    errors: Sequence[FormError] = (),
) -> NamesOnPage | None:
    """Return the names for the page of a booking; None where none are asked for. `typed` is shown again."""
    if event.attendee_names == "not_asked" or booking.state not in ("held", "confirmed"):
        return None
    stored = await request.context.names.find(booking)
    now, zone = request.context.clock(), event.place.zone
    fields = []
    for number, ticket in _live(booking):
        found = stored.get(ticket.ticket_id) if ticket.holder_id is None else None
        why = attendees.why_fixed(
            event, booking, ticket.state, now, returning=ticket.returning_since is not None
        )
        field = _field_of(ticket)
        value = (found and found.name) or ""
        if why is None and typed is not None:
            value = typed.raw(field)
        if ticket.holder_id is not None:
            why = Refused(AttendeesRefusal.NAME_FIXED, "passed_on")
        note = "" if why is None else _FIXED.get(why.reason, "")
        fields.append(
            NamedTicket(field, show_id("tkt", ticket.ticket_id), number, value, why is not None, note)
        )
    ends_at = event.names_end_at
    open_ = any(not field.fixed for field in fields)
    return NamesOnPage(
        event.attendee_names == "required",
        attendees.unnamed(event, booking, stored, now),
        ends_at.astimezone(zone) if open_ else None,
        ends_at.astimezone(zone) if ends_at <= now else None,
        tuple(fields),
        tuple(errors),
    )


async def save_names(request: Request, event: Event, booking: Booking, form: Form) -> list[FormError]:
    """Store the names that were typed, all or none; return what is wrong with them.

    Refuses `names-not-asked` and `name-fixed`: only for names that the form changes.
    """
    stored = await attendees.find_names(request.context.database, booking)
    names, errors = _read(form, booking, stored)
    if errors or not names:
        return errors
    context = request.context
    async with context.database.transaction() as tx:
        await attendees.put_names(tx, event, booking, names, context.clock())
    return []


def why_not_saved(exc: Refused, event: Event) -> str:
    """Return a refusal in words, with times on the clocks at the venue."""
    if exc.refusal is AttendeesRefusal.NAME_FIXED and exc.reason == "too_late":
        ended = event.names_end_at.astimezone(event.place.zone)
        return f"Names could be changed until {words.moment(ended)}. Nothing was saved."
    return f"{sentence_of(exc)} Nothing was saved."


def _read(
    form: Form, booking: Booking, stored: dict[UUID, TicketName]
) -> tuple[dict[UUID, str | None], list[FormError]]:
    """Return the names that the form changes, and every error. An empty field takes a name back."""
    given, names = dict(form.pairs), dict[UUID, str | None]()
    errors = list[FormError]()
    for number, ticket in _own(booking):
        field, found = _field_of(ticket), stored.get(ticket.ticket_id)
        if (typed := given.get(field)) is None:
            continue
        name, wrong = attendees.check_name(typed, f"/{field}") if typed else (None, list[FieldError]())
        if wrong:
            (error,) = errors_of(Invalid(wrong[:1]), {f"/{field}": field})
            text = f"{error.text[0].lower()}{error.text[1:]}"
            errors.append(FormError(field, f"Ticket {number}: {text}"))
        elif name != (found.name if found is not None else None):
            names[ticket.ticket_id] = name
    return names, errors


def _live(booking: Booking) -> list[tuple[int, Ticket]]:
    """Return the tickets that are not void, with their numbers in the booking."""
    return [(number, each) for number, each in enumerate(booking.tickets, 1) if each.state != "void"]


def _own(booking: Booking) -> list[tuple[int, Ticket]]:
    """Return the tickets that the buyer holds, with their numbers in the booking."""
    return [(number, each) for number, each in _live(booking) if each.holder_id is None]


def _field_of(ticket: Ticket) -> str:
    return _FIELD + show_id("tkt", ticket.ticket_id)
