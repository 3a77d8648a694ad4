"""Request bodies about bookings, and the checks that need no sale."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import sales
from evently.analytics import SOURCE_CHARACTERS_MAX
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import TicketId, TicketTypeId
from evently.sales.commands.bookings import LINES_MAX, UNITS_MAX, BookingLine

_NAME_CHARACTERS_MAX: Final = 200  # for a seat or a section; longer than seat maps allow
_Units = Annotated[int, msgspec.Meta(ge=1, le=UNITS_MAX)]
SeatName = Annotated[str, msgspec.Meta(min_length=1, max_length=_NAME_CHARACTERS_MAX)]

PromoCode = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=sales.terms.PROMO_CODE_CHARACTERS_MAX,
        description="A promo code, in upper or lower case.",
        examples=["EARLYBIRD"],
    ),
]

Source = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=SOURCE_CHARACTERS_MAX,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        examples=["poster"],
    ),
]

_LINES: Final = [{"ticket_type_id": "tty_01m7y4ef72ev2sxmcnxfse27zp", "quantity": 2}]


class BookingLineBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A ticket type and a quantity. With assigned seating: the named `seats`, or the best available seats.

    Leave `quantity` out when you name `seats`. `section` limits the best available seats to one section.
    `accessible` says how many of them must be accessible; the others are beside those.
    """

    ticket_type_id: Annotated[TicketTypeId, msgspec.Meta(examples=["tty_01m7y4ef72ev2sxmcnxfse27zp"])]
    quantity: Annotated[_Units | None, msgspec.Meta(examples=[2])] = None
    seats: Annotated[list[SeatName], msgspec.Meta(min_length=1, max_length=UNITS_MAX)] | None = None
    section: SeatName | None = None
    accessible: Annotated[int, msgspec.Meta(ge=0, le=UNITS_MAX)] = 0

    def units(self) -> int:
        """Return how many units the line asks for."""
        return self.quantity or len(self.seats or ())


class BookingBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The tickets to book. Each ticket type and each seat may be named once.

    `via` is the source of the booking, for the organizer's figures: the word of a campaign link.
    """

    lines: Annotated[list[BookingLineBody], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    promo_code: PromoCode | None = None
    via: Source | None = None


class QuoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """The tickets to quote. Without `lines`, the quote lists the ticket types that the promo code unlocks."""

    lines: Annotated[list[BookingLineBody], msgspec.Meta(max_length=LINES_MAX, examples=[_LINES])] = []
    promo_code: Annotated[PromoCode | None, msgspec.Meta(examples=["EARLYBIRD"])] = None


class CancelBody(msgspec.Struct, forbid_unknown_fields=True):
    """The tickets to cancel; without `ticket_ids`, the whole booking."""

    ticket_ids: Annotated[list[TicketId], msgspec.Meta(min_length=1, max_length=UNITS_MAX)] | None = None


class AcceptBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to accept an offer: with a promo code, or without one."""

    promo_code: Annotated[PromoCode | None, msgspec.Meta(examples=["EARLYBIRD"])] = None


WITHOUT_CODE: Final = AcceptBody()


class CancelEventBookingBody(CancelBody, forbid_unknown_fields=True):
    """The tickets to cancel; without `ticket_ids`, the whole booking.

    With `keep_door_money`, what was paid at the door stays with the organizer: the ledger and the reports
    keep it. It has no effect on money that was paid online, which is always paid back. `reason` is what the
    buyer reads: name no other people in it, because the journal keeps it.
    """

    keep_door_money: bool = False
    reason: sales.terms.CancellationReason | None = None


class TicketIdsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Tickets of the booking."""

    ticket_ids: Annotated[list[TicketId], msgspec.Meta(min_length=1, max_length=UNITS_MAX)]


def lines_of(lines: list[BookingLineBody]) -> tuple[BookingLine, ...]:
    """Return the booking lines of a command; refuse with every error that can be found without the sale."""
    errors: list[FieldError] = []
    found: dict[UUID, BookingLine] = {}
    seen: set[str] = set()
    units = 0
    for index, line in enumerate(lines):
        type_id = line.ticket_type_id
        if type_id in found:
            errors.append(FieldError(f"/lines/{index}/ticket_type_id", "ticket-type-named-twice"))
        else:
            found[type_id] = BookingLine(
                type_id,
                line.units(),
                None if line.seats is None else tuple(line.seats),
                line.section,
                line.accessible,
            )
        if line.quantity is None or line.seats is not None or line.accessible:
            errors += _wrong_seats(line, f"/lines/{index}", seen)
        units += line.units()
    if units > UNITS_MAX:
        errors.append(FieldError("/lines", "too-many-tickets", {"tickets_max": UNITS_MAX}))
    if errors:
        raise Invalid(errors)
    return tuple(found.values())


def _wrong_seats(line: BookingLineBody, pointer: str, seen: set[str]) -> list[FieldError]:
    """Return the errors in the seats of a line; add its seats to `seen`."""
    if line.seats is None:
        if line.quantity is None:
            return [FieldError(f"{pointer}/quantity", "missing")]
        too_many = line.accessible > line.quantity
        return [FieldError(f"{pointer}/accessible", "more-than-quantity")] if too_many else []
    errors = []
    for index, seat in enumerate(line.seats):
        if seat in seen:
            errors.append(FieldError(f"{pointer}/seats/{index}", "seat-named-twice"))
        seen.add(seat)
    if line.quantity not in (None, len(line.seats)):
        errors.append(FieldError(f"{pointer}/quantity", "not-the-number-of-seats"))
    if line.section is not None:
        errors.append(FieldError(f"{pointer}/section", "not-with-seats"))
    if line.accessible:
        errors.append(FieldError(f"{pointer}/accessible", "not-with-seats"))
    return errors
