"""The states of payments and refunds: types, transitions, steps and the comments of the schema agree."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, get_args

from evently.checkout.nouns import (
    FINAL,
    LIVE,
    PAID,
    PAYMENT_REFUND_TRANSITIONS,
    PAYMENT_TRANSITIONS,
    PaymentRefundState,
    PaymentState,
)
from evently.checkout.saga import RECHECK_AFTER, Saga
from evently.kit.clock import utc_now

SCHEMA = files("evently.db.migrations.versions").joinpath("0006_checkout.sql").read_text(encoding="utf-8")


def test_every_state_has_its_transitions() -> None:
    assert set(get_args(PaymentState)) == PAYMENT_TRANSITIONS.keys()
    assert set(get_args(PaymentRefundState)) == PAYMENT_REFUND_TRANSITIONS.keys()
    for transitions in (PAYMENT_TRANSITIONS, PAYMENT_REFUND_TRANSITIONS):
        assert {state for following in transitions.values() for state in following} <= transitions.keys()
    assert {"captured", "declined", "voided", "lost"} == FINAL
    assert PAID < LIVE < PAYMENT_TRANSITIONS.keys()


def test_exactly_the_states_that_are_not_final_have_a_step_and_become_due() -> None:
    nothing: Any = None
    steps = Saga(nothing, nothing, {}, utc_now)._steps.keys()
    assert steps == PAYMENT_TRANSITIONS.keys() - FINAL
    assert {state for state, after in RECHECK_AFTER.items() if after is not None} == steps


def test_the_schema_lists_these_transitions() -> None:
    listed = {
        state: set(following.split(" | "))
        for state, following in re.findall(r"^--   (\w+) +-> ([a-z_]+(?: \| [a-z_]+)*)", SCHEMA, re.MULTILINE)
    }
    assert listed == {state: following for state, following in PAYMENT_TRANSITIONS.items() if following}
    (states,) = re.findall(r"payments_state_ck CHECK \(\s+state IN \(([^)]+)\)", SCHEMA)
    assert set(re.findall(r"'(\w+)'", states)) == set(get_args(PaymentState))
    (states,) = re.findall(r"payment_refunds_state_ck CHECK \(state IN \(([^)]+)\)", SCHEMA)
    assert set(re.findall(r"'(\w+)'", states)) == set(get_args(PaymentRefundState))
