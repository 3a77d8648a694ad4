"""The demo gateway: its cards, its page and its keys. However often it is called, money moves once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evently.db import Database
from evently.kit.ids import new_id
from evently.payments import (
    ActionNeeded,
    Authorised,
    Captured,
    Declined,
    DemoGateway,
    Forged,
    GatewayTrouble,
    Guarded,
    GuardOptions,
    Intent,
    Lost,
    Refunded,
    RefundFailed,
    Unsettled,
    Voided,
)
from evently.payments.cards import CARDS

PATIENT = GuardOptions(wait_seconds=0, wait_seconds_max=0)
RACERS = 6


class ManualClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def demo(shared_db: Database, clock: ManualClock) -> DemoGateway:
    return DemoGateway(shared_db, clock, "https://evently.example/pay")


def an_intent(method: str | None = "succeeds", **more: Any) -> Intent:
    told: dict[str, Any] = {
        "payment_id": new_id(),
        "attempt": 1,
        "event_id": new_id(),
        "booking_id": new_id(),
    }
    told |= {
        "amount_minor": 5000,
        "currency": "EUR",
        "reference": "7K3M-9QWE",
        "description": "2 tickets",
        "method": method,
    }
    return Intent(**(told | {"expires_at": datetime(2026, 11, 21, 12, 10, tzinfo=UTC)} | more))


async def done(demo: DemoGateway, intent: Intent) -> list[str]:
    return [effect.kind for effect in await demo.list_effects(intent.payment_id)]


async def paid(demo: DemoGateway, method: str = "succeeds") -> tuple[Intent, str]:
    intent = an_intent(method)
    authorised = await demo.authorise(intent)
    assert isinstance(authorised, Authorised)
    assert isinstance(await demo.capture(authorised.reference, 5000, intent.key("capture")), Captured)
    return intent, authorised.reference


@pytest.mark.parametrize("method", ["4242 4242 4242 4242", "succeeds"])
async def test_money_is_reserved_taken_and_given_back(
    demo: DemoGateway, clock: ManualClock, method: str
) -> None:
    intent = an_intent(method)
    authorised = await demo.authorise(intent)
    assert isinstance(authorised, Authorised)
    reference = authorised.reference
    assert await demo.find(intent, None) == await demo.authorise(intent) == authorised
    for _ in range(2):
        clock.now += timedelta(seconds=1)
        assert await demo.capture(reference, 4000, intent.key("capture")) == Captured(reference, 4000, "4242")
    assert (
        await demo.find(intent, reference)
        == await demo.void(reference, intent.key("void"))
        == Captured(reference, 4000)
    )
    assert await demo.authorise(intent) == authorised
    clock.now += timedelta(seconds=1)
    refund_id = new_id()
    refunded = await demo.refund(reference, 3000, f"{refund_id}:1", refund_id)
    assert isinstance(refunded, Refunded)
    assert await demo.refund(reference, 3000, f"{refund_id}:1", refund_id) == refunded
    again = await demo.refund(reference, 2000, f"{refund_id}:1", refund_id)
    more = await demo.refund(reference, 1001, f"{new_id()}:1", new_id())
    assert isinstance(again, RefundFailed)
    assert isinstance(more, RefundFailed)
    assert (again.code, more.code) == ("key_reused", "too_much")
    assert await done(demo, intent) == ["authorised", "captured", "refunded"]


async def test_many_at_once_are_each_served_as_if_alone(demo: DemoGateway) -> None:
    """Charges share statements; one that fails on its data, or is repeated, does not disturb the others."""
    intents = [an_intent(card.name) for card in CARDS] + [an_intent() for _ in range(20)]
    broken = an_intent(amount_minor=0)
    *answers, failed, again = await asyncio.gather(
        *(demo.authorise(intent) for intent in [*intents, broken, intents[-1]]), return_exceptions=True
    )
    assert isinstance(failed, Exception)
    assert not isinstance(failed, GatewayTrouble)
    assert again == answers[-1]
    reserved = [
        (intent, each) for intent, each in zip(intents, answers, strict=True) if isinstance(each, Authorised)
    ]
    assert len(reserved) > 20
    taken = await asyncio.gather(
        *(demo.capture(each.reference, 5000, intent.key("capture")) for intent, each in reserved * 2)
    )
    for (intent, each), first, second in zip(
        reserved, taken[: len(reserved)], taken[len(reserved) :], strict=True
    ):
        assert first == second
        assert first.reference == each.reference
        assert await done(demo, intent) == ["authorised", *["captured"] * isinstance(first, Captured)]


async def test_no_number_is_kept(demo: DemoGateway, shared_db: Database) -> None:
    for method in ("4242424242424242", "4000 0566 5566 5556"):
        intent = an_intent(method)
        await demo.authorise(intent)
        row = await shared_db.fetch_row("SELECT * FROM demo_charges WHERE payment_id = $1", intent.payment_id)
        assert row is not None
        assert row["last_digits"] == method[-4:]
        assert method.replace(" ", "") not in str(dict(row))


@pytest.mark.parametrize(
    ("name", "code"), [(card.name, card.decline_code) for card in CARDS if card.decline_code]
)
async def test_cards_that_decline(demo: DemoGateway, name: str, code: str) -> None:
    intent = an_intent(name)
    answer = await demo.authorise(intent)
    assert isinstance(answer, Declined)
    assert answer.code == code
    assert await demo.authorise(intent) == await demo.find(intent, None) == answer
    assert answer.reference is not None
    assert isinstance(await demo.capture(answer.reference, 5000, intent.key("capture")), Lost)
    assert await done(demo, intent) == []


async def test_an_unknown_card_is_declined(demo: DemoGateway) -> None:
    answer = await demo.authorise(an_intent("4000056655665556"))
    assert isinstance(answer, Declined)
    assert answer.code == "wrong_number"


@pytest.mark.parametrize(("name", "arrived"), [("answer-lost", True), ("request-lost", False)])
async def test_calls_that_are_lost_once(demo: DemoGateway, name: str, arrived: bool) -> None:  # noqa: FBT001
    intent = an_intent(name)
    with pytest.raises(GatewayTrouble) as caught:
        await demo.authorise(intent)
    assert caught.value.effect_unknown
    assert (await demo.find(intent, None) is not None) is arrived
    assert isinstance(await demo.authorise(intent), Authorised)
    assert await done(demo, intent) == ["authorised"]
    retried = an_intent(name)
    assert isinstance(await Guarded(demo, PATIENT).authorise(retried), Authorised)
    assert await done(demo, retried) == ["authorised"]


async def test_a_card_that_pays_late(demo: DemoGateway, clock: ManualClock) -> None:
    intent, abandoned = an_intent("late"), an_intent("late")
    waiting, other = await demo.authorise(intent), await demo.authorise(abandoned)
    assert isinstance(waiting, Unsettled)
    assert await demo.find(intent, waiting.reference) == waiting
    assert isinstance(await demo.capture(waiting.reference, 5000, intent.key("capture")), Lost)
    assert isinstance(other, Unsettled)
    assert await demo.void(other.reference, abandoned.key("void")) == Voided(other.reference)
    clock.now += timedelta(seconds=5)
    assert await demo.find(intent, waiting.reference) == Authorised(waiting.reference)
    assert await demo.find(abandoned, other.reference) == Voided(other.reference)
    assert await demo.capture(waiting.reference, 5000, intent.key("capture")) == Captured(
        waiting.reference, 5000, "0077"
    )
    assert await done(demo, abandoned) == ["voided"]


@pytest.mark.parametrize(
    "more", [{"method": "asks"}, {"method": None}, {"method": "succeeds", "hosted": True}]
)
@pytest.mark.parametrize("says", ["yes", "no"])
async def test_the_page_asks_the_buyer(demo: DemoGateway, says: str, more: dict[str, Any]) -> None:
    intent = an_intent(**more)
    asked = await demo.authorise(intent)
    assert isinstance(asked, ActionNeeded)
    assert asked.url == f"https://evently.example/pay/{asked.reference}"
    charge = await demo.find_charge(asked.reference)
    assert charge is not None
    assert (charge.payment_id, charge.state, charge.amount_minor) == (
        intent.payment_id,
        "action_needed",
        5000,
    )
    for _ in range(2):
        charge = await (demo.approve if says == "yes" else demo.decline)(asked.reference)
        assert charge is not None
        assert charge.state == ("authorised" if says == "yes" else "declined")
    assert isinstance(await demo.find(intent, asked.reference), Authorised if says == "yes" else Declined)
    assert await done(demo, intent) == (["authorised"] if says == "yes" else [])


async def test_a_page_that_was_closed_takes_no_yes(demo: DemoGateway) -> None:
    intent = an_intent("asks")
    asked = await demo.authorise(intent)
    assert isinstance(asked, ActionNeeded)
    await demo.void(asked.reference, intent.key("void"))
    charge = await demo.approve(asked.reference)
    assert charge is not None
    assert charge.state == "voided"
    assert isinstance(await demo.authorise(intent), Declined)
    assert await demo.approve("demo_unknown") is None


async def test_a_capture_that_fails_takes_nothing(demo: DemoGateway) -> None:
    intent = an_intent("capture-fails")
    authorised = await demo.authorise(intent)
    assert isinstance(authorised, Authorised)
    for _ in range(2):
        assert isinstance(await demo.capture(authorised.reference, 5000, intent.key("capture")), Lost)
    assert isinstance(await demo.find(intent, authorised.reference), Lost)
    assert isinstance(await demo.refund(authorised.reference, 1, "k", new_id()), RefundFailed)
    assert await done(demo, intent) == ["authorised"]


async def test_a_refund_that_fails_once(demo: DemoGateway, clock: ManualClock) -> None:
    intent, reference = await paid(demo, "refund-fails")
    refund_id = new_id()
    for _ in range(2):
        clock.now += timedelta(seconds=1)
        failed = await demo.refund(reference, 5000, f"{refund_id}:1", refund_id)
        assert isinstance(failed, RefundFailed)
        assert failed.code == "card_refused"
    clock.now += timedelta(seconds=1)
    assert isinstance(await demo.refund(reference, 5000, f"{refund_id}:2", refund_id), Refunded)
    assert (await done(demo, intent)).count("refunded") == 1


async def test_racing_calls_move_money_once(demo: DemoGateway) -> None:
    intent, refund_id = an_intent(), new_id()
    answers = await asyncio.gather(*[demo.authorise(intent) for _ in range(RACERS)])
    reference = answers[0].reference
    assert reference is not None
    assert set(answers) == {Authorised(reference)}
    captures = await asyncio.gather(
        *[demo.capture(reference, 5000, f"{intent.payment_id}:{racer}") for racer in range(RACERS)]
    )
    assert set(captures) == {Captured(reference, 5000, "4242")}
    refunds = await asyncio.gather(
        *[demo.refund(reference, 5000, f"{refund_id}:1", refund_id) for _ in range(RACERS)]
    )
    assert len(set(refunds)) == 1
    assert sorted(await done(demo, intent)) == ["authorised", "captured", "refunded"]


async def test_capture_and_void_cannot_both_win(demo: DemoGateway) -> None:
    for _ in range(10):
        intent = an_intent()
        authorised = await demo.authorise(intent)
        assert isinstance(authorised, Authorised)
        reference = authorised.reference
        taken, let_go = await asyncio.gather(
            demo.capture(reference, 5000, intent.key("capture")), demo.void(reference, intent.key("void"))
        )
        assert isinstance(taken, Captured) is isinstance(let_go, Captured)
        assert len(await done(demo, intent)) == 2


async def test_the_demo_gateway_accepts_no_webhook(demo: DemoGateway, clock: ManualClock) -> None:
    with pytest.raises(Forged):
        demo.read_webhook({}, b"{}", clock.now)
