"""Amounts at the port: Stripe's units and limits, and what organizers may set because of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from evently.kit.denominations import AmountProblem, iso_denomination
from evently.kit.ids import new_id
from evently.kit.money import CURRENCIES
from evently.payments import Captured, Declined, Refunded, RefundFailed
from evently.payments.amounts import denomination_of
from evently.payments.stripe import StripeGateway
from evently.sales.reads import find_problem_ticket
from evently.sales.terms import Conditions, Fees, PromoTerms, RefundWindow, TicketTypeTerms
from tests.support.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe
from tests.unit.test_payments_stripe import an_intent

ONLINE = Conditions("online")


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with fake_stripe() as server:
        yield server


@pytest_asyncio.fixture
async def gateway(fake: FakeStripe) -> AsyncIterator[StripeGateway]:
    made = StripeGateway(KEY, SECRET, fake.url)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("currency", "minor", "outside"),
    [
        ("EUR", 5_000, 5_000),
        ("JPY", 5_000, 5_000),
        ("ISK", 5_000, 500_000),
        ("UGX", 50_000, 5_000_000),
        ("MGA", 500_000, 5_000),
        ("KWD", 12_340, 12_340),
    ],
)
async def test_stripe_gets_its_own_units_and_ours_come_back(
    fake: FakeStripe, gateway: StripeGateway, currency: str, minor: int, outside: int
) -> None:
    for hosted in (False, True):
        intent = an_intent(
            amount_minor=minor, currency=currency, hosted=hosted, return_url="https://shop.example/done"
        )
        reserved = await gateway.authorise(intent)
        reference = reserved.reference
        assert reference is not None
        if hosted:
            fake.pay_session(reference)
        assert await gateway.capture(reference, minor, intent.key("capture")) == Captured(
            reference, minor, "4242"
        )
        assert await gateway.find(intent, reference) == Captured(reference, minor)
        assert await gateway.void(reference, intent.key("void")) == Captured(reference, minor)
        refund_id = new_id()
        assert isinstance(await gateway.refund(reference, minor, f"{refund_id}:1", refund_id), Refunded)
    moved = [(effect.kind, effect.amount) for effect in fake.journal]
    assert moved == [("authorised", outside), ("captured", outside), ("refunded", outside)] * 2
    assert {intent["currency"] for intent in fake.intents.values()} == {currency.lower()}


async def test_a_refund_that_stripe_cannot_express_fails_with_the_reason(gateway: StripeGateway) -> None:
    intent = an_intent(amount_minor=12_340, currency="KWD")
    reference = (await gateway.authorise(intent)).reference
    assert reference is not None
    await gateway.capture(reference, 12_340, intent.key("capture"))
    refund_id = new_id()
    failed = await gateway.refund(reference, 6_175, f"{refund_id}:1", refund_id)
    assert isinstance(failed, RefundFailed)
    assert (failed.code, failed.message) == (
        "amount_not_taken",
        "The payment gateway takes only multiples of 0.010 KWD.",
    )


async def test_too_small_a_sum_is_not_the_fault_of_the_card(gateway: StripeGateway) -> None:
    declined = await gateway.authorise(an_intent(amount_minor=25))
    assert isinstance(declined, Declined)
    assert declined.code == "amount_too_small"
    assert "card" not in declined.message


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_amount_that_can_be_paid_comes_back_as_it_was(currency: str) -> None:
    denomination = denomination_of(currency)
    for amount in (denomination.least_minor, denomination.least_minor + denomination.step_minor * 17):
        assert denomination.find_problem(amount) is None
        assert denomination.read_amount(denomination.write_amount(amount)) == amount
    assert denomination.find_problem(denomination.largest_minor) is None
    assert denomination.find_problem(0) is None
    iso = iso_denomination(currency)
    assert (iso.write_amount(7), iso.read_amount(7), iso.find_problem(7)) == (7, 7, None)


@pytest.mark.parametrize(
    ("currency", "amount", "problem"),
    [
        ("EUR", 49, ("too_small", "0.50 EUR")),
        ("EUR", 50, None),
        ("GBP", 30, None),
        ("HUF", 17_499, ("too_small", "175.00 HUF")),
        ("JPY", 49, ("too_small", "50 JPY")),
        ("EUR", 99_999_999, None),
        ("EUR", 100_000_000, ("too_large", "999,999.99 EUR")),
        ("IDR", 100_000_000, None),
        ("ISK", 999_999, None),
        ("ISK", 1_000_000, ("too_large", "999,999 ISK")),
        ("KWD", 12_345, ("inexact", "0.010 KWD")),
        ("MGA", 12_345, ("inexact", "1.00 MGA")),
    ],
)
def test_what_stripe_does_not_take(currency: str, amount: int, problem: tuple[str, str] | None) -> None:
    found = denomination_of(currency).find_problem(amount)
    assert found == (None if problem is None else AmountProblem(*problem))


def _type(price_minor: int, **more: object) -> TicketTypeTerms:
    terms = TicketTypeTerms(new_id(), "Regular", "", 1, price_minor, 10, ())
    return msgspec.structs.replace(terms, **more)


def _code(kind: str, value: int) -> PromoTerms:
    return PromoTerms(new_id(), "CODE", kind, value)  # type: ignore[arg-type]


def test_a_ticket_is_payable_with_its_fee_tax_and_codes_and_its_refund_too() -> None:
    euro, dinar = denomination_of("EUR"), denomination_of("KWD")

    def reason(denomination: object, *what: object) -> tuple[str, int, bool] | None:
        found = find_problem_ticket(denomination, *what)  # type: ignore[arg-type]
        return None if found is None else (found.problem.reason, found.amount_minor, found.of_refund)

    assert reason(euro, ONLINE, [_type(30)], [None]) == ("too_small", 30, False)
    assert reason(euro, Conditions("door"), [_type(30)], [None]) is None
    assert reason(euro, ONLINE, [_type(30, retired=True), _type(0)], [None]) is None
    dear = Conditions("online", fees=Fees(fixed_minor=20))
    assert reason(euro, dear, [_type(30)], [None]) is None
    assert reason(euro, ONLINE, [_type(2_500)], [None, _code("percent", 9_900)]) == ("too_small", 25, False)
    assert reason(euro, ONLINE, [_type(2_500)], [_code("percent", 10_000)]) is None
    assert reason(euro, ONLINE, [_type(2_500)], [_code("fixed", 2_460)]) == ("too_small", 40, False)
    assert reason(euro, ONLINE, [_type(2_500)], [_code("fixed_per_booking", 2_460)]) is None
    assert reason(dinar, ONLINE, [_type(2_500)], [_code("fixed_per_booking", 5)]) == ("inexact", 2_495, False)
    assert reason(dinar, ONLINE, [_type(12_340)], [_code("percent", 1_000)]) == ("inexact", 11_106, False)
    half = Conditions("online", refund_windows=(RefundWindow(0, 5_000),))
    assert reason(dinar, half, [_type(12_340)], [None]) is None
    assert reason(dinar, half, [_type(12_350)], [None]) == ("inexact", 6_175, True)
    taxed = _type(1_000, tax_basis_points=333, tax_included=False)
    assert reason(dinar, ONLINE, [taxed], [None]) == ("inexact", 1_033, False)
