"""Holds, prices, promo codes and refunds over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from evently import catalogue, organizing
from evently.analytics import details
from evently.analytics.export import export_bookings
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, parse_id, show_id
from evently.kit.money import Money
from evently.organizing import EventChanges, NewTicketType, PromoDraft, SaleTerms, Tax
from evently.sales.commands.bookings import CancelBooking
from evently.sales.terms import Conditions, Fees, RefundWindow
from tests.support.box_office import BoxOffice, instant, open_box_office, problem_of
from tests.support.catalogue import BERLIN

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


async def online_event(office: BoxOffice, conditions: Conditions | None = None, **more: Any) -> Event:
    terms = SaleTerms(
        currency="EUR",
        capacity=100,
        ticket_types=(
            NewTicketType(name="Regular", price=Money(2500, "EUR"), tax=Tax(1900)),
            NewTicketType(name="Backstage", price=Money(9000, "EUR"), hidden=True),
        ),
        conditions=conditions or Conditions(payment="online"),
    )
    return await office.open_event(terms=terms, **more)


async def add_promo(office: BoxOffice, event: Event, **said: Any) -> None:
    async with office.context.database.transaction() as tx:
        await organizing.add_promo_code(tx, event.event_id, PromoDraft(**said), utc_now())


async def run_out(office: BoxOffice, booking_id: str) -> None:
    """Expire a hold."""
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE bookings SET expires_at = placed_at WHERE booking_id = $1", parse_id("bkg", booking_id)
        )


async def hold(office: BoxOffice, event: Event, buyer: dict[str, str], quantity: int = 2) -> Any:
    held = await office.book(event, buyer, quantity)
    assert held.status_code == 201, held.text
    return held.json()


async def pay(office: BoxOffice, booking: Any, buyer: dict[str, str]) -> Any:
    """Pay for a booking; return the booking after the payment."""
    paid = await office.post(f"/v1/bookings/{booking['id']}/payments", buyer, method="succeeds")
    assert paid.status_code == 201, paid.text
    await office.context.checkout.wait_until_idle()
    return (await office.client.get(f"/v1/bookings/{booking['id']}", headers=buyer)).json()


def amount(money: Any) -> int:
    assert money["currency"] == "EUR"
    minor: int = money["amount"]
    return minor


def quote_url(booking: Any) -> str:
    return f"/v1/bookings/{booking['id']}/cancellation-quote"


# Holds ------------------------------------------------------------------------------------------------------


async def test_what_is_paid_online_is_held(office: BoxOffice) -> None:
    event, buyer = await online_event(office), office.as_buyer()
    held = await hold(office, event, buyer)
    assert (held["state"], held["payment"], held["payment_state"], held["extended"]) == (
        "held",
        "online",
        "due",
        False,
    )
    assert instant(held["expires_at"]) - instant(held["placed_at"]) == timedelta(seconds=600)
    assert all(ticket["code"] is None for ticket in held["tickets"]), "a hold admits nobody"
    booked = await pay(office, held, buyer)
    assert (booked["state"], booked["payment"], booked["payment_state"]) == (
        "confirmed",
        "online",
        "captured",
    )
    assert (amount(held["amount_due"]), amount(held["total"])) == (5000, 5000)
    assert (amount(booked["amount_due"]), amount(booked["total"]), amount(booked["paid"])) == (0, 5000, 5000)
    assert booked["latest_payment"]["state"] == "captured"
    assert all(ticket["code"] for ticket in booked["tickets"])


async def test_a_hold_is_extended_once(office: BoxOffice) -> None:
    event, buyer = await online_event(office), office.as_buyer()
    held = await hold(office, event, buyer)
    url = f"/v1/bookings/{held['id']}/extend"
    assert problem_of(await office.post(url, office.as_buyer()), 404) == "booking-not-found"
    extended = await office.post(url, buyer)
    assert extended.status_code == 200
    assert extended.json()["extended"] is True
    assert instant(extended.json()["expires_at"]) > instant(held["expires_at"])
    assert problem_of(await office.post(url, buyer), 409) == "already-extended"
    await pay(office, held, buyer)
    assert problem_of(await office.post(url, buyer), 409) == "already-confirmed"
    gone = await hold(office, event, buyer)
    await run_out(office, gone["id"])
    assert problem_of(await office.post(f"/v1/bookings/{gone['id']}/extend", buyer), 409) == "hold-expired"
    let_go = await hold(office, event, buyer)
    assert (await office.post(f"/v1/bookings/{let_go['id']}/cancel", buyer)).json()["state"] == "cancelled"
    assert (
        problem_of(await office.post(f"/v1/bookings/{let_go['id']}/extend", buyer), 409)
        == "already-cancelled"
    )
    assert (
        problem_of(await office.post(f"/v1/bookings/{show_id('bkg', new_id())}/extend", buyer), 404)
        == "booking-not-found"
    )


# Quotes and promo codes -------------------------------------------------------------------------------------


async def test_a_quote_is_what_a_booking_then_costs(office: BoxOffice) -> None:
    fees = Fees(fixed_minor=100, basis_points=500)
    event, buyer = await online_event(office, Conditions(payment="online", fees=fees)), office.as_buyer()
    await add_promo(office, event, code="Early", kind="percent", basis_points=1000)
    line = {"ticket_type_id": (await office.types(event))["Regular"], "quantity": 3}
    quote = await office.post(
        f"/v1/events/{show_id('evt', event.event_id)}/quote", buyer, lines=[line], promo_code=" early "
    )
    assert quote.status_code == 200, quote.text
    said = quote.json()
    assert quote.headers["cache-control"] == "no-store"
    assert (said["payment"], said["hold_seconds"], said["promo_code"], said["unlocks"]) == (
        "online",
        600,
        "EARLY",
        [],
    )
    assert (amount(said["price"]), amount(said["discount"])) == (7500, 750)
    assert amount(said["total"]) == amount(said["price"]) - amount(said["discount"]) + amount(said["fee"]), (
        "the tax is in the price"
    )
    assert amount(said["fee"]) == 3 * (100 + 113)
    booked = (await office.place(event, buyer, line, promo_code="EARLY")).json()
    assert booked["amount_due"] == said["total"]
    of_price, of_fee = 359, 34  # 19 % in 22.50 and in 2.13
    assert (amount(said["tax"]), amount(said["fee_tax"])) == (3 * (of_price + of_fee), 3 * of_fee)
    for name in ("price", "discount", "fee", "tax", "fee_tax", "total"):
        quoted = said["lines"][0][name]
        assert all(
            (ticket[name] or {"amount": 0, "currency": "EUR"}) == quoted for ticket in booked["tickets"]
        ), name


@pytest.mark.parametrize(
    ("fees", "total", "tax", "fee_tax"),
    [
        (Fees(200), 7_200, 470, 26),
        (Fees(200, tax_basis_points=1_900), 7_200, 508, 64),
        (Fees(200, tax_basis_points=0), 7_200, 444, 0),
        (Fees(200, paid_by="organizer"), 6_800, 444, 0),
    ],
)
async def test_the_tax_of_a_fee_is_part_of_the_tax(
    office: BoxOffice, fees: Fees, total: int, tax: int, fee_tax: int
) -> None:
    """Twice 34.00 with 7 % inside and a fee of 2.00: 72.00, whatever the tax in the fee."""
    terms = SaleTerms(
        currency="EUR",
        capacity=10,
        ticket_types=(NewTicketType(name="Regular", price=Money(3400, "EUR"), tax=Tax(700)),),
        conditions=Conditions(payment="online", fees=fees),
    )
    event, buyer = await office.open_event(terms=terms), office.as_buyer()
    line = {"ticket_type_id": (await office.types(event))["Regular"], "quantity": 2}
    quote = (
        await office.post(f"/v1/events/{show_id('evt', event.event_id)}/quote", buyer, lines=[line])
    ).json()
    assert (amount(quote["total"]), amount(quote["tax"]), amount(quote["fee_tax"])) == (total, tax, fee_tax)
    assert quote["lines"][0]["fee_tax"]["amount"] * 2 == fee_tax
    booked = await pay(office, (await office.place(event, buyer, line)).json(), buyer)
    for ticket in booked["tickets"]:
        assert (ticket["tax"]["amount"], (ticket["fee_tax"] or {"amount": 0})["amount"]) == (
            tax // 2,
            fee_tax // 2,
        )
    (money,) = await details.read_money(office.context.database, event.event_id)
    assert (money.tax_minor, money.fees_minor, money.net_minor) == (
        tax,
        400 - fee_tax,
        total - tax - 400 + fee_tax,
    )
    ((row,),) = [rows async for rows in export_bookings(office.context.database, event.event_id)]
    assert (row.amount_minor, row.fee_minor, row.tax_minor, row.fee_tax_minor) == (total, 400, tax, fee_tax)


async def test_a_code_unlocks_what_is_hidden(office: BoxOffice) -> None:
    event, buyer = await online_event(office), office.as_buyer()
    backstage = (await office.types(event))["Backstage"]
    await add_promo(office, event, code="BAND", kind="unlock", ticket_type_ids=(parse_id("tty", backstage),))
    url, line = (
        f"/v1/events/{show_id('evt', event.event_id)}/quote",
        {"ticket_type_id": backstage, "quantity": 1},
    )
    unlocked = (await office.post(url, buyer, promo_code="band")).json()
    assert [
        (each["ticket_type_id"], each["name"], amount(each["price"])) for each in unlocked["unlocks"]
    ] == [(backstage, "Backstage", 9000)]
    assert (unlocked["lines"], unlocked["payment"]) == ([], "none")
    assert problem_of(await office.post(url, buyer, lines=[line]), 422) == "unknown-ticket-type"
    assert problem_of(await office.place(event, buyer, line), 422) == "unknown-ticket-type"
    assert (await office.place(event, buyer, line, promo_code="Band")).status_code == 201


async def test_codes_that_do_not_work(office: BoxOffice) -> None:
    event, buyer = await online_event(office), office.as_buyer()
    types = await office.types(event)
    url, line = (
        f"/v1/events/{show_id('evt', event.event_id)}/quote",
        {"ticket_type_id": types["Regular"], "quantity": 1},
    )
    await add_promo(
        office,
        event,
        code="LATER",
        kind="fixed",
        amount=Money(100, "EUR"),
        from_at=utc_now() + timedelta(days=1),
    )
    await add_promo(
        office,
        event,
        code="OTHER",
        kind="fixed",
        amount=Money(100, "EUR"),
        ticket_type_ids=(parse_id("tty", types["Backstage"]),),
    )
    await add_promo(office, event, code="ONCE", kind="fixed", amount=Money(100, "EUR"), uses_max=1)
    await add_promo(office, event, code="MINE", kind="fixed", amount=Money(100, "EUR"), per_buyer_max=1)
    await add_promo(
        office, event, code="SMALL", kind="fixed", amount=Money(100, "EUR"), budget=Money(50, "EUR")
    )
    for code, status, refusal in (
        ("nonsense", 422, "unknown-promo-code"),
        ("LATER", 409, "promo-code-not-valid"),
        ("OTHER", 409, "promo-code-not-valid"),
        ("SMALL", 409, "promo-code-used-up"),
    ):
        assert problem_of(await office.post(url, buyer, lines=[line], promo_code=code), status) == refusal, (
            code
        )
        assert problem_of(await office.place(event, buyer, line, promo_code=code), status) == refusal, code
    first = await office.place(event, buyer, line, promo_code="ONCE")
    assert (
        problem_of(await office.place(event, office.as_buyer(), line, promo_code="ONCE"), 409)
        == "promo-code-used-up"
    )
    await office.post(f"/v1/bookings/{first.json()['id']}/cancel", buyer)
    assert (await office.place(event, office.as_buyer(), line, promo_code="ONCE")).status_code == 201, (
        "a use that ended is given back"
    )
    assert (await office.place(event, buyer, line, promo_code="MINE")).status_code == 201
    assert (
        problem_of(await office.post(url, buyer, lines=[line], promo_code="MINE"), 409)
        == "promo-code-used-up"
    )
    assert (await office.post(url, office.as_buyer(), lines=[line], promo_code="MINE")).status_code == 200


async def test_codes_cannot_be_guessed(office: BoxOffice) -> None:
    event, buyer = await online_event(office), office.as_buyer()
    url = f"/v1/events/{show_id('evt', event.event_id)}/quote"
    tries = [await office.post(url, buyer, promo_code=f"GUESS{number}") for number in range(30)]
    assert {problem_of(answer, 422) for answer in tries} == {"unknown-promo-code"}
    refused = await office.post(url, buyer, promo_code="GUESS31")
    assert problem_of(refused, 429) == "rate-limited"
    assert "promo-codes" in refused.headers["ratelimit-policy"]
    line = {"ticket_type_id": (await office.types(event))["Regular"], "quantity": 1}
    assert problem_of(await office.place(event, buyer, line, promo_code="GUESS32"), 429) == "rate-limited"
    assert (await office.place(event, buyer, line)).status_code == 201, (
        "a booking without a code is not limited"
    )
    assert (await office.post(url, buyer, lines=[line])).status_code == 200


async def test_what_cannot_be_quoted(office: BoxOffice) -> None:
    buyer, draft = office.as_buyer(), await online_event(office, publish=False)
    assert (
        problem_of(await office.post(f"/v1/events/{show_id('evt', draft.event_id)}/quote", buyer), 404)
        == "event-not-found"
    )
    assert (
        problem_of(await office.post(f"/v1/events/{show_id('evt', new_id())}/quote", buyer), 404)
        == "event-not-found"
    )
    assert problem_of(await office.post("/v1/events/evt_x/quote", buyer), 404) == "not-found"
    assert (
        problem_of(await office.post(f"/v1/events/{show_id('evt', draft.event_id)}/quote", {}), 401)
        == "unauthenticated"
    )
    event = await online_event(office)
    url = f"/v1/events/{show_id('evt', event.event_id)}/quote"
    odd = await office.post(
        url, buyer, lines=[{"ticket_type_id": "tty_x", "quantity": 0}], promo_code="", buyer_id="per_x"
    )
    assert problem_of(odd, 422) == "invalid"
    assert {error["pointer"] for error in odd.json()["errors"]} == {
        "/lines/0/ticket_type_id",
        "/lines/0/quantity",
        "/promo_code",
        "/buyer_id",
    }
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, event.event_id, utc_now())
    assert problem_of(await office.post(url, buyer), 409) == "event-cancelled"


# Cancelling -------------------------------------------------------------------------------------------------

WINDOWS = Conditions(
    payment="online",
    refund_windows=(RefundWindow(24 * 7, 10_000), RefundWindow(24, 5_000)),
    cancel_hours_before=12,
    fee_kept=True,
)


async def test_the_quote_is_what_cancelling_pays_back(office: BoxOffice) -> None:
    for starts_in, share in ((timedelta(days=30), 1), (timedelta(days=3), 2), (timedelta(hours=20), 0)):
        event, buyer = await online_event(office, WINDOWS, starts_in=starts_in), office.as_buyer()
        booked = await pay(office, await hold(office, event, buyer, 3), buyer)
        tickets = [ticket["id"] for ticket in booked["tickets"]]
        assert booked["cancellation_quote"] == f"/v1/bookings/{booked['id']}/cancellation-quote"
        quote = (await office.client.get(booked["cancellation_quote"], headers=buyer)).json()
        assert amount(quote["refund"]) == (7500 // share if share else 0)
        assert instant(quote["cancellable_until"]) == event.starts_at - timedelta(hours=12)
        assert [window["basis_points"] for window in quote["windows"]] == [10_000, 5_000]
        assert quote["fee_kept"] is True
        some = await office.client.get(
            booked["cancellation_quote"], params={"ticket_ids": tickets[:2]}, headers=buyer
        )
        assert [each["ticket_id"] for each in some.json()["tickets"]] == tickets[:2]
        cancelled = (
            await office.post(f"/v1/bookings/{booked['id']}/cancel", buyer, ticket_ids=tickets[:2])
        ).json()
        assert (cancelled["refunded"] or {"amount": 0, "currency": "EUR"}) == some.json()["refund"]
        shown = (await office.client.get(f"/v1/bookings/{booked['id']}", headers=buyer)).json()
        assert [amount(refund["amount"]) for refund in shown["refunds"]] == (
            [amount(cancelled["refunded"])] if share else []
        )
        if share:
            assert shown["refunds"][0]["state"] == "pending"
            assert (quote["window"] or {})["basis_points"] == 10_000 // share
        else:
            assert quote["window"] is None


async def move(office: BoxOffice, event: Event, **said: Any) -> None:
    async with office.context.database.transaction() as tx:
        await organizing.change_event(tx, event.event_id, EventChanges(**said), utc_now())


async def refund_now(office: BoxOffice, booked: Any, buyer: dict[str, str]) -> tuple[int, Any]:
    quote = (await office.client.get(quote_url(booked), headers=buyer)).json()
    return amount(quote["refund"]), quote


@pytest.mark.parametrize("give_back_days", [0, 14])
async def test_a_promise_to_a_buyer_never_gets_worse(office: BoxOffice, give_back_days: int) -> None:
    conditions = Conditions(
        payment="online",
        fees=Fees(100),
        refund_windows=(RefundWindow(24 * 14, 5_000),),
        cancel_hours_before=48,
        fee_kept=True,
        give_back_days=give_back_days,
    )
    event = await online_event(office, conditions, starts_in=timedelta(days=60))
    buyer, late = office.as_buyer(), office.as_buyer()
    booked = await pay(office, await hold(office, event, buyer, 1), buyer)
    assert (await refund_now(office, booked, buyer))[0] == 1250
    # Earlier: the deadlines of the first date stay, but nobody cancels after the start
    sooner = utc_now() + timedelta(hours=30)
    await move(office, event, starts_at=sooner, ends_at=sooner + timedelta(hours=3))
    full, least = 2600, 1250
    refund, quote = await refund_now(office, booked, buyer)
    assert refund == (full if give_back_days else least)
    assert instant(quote["cancellable_until"]) == sooner
    assert quote["give_back_until"] is None or instant(quote["give_back_until"]) == sooner
    assert (quote["give_back_until"] is None) == (give_back_days == 0)
    # Who books now is promised the new date
    booked_late = await pay(office, await hold(office, event, late, 1), late)
    answer = await office.client.get(quote_url(booked_late), headers=late)
    assert problem_of(answer, 409) == "too-late-to-cancel"
    # Later, and back: what was open with the later date stays open
    later = event.starts_at + timedelta(days=300)
    await move(office, event, starts_at=later, ends_at=later + timedelta(hours=3))
    assert (await refund_now(office, booked_late, late))[0] == (full if give_back_days else least)
    await move(office, event, starts_at=sooner, ends_at=sooner + timedelta(hours=3))
    assert (await refund_now(office, booked_late, late))[0] == (full if give_back_days else least)
    refund, _ = await refund_now(office, booked, buyer)
    cancelled = await office.post(f"/v1/bookings/{booked['id']}/cancel", buyer)
    assert amount(cancelled.json()["refunded"]) == refund == (full if give_back_days else least)


async def test_another_place_may_be_given_back_for_a_while(office: BoxOffice) -> None:
    conditions = Conditions(payment="online", refund_windows=(), cancel_hours_before=24 * 40)
    event, buyer = await online_event(office, conditions, starts_in=timedelta(days=30)), office.as_buyer()
    booked = await pay(office, await hold(office, event, buyer, 1), buyer)
    answer = await office.client.get(quote_url(booked), headers=buyer)
    assert problem_of(answer, 409) == "too-late-to-cancel"
    async with office.context.database.transaction() as tx:
        other = await catalogue.create_venue(tx, event.organizer_id, BERLIN, utc_now())
    await move(office, event, venue_id=other.venue_id)
    refund, quote = await refund_now(office, booked, buyer)
    assert refund == 2500
    left = instant(quote["give_back_until"]) - utc_now()
    assert timedelta(days=13, hours=23) < left <= timedelta(days=14)
    await move(office, event, title="Only another title")
    assert (await refund_now(office, booked, buyer))[1]["give_back_until"] == quote["give_back_until"]
    cancelled = await office.post(f"/v1/bookings/{booked['id']}/cancel", buyer)
    assert amount(cancelled.json()["refunded"]) == 2500


async def test_refunds_are_shown_until_they_are_paid(office: BoxOffice) -> None:
    event, buyer = await online_event(office), office.as_buyer()
    booked = await pay(office, await hold(office, event, buyer), buyer)
    await office.post(f"/v1/bookings/{booked['id']}/cancel", buyer)
    (pending,) = (await office.client.get(f"/v1/bookings/{booked['id']}", headers=buyer)).json()["refunds"]
    await office.context.checkout.pay_back(event.event_id, parse_id("rfd", pending["id"]))
    (settled,) = (await office.client.get(f"/v1/bookings/{booked['id']}", headers=buyer)).json()["refunds"]
    assert settled == pending | {"state": "settled", "settled_at": settled["settled_at"]}
    assert settled["settled_at"] is not None


async def test_what_is_not_paid_is_not_paid_back(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    held = await hold(office, await online_event(office), buyer)
    quote = (await office.client.get(quote_url(held), headers=buyer)).json()
    assert (amount(quote["refund"]), [amount(each["total"]) for each in quote["tickets"]]) == (
        0,
        [2500, 2500],
    )
    at_the_door = (await office.book(await office.open_event(capacity=5), buyer)).json()
    assert (at_the_door["payment"], at_the_door["payment_state"]) == ("door", "due")
    assert amount((await office.client.get(quote_url(at_the_door), headers=buyer)).json()["refund"]) == 0


async def test_a_quote_is_refused_as_cancelling_would_be(office: BoxOffice) -> None:
    event, buyer = await online_event(office, WINDOWS, starts_in=timedelta(hours=6)), office.as_buyer()
    held = await hold(office, event, buyer)
    assert (await office.client.get(quote_url(held), headers=buyer)).status_code == 200, (
        "a hold can be cancelled until the start"
    )
    assert (
        problem_of(await office.client.get(quote_url(held), headers=office.as_buyer()), 404)
        == "booking-not-found"
    )
    foreign = await office.client.get(
        quote_url(held), params={"ticket_ids": show_id("tkt", new_id())}, headers=buyer
    )
    assert problem_of(foreign, 422) == "unknown-ticket"
    odd = await office.client.get(
        quote_url(held), params={"ticket_ids": ["tkt_x", held["tickets"][0]["id"]]}, headers=buyer
    )
    assert problem_of(odd, 422) == "invalid"
    assert [error["pointer"] for error in odd.json()["errors"]] == ["?ticket_ids"]
    booked = await pay(office, held, buyer)
    url = f"/v1/bookings/{booked['id']}/cancel"
    assert problem_of(await office.client.get(quote_url(held), headers=buyer), 409) == "too-late-to-cancel"
    assert problem_of(await office.post(url, buyer), 409) == "too-late-to-cancel"
    await office.context.engine.submit(
        CancelBooking(event.event_id, parse_id("bkg", booked["id"]), new_id(), None)
    )
    assert problem_of(await office.client.get(quote_url(held), headers=buyer), 409) == "already-cancelled"
    gone = await hold(office, await online_event(office), buyer)
    await run_out(office, gone["id"])
    assert problem_of(await office.client.get(quote_url(gone), headers=buyer), 409) == "hold-expired"


# Returning --------------------------------------------------------------------------------------------------


async def test_a_ticket_is_returned_and_kept(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=2), office.as_buyer()
    booked = (await office.book(event, buyer)).json()
    url, ticket = f"/v1/bookings/{booked['id']}", [booked["tickets"][0]["id"]]
    assert problem_of(await office.post(f"{url}/return", buyer, ticket_ids=ticket), 409) == "not-sold-out"
    assert (await office.book(event, office.as_buyer())).status_code == 201
    returned = await office.post(f"{url}/return", buyer, ticket_ids=ticket)
    assert returned.status_code == 200, returned.text
    assert (returned.json()["tickets"][0]["returning"], returned.json()["tickets"][0]["state"]) == (
        True,
        "valid",
    )
    assert (await office.post(f"{url}/return", buyer, ticket_ids=ticket)).json() == returned.json(), (
        "harmless to repeat"
    )
    kept = await office.post(f"{url}/keep", buyer, ticket_ids=ticket)
    assert kept.json()["tickets"][0]["returning"] is False
    stranger = office.as_buyer()
    for verb in ("return", "keep"):
        assert (
            problem_of(await office.post(f"{url}/{verb}", stranger, ticket_ids=ticket), 404)
            == "booking-not-found"
        )
        assert (
            problem_of(await office.post(f"{url}/{verb}", buyer, ticket_ids=[show_id("tkt", new_id())]), 422)
            == "unknown-ticket"
        )
        assert problem_of(await office.post(f"{url}/{verb}", buyer, ticket_ids=[]), 422) == "invalid"
        assert problem_of(await office.post(f"{url}/{verb}", buyer), 422) == "invalid"
        odd = await office.post(f"{url}/{verb}", buyer, ticket_ids=[*ticket, "tkt_x"])
        assert [error["pointer"] for error in odd.json()["errors"]] == ["/ticket_ids/1"]
    held = await hold(office, await online_event(office), buyer)
    not_yet = await office.post(
        f"/v1/bookings/{held['id']}/return", buyer, ticket_ids=[held["tickets"][0]["id"]]
    )
    assert problem_of(not_yet, 409) == "not-returnable"
