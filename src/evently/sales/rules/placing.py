"""The rules of placing a booking: limits, units, best available or named seats, promo codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from evently.sales.commands import (
    Booked,
    Booking,
    BookingLine,
    No,
    Outcome,
    PlaceBooking,
    SalesRefusal,
    Ticket,
    amount_refusal,
)
from evently.sales.rules import ledger
from evently.sales.rules.moves import (
    make_tickets,
    not_selling,
    over_buyer_limit,
    over_hold_limit,
    place,
)
from evently.sales.rules.pricing import amounts_of, discount_of, payment_of
from evently.sales.rules.state import Batch, Promo, Sale
from evently.sales.terms import Conditions, TicketTypeTerms


def place_booking(sale: Sale, batch: Batch, command: PlaceBooking) -> Outcome:
    """Book units and seats, when all of them are available."""
    if no := not_selling(sale, sale.on_sale_at, sale.off_sale_at, batch.now):
        return no
    promo = (
        None if command.promo_code is None else find_promo(sale, batch, command.promo_code, command.buyer_id)
    )
    if isinstance(promo, No):
        return promo
    units_by_pool: dict[UUID, int] = {}
    seated = False
    for line in command.lines:
        terms = sale.ticket_types.get(line.ticket_type_id)
        if terms is None or terms.retired or (terms.hidden and not unlocks(promo, terms)):
            return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
        if no := _refuse_line(sale, batch, command.buyer_id, line, terms):
            return no
        seated = seated or terms.zone is not None
        for pool_id in terms.pool_ids:
            units_by_pool[pool_id] = units_by_pool.get(pool_id, 0) + line.quantity
    assert len({line.ticket_type_id for line in command.lines}) == len(command.lines) > 0, (
        "lines name each ticket type once"
    )
    for pool_id, units in units_by_pool.items():
        pool = sale.pools[pool_id]
        if units > pool.capacity - pool.held - pool.sold - pool.set_aside:
            return No(SalesRefusal.SOLD_OUT)
    discounts = _NO_DISCOUNTS if promo is None else discounts_of(sale, promo, command.lines)
    if isinstance(discounts, No):
        return discounts
    if no := _not_payable(sale, batch, command, discounts) or _refuse_hold(sale, batch, command, discounts):
        return no
    seats = _take_seats(sale, command.lines) if seated else _NO_SEATS
    if isinstance(seats, No):
        return seats
    # After this point the booking must succeed.
    booking = _new_booking(sale, batch, command, seats, discounts, promo)
    place(sale, batch, booking)
    if promo is not None:
        _use_promo(batch, promo, booking)
    return Booked(booking)


def _refuse_line(
    sale: Sale, batch: Batch, buyer_id: UUID, line: BookingLine, terms: TicketTypeTerms
) -> No | None:
    if no := not_selling(sale, terms.on_sale_at, terms.off_sale_at, batch.now):
        return no
    if line.quantity > terms.per_booking_max:
        return No(
            SalesRefusal.OVER_BOOKING_LIMIT,
            "per_booking_max",
            {"per_booking_max": terms.per_booking_max, "ticket_type": terms.name},
        )
    if no := over_buyer_limit(batch, buyer_id, terms, line.quantity):
        return no
    if terms.zone is None and (line.seats is not None or line.section is not None or line.accessible):
        return No(SalesRefusal.NOT_SEATED)
    assert line.quantity > 0, "a line has at least one unit"
    return None


def _not_payable(sale: Sale, batch: Batch, command: PlaceBooking, discounts: dict[UUID, int]) -> No | None:
    """Refuse a booking that would be held until it is paid, and that the gateway would not take."""
    _, conditions = sale.conditions_now()
    if conditions.payment != "online" or command.hold_seconds is not None:
        return None
    total = sum(
        [
            line.quantity * price_of(sale.ticket_types[line.ticket_type_id], discounts, conditions)
            for line in command.lines
        ]
    )
    return not_payable(batch, sale.currency, total)


def price_of(terms: TicketTypeTerms, discounts: dict[UUID, int], conditions: Conditions) -> int:
    """Return what one ticket of a type costs its buyer."""
    discount = discounts.get(terms.ticket_type_id, 0)
    return terms.price_minor - discount + amounts_of(terms, discount, conditions.fees).surcharge_minor


def not_payable(batch: Batch, currency: str, total_minor: int) -> No | None:
    """Refuse a sum that the gateway would not take."""
    problem = batch.denominations(currency).find_problem(total_minor)
    if problem is None:
        return None
    return amount_refusal(problem, total_minor, currency)


def _refuse_hold(sale: Sale, batch: Batch, command: PlaceBooking, discounts: Mapping[UUID, int]) -> No | None:
    """Refuse when the booking would be held and the buyer has too many holds."""
    _, conditions = sale.conditions_now()
    if command.hold_seconds is None and (
        conditions.payment != "online"
        or all(
            sale.ticket_types[line.ticket_type_id].price_minor <= discounts.get(line.ticket_type_id, 0)
            for line in command.lines
        )
    ):
        return None
    return over_hold_limit(
        batch,
        command.buyer_id,
        conditions,
        sum([line.quantity for line in command.lines]),
        max([sale.ticket_types[line.ticket_type_id].per_booking_max for line in command.lines]),
    )


_NO_SEATS: dict[UUID, tuple[int, ...]] = {}
_NO_DISCOUNTS: dict[UUID, int] = {}


def _new_booking(
    sale: Sale,
    batch: Batch,
    command: PlaceBooking,
    seats: dict[UUID, tuple[int, ...]],
    discounts: dict[UUID, int],
    promo: Promo | None,
) -> Booking:
    version, conditions = sale.conditions_now()
    tickets: list[Ticket] = []
    for line in command.lines:
        type_id = line.ticket_type_id
        terms = sale.ticket_types[type_id]
        tickets += make_tickets(
            sale, batch, terms, conditions, line.quantity, seats.get(type_id, ()), discounts.get(type_id, 0)
        )
    payment = payment_of(conditions, tickets)
    hold_seconds = command.hold_seconds
    if hold_seconds is None and payment == "online":
        hold_seconds = conditions.hold_seconds
    held = hold_seconds is not None
    booking = Booking(  # by position: the hot path
        command.event_id,
        batch.new_id(),
        command.buyer_id,
        "held" if held else "confirmed",
        sale.currency,
        batch.now,
        None if hold_seconds is None else batch.now + timedelta(seconds=hold_seconds),
        None if held else batch.now,
        None,
        tuple(tickets),
        version,
        None if promo is None else promo.terms.promo_id,
        payment=payment,
    )
    if not held:
        batch.postings += ledger.confirmed(booking.booking_id, tickets, "door")
    return booking


# Promo codes ------------------------------------------------------------------------------------------------


def find_promo(sale: Sale, batch: Batch, code: str, buyer_id: UUID) -> Promo | No:
    """Return the promo code that a buyer names, or refuse when it cannot be used now."""
    promo = sale.promos.get(code.strip().upper())
    if promo is None or promo.terms.retired:
        return No(SalesRefusal.UNKNOWN_PROMO_CODE)
    terms = promo.terms
    if (terms.from_at is not None and batch.now < terms.from_at) or (
        terms.until_at is not None and batch.now >= terms.until_at
    ):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "time")
    if terms.uses_max is not None and promo.uses >= terms.uses_max:
        return No(SalesRefusal.PROMO_CODE_USED_UP)
    if (
        terms.per_buyer_max is not None
        and batch.promo_uses.get((buyer_id, terms.promo_id), 0) >= terms.per_buyer_max
    ):
        return No(SalesRefusal.PROMO_CODE_USED_UP, "by_buyer")
    return promo


def unlocks(promo: Promo | None, terms: TicketTypeTerms) -> bool:
    """Return whether a promo code unlocks a hidden ticket type."""
    return promo is not None and terms.ticket_type_id in promo.terms.ticket_type_ids


def discounts_of(sale: Sale, promo: Promo, lines: Sequence[BookingLine]) -> dict[UUID, int] | No:
    """Return the discount of a promo code on a ticket of each type.

    Refuses a code that applies to none of them, or whose budget is too small, or that one use gives to fewer
    units.
    """
    named = promo.terms.ticket_type_ids
    if named and not any(line.ticket_type_id in named for line in lines):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "ticket_types")
    units_max = promo.terms.units_per_use_max
    if units_max is not None and units_max < sum(
        [line.quantity for line in lines if not named or line.ticket_type_id in named]
    ):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "units", {"units_per_use_max": units_max})
    discounts = {
        line.ticket_type_id: discount_of(promo.terms, sale.ticket_types[line.ticket_type_id])
        for line in lines
    }
    spent = promo.spent_minor + sum([discounts[line.ticket_type_id] * line.quantity for line in lines])
    if promo.terms.budget_minor is not None and spent > promo.terms.budget_minor:
        return No(SalesRefusal.PROMO_CODE_USED_UP)
    return discounts


def _use_promo(batch: Batch, promo: Promo, booking: Booking) -> None:
    promo.uses += 1
    promo.spent_minor += sum([ticket.discount_minor for ticket in booking.tickets])
    batch.promos_changed.add(promo.terms.promo_id)
    if promo.terms.per_buyer_max is not None:
        used = (booking.buyer_id, promo.terms.promo_id)
        batch.promo_uses[used] = batch.promo_uses.get(used, 0) + 1


# Seats ------------------------------------------------------------------------------------------------------


class _Area(NamedTuple):
    """Where seats are picked together; several ticket types may sell the same zone."""

    zone: str
    section: str | None


def _take_seats(sale: Sale, lines: Sequence[BookingLine]) -> dict[UUID, tuple[int, ...]] | No:
    """Take the seats that lines name and the best available ones for the others, or refuse and take none."""
    if no := _too_few_seats(sale, lines):
        return no
    taken: dict[UUID, tuple[int, ...]] = {}
    no = _take_named(sale, lines, taken) or _take_best(sale, lines, taken)
    if no is None:
        return taken
    if sale.hall is not None:
        for numbers in taken.values():
            sale.hall.release(numbers)
    return no


def _too_few_seats(sale: Sale, lines: Sequence[BookingLine]) -> No | None:
    """Refuse when a zone has too few free seats, less those that are set aside for the waitlist."""
    wanted: dict[str, int] = {}
    for line in lines:
        zone = sale.ticket_types[line.ticket_type_id].zone
        if zone is not None:
            wanted[zone] = wanted.get(zone, 0) + line.quantity
    if any(units > sale.available_seats(zone) for zone, units in wanted.items()):
        return No(SalesRefusal.SOLD_OUT)
    return None


def _take_named(sale: Sale, lines: Sequence[BookingLine], taken: dict[UUID, tuple[int, ...]]) -> No | None:
    hall = sale.hall
    _, conditions = sale.conditions_now()
    named: dict[UUID, tuple[int, ...]] = {}
    chosen: set[int] = set()
    for line in lines:
        if line.seats is None:
            continue
        assert hall is not None, "a zone belongs to the seating"
        zone = sale.ticket_types[line.ticket_type_id].zone
        numbers: list[int] = []
        for seat_id in line.seats:
            number = hall.plan.numbers.get(seat_id)
            if number is None:
                return No(SalesRefusal.UNKNOWN_SEAT, "seat", {"seat_id": seat_id})
            if hall.zone_of_seat(number) != zone:
                return No(SalesRefusal.SEAT_OF_ANOTHER_ZONE, "seat", {"seat_id": seat_id})
            if not hall.is_available(number) or number in chosen:
                return No(SalesRefusal.SEAT_TAKEN, "seat", {"seat_id": seat_id})
            numbers.append(number)
            chosen.add(number)
        assert len(numbers) == line.quantity, "a line names as many seats as units"
        named[line.ticket_type_id] = tuple(numbers)
    if hall is None or not chosen:
        return None
    if conditions.orphans_forbidden and hall.leaves_orphan(chosen):
        return No(SalesRefusal.ORPHAN_SEAT)
    hall.take(chosen)
    taken |= named
    return None


def _take_best(sale: Sale, lines: Sequence[BookingLine], taken: dict[UUID, tuple[int, ...]]) -> No | None:
    hall = sale.hall
    groups: dict[_Area, list[BookingLine]] = {}
    for line in lines:
        zone = sale.ticket_types[line.ticket_type_id].zone
        if zone is not None and line.seats is None:
            groups.setdefault(_Area(zone, line.section), []).append(line)
    for area, together in groups.items():
        assert hall is not None, "a zone belongs to the seating"
        if area.section is not None and area.section not in hall.plan.sections:
            return No(SalesRefusal.UNKNOWN_SEAT, "section", {"section": area.section})
        quantity = sum([line.quantity for line in together])
        numbers = hall.pick(area.zone, quantity, area.section, sum([line.accessible for line in together]))
        if numbers is None:
            return No(SalesRefusal.SOLD_OUT)
        hall.take(numbers)
        given = 0
        for line in together:
            taken[line.ticket_type_id] = tuple(numbers[given : given + line.quantity])
            given += line.quantity
    return None
