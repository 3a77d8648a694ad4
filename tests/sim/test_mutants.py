"""The checks can see: each of these mistakes is found, in seconds, by the stories or by the simulation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest

from evently.sales import facts, lanes, rules, store
from evently.sales.rules import (
    add_ons,
    bookings,
    check_ins,
    exchanges,
    ledger,
    moves,
    offers,
    placing,
    pricing,
    promos,
    sale_terms,
    seats,
    state,
    waiting_rooms,
    waitlist,
)
from tests.sim.checks import check
from tests.sim.loop import simulate
from tests.sim.test_simulation import history, simulated_time
from tests.support.mutants import Mutant, planted
from tests.support.stories import tell
from tests.unit import (
    test_sales_add_ons,
    test_sales_check_ins,
    test_sales_exchanges,
    test_sales_holds,
    test_sales_money,
    test_sales_rules,
    test_sales_seats,
    test_sales_transfers,
    test_sales_waiting_rooms,
    test_sales_waitlist,
)

SEEDS_MAX: Final = 100
FOUND_BEFORE_MAX: Final = 10
_found_before: Final[list[str]] = []  # stories, the latest first: mistakes that are alike are found alike
# The stories that are most likely to find a mistake in a module: they are told before the others
OWN_STORIES: Final[dict[object, Iterable[str]]] = {
    seats: test_sales_seats.STORIES.values(),
    ledger: test_sales_money.STORIES.values(),
    pricing: test_sales_money.STORIES.values(),
    promos: test_sales_money.STORIES.values(),
    waitlist: test_sales_waitlist.STORIES.values(),
    offers: test_sales_waitlist.STORIES.values(),
    check_ins: test_sales_check_ins.STORIES.values(),
    exchanges: test_sales_exchanges.STORIES.values(),
    add_ons: test_sales_add_ons.STORIES.values(),
    waiting_rooms: test_sales_waiting_rooms.STORIES.values(),
}
STORIES: Final = [
    story
    for module in (
        test_sales_rules,
        test_sales_holds,
        test_sales_seats,
        test_sales_money,
        test_sales_waitlist,
        test_sales_transfers,
        test_sales_exchanges,
        test_sales_check_ins,
        test_sales_add_ons,
        test_sales_waiting_rooms,
    )
    for story in module.STORIES.values()
]
_COUNTS: Final = "pool.capacity - pool.held - pool.sold - pool.set_aside"
_CANCELLED: Final = (
    'if booking.state == "cancelled":\n        return No(SalesRefusal.ALREADY_CANCELLED)\n'
    '    if booking.state == "expired":'
)
_NOT_HELD: Final = "if no := _not_held(booking, batch):\n        return no\n    if sale.state"
_NOT_EXPIRED: Final = "if (no := _not_held(booking, batch)) and no.refusal is not SalesRefusal.HOLD_EXPIRED:"
_ORGANIZER: Final = (
    "\n        return 0\n    if command.buyer_id is None or promise is None:\n"
    "        return repayable(booking, chosen)\n    left = "
)

BOOKINGS: Final = [
    Mutant("nobody counts", placing, f"units > {_COUNTS}", "units > pool.capacity"),
    Mutant("holds are not counted", placing, f"units > {_COUNTS}", "units > pool.capacity - pool.sold"),
    Mutant(
        "one pool of several is enough",
        placing,
        "in terms.pool_ids:\n            units_by_pool",
        "in terms.pool_ids[:1]:\n            units_by_pool",
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
        bookings,
        _CANCELLED + "\n        return No(SalesRefusal.HOLD_EXPIRED)\n    if promise is None",
        "if promise is None",
    ),
    Mutant("cancelling gives nothing back", moves, "sold=0 if held else -1", "sold=0"),
    Mutant(
        "anybody may cancel",
        bookings,
        "booking is None or command.buyer_id not in (None, booking.buyer_id)",
        "booking is None",
    ),
    Mutant("a hold runs out an instant late", moves, "booking.expires_at <= now", "booking.expires_at < now"),
    Mutant(
        "a hold that ran out is confirmed",
        bookings,
        _NOT_HELD,
        _NOT_EXPIRED + "\n        return no\n    if sale.state",
    ),
    Mutant("a hold is extended twice", bookings, "if booking.extended:", "if False:"),
    Mutant(
        "an offer is extended",
        bookings,
        'if entry is not None and entry.state == "offered":\n        return No(SalesRefusal.ALREADY',
        "if False:\n        return No(SalesRefusal.ALREADY",
    ),
    Mutant(
        "the buyer's limit is not kept within a batch",
        moves,
        "batch.buyer_units[limited] = batch.buyer_units.get(limited, 0) + 1",
        "pass",
    ),
    Mutant("what is given back still counts for its buyer", moves, "batch.buyer_units[limited] -= 1", "pass"),
    Mutant("tickets are free", moves, 'terms.price_minor,\n        "valid"', '0,\n        "valid"'),
    Mutant(
        "capacity is lowered below holds",
        sale_terms,
        "terms.capacity < pool.held + pool.sold",
        "terms.capacity < pool.sold",
    ),
]
SEATS: Final = [
    Mutant(
        "a seat that is taken is sold",
        placing,
        "if not hall.is_available(number) or number in chosen:",
        "if number in chosen:",
    ),
    Mutant(
        "a seat is sold as any ticket type",
        placing,
        "if hall.zone_of_seat(number) != zone:",
        "if False:",
    ),
    Mutant(
        "a seat's claim is not written",
        moves,
        "claim_seat(batch, ticket.seat_number, ticket.ticket_id, was_taken=False)",
        "pass",
    ),
    Mutant(
        "a seat's claim is not given up",
        moves,
        "    sale.hall.release([number])\n    clear_claim(batch, number)",
        "    sale.hall.release([number])",
    ),
    Mutant("a seat in memory is not given back", moves, "    sale.hall.release([number])\n", ""),
    Mutant(
        "seats that are owed are sold",
        placing,
        "units > sale.available_seats(zone)",
        "units > sale.hall.available_in(zone)",
    ),
    Mutant(
        "what is refused keeps its seats",
        placing,
        "        for numbers in taken.values():\n            sale.hall.release(numbers)\n",
        "        pass\n",
    ),
    Mutant(
        "a taken seat changes its price",
        seats,
        "state == SeatState.TAKEN and hall.zone_of_seat",
        "state == 9 and hall.zone_of_seat",
    ),
    Mutant("orphans are never forbidden", placing, "if conditions.orphans_forbidden and", "if False and"),
]
MONEY: Final = [
    Mutant("any amount will do", bookings, "command.amount_minor == due > 0", "due > 0"),
    Mutant("a refund is settled twice", bookings, "if refund.settled_at is not None:", "if False:"),
    Mutant("a capture is counted twice", bookings, "if booking.captured_at is not None:", "if False:"),
    Mutant(
        "what was not paid is paid back",
        bookings,
        f"if booking.payment_id is None or command.unpaid:{_ORGANIZER}booking.paid_minor -",
        f"if command.unpaid:{_ORGANIZER}booking.total_minor() -",
    ),
    Mutant(
        "a void payment is paid back",
        bookings,
        "if booking.payment_id is None or command.unpaid:",
        "if booking.payment_id is None:",
    ),
    Mutant(
        "a fee that is kept is paid back",
        pricing,
        "return total_minor - kept",
        "return total_minor",
    ),
    Mutant(
        "the tax of a fee that is kept is paid back",
        ledger,
        "sum([ticket.tax_minor for ticket in tickets])",
        "parts.tax",
    ),
    Mutant(
        "what others paid back is shared only once",
        ledger,
        "_shares(sum(outside), left)",
        "outside",
    ),
    Mutant(
        "the remainder of a share goes to the first account",
        ledger,
        "key=lambda index: -(size * weights[index] % whole)",
        "key=lambda index: index",
    ),
    Mutant("the tax of fees is forgotten", pricing, "fee_tax = _tax_within(fee, rate)", "fee_tax = 0 * rate"),
    Mutant("halves are rounded down", pricing, "(2 * amount + by) // (2 * by)", "amount // by"),
    Mutant("the last window counts", pricing, "return max(still_open", "return min(still_open"),
    Mutant(
        "conditions of today",
        state,
        "return self.conditions[version] if version else DEFAULT_CONDITIONS",
        "return self.conditions_now()[1]",
    ),
    Mutant(
        "a cancellation is booked twice as a sale",
        ledger,
        "return [_reverse(posting) for posting in confirmed(",
        "return [posting for posting in confirmed(",
    ),
    Mutant(
        "a code is used once too often",
        promos,
        "promo.uses >= terms.uses_max",
        "promo.uses > terms.uses_max",
    ),
    Mutant(
        "a buyer uses a code once too often",
        promos,
        ", 0) >= terms.per_buyer_max",
        ", 0) > terms.per_buyer_max",
    ),
    Mutant(
        "a budget is passed",
        promos,
        "spent > promo.terms.budget_minor",
        "promo.spent_minor > promo.terms.budget_minor",
    ),
    Mutant("a use is not given back", moves, "promo.uses -= 1", "pass"),
    Mutant(
        "a discount is split by the number of tickets",
        promos,
        "amount_minor * each.price_minor, total",
        "amount_minor, len(wanted)",
    ),
    Mutant(
        "a discount on the booking is more than it costs", promos, "if amount_minor >= total:", "if False:"
    ),
    Mutant("a use of an offer is not counted", waitlist, "use_promo(batch, promo, discounted)", "pass"),
    Mutant("an offer is discounted in memory only", waitlist, "batch.discounted.append(discounted)", "pass"),
    Mutant("an offer gets the price of today", waitlist, "price_minor=offered.price_minor", "position=1"),
    Mutant(
        "an accepted offer takes another code in silence",
        waitlist,
        "not _has_promo(",
        "False and _has_promo(",
    ),
]
PROMISES: Final = [
    Mutant(
        "whoever books later was promised the earlier start",
        pricing,
        "if each.at >= booking.placed_at",
        "if True",
    ),
    Mutant("what is booked with the move knows it", pricing, "each.at >= booking", "each.at > booking"),
    Mutant(
        "the last start counts, not the best one",
        pricing,
        "max([begins_at, *[max(each.starts_before, each.starts_at) for each in later]])",
        "begins_at",
    ),
    Mutant(
        "who was promised a later start cancels after the start",
        pricing,
        "deadline = min(deadline, promise.begins_at)",
        "pass",
    ),
    Mutant(
        "the days for giving back count from the first move",
        pricing,
        "later[-1].at + timedelta",
        "later[0].at + timedelta",
    ),
    Mutant("what starts is given back", pricing, "min(until, begins_at) if", "until if"),
    Mutant("giving back never ends", pricing, "now < promise.give_back_until", "now is not None"),
    Mutant(
        "a fee is kept in spite of a new date",
        pricing,
        "if may_give_back(promise, now):\n        return ticket.total_minor()",
        "if may_give_back(promise, now):\n        return refundable_of(ticket, conditions)",
    ),
    Mutant(
        "it is too late to give back",
        pricing,
        "return deadline if promise.give_back_until is None else max(deadline, promise.give_back_until)",
        "return deadline",
    ),
    Mutant(
        "a cancelled event is rescheduled",
        sale_terms,
        'return No(SalesRefusal.EVENT_CANCELLED)\n    if sale.state == "closed":',
        'return Done()\n    if sale.state == "closed":',
    ),
    Mutant(
        "a draft is rescheduled",
        sale_terms,
        "return Done()  # nobody has booked: nothing was promised",
        "pass",
    ),
    Mutant("a move is not written", sale_terms, "batch.rescheduled += 1", "pass"),
]
RELEASES: Final = [
    Mutant("what is held elsewhere is released here", state, "not held.isdisjoint(terms.pool_ids)", "held"),
    Mutant(
        "a zone has no releases",
        state,
        "if terms.zone is None else (*terms.pool_ids, terms.zone)",
        "if True else ()",
    ),
    Mutant(
        "a release after the end of a sale",
        state,
        "if found and min(found) < self.ends_at(terms.ticket_type_id):",
        "if found:",
    ),
    Mutant(
        "the end of a window releases nothing",
        state,
        "ends = [self.ends_at(type_id)] if self.set_asides.get(type_id) else []",
        "ends = []",
    ),
    Mutant("a cancelled sale releases", state, 'if self.state != "open" or (', "if ("),
]
WAITLIST: Final = [
    Mutant(
        "somebody snipes",
        placing,
        f"units > {_COUNTS}",
        "units > pool.capacity - pool.held - pool.sold",
    ),
    Mutant(
        "somebody snipes in the batch",
        rules,
        "if batch.serve_waitlist:  # before the next command",
        "if False:  #",
    ),
    Mutant(
        "somebody snipes at the opening",
        rules,
        "    if sale.waitlists or sale.set_asides:\n        offers.serve(sale, batch)\n",
        "    if batch.due:\n        offers.serve(sale, batch)\n",
    ),
    Mutant(
        "a group keeps everybody from buying",
        offers,
        "aside = max(0, min(aside, reserved[type_id]))",
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
    Mutant("nothing is set aside", offers, "    _set_aside_rest(sale, batch, reserved)\n", ""),
    Mutant("what is set aside is not counted", moves, "sale.pools[pool_id].set_aside += change", "pass"),
    Mutant(
        "the limit does not hold for offers",
        offers,
        "if over_buyer_limit(batch, entry.buyer_id, terms, entry.quantity):",
        "if False:",
    ),
    Mutant("a returned ticket is offered twice", offers, "returned.offered = True", "pass"),
    Mutant(
        "the end of what is known is the end of the line",
        state,
        "if quantity <= units and not firsts]",
        "if False]",
    ),
    Mutant("joining holds longer than booking", offers, "if entry.joined_seq > sale.seq:", "if False:"),
    Mutant(
        "who joins later is not asked",
        waitlist,
        "    batch.serve_waitlist = True\n",
        "",
    ),
    Mutant(
        "an offer that lapsed waits on",
        bookings,
        'offers.end_offer(sale, batch, booking, "lapsed")',
        "pass",
    ),
    Mutant(
        "whose ticket was taken is not paid back",
        bookings,
        "for each in returned])\n            if holder.payment_id is not None\n            else 0",
        "for each in returned]) * 0",
    ),
    Mutant(
        "an offer stands for a ticket that is gone",
        bookings,
        "        if each.offered:\n            _unbind",
        "        if False:\n            _unbind",
    ),
    Mutant(
        "the line goes on after the sale",
        offers,
        "        withdraw(sale, batch, entry, reason)\n    assert",
        "        pass\n    assert",
    ),
]
DOOR: Final = [
    Mutant(
        "what was undone outlives its cancellation",
        bookings,
        "batch.used_changed.pop(ticket.ticket_id, None)",
        "pass",
    ),
    Mutant(
        "a ticket that was used can still be taken over",
        check_ins,
        "end_offer_of(sale, batch, ticket)",
        "pass",
    ),
    Mutant(
        "who waited loses the offer and still has one",
        bookings,
        'offers.withdraw(sale, batch, entry, "lapsed")',
        "pass",
    ),
    Mutant("an old code was never issued", check_ins, " or code in batch.codes_voided", ""),
    Mutant("a ticket admits twice", check_ins, "if found.check_in.inside:", "if False:"),
    Mutant("a ticket admits twice in a batch", check_ins, "batch.check_ins[ticket_id] = check_in", "pass"),
    Mutant(
        "any code of a ticket admits",
        check_ins,
        "if not hmac.compare_digest(found.ticket.secret, command.secret):",
        "if False:",
    ),
    Mutant("a hold admits", check_ins, 'if found.booking.state != "confirmed":', "if False:"),
    Mutant("a void ticket admits", check_ins, 'found.ticket.state == "void" or ', ""),
    Mutant("every gate admits all", check_ins, "found.ticket.ticket_type_id not in types", "False"),
    Mutant(
        "a repeated scan is another one",
        check_ins,
        "is not None:\n        if (earlier.",
        "is None:\n        if (earlier.",
    ),
    Mutant(
        "everybody comes back", check_ins, '"accepted" if command.reentry else "no_reentry"', '"accepted"'
    ),
    Mutant("any check-in is undone", check_ins, "or check_in.scan_id != scan.scan_id", ""),
    Mutant(
        "undoing does not make the ticket valid",
        check_ins,
        'ticket.ticket_id, "valid")',
        'ticket.ticket_id, "used")',
    ),
    Mutant(
        "a ticket that was used is still on offer",
        check_ins,
        "if ticket.returning_since is not None:",
        "if False:",
    ),
    Mutant(
        "a ticket that was used can still be accepted",
        check_ins,
        "(transfer := sale.transfers.get(ticket.ticket_id)) is not None",
        "(transfer := None) is not None",
    ),
]
EXCHANGES: Final = [
    Mutant(
        "a taken seat is given again",
        exchanges,
        "if number not in left and not hall.is_available(number):",
        "if False:",
    ),
    Mutant("nobody can swap", exchanges, "if number not in left and not", "if not"),
    Mutant(
        "a ticket moves to a dearer zone", exchanges, "if hall.zone_of_seat(number) !=", "if None and None !="
    ),
    Mutant(
        "the seat of before stays taken",
        exchanges,
        "        release_seat(sale, batch, number)",
        "        pass",
    ),
    Mutant("the code stays", exchanges, "secret=batch.new_secret(),", "secret=ticket.secret,"),
    Mutant(
        "the code of before is not void",
        exchanges,
        "batch.codes_voided.append((ticket.ticket_id, ticket.secret))",
        "pass",
    ),
    Mutant("the new seat is not written", exchanges, "batch.reseated[ticket.ticket_id] = moved", "pass"),
    Mutant(
        "the holder loses the ticket",
        exchanges,
        "Reissued(ticket.holder_id, moved.secret)",
        "Reissued(None, moved.secret)",
    ),
    Mutant("a hold is exchanged", exchanges, 'if booking.state != "confirmed":', "if False:"),
    Mutant("who is inside moves", exchanges, 'if ticket.state == "used":', "if False:"),
    Mutant("what is on offer moves", exchanges, "if ticket.returning_since is not None:", "if False:"),
    Mutant("a cancelled event still moves", exchanges, 'if sale.state == "cancelled":', "if False:"),
    Mutant(
        "a repeated request changes the code again",
        exchanges,
        "if ticket.seat_id != seat_id]",
        "]",
    ),
]
ADD_ONS: Final = [
    Mutant("an add-on is sold alone", add_ons, "if not needed:", "if False:"),
    Mutant(
        "one ticket allows any number of add-ons",
        add_ons,
        "line.quantity > needed * terms.per_needed_max",
        "False",
    ),
    Mutant(
        "add-ons outlive what they need", add_ons, "along += own[-count:] if count > 0 else []", "along += []"
    ),
    Mutant(
        "all add-ons go with one ticket",
        add_ons,
        "along += own[-count:] if count > 0 else []",
        "along += own if count > 0 else []",
    ),
    Mutant(
        "the oldest add-ons go first",
        add_ons,
        "own[-count:]",
        "own[:count]",
    ),
    Mutant(
        "what was too many before goes, too",
        add_ons,
        "_lacking(terms, staying) - _lacking(terms, left)",
        "_lacking(terms, staying)",
    ),
    Mutant("an add-on that was used goes", add_ons, 'and ticket.state == "valid"', ""),
    Mutant("an add-on of another person goes", add_ons, "and ticket.holder_id is None", ""),
    Mutant(
        "a ticket that is sold again leaves its add-ons",
        bookings,
        "returned = with_add_ons(sale.ticket_types, holder, returned)",
        "pass",
    ),
    Mutant(
        "an add-on is returned",
        bookings,
        "if sale.ticket_types[type_id].needed_ids:",
        "if False:",
    ),
    Mutant("an add-on has a waitlist", waitlist, "if terms.needed_ids:", "if False:"),
    Mutant(
        "an add-on needs an add-on",
        add_ons,
        "if any(sale.ticket_types[type_id].needed_ids for type_id in terms.needed_ids) or any(",
        "if any(",
    ),
    Mutant(
        "a ticket becomes an add-on", add_ons, 'if sale.state != "closed" and earlier is not None', "if False"
    ),
]
WAITING_ROOM: Final = [
    Mutant("nobody needs an admission", placing, "if sale.extras & HAS_WAITING_ROOM and", "if False and"),
    Mutant(
        "the waitlist is a way around",
        waitlist,
        "if command.admitted or not sale.has_waiting_room:",
        "if True:",
    ),
    Mutant(
        "the waitlist is a way around before the sale",
        waitlist,
        "batch.now >= sale.on_sale_at and sale.av",
        "sale.av",
    ),
    Mutant("the waitlist is closed", waitlist, "sale.available(terms) <= 0:", "False:"),
    Mutant("a room is put behind the sale", waiting_rooms, "if batch.now >= sale.on_sale_at:", "if False:"),
    Mutant("a room is put before those who wait", waiting_rooms, "if any(sum(", "if False and any(sum("),
    Mutant("a room does not go", waiting_rooms, "sale.extras &= ~HAS_WAITING_ROOM", "pass"),
    Mutant("a room does not stay", waiting_rooms, "sale.extras |= HAS_WAITING_ROOM", "pass"),
    Mutant(
        "the sale gets another beginning",
        sale_terms,
        "if sale.has_waiting_room and command.on_sale_at != sale.on_sale_at:",
        "if False:",
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
    Mutant(
        "a move is not stored",
        store,
        "enumerate(sale.reschedulings[first:], start=first + 1)",
        "enumerate((), start=first + 1)",
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
        lanes,
        'raise OutcomeUnknown("lost") from exc',
        'done = "COMMIT"',
    ),
]


def named(mutants: Iterable[Mutant]) -> list[object]:
    return [pytest.param(mutant, id=mutant.name) for mutant in mutants]


@pytest.mark.parametrize(
    "mutant",
    named(
        [
            *BOOKINGS,
            *SEATS,
            *MONEY,
            *PROMISES,
            *RELEASES,
            *WAITLIST,
            *DOOR,
            *EXCHANGES,
            *ADD_ONS,
            *WAITING_ROOM,
        ]
    ),
)
def test_a_story_finds(mutant: Mutant) -> None:
    own = OWN_STORIES.get(mutant.where, ())
    likely = dict.fromkeys([*_found_before[:FOUND_BEFORE_MAX], *own, *STORIES])  # every story, once
    with planted(mutant):
        found = next((story for story in likely if not _holds(story)), None)
    assert found is not None, "no story finds it"
    _found_before.insert(0, found)


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
