"""The checks can see: each of these mistakes is found, in seconds, by the stories or by the simulation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest

from evently.sales import engine, facts, rules, store
from evently.sales.rules import bookings as booking_rules
from evently.sales.rules import ledger, pricing, state
from evently.sales.rules import moves as units
from evently.sales.rules import placing as placing_rules
from evently.sales.rules import sale as sale_rules
from evently.sales.rules import waitlist as waitlist_rules
from tests.sim.checks import check
from tests.sim.loop import simulate
from tests.sim.test_simulation import history, simulated_time
from tests.support.mutants import Mutant, planted
from tests.support.stories import tell
from tests.unit import (
    test_sales_holds,
    test_sales_money,
    test_sales_rules,
    test_sales_seats,
    test_sales_waitlist,
)

SEEDS_MAX: Final = 100
STORIES: Final = [
    story
    for module in (
        test_sales_rules,
        test_sales_holds,
        test_sales_seats,
        test_sales_money,
        test_sales_waitlist,
    )
    for story in module.STORIES.values()
]
_COUNTS: Final = "pool.capacity - pool.held - pool.sold - pool.set_aside"
_CANCELLED: Final = 'if booking.state == "cancelled":\n        return No(SalesRefusal.ALREADY_CANCELLED)\n    if booking.state == "expired":'
_LATE: Final = 'if booking.state == "expired" or is_due(booking, batch.now):\n        return No(SalesRefusal.HOLD_EXPIRED)\n    if sale.state'

BOOKINGS: Final = [
    Mutant("nobody counts", placing_rules, f"units > {_COUNTS}", "units > pool.capacity"),
    Mutant("holds are not counted", placing_rules, f"units > {_COUNTS}", "units > pool.capacity - pool.sold"),
    Mutant(
        "one pool of several is enough",
        placing_rules,
        "in terms.pool_ids:\n            needs",
        "in terms.pool_ids[:1]:\n            needs",
    ),
    Mutant(
        "the key is not bound to the body",
        rules,
        "if earlier.fingerprint != command.fingerprint:",
        "if False:",
    ),
    Mutant("the key is not kept", rules, "batch.answered.append((*place, answer))", "pass"),
    Mutant("a key of a batch is not seen in it", rules, "batch.answers[place] = answer", "pass"),
    Mutant(
        "cancelling does not look at the state",
        booking_rules,
        _CANCELLED + "\n        return No(SalesRefusal.HOLD_EXPIRED)\n    if not_after",
        "if not_after",
    ),
    Mutant("cancelling gives nothing back", units, "sold=0 if held else -1", "sold=0"),
    Mutant(
        "anybody may cancel",
        booking_rules,
        "booking is None or command.buyer_id not in (None, booking.buyer_id)",
        "booking is None",
    ),
    Mutant("a hold runs out an instant late", units, "booking.expires_at <= now", "booking.expires_at < now"),
    Mutant("a hold that ran out is confirmed", booking_rules, _LATE, "if sale.state"),
    Mutant("a hold is extended twice", booking_rules, "if booking.extended:", "if False:"),
    Mutant(
        "an offer is extended",
        booking_rules,
        'if entry is not None and entry.state == "offered":\n        return No(SalesRefusal.ALREADY',
        "if False:\n        return No(SalesRefusal.ALREADY",
    ),
    Mutant(
        "the buyer's limit is not kept within a batch",
        units,
        "batch.buyer_units[place_of] = batch.buyer_units.get(place_of, 0) + 1",
        "pass",
    ),
    Mutant(
        "what is given back still counts for its buyer", units, "batch.buyer_units[place_of] -= 1", "pass"
    ),
    Mutant("tickets are free", units, 'terms.price_minor,\n        "valid"', '0,\n        "valid"'),
    Mutant(
        "capacity is lowered below holds",
        sale_rules,
        "terms.capacity < pool.taken()",
        "terms.capacity < pool.sold",
    ),
]
SEATS: Final = [
    Mutant(
        "a seat that is taken is sold",
        placing_rules,
        "if not hall.is_available(number) or number in numbers:",
        "if number in numbers:",
    ),
    Mutant(
        "a seat is sold as any ticket type",
        placing_rules,
        "if hall.zone_of_seat(number) != zone:",
        "if False:",
    ),
    Mutant(
        "a seat's claim is not written",
        units,
        "claim_seat(batch, ticket.seat_number, ticket.ticket_id, was_taken=False)",
        "pass",
    ),
    Mutant(
        "a seat's claim is not given up",
        units,
        "    sale.hall.release([number])\n    clear_claim(batch, number)",
        "    sale.hall.release([number])",
    ),
    Mutant("a seat in memory is not given back", units, "    sale.hall.release([number])\n", ""),
    Mutant(
        "seats that are owed are sold",
        placing_rules,
        "units > sale.free_seats(zone)",
        "units > sale.hall.available_in(zone)",
    ),
    Mutant(
        "what is refused keeps its seats",
        placing_rules,
        "            sale.hall.release(numbers)\n",
        "            pass\n",
    ),
    Mutant(
        "a taken seat changes its price",
        sale_rules,
        "state == 1 and hall.zone_of_seat",
        "state == 9 and hall.zone_of_seat",
    ),
    Mutant(
        "orphans are never forbidden", placing_rules, "if conditions.orphans_forbidden and", "if False and"
    ),
]
MONEY: Final = [
    Mutant("any amount will do", booking_rules, "command.amount_minor == due > 0", "due > 0"),
    Mutant("a refund is settled twice", booking_rules, "if refund.settled_at is not None:", "if False:"),
    Mutant("a capture is counted twice", booking_rules, "if booking.captured_at is not None:", "if False:"),
    Mutant(
        "what was not paid is paid back",
        booking_rules,
        "if booking.payment_id is None or command.unpaid:",
        "if command.unpaid:",
    ),
    Mutant(
        "a void payment is paid back",
        booking_rules,
        "if booking.payment_id is None or command.unpaid:",
        "if booking.payment_id is None:",
    ),
    Mutant(
        "a fee that is kept is paid back",
        pricing,
        "return ticket.total_minor() - kept",
        "return ticket.total_minor()",
    ),
    Mutant("halves are rounded down", pricing, "(2 * amount + by) // (2 * by)", "amount // by"),
    Mutant("the last window counts", pricing, "return max(still_open", "return min(still_open"),
    Mutant(
        "conditions of today",
        state,
        "return self.conditions[booking.conditions_version] if booking.conditions_version else BOX_OFFICE",
        "return self.conditions_now()[1]",
    ),
    Mutant(
        "a cancellation is booked twice as a sale",
        ledger,
        "return [_turned(posting) for posting in confirmed(",
        "return [posting for posting in confirmed(",
    ),
    Mutant(
        "a code is used once too often",
        placing_rules,
        "promo.uses >= terms.uses_max",
        "promo.uses > terms.uses_max",
    ),
    Mutant(
        "a buyer uses a code once too often",
        placing_rules,
        ", 0) >= terms.per_buyer_max",
        ", 0) > terms.per_buyer_max",
    ),
    Mutant(
        "a budget is passed",
        placing_rules,
        "spent > promo.terms.budget_minor",
        "promo.spent_minor > promo.terms.budget_minor",
    ),
    Mutant("a use is not given back", units, "promo.uses -= 1", "pass"),
]
WAITLIST: Final = [
    Mutant(
        "somebody snipes",
        placing_rules,
        f"units > {_COUNTS}",
        "units > pool.capacity - pool.held - pool.sold",
    ),
    Mutant(
        "somebody snipes in the batch",
        rules,
        "if batch.released:  # before the next command",
        "if False:  #",
    ),
    Mutant(
        "somebody snipes at the opening",
        rules,
        "    if sale.lines or sale.aside:\n        waitlist_rules.serve(sale, batch)\n",
        "    if batch.due:\n        waitlist_rules.serve(sale, batch)\n",
    ),
    Mutant(
        "a group keeps everybody from buying",
        waitlist_rules,
        "aside = max(0, min(aside, owed[type_id]))",
        "pass",
    ),
    Mutant(
        "somebody is overtaken",
        state,
        "return entry.joined_seq, entry.entry_id",
        "return -entry.joined_seq, entry.entry_id",
    ),
    Mutant("a group keeps everybody waiting", state, "if quantity <= units and firsts\n", "if firsts\n"),
    Mutant(
        "a group gets less than it wished for",
        state,
        "if quantity <= units and firsts\n",
        "if units and firsts\n",
    ),
    Mutant("nothing is set aside", waitlist_rules, "    _set_asides(sale, batch, owed)\n", ""),
    Mutant("what is set aside is not counted", units, "sale.pools[pool_id].set_aside += change", "pass"),
    Mutant(
        "the limit does not hold for offers",
        waitlist_rules,
        "if over_buyer_limit(batch, entry.buyer_id, terms, entry.quantity):",
        "if False:",
    ),
    Mutant("a returned ticket is offered twice", waitlist_rules, "returned.offered = True", "pass"),
    Mutant(
        "the end of what is known is the end of the line",
        state,
        "if quantity <= units and not firsts]",
        "if False]",
    ),
    Mutant(
        "joining holds longer than booking", waitlist_rules, "if entry.joined_seq > sale.seq:", "if False:"
    ),
    Mutant("who joins later is not asked", waitlist_rules, "newcomer\n    batch.released = True", "newcomer"),
    Mutant(
        "an offer that lapsed waits on",
        booking_rules,
        'waitlist_rules.end_offer(sale, batch, booking, "lapsed")',
        "pass",
    ),
    Mutant("a used ticket goes to somebody else", booking_rules, 'if theirs.state == "used":', "if False:"),
    Mutant(
        "whose ticket was taken is not paid back",
        booking_rules,
        "for each in theirs]) if holder.payment_id is not None else 0",
        "for each in theirs]) * 0",
    ),
    Mutant(
        "an offer stands for a ticket that is gone",
        booking_rules,
        "        if each.offered:\n            _unbind",
        "        if False:\n            _unbind",
    ),
    Mutant(
        "the line goes on after the sale",
        waitlist_rules,
        "        withdraw(sale, batch, entry, reason)\n    assert",
        "        pass\n    assert",
    ),
]
ENGINE: Final = [
    Mutant("read, then write, without the lock", store.sql.lock_sales, "FOR NO KEY UPDATE", ""),
    Mutant(
        "the answer is not kept with its effect",
        store,
        "for actor_id, key, answer in work.batch.answered",
        "for actor_id, key, answer in ()",
    ),
    Mutant(
        "memory is not compared with the journal",
        store,
        'if sale is None or sale.head_hash != head["head_hash"]:',
        "if sale is None:",
    ),
    Mutant("time runs backwards", store, "max(work.batch.now, sale.head_at)", "work.batch.now"),
    Mutant(
        "the journal is not chained",
        facts,
        "hashlib.sha256(previous_hash + stored)",
        "hashlib.sha256(stored)",
    ),
    Mutant(
        "acknowledged before the commit",
        engine,
        'raise OutcomeUnknown("the connection was lost while committing") from exc',
        'done = "COMMIT"',
    ),
]


def named(mutants: Iterable[Mutant]) -> list[object]:
    return [pytest.param(mutant, id=mutant.name) for mutant in mutants]


@pytest.mark.parametrize("mutant", named([*BOOKINGS, *SEATS, *MONEY, *WAITLIST]))
def test_a_story_finds(mutant: Mutant) -> None:
    with planted(mutant):
        assert not all(_holds(story) for story in STORIES), "no story finds it"


def _holds(story: str) -> bool:
    try:
        tell(story)
    except Exception:  # noqa: BLE001  # a mistake may show itself in any way
        return False
    return True


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # a simulation that fails leaves its people in the middle
@pytest.mark.parametrize("mutant", named(ENGINE))
def test_the_simulation_finds(mutant: Mutant) -> None:
    with planted(mutant), simulated_time():
        assert not all(_is_true(seed) for seed in range(SEEDS_MAX)), "no seed finds it"


def _is_true(seed: int) -> bool:
    try:
        check(simulate(history(seed)))
    except BaseException:  # noqa: BLE001  # the same
        return False
    return True


def test_without_a_mistake_nothing_is_found() -> None:
    with simulated_time():
        assert all(_is_true(seed) for seed in range(5))
    assert all(_holds(story) for story in STORIES)
