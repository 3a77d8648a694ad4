"""Any history of commands, in batches: the rules answer as the model would (tests/model.py), and the rows add up after each batch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from evently.sales.commands import (
    CancelBooking,
    CancelSale,
    Command,
    ConfirmBooking,
    ExpireHolds,
    Line,
    OpenSale,
    PlaceBooking,
    PoolTerms,
    PutPool,
    SetUpSale,
    TicketTypeTerms,
)
from tests.model import Model
from tests.rows import Rows
from tests.stories import EVENT, NOON

EXAMPLES: Final = 200
EXAMPLES_TO_PROVE: Final = 20_000
HALL, BALCONY = UUID(int=11), UUID(int=12)
STANDARD, LIMITED, NESTED, EARLY = (UUID(int=number) for number in (21, 22, 23, 24))
BUYERS: Final = [UUID(int=number) for number in (31, 32, 33)]
POOLS: Final = (PoolTerms(HALL, "hall", 8), PoolTerms(BALCONY, "balcony", 3))
SOON, LATER = NOON + timedelta(seconds=20), NOON + timedelta(minutes=2)
TICKET_TYPES: Final = (
    TicketTypeTerms(STANDARD, "standard", "", 1, 1000, 4, (HALL,)),
    TicketTypeTerms(LIMITED, "limited", "", 2, 500, 3, (HALL,), per_buyer_max=3),
    TicketTypeTerms(NESTED, "nested", "", 3, 0, 4, (HALL, BALCONY), per_buyer_max=5),
    TicketTypeTerms(EARLY, "early", "", 4, 700, 4, (HALL,), on_sale_at=SOON, off_sale_at=LATER),
)

buyers = st.sampled_from(BUYERS)
keys = st.none() | st.sampled_from(["k1", "k2"])
owners = st.sampled_from([True, True, False, None])  # who cancels: the buyer, anybody, the organizer
picks = st.integers(0, 40)  # which of the bookings so far, counted from the newest
orders = st.dictionaries(st.sampled_from([terms.ticket_type_id for terms in TICKET_TYPES]), st.integers(1, 5), min_size=1, max_size=2)


class AnyHistory(RuleBasedStateMachine):
    """Each rule adds a command to the batch; `commit` decides it."""

    @initialize()
    def set_up(self) -> None:
        self.rows = Rows()
        self.rows.run([SetUpSale(EVENT, "EUR", NOON, NOON + timedelta(days=1), POOLS, TICKET_TYPES), OpenSale(EVENT)], NOON)
        self.model = Model({pool.pool_id: pool for pool in POOLS}, {terms.ticket_type_id: terms for terms in TICKET_TYPES}, NOON)
        self.batch: list[Command] = []
        self.asked: list[Command] = []  # all keyed requests, to repeat them
        self.now = NOON

    @rule(buyer_id=buyers, order=orders, hold_seconds=st.none() | st.sampled_from([10, 60]), key=keys)
    def place(self, buyer_id: UUID, order: dict[UUID, int], hold_seconds: int | None, key: str | None) -> None:
        lines = tuple(Line(type_id, quantity) for type_id, quantity in order.items())
        self._ask(PlaceBooking(EVENT, buyer_id, lines, hold_seconds, key, repr((lines, hold_seconds)).encode()))

    @precondition(lambda self: self.rows.bookings)
    @rule(pick=picks)
    def confirm(self, pick: int) -> None:
        self._ask(ConfirmBooking(EVENT, self._pick(pick)))

    @precondition(lambda self: self.rows.bookings)
    @rule(
        pick=picks,
        buyer_id=buyers,
        mine=owners,
        key=keys,
        tickets=st.none() | st.sets(picks, min_size=1),
    )
    def cancel(self, *, pick: int, buyer_id: UUID, mine: bool | None, key: str | None, tickets: Iterable[int] | None) -> None:
        booking_id = self._pick(pick)
        booking = self.rows.bookings[booking_id]
        owner = None if mine is None else booking.buyer_id if mine else buyer_id
        ids = None if tickets is None else tuple({booking.tickets[each % len(booking.tickets)].ticket_id for each in tickets})
        fingerprint = repr((booking_id, ids)).encode()
        before = NOON + timedelta(minutes=3) if owner else None
        self._ask(CancelBooking(EVENT, booking_id, owner or EVENT, owner, ids, before, key, fingerprint))

    @precondition(lambda self: self.asked)
    @rule(pick=picks, other_body=st.booleans())
    def retry(self, *, pick: int, other_body: bool) -> None:
        command = self.asked[-1 - pick % len(self.asked)]
        assert isinstance(command, PlaceBooking | CancelBooking)
        self.batch.append(replace(command, fingerprint=b"another") if other_body else command)

    @rule(pool_id=st.sampled_from([HALL, BALCONY]), capacity=st.integers(0, 10))
    def change_capacity(self, pool_id: UUID, capacity: int) -> None:
        self._ask(PutPool(EVENT, PoolTerms(pool_id, "changed", capacity)))

    @rule()
    def take_back_what_is_due(self) -> None:
        self._ask(ExpireHolds(EVENT))

    @precondition(lambda self: len(self.rows.journal) > 12)
    @rule()
    def call_off(self) -> None:
        self._ask(CancelSale(EVENT))

    @rule(seconds=st.sampled_from([1, 10, 59, 60]))
    def wait(self, seconds: int) -> None:
        if self.batch:
            self.commit()
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.batch)
    @rule()
    def commit(self) -> None:
        outcomes = self.rows.run(self.batch, self.now)
        self.model.now = self.now
        for command, outcome in zip(self.batch, outcomes, strict=True):
            self.model.judge(command, outcome)
        self.batch.clear()

    @invariant()
    def the_rows_add_up(self) -> None:
        self.rows.check()

    @invariant()
    def the_counters_are_the_models(self) -> None:
        if self.batch:
            return
        assert self.rows.sale is not None
        for pool_id, pool in self.rows.sale.pools.items():
            held, sold = self.model.taken(pool_id)
            assert (pool.capacity, pool.sold) == (self.model.pools[pool_id].capacity, sold)
            assert pool.held >= held, "a hold that is due stays until the next batch"

    def teardown(self) -> None:
        if hasattr(self, "rows"):
            self._ask(ExpireHolds(EVENT))
            self.commit()
            assert self.rows.sale is not None
            for pool_id, pool in self.rows.sale.pools.items():
                assert (pool.held, pool.sold) == self.model.taken(pool_id)

    def _ask(self, command: Command) -> None:
        self.batch.append(command)
        if isinstance(command, PlaceBooking | CancelBooking) and command.key is not None:
            self.asked.append(command)

    def _pick(self, pick: int) -> UUID:
        return list(self.rows.bookings)[-1 - pick % len(self.rows.bookings)]


def test_any_history(*, prove: bool) -> None:
    examples = EXAMPLES_TO_PROVE if prove else EXAMPLES
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        AnyHistory,
        settings=settings(max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=checks, print_blob=True),
    )
