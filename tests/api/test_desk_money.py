"""Money statements and the proof at the desk: their sums are those of the ledger and of its replay."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator

import pytest

from evently.analytics.details import read_money
from evently.analytics.statements import month_of, read_statement
from evently.catalogue import Event
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms, Tax
from evently.sales.reads import prove
from evently.sales.terms import Conditions, Fees
from evently.web.pages.organize.money import signed
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import address_of, home_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def sold(office: BoxOffice) -> Event:
    """Sell tickets with two rates of tax and fees with a third; cancel some."""
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("Hall", 100),),
        ticket_types=(
            NewTicketType(name="Full", price=Money(3333, "EUR"), pools=("Hall",), tax=Tax(1900)),
            NewTicketType(name="Book", price=Money(1999, "EUR"), pools=("Hall",), tax=Tax(700)),
        ),
        conditions=Conditions(fees=Fees(fixed_minor=101, basis_points=333, tax_basis_points=1000)),
    )
    event = await office.open_event(terms=terms)
    types = await office.types(event)
    path = f"/v1/events/{show_id('evt', event.event_id)}/bookings"
    manager = await office.as_member("manager")
    for number in range(6):
        lines = [
            {"ticket_type_id": types["Full"], "quantity": 1 + number % 3},
            {"ticket_type_id": types["Book"], "quantity": 2},
        ]
        booking = (await office.place(event, office.as_buyer(), *lines)).json()
        if number % 2:
            chosen = [booking["tickets"][0]["id"]] if number % 3 else None
            keep = {"keep_door_money": True} if number == 5 else {}
            cancelled = await office.post(
                f"{path}/{booking['id']}/cancel", manager, ticket_ids=chosen, **keep
            )
            assert cancelled.status_code == 200, cancelled.text
    await office.deliver()
    return event


async def test_the_sums_are_those_of_the_ledger_and_of_its_replay(office: BoxOffice) -> None:
    event = await sold(office)
    database = office.context.database
    (statement,) = await read_statement(database, [event.event_id])
    (money,) = await read_money(database, event.event_id)
    sums = statement.sums
    assert (sums.gross_minor, sums.struck_minor, sums.refunded_minor) == (
        money.gross_minor,
        money.struck_minor,
        money.refunded_minor,
    )
    assert (sums.tax_minor, sums.fees_minor, sums.net_minor) == (
        money.tax_minor,
        money.fees_minor,
        money.net_minor,
    )
    assert sums.net_minor == (
        sums.gross_minor - sums.struck_minor - sums.refunded_minor - sums.tax_minor - sums.fees_minor
    )
    assert sum(each.tax_minor for each in statement.taxes) == sums.tax_minor > 0
    assert {each.basis_points for each in statement.taxes} == {1900, 1000, 700}
    assert statement.events == {event.event_id: sums}
    proof = await prove(database, event.event_id)
    assert proof.differences == []
    recomputed = {each.account: -each.recomputed_minor for each in proof.balances}
    assert (recomputed["organizer"], recomputed["tax"], recomputed["fees"]) == (
        sums.net_minor,
        sums.tax_minor,
        sums.fees_minor,
    )


async def test_months_add_up_to_all_time(office: BoxOffice) -> None:
    event = await sold(office)
    database = office.context.database
    await database.fetch(
        "UPDATE ledger SET at = '2026-02-01T00:30:00+01:00' WHERE seq % 2 = 0 AND event_id = $1",
        event.event_id,
    )
    zone = event.place.zone
    (whole,) = await read_statement(database, [event.event_id])
    names = await database.fetch(
        "SELECT DISTINCT to_char(at AT TIME ZONE $1, 'YYYY-MM') AS month FROM ledger", event.time_zone
    )
    parts = []
    for row in names:
        month = month_of(row["month"], zone)
        assert month is not None
        parts += await read_statement(database, [event.event_id], month)
    assert len(parts) == 2
    assert parts[0].sums + parts[1].sums == whole.sums
    for part in parts:
        assert sum(each.tax_minor for each in part.taxes) == part.sums.tax_minor
    assert month_of("2026-13", zone) is None
    assert month_of("nonsense", zone) is None


async def test_the_pages(office: BoxOffice) -> None:
    event = await sold(office)
    await office.context.database.fetch(
        "UPDATE events SET title = $1 WHERE event_id = $2", "=1+1 <b>&\"'", event.event_id
    )
    visitor = Visitor(office, await office.as_member("manager"))
    (statement,) = await read_statement(office.context.database, [event.event_id])
    text = await visitor.read(f"{address_of(event)}/money")
    assert visitor.heading() == "Money"
    assert "Tax at 19 %" in text
    net, gross = statement.sums.net_minor, statement.sums.gross_minor - statement.sums.struck_minor
    (paid,) = await read_money(office.context.database, event.event_id)
    shown = dict(re.findall(r"<dt>(?:<b>)?([^<]*?)(?:</b>)?</dt><dd>(?:<b>)?([^<]*?)(?:</b>)?</dd>", text))
    assert shown["Sold"] == signed(gross, "EUR")
    assert shown["Left for you"] == signed(net, "EUR")
    assert shown["Paid online"] == signed(paid.captured_minor, "EUR")
    assert shown["Due at the door"] == signed(paid.at_door_minor, "EUR")
    assert text.index("Left for you") < text.index("Due at the door") < text.index("From gross to net")
    assert "pays nothing out" in text
    await visitor.read(f"{home_of(office)}/money")
    assert "<b>&amp;" not in visitor.text
    assert "&lt;b&gt;" in visitor.text
    for address in (f"{address_of(event)}/money.csv", f"{home_of(office)}/money.csv"):
        await visitor.read(address)
        assert visitor.page is not None
        assert visitor.page.headers["content-type"].startswith("text/csv")
        rows = list(csv.reader(io.StringIO(visitor.text.removeprefix("\ufeff"))))
        amounts = {row[3]: row[4] for row in rows[1:] if not row[1]}
        assert amounts["Net"] == f"{statement.sums.net_minor / 100:.2f}"
        assert {row[2] for row in rows[1:] if row[1]} == {"'=1+1 <b>&\"'"}
    assert "No money has moved in this month." in await visitor.read(
        f"{address_of(event)}/money?month=2199-01"
    )
    await visitor.read(f"{address_of(event)}/money?month=wrong")
    assert visitor.status == 404
    text = await visitor.read(f"{address_of(event)}/journal")
    proof = await prove(office.context.database, event.event_id)
    assert f"Replayed {proof.seq:,} rows: everything agrees." in text
    await office.context.database.fetch(
        "UPDATE pools SET sold = sold + 1 WHERE event_id = $1", event.event_id
    )
    assert "not agree." in await visitor.read(f"{address_of(event)}/journal")
    door = Visitor(office, await office.as_member("door"))
    for tail in ("money", "money.csv", "journal"):
        await door.read(f"{address_of(event)}/{tail}")
        assert door.status == 403, "the door sees no money"
    await door.read(f"{home_of(office)}/money")
    assert door.status == 403
