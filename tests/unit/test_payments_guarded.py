"""Retries and the breaker, around a gateway that fails on demand; and the door."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import circuitbreaker
import pytest
from prometheus_client import REGISTRY

from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.payments import (
    Authorised,
    Captured,
    DemoGateway,
    DoorGateway,
    Forged,
    GatewayDown,
    GatewayTrouble,
    Guarded,
    GuardOptions,
    Intent,
    PaymentOptions,
    RefundByHand,
    Voided,
    open_gateways,
)
from evently.payments.cards import CARDS, PAGE, UNKNOWN, card_of
from evently.payments.declines import CODES

HASTY = GuardOptions(tries_max=3, wait_seconds=0, wait_seconds_max=0, failures_max=4, open_seconds=15)


class Shaky(DoorGateway):
    """A gateway that cannot be reached for some calls."""

    name = "shaky"

    def __init__(self) -> None:
        self.asked = 0
        self.troubles: list[bool] = []  # of the next calls: whether their effect is unknown

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured:  # noqa: ARG002  # the port's
        self.asked += 1
        if self.troubles:
            raise GatewayTrouble("not reached", effect_unknown=self.troubles.pop(0))
        return Captured(reference, amount_minor)


class Ticking:
    """The breaker's clock, moved by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    clock = Ticking()
    monkeypatch.setattr(circuitbreaker, "monotonic", clock)
    return clock


def an_intent() -> Intent:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return Intent(new_id(), 1, new_id(), new_id(), 5000, "EUR", "7K3M-9QWE", "2 tickets", now)


def calls(outcome: str) -> float:
    labels = {"gateway": "shaky", "step": "capture", "outcome": outcome}
    return REGISTRY.get_sample_value("evently_gateway_calls_total", labels) or 0.0


async def test_what_passes_in_a_moment_is_not_noticed(ticking: Ticking) -> None:
    gateway = Shaky()
    gateway.troubles = [True, False]
    before = calls("trouble"), calls("captured")
    assert await Guarded(gateway, HASTY).capture("a", 100, "k") == Captured("a", 100)
    assert (gateway.asked, calls("trouble") - before[0], calls("captured") - before[1]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("troubles", "unknown"),
    [([False] * 3, False), ([True, False, False], True), ([False, False, True], True)],
)
async def test_tries_are_bounded_and_one_that_may_have_arrived_counts(
    ticking: Ticking,
    troubles: list[bool],
    unknown: bool,  # noqa: FBT001  # a case
) -> None:
    gateway = Shaky()
    gateway.troubles = [*troubles, True]
    with pytest.raises(GatewayTrouble) as caught:
        await Guarded(gateway, HASTY).capture("a", 100, "k")
    assert (gateway.asked, caught.value.effect_unknown) == (3, unknown)


async def test_a_gateway_that_is_down_is_left_alone_for_a_while(ticking: Ticking) -> None:
    gateway = Shaky()
    gateway.troubles = [True] * 5
    guarded = Guarded(gateway, HASTY)
    with pytest.raises(GatewayTrouble):
        await guarded.capture("a", 100, "k")
    with pytest.raises(GatewayDown) as caught:
        await guarded.capture("a", 100, "k")  # the fourth failure in a row, on its first try
    assert (guarded.is_down(), gateway.asked, caught.value.effect_unknown) == (True, 4, True)
    assert REGISTRY.get_sample_value("evently_gateway_breaker_open", {"gateway": "shaky"}) == 1

    with pytest.raises(GatewayDown) as caught:
        await guarded.capture("a", 100, "k")
    assert (gateway.asked, caught.value.effect_unknown, caught.value.retry_after_seconds) == (4, False, 15)

    ticking.seconds += 15
    with pytest.raises(GatewayDown):
        await guarded.capture("a", 100, "k")  # one look, in vain
    assert (guarded.is_down(), gateway.asked) == (True, 5)

    ticking.seconds += 15
    assert not guarded.is_down()
    assert await guarded.capture("a", 100, "k") == Captured("a", 100)
    assert (guarded.is_down(), gateway.asked) == (False, 6)
    assert REGISTRY.get_sample_value("evently_gateway_breaker_open", {"gateway": "shaky"}) == 0


async def test_at_the_door_nothing_moves_online() -> None:
    door, intent = DoorGateway(), an_intent()
    reference = str(intent.payment_id)
    assert await door.authorise(intent) == await door.find(intent, None) == Authorised(reference)
    assert await door.capture(reference, 5000, "k") == Captured(reference, 0)
    assert await door.void(reference, "k") == Voided(reference)
    assert await door.refund(reference, 5000, "k", new_id()) == RefundByHand(reference)
    with pytest.raises(Forged):
        door.read_webhook({}, b"", utc_now())


async def test_the_options_choose_the_gateway() -> None:
    database = await Database.open(DatabaseOptions("postgresql://nobody@127.0.0.1:1/nothing"))
    assert isinstance(open_gateways(PaymentOptions(), database, utc_now)["demo"].inner, DemoGateway)
    assert set(open_gateways(PaymentOptions("door"), database, utc_now)) == {"demo", "door"}
    stripe = open_gateways(PaymentOptions("stripe", "sk_test", "whsec_test"), database, utc_now)["stripe"]
    with pytest.raises(ValueError, match="secret"):
        open_gateways(PaymentOptions("stripe", "sk_test"), database, utc_now)
    with pytest.raises(GatewayTrouble):
        await Guarded(DemoGateway(database, utc_now), HASTY).authorise(an_intent())
    await stripe.close()
    await database.close()


def test_cards_are_known_by_number_and_name() -> None:
    assert len({card.number for card in CARDS}) == len({card.name for card in CARDS}) == len(CARDS)
    for card in CARDS:
        spaced = " ".join(card.number[start : start + 4] for start in range(0, 16, 4))
        assert card_of(card.name) == card_of(card.number) == card_of(spaced) == card
        assert card.decline_code is None or card.decline_code in CODES
    assert card_of("4000056655665556") == UNKNOWN
    assert card_of(None) == PAGE


def test_the_demo_gateway_keeps_no_number() -> None:
    gateway = DemoGateway.__new__(DemoGateway)
    assert gateway.storable_method("4242 4242 4242 4242") == "succeeds"
    assert gateway.storable_method("4000056655665556") == "unknown"
    assert gateway.storable_method(None) is None


def test_the_document_lists_the_cards() -> None:
    document = (Path(__file__).parent.parent.parent / "docs" / "payments.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([\d ]+) \| (.*) \|$", document, re.MULTILINE)
    assert [(name, number.replace(" ", ""), what) for name, number, what in rows] == [
        (card.name, card.number, card.effect) for card in CARDS
    ]
