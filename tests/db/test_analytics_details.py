"""One event's money, conversion, waitlist, ticket types and seats, beside what was done with it."""

from __future__ import annotations

from evently.analytics import details
from evently.db import Database
from tests.db.test_audit_extras import bustle, till
from tests.till import Till

__all__ = ["till"]


async def test_what_a_busy_event_adds_up_to(db: Database, till: Till) -> None:
    event_id = await bustle(till)
    (money,) = await details.read_money(db, event_id)
    left = money.gross_minor - money.struck_minor - money.refunded_minor - money.tax_minor - money.fees_minor
    assert left == money.net_minor > 0
    paid = await db.fetch_value("SELECT sum(paid_minor)::bigint FROM bookings WHERE captured_at IS NOT NULL")
    decided = await db.fetch_value("SELECT sum(amount_minor)::bigint FROM refunds")
    settled = await db.fetch_value("SELECT sum(amount_minor)::bigint FROM refunds WHERE settled_at IS NOT NULL")
    assert (money.gross_minor, money.captured_minor, money.uncaptured_minor, money.at_door_minor) == (paid, paid, 0, 0)
    assert (money.refunded_minor, money.settled_minor) == (decided, settled)
    assert money.discount_minor > 0
    conversion = await details.read_conversion(db, event_id)
    assert (conversion.at_once.placed, conversion.holds.placed, conversion.holds.confirmed, conversion.holds.held) == (0, 3, 2, 1)
    assert (conversion.offers.placed, conversion.offers.confirmed) == (1, 1)
    waiting = {line.name: line for line in await details.read_waiting(db, event_id)}
    regular = waiting["Regular"]
    assert (regular.joined, regular.waiting, regular.waiting_units, regular.fulfilled, regular.set_aside) == (3, 2, 5, 1, 1)
    types = await details.read_ticket_types(db, event_id)
    assert {each.name: each.sums.sold for each in types.ticket_types} == {"Regular": 3, "Seat": 2}
    assert {name: sums.sold for name, sums in types.sections.items() if sums.sold} == {"stalls": 2}
    seats = await details.read_seat_prices(db, event_id)
    assert [seats.states.count(state) for state in range(5)] == [11, 2, 2, 1, 3]
    assert sum(price is not None for price in seats.prices_minor) == 2
