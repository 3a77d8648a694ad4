"""Money statements over the API and as PDF: the rows of the page, with the sums of the ledger."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evently.analytics.statements import read_statement
from evently.catalogue import Event
from evently.kit.ids import show_id
from evently.sales.reads import prove
from evently.web.pages.organize.money import signed as signed_on_pages
from evently.web.statements import lines_of, signed
from tests.api.test_desk_money import sold
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import make_organizer
from tests.support.desk import address_of, home_of
from tests.support.issued import texts_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


def path_of(event: Event) -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}/money-statement"


def path_of_organizer(office: BoxOffice) -> str:
    return f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/money-statement"


async def read(office: BoxOffice, path: str, **query: str) -> Any:
    answer = await office.client.get(path, params=query, headers=await office.as_member("manager"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_lines_are_those_of_the_ledger_and_of_its_replay(office: BoxOffice) -> None:
    event = await sold(office)
    found = await read(office, path_of(event))
    assert (found["month"], found["time_zone"]) == (None, event.time_zone)
    (statement,) = found["statements"]
    amounts = {line["kind"]: line["amount"]["amount"] for line in statement["lines"]}
    proof = await prove(office.context.database, event.event_id)
    recomputed = {each.account: -each.recomputed_minor for each in proof.balances}
    assert (amounts["net"], -amounts["taxes"], -amounts["fees"]) == (
        recomputed["organizer"],
        recomputed["tax"],
        recomputed["fees"],
    )
    parts = [line["amount"]["amount"] for line in statement["lines"] if not line["is_sum"]]
    assert sum(parts) == amounts["net"] > 0
    assert {line["tax_basis_points"] for line in statement["lines"]} == {None, 1900, 1000, 700}
    taxes = [line["amount"]["amount"] for line in statement["lines"] if line["kind"] == "tax"]
    assert sum(taxes) == amounts["taxes"] < 0
    assert [(each["event_id"], each["net"]["amount"]) for each in statement["events"]] == [
        (show_id("evt", event.event_id), amounts["net"])
    ]


async def test_the_api_the_page_the_csv_and_the_pdf_have_the_same_rows(office: BoxOffice) -> None:
    event = await sold(office)
    await sold(office)
    manager = await office.as_member("manager")
    visitor = Visitor(office, manager)
    for path, address in (
        (path_of(event), f"{address_of(event)}/money"),
        (path_of_organizer(office), f"{home_of(office)}/money"),
    ):
        (statement,) = (await read(office, path))["statements"]
        lines = [(line["name"], line["amount"]["amount"]) for line in statement["lines"]]
        page = await visitor.read(address)
        rows = list(csv.reader(io.StringIO((await visitor.read(f"{address}.csv")).removeprefix("\ufeff"))))
        assert [(row[3], row[4]) for row in rows[1:] if not row[1]] == [
            (line["name"], f"{line['amount']['amount'] / 100:.2f}") for line in statement["lines"]
        ]
        for pdf in (f"{path}.pdf", f"{address}.pdf"):
            client = office.client if pdf.startswith("/v1") else visitor.client
            answer = await client.get(pdf, headers=manager)
            assert answer.headers["content-type"] == "application/pdf"
            assert answer.headers["content-disposition"].startswith('inline; filename="money-')
            printed = " ".join(" ".join(texts_of(answer.content)).split())
            place = 0
            for name, amount in lines:
                assert name in page
                assert signed_on_pages(amount, "EUR") in page
                place = printed.index(f"{name} {signed(amount, 'EUR')}", place)  # in the same order
        assert len(statement["events"]) == (1 if "/events/" in path else 2)


async def test_months_add_up_and_another_text_is_none(office: BoxOffice) -> None:
    event = await sold(office)
    database = office.context.database
    await database.fetch(
        "UPDATE ledger SET at = '2026-02-01T00:30:00+01:00' WHERE seq % 2 = 0 AND event_id = $1",
        event.event_id,
    )
    (whole,) = await read_statement(database, [event.event_id])
    months = await database.fetch(
        "SELECT DISTINCT to_char(at AT TIME ZONE $1, 'YYYY-MM') AS month FROM ledger", event.time_zone
    )
    assert len(months) == 2
    nets = []
    for row in months:
        found = await read(office, path_of(event), month=row["month"])
        assert found["month"] == row["month"]
        nets.append(found["statements"][0]["lines"][-1]["amount"]["amount"])
    assert sum(nets) == lines_of(whole)[-1].amount_minor
    assert (await read(office, path_of(event), month="2199-01"))["statements"] == []
    manager = await office.as_member("manager")
    for wrong in ("2026-13", "nonsense", "2026-1", ""):
        answer = await office.client.get(path_of(event), params={"month": wrong}, headers=manager)
        assert problem_of(answer, 422) == "invalid", wrong
    pdf = await office.client.get(f"{path_of(event)}.pdf", params={"month": "2199-01"}, headers=manager)
    assert "No money has moved." in texts_of(pdf.content)[0]
    assert "January 2199" in texts_of(pdf.content)[0]


async def test_only_those_who_may_see_money_get_it(office: BoxOffice) -> None:
    event = await sold(office)
    elsewhere = await make_organizer(office.context.database)
    stranger, door = await office.as_member("owner", elsewhere), await office.as_member("door")
    for path in (path_of(event), path_of_organizer(office)):
        for ending in ("", ".pdf"):
            for headers in (stranger, door):
                assert (await office.client.get(path + ending, headers=headers)).status_code == 403
            assert (await office.client.get(path + ending)).status_code == 401
    visitor = Visitor(office, door)
    for page in (f"{address_of(event)}/money.pdf", f"{home_of(office)}/money.pdf"):
        await visitor.read(page)
        assert visitor.status == 403, page


async def test_titles_are_printed_and_never_markup(office: BoxOffice) -> None:
    """Titles of all scripts, hostile ones, and as many events as fill several pages."""
    events = [await sold(office) for _ in range(3)]
    titles = ['#panic("x") $1$ <b>&', "ジャズの夜 – Jazz", "x" * 200]
    database = office.context.database
    for event, title in zip(events, titles, strict=True):
        await database.fetch("UPDATE events SET title = $1 WHERE event_id = $2", title, event.event_id)
    manager = await office.as_member("manager")
    answer = await office.client.get(f"{path_of_organizer(office)}.pdf", headers=manager)
    printed = "".join("".join(texts_of(answer.content)).replace("\u200b", "").replace("\ufffe", "").split())
    for title in (titles[0], "Jazz", titles[2]):
        assert title.replace(" ", "") in printed, title
