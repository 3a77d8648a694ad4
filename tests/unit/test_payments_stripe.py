"""The real client of Stripe, against a fake server of Stripe that fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.payments import (
    ActionNeeded,
    Authorised,
    Captured,
    Declined,
    Forged,
    GatewayTrouble,
    Guarded,
    GuardOptions,
    Intent,
    Lost,
    Refunded,
    RefundFailed,
    RefundWaiting,
    Unsettled,
    Voided,
)
from evently.payments.stripe import StripeGateway
from tests.support.fake_stripe import KEY, SECRET, FakeStripe, FaultKind, fake_stripe, sign

PATIENT = GuardOptions(tries_max=4, wait_seconds=0, wait_seconds_max=0, failures_max=100)


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with fake_stripe() as server:
        yield server


@pytest_asyncio.fixture
async def gateway(fake: FakeStripe) -> AsyncIterator[StripeGateway]:
    made = StripeGateway(KEY, SECRET, fake.url)
    yield made
    await made.close()


def an_intent(method: str | None = "pm_card_visa", **more: Any) -> Intent:
    told: dict[str, Any] = {
        "payment_id": new_id(),
        "attempt": 1,
        "event_id": new_id(),
        "booking_id": new_id(),
    }
    told |= {"amount_minor": 5000, "currency": "EUR"}
    told |= {
        "reference": "7K3M-9QWE",
        "description": "2 tickets",
        "expires_at": utc_now() + timedelta(minutes=10),
        "method": method,
    }
    return Intent(**(told | more))


async def test_money_is_reserved_taken_and_given_back(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent()
    authorised = await gateway.authorise(intent)
    assert isinstance(authorised, Authorised)
    reference = authorised.reference
    assert await gateway.find(intent, reference) == await gateway.find(intent, None) == authorised
    assert fake.intents[reference]["metadata"]["payment_id"] == str(intent.payment_id)

    assert await gateway.capture(reference, 5000, intent.key("capture")) == Captured(reference, 5000, "4242")
    assert await gateway.capture(reference, 5000, intent.key("capture")) == Captured(reference, 5000, "4242")
    assert await gateway.find(intent, reference) == Captured(reference, 5000)
    assert await gateway.void(reference, intent.key("void")) == Captured(reference, 5000)
    assert await gateway.authorise(intent) == authorised

    refund_id = new_id()
    first = await gateway.refund(reference, 2000, f"{refund_id}:1", refund_id)
    assert isinstance(first, Refunded)
    fake.forget_keys()
    assert await gateway.refund(reference, 2000, f"{refund_id}:1", refund_id) == first
    other = new_id()
    assert isinstance(await gateway.refund(reference, 3001, f"{other}:1", other), RefundFailed)
    assert (
        fake.count("authorised"),
        fake.count("captured"),
        fake.count("refunded"),
        fake.count("voided"),
    ) == (1, 1, 1, 0)


@pytest.mark.parametrize("hosted", [False, True])
async def test_the_last_digits_are_told_where_they_can_be(
    fake: FakeStripe, gateway: StripeGateway, *, hosted: bool
) -> None:
    """A key that may not read charges takes the money all the same."""
    for reads_charges in (True, False):
        fake.reads_charges = reads_charges
        intent = an_intent(None if hosted else "pm_card_visa", hosted=hosted, return_url="https://a.example")
        asked = await gateway.authorise(intent)
        assert asked.reference is not None
        if hosted:
            fake.pay_session(asked.reference)
        taken = await gateway.capture(asked.reference, 5000, intent.key("capture"))
        assert taken == Captured(asked.reference, 5000, "4242" if reads_charges else None)


async def test_another_method_than_a_card_has_no_digits(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent("pm_late")
    waiting = await gateway.authorise(intent)
    assert waiting.reference is not None
    fake.buyer(waiting.reference, "yes")
    taken = await gateway.capture(waiting.reference, 5000, intent.key("capture"))
    assert taken == Captured(waiting.reference, 5000, None)


async def test_reserved_money_is_voided(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent()
    authorised = await gateway.authorise(intent)
    assert isinstance(authorised, Authorised)
    reference = authorised.reference
    assert await gateway.void(reference, intent.key("void")) == Voided(reference)
    fake.forget_keys()
    assert await gateway.void(reference, intent.key("void")) == Voided(reference)
    assert await gateway.find(intent, reference) == Voided(reference)
    assert isinstance(await gateway.capture(reference, 5000, intent.key("capture")), Lost)
    assert (fake.count("voided"), fake.count("captured")) == (1, 0)


async def test_an_authorisation_that_expired_is_lost(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent()
    authorised = await gateway.authorise(intent)
    assert isinstance(authorised, Authorised)
    fake.expire_authorisation(authorised.reference)
    assert await gateway.find(intent, authorised.reference) == Lost(
        authorised.reference, "the authorisation expired"
    )
    assert await gateway.capture(authorised.reference, 5000, intent.key("capture")) == Lost(
        authorised.reference, "automatic"
    )


async def test_a_capture_may_fail(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent("pm_capture_fails")
    authorised = await gateway.authorise(intent)
    assert isinstance(authorised, Authorised)
    lost = await gateway.capture(authorised.reference, 5000, intent.key("capture"))
    assert lost == Lost(authorised.reference, "charge_expired_for_capture")
    assert fake.count("captured") == 0


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "wrong_code"),
    ],
)
async def test_a_decline_is_an_answer_and_stays_one(
    fake: FakeStripe, gateway: StripeGateway, method: str, code: str
) -> None:
    intent = an_intent(method)
    answer = await gateway.authorise(intent)
    assert isinstance(answer, Declined)
    assert (answer.code, fake.count("authorised")) == (code, 0)
    assert await gateway.authorise(intent) == await gateway.find(intent, answer.reference) == answer
    assert [each["status"] for each in fake.intents.values()] == [
        "canceled"
    ]  # its secret cannot be used any more


async def test_what_stripe_refuses_is_declined(fake: FakeStripe, gateway: StripeGateway) -> None:
    unknown = await gateway.authorise(an_intent("pm_unknown"))
    small = await gateway.authorise(an_intent(amount_minor=49))
    assert isinstance(unknown, Declined)
    assert isinstance(small, Declined)
    assert (unknown.code, small.code) == ("not_accepted", "amount_too_small")
    assert fake.count("authorised") == 0


@pytest.mark.parametrize("says", ["yes", "no"])
async def test_the_bank_asks_the_buyer(fake: FakeStripe, gateway: StripeGateway, says: Any) -> None:
    intent = an_intent("pm_card_authenticationRequired", return_url="https://evently.example/back")
    asked = await gateway.authorise(intent)
    assert isinstance(asked, ActionNeeded)
    assert (asked.url, asked.client_secret) == (
        f"https://bank.example/{asked.reference}",
        f"{asked.reference}_secret",
    )
    assert await gateway.find(intent, asked.reference) == asked
    fake.buyer(asked.reference, says)
    found = await gateway.find(intent, asked.reference)
    assert found == (Authorised(asked.reference) if says == "yes" else found)
    assert isinstance(found, Authorised if says == "yes" else Declined)
    assert await gateway.authorise(intent) == found


async def test_the_buyer_pays_with_stripes_own_script(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent(None)
    asked = await gateway.authorise(intent)
    assert isinstance(asked, ActionNeeded)
    assert asked.client_secret is not None
    assert await gateway.find(intent, asked.reference) == asked
    assert await gateway.void(asked.reference, intent.key("void")) == Voided(asked.reference)
    assert fake.count("authorised") == 0


async def test_a_bank_may_take_its_time(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent("pm_late")
    waiting = await gateway.authorise(intent)
    assert isinstance(waiting, Unsettled)
    with pytest.raises(GatewayTrouble, match="cannot be voided"):
        await gateway.void(waiting.reference, intent.key("void"))
    fake.buyer(waiting.reference, "yes")
    assert await gateway.find(intent, waiting.reference) == Authorised(waiting.reference)
    assert await gateway.void(waiting.reference, intent.key("void")) == Voided(waiting.reference)
    assert fake.count("voided") == 1


async def test_a_hosted_page_is_paid_captured_and_refunded(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent(None, hosted=True, return_url="https://evently.example/back")
    asked = await gateway.authorise(intent)
    assert isinstance(asked, ActionNeeded)
    assert asked.url == f"https://checkout.example/{asked.reference}"
    assert await gateway.authorise(intent) == await gateway.find(intent, None) == asked
    assert len(fake.sessions) == 1
    fake.pay_session(asked.reference)
    assert await gateway.find(intent, asked.reference) == Authorised(asked.reference)
    assert await gateway.capture(asked.reference, 5000, intent.key("capture")) == Captured(
        asked.reference, 5000, "4242"
    )
    refund_id = new_id()
    assert isinstance(await gateway.refund(asked.reference, 5000, f"{refund_id}:1", refund_id), Refunded)
    assert (fake.count("captured"), fake.count("refunded")) == (1, 1)


async def test_a_hosted_page_is_closed_when_the_hold_ends(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent(None, hosted=True, return_url="https://evently.example/back")
    asked = await gateway.authorise(intent)
    assert isinstance(asked, ActionNeeded)
    assert await gateway.void(asked.reference, intent.key("void")) == Voided(asked.reference)
    assert fake.sessions[asked.reference]["status"] == "expired"
    found = await gateway.find(intent, asked.reference)
    assert isinstance(found, Declined)
    assert found.code == "abandoned"

    late = an_intent(None, hosted=True, return_url="https://evently.example/back")
    asked = await gateway.authorise(late)
    assert isinstance(asked, ActionNeeded)
    fake.pay_session(asked.reference)  # just before
    assert await gateway.void(asked.reference, late.key("void")) == Voided(asked.reference)
    assert (fake.count("authorised"), fake.count("voided"), fake.count("captured")) == (1, 1, 0)


async def test_a_refund_waits_fails_and_is_tried_again(fake: FakeStripe, gateway: StripeGateway) -> None:
    late, failing = an_intent("pm_refund_late"), an_intent("pm_refund_fails")
    references = []
    for intent in (late, failing):
        authorised = await gateway.authorise(intent)
        assert isinstance(authorised, Authorised)
        await gateway.capture(authorised.reference, 5000, intent.key("capture"))
        references.append(authorised.reference)
    refund_id = new_id()
    waiting = await gateway.refund(references[0], 5000, f"{refund_id}:1", refund_id)
    assert isinstance(waiting, RefundWaiting)
    fake.settle_refund(waiting.refund_reference, "succeeded")
    assert isinstance(await gateway.refund(references[0], 5000, f"{refund_id}:1", refund_id), Refunded)

    refund_id = new_id()
    failed = await gateway.refund(references[1], 5000, f"{refund_id}:1", refund_id)
    assert isinstance(failed, RefundFailed)
    assert failed.code == "lost_or_stolen_card"
    assert await gateway.refund(references[1], 5000, f"{refund_id}:1", refund_id) == failed
    assert isinstance(await gateway.refund(references[1], 5000, f"{refund_id}:2", refund_id), Refunded)
    assert fake.count("refunded", references[1]) == 1


FAULTS: list[FaultKind] = ["drop_before", "drop_after", "fail", "fail_after", "too_many", "garbage"]


@pytest.mark.parametrize("path", ["payment_intents", "/confirm", "/capture", "/refunds"])
@pytest.mark.parametrize("kind", FAULTS)
async def test_whatever_breaks_money_moves_once(
    fake: FakeStripe, gateway: StripeGateway, kind: FaultKind, path: str
) -> None:
    guarded, intent, refund_id = Guarded(gateway, PATIENT), an_intent(), new_id()
    fake.fail(kind, path, times=2)
    authorised = await guarded.authorise(intent)
    assert isinstance(authorised, Authorised)
    assert await guarded.capture(authorised.reference, 5000, intent.key("capture")) == Captured(
        authorised.reference, 5000, "4242"
    )
    assert isinstance(await guarded.refund(authorised.reference, 5000, f"{refund_id}:1", refund_id), Refunded)
    assert [effect.kind for effect in fake.journal] == ["authorised", "captured", "refunded"]


@pytest.mark.parametrize("path", ["/capture", "/cancel"])
async def test_a_failure_that_stripe_repeats_under_the_key_is_passed_by(
    fake: FakeStripe, gateway: StripeGateway, path: str
) -> None:
    guarded, intent = Guarded(gateway, PATIENT), an_intent()
    authorised = await guarded.authorise(intent)
    assert isinstance(authorised, Authorised)
    fake.fail("fail", path)
    if path == "/capture":
        assert isinstance(await guarded.capture(authorised.reference, 5000, intent.key("capture")), Captured)
    else:
        assert isinstance(await guarded.void(authorised.reference, intent.key("void")), Voided)
    assert [effect.kind for effect in fake.journal] == [
        "authorised",
        "captured" if path == "/capture" else "voided",
    ]


@pytest.mark.parametrize(
    ("kind", "unknown"), [("drop_before", True), ("drop_after", True), ("fail", True), ("too_many", False)]
)
async def test_trouble_states_whether_the_call_may_have_had_an_effect(
    fake: FakeStripe,
    gateway: StripeGateway,
    kind: FaultKind,
    unknown: bool,  # noqa: FBT001
) -> None:
    fake.fail(kind)
    with pytest.raises(GatewayTrouble) as caught:
        await gateway.authorise(an_intent())
    assert caught.value.effect_unknown is unknown


async def test_an_attempt_whose_answers_were_lost_is_found(fake: FakeStripe, gateway: StripeGateway) -> None:
    lost, never = an_intent(), an_intent()
    fake.fail("drop_after", "/confirm")
    with pytest.raises(GatewayTrouble):
        await gateway.authorise(lost)
    assert isinstance(await gateway.find(lost, None), Authorised)
    assert await gateway.find(never, None) is None
    assert fake.count("authorised") == 1


async def test_a_server_that_is_not_there_has_done_nothing() -> None:
    gateway = StripeGateway(KEY, SECRET, "http://127.0.0.1:9")
    with pytest.raises(GatewayTrouble) as caught:
        await gateway.authorise(an_intent())
    assert not caught.value.effect_unknown
    await gateway.close()


async def test_a_wrong_key_is_trouble(fake: FakeStripe) -> None:
    gateway = StripeGateway("sk_test_wrong", SECRET, fake.url)
    with pytest.raises(GatewayTrouble, match="does not accept our key"):
        await gateway.authorise(an_intent())
    await gateway.close()


@pytest.mark.parametrize(("key", "secret"), [("", SECRET), (KEY, ""), (" ", SECRET), (KEY, " ")])
def test_nothing_is_built_without_its_secrets(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match="secret key"):
        StripeGateway(key, secret)


async def test_notices_say_what_happened(fake: FakeStripe, gateway: StripeGateway) -> None:
    intent = an_intent()
    authorised = await gateway.authorise(intent)
    assert isinstance(authorised, Authorised)
    await gateway.capture(authorised.reference, 5000, intent.key("capture"))
    await gateway.refund(authorised.reference, 5000, "one", new_id())
    await gateway.authorise(an_intent("pm_card_chargeDeclined"))
    notices = [notice for event in fake.events for notice in gateway.read_webhook(*sign(event), utc_now())]
    assert [notice.kind for notice in notices] == ["authorised", "captured", "refunded", "declined", "voided"]
    assert {notice.reference for notice in notices[:3]} == {authorised.reference}
    assert [notice.payment_id for notice in notices[:3]] == [intent.payment_id, intent.payment_id, None]
    assert len({notice.notice_id for notice in notices}) == len(notices)


async def test_forged_old_early_and_broken_notices_are_refused(gateway: StripeGateway) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    event = {
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "created": 1,
        "data": {"object": {"id": "pi_1"}},
    }
    headers, body = sign(event, now.timestamp() - 299)
    assert [notice.kind for notice in gateway.read_webhook(headers, body, now)] == ["captured"]
    forged: list[tuple[dict[str, str], bytes]] = [
        sign(event, now.timestamp(), "whsec_other"),
        sign(event, now.timestamp() - 301),
        sign(event, now.timestamp() + 301),
        (headers, body + b" "),
        ({}, body),
        ({"stripe-signature": "t=,v1="}, body),
        ({"stripe-signature": headers["stripe-signature"].replace("v1=", "v0=")}, body),
        (headers, b"\xff\xfe"),
        sign({"id": 7}, now.timestamp()),
    ]
    for each, sent in forged:
        with pytest.raises(Forged):
            gateway.read_webhook(each, sent, now)


async def test_only_names_of_methods_are_kept(gateway: StripeGateway) -> None:
    assert gateway.storable_method("pm_1Abc") == "pm_1Abc"
    assert gateway.storable_method(None) is None
    assert gateway.storable_method("4242 4242 4242 4242") == "pm_unknown"


def test_an_intent_is_known_by_payment_and_attempt() -> None:
    intent = an_intent()
    assert intent.key("capture") == f"{intent.payment_id}:1:capture"
    assert intent.key("capture") != msgspec.structs.replace(intent, attempt=2).key("capture")


async def test_webhooks_arrive_twice_in_any_order_late_and_forged(
    fake: FakeStripe, gateway: StripeGateway
) -> None:
    intent = an_intent()
    authorised = await gateway.authorise(intent)
    assert isinstance(authorised, Authorised)
    await gateway.capture(authorised.reference, 5000, intent.key("capture"))
    seen: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        try:
            seen.extend(notice.kind for notice in gateway.read_webhook(headers, body, utc_now()))
            writer.write(b"HTTP/1.1 204 .\r\nconnection: close\r\n\r\n")
        except Forged:
            writer.write(b"HTTP/1.1 400 .\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await fake.deliver(url, twice=True, reordered=True) == [204] * 4
        assert await fake.deliver(url, signed_at=utc_now().timestamp() - 301) == [400] * 2
        assert await fake.deliver(url, secret="whsec_other") == [400] * 2
    assert seen == ["captured", "captured", "authorised", "authorised"]


async def test_an_answer_that_takes_too_long_is_trouble(
    fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evently.payments.stripe.CALL_SECONDS_MAX", 0.05)
    gateway, intent = StripeGateway(KEY, SECRET, fake.url), an_intent()
    fake.fail("delay", "/confirm", seconds=0.2)
    with pytest.raises(GatewayTrouble) as caught:
        await gateway.authorise(intent)
    assert caught.value.effect_unknown
    async with asyncio.timeout(60):
        while not fake.count("authorised"):  # it arrives after all
            await asyncio.sleep(0.01)
    await gateway.close()
    monkeypatch.undo()
    patient = StripeGateway(KEY, SECRET, fake.url)
    assert isinstance(await patient.authorise(intent), Authorised)
    await patient.close()
    assert fake.count("authorised") == 1
