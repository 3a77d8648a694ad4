"""The rules of placing a booking: limits, units, best available or named seats. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import Booked, No, Outcome, SalesRefusal
from evently.sales.rules import ledger
from evently.sales.rules.add_ons import refuse_add_ons
from evently.sales.rules.moves import (
    make_tickets,
    not_exact,
    not_payable,
    not_selling,
    over_buyer_limit,
    over_hold_limit,
    place,
    step_of,
)
from evently.sales.rules.pricing import amounts_of, payment_of, total_of
from evently.sales.rules.promos import (
    Discounted,
    Discounts,
    Wanted,
    discounts_of,
    find_promo,
    unlocks,
    use_promo,
)
from evently.sales.rules.state import HAS_WAITING_ROOM, Batch, Promo, Sale
from evently.sales.terms import TicketTypeTerms


def place_booking(sale: Sale, batch: Batch, command: PlaceBooking) -> Outcome:
    """Book units and seats, when all of them are available."""
    if no := not_selling(sale, sale.on_sale_at, sale.off_sale_at, batch.now) or _not_admitted(sale, command):
        return no
    promo = (
        None if command.promo_code is None else find_promo(sale, batch, command.promo_code, command.buyer_id)
    )
    if isinstance(promo, No):
        return promo
    units_by_pool: dict[UUID, int] = {}
    seated = has_add_ons = False
    for line in command.lines:
        terms = sale.ticket_types.get(line.ticket_type_id)
        if terms is None or terms.retired or (terms.hidden and not unlocks(promo, terms)):
            return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
        if no := _refuse_line(sale, batch, command.buyer_id, line, terms):
            return no
        seated = seated or terms.zone is not None
        has_add_ons = has_add_ons or terms.needed_ids != ()
        for pool_id in terms.pool_ids:
            units_by_pool[pool_id] = units_by_pool.get(pool_id, 0) + line.quantity
    assert len({line.ticket_type_id for line in command.lines}) == len(command.lines) > 0, (
        "lines name each ticket type once"
    )
    if has_add_ons and (no := refuse_add_ons(sale.ticket_types, command.lines)):
        return no
    if _is_sold_out(sale, units_by_pool):
        return No(SalesRefusal.SOLD_OUT)
    discounts = _NO_DISCOUNTS if promo is None else discounts_on(sale, batch, promo, command.lines)
    if isinstance(discounts, No):
        return discounts
    if no := _not_payable(sale, batch, command, discounts) or _refuse_hold(sale, batch, command, discounts):
        return no
    seats = _take_seats(sale, command.lines) if seated else _NO_SEATS
    if isinstance(seats, No):
        return seats
    # After this point the booking must succeed.
    booking = _new_booking(sale, batch, command, seats, discounts, promo)
    place(sale, batch, booking, command.via)
    if promo is not None:
        use_promo(batch, promo, booking)
    return Booked(booking)


def _not_admitted(sale: Sale, command: PlaceBooking) -> No | None:
    if sale.extras & HAS_WAITING_ROOM and not command.admitted:
        return No(SalesRefusal.NOT_ADMITTED)
    return None


def _is_sold_out(sale: Sale, units_by_pool: dict[UUID, int]) -> bool:
    for pool_id, units in units_by_pool.items():
        pool = sale.pools[pool_id]
        if units > pool.capacity - pool.held - pool.sold - pool.set_aside:
            return True
    return False


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


def _not_payable(sale: Sale, batch: Batch, command: PlaceBooking, discounts: Discounts) -> No | None:
    """Refuse a booking that would be held until it is paid, and that the gateway would not take."""
    _, conditions = sale.conditions_now()
    if conditions.payment != "online" or command.hold_seconds is not None:
        return None
    priced = [(line, sale.ticket_types[line.ticket_type_id]) for line in command.lines]
    if not discounts:  # the hot path: the price of each ticket was checked when it was set
        totals = [
            line.quantity * total_of(terms, amounts_of(terms, 0, conditions.fees)) for line, terms in priced
        ]
        return not_payable(batch, sale.currency, sum(totals))
    tickets = [
        (each.quantity, terms, amounts_of(terms, each.discount_minor, conditions.fees))
        for line, terms in priced
        for each in tickets_of(line, discounts)
    ]
    total = sum([quantity * total_of(terms, amounts) for quantity, terms, amounts in tickets])
    if no := not_payable(batch, sale.currency, total):
        return no
    each_ticket = [(total_of(terms, amounts), amounts.fee_minor) for _, terms, amounts in tickets]
    return not_exact(batch, sale.currency, conditions, each_ticket)


def tickets_of(line: BookingLine, discounts: Discounts) -> Sequence[Discounted]:
    """Return the tickets of a line by their discount."""
    return discounts.get(line.ticket_type_id) or (Discounted(line.quantity, 0),)


def _refuse_hold(sale: Sale, batch: Batch, command: PlaceBooking, discounts: Discounts) -> No | None:
    """Refuse when the booking would be held and the buyer has too many holds."""
    _, conditions = sale.conditions_now()
    if command.hold_seconds is None and (
        conditions.payment != "online"
        or all(
            sale.ticket_types[line.ticket_type_id].price_minor <= each.discount_minor
            for line in command.lines
            for each in tickets_of(line, discounts)
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


def discounts_on(sale: Sale, batch: Batch, promo: Promo, lines: Sequence[BookingLine]) -> Discounts | No:
    """Return the discounts of a promo code on booking lines; refuses as `discounts_of`."""
    wanted = [
        Wanted(line.ticket_type_id, sale.ticket_types[line.ticket_type_id].price_minor, line.quantity)
        for line in lines
    ]
    _, conditions = sale.conditions_now()
    return discounts_of(promo, wanted, step_of(batch, sale.currency, conditions))


_NO_SEATS: dict[UUID, tuple[int, ...]] = {}
_NO_DISCOUNTS: Discounts = {}


def _new_booking(
    sale: Sale,
    batch: Batch,
    command: PlaceBooking,
    seats: dict[UUID, tuple[int, ...]],
    discounts: Discounts,
    promo: Promo | None,
) -> Booking:
    version, conditions = sale.conditions_now()
    tickets: list[Ticket] = []
    for line in command.lines:
        type_id = line.ticket_type_id
        terms = sale.ticket_types[type_id]
        own, given = seats.get(type_id, ()), 0
        if not discounts:  # the hot path
            tickets += make_tickets(sale, batch, terms, conditions, line.quantity, own)
            continue
        for quantity, discount_minor in tickets_of(line, discounts):
            some = own[given : given + quantity]
            tickets += make_tickets(sale, batch, terms, conditions, quantity, some, discount_minor)
            given += quantity
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
