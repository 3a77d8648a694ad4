"""Series over HTTP: dates by rule and by hand, and what is done to all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from evently.kit.ids import show_id
from evently.organizing import series
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.visitor import Visitor

Json = dict[str, Any]
YEAR = datetime.now(UTC).year + 1


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


class Series:
    """An event of a manager, and what they ask for."""

    def __init__(self, office: BoxOffice, headers: dict[str, str], event: Json) -> None:
        self.office = office
        self.headers = headers
        self.event = event

    async def add(self, status: int = 201, query: str = "", **body: Any) -> Json:
        path = f"/v1/events/{self.event['id']}/dates{query}"
        answer = await self.office.client.post(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        found: Json = answer.json()
        return found

    async def wrong(self, **body: Any) -> list[tuple[str, str]]:
        answer = await self.add(422, **body)
        return [(error["pointer"], error["code"]) for error in answer["errors"]]


@pytest.fixture
async def asked(office: BoxOffice) -> Series:
    headers = await office.as_member("manager")
    body = {
        "organizer_id": show_id("org", office.venue.organizer_id),
        "venue_id": show_id("ven", office.venue.venue_id),
        "title": "Hamlet",
        "starts_at_local": f"{YEAR}-03-13T19:30:00",
        "ends_at_local": f"{YEAR}-03-13T22:00:00",
        "currency": "EUR",
        "capacity": 40,
        "ticket_types": [{"name": "Seat", "price": {"amount": 2500, "currency": "EUR"}}],
        "conditions": {"payment": "door"},
    }
    made = await office.client.post("/v1/events", json=body, headers=headers)
    assert made.status_code == 201, made.text
    return Series(office, headers, made.json())


def starts(dates: Json) -> list[str]:
    return [each["starts_at_local"][5:16] for each in dates["dates"]]


async def test_dates_by_rule_keep_the_hour_on_the_clocks(asked: Series) -> None:
    rule = "FREQ=WEEKLY;COUNT=4"
    planned = await asked.add(200, "?dry_run=true", rule=rule)
    assert planned["id"] is None
    assert [each["event_id"] is None for each in planned["dates"]] == [False, True, True, True]
    made = await asked.add(rule=rule)
    assert starts(made) == starts(planned) == ["03-13T19:30", "03-20T19:30", "03-27T19:30", "04-03T19:30"]
    # The clocks go forward on the last Sunday of March
    assert made["dates"][-1]["starts_at"][11:16] != made["dates"][0]["starts_at"][11:16]
    assert {each["state"] for each in made["dates"]} == {"draft"}
    again = await asked.add(rule="FREQ=WEEKLY;COUNT=5")  # four are there already
    assert starts(again) == [*starts(made), "04-10T19:30"]
    assert [each["event_id"] for each in again["dates"][:4]] == [each["event_id"] for each in made["dates"]]
    found = await asked.office.client.get(f"/v1/series/{made['id']}", headers=asked.headers)
    assert found.json() == again
    one = await asked.office.client.get(f"/v1/events/{again['dates'][-1]['event_id']}", headers=asked.headers)
    assert (one.json()["series_id"], one.json()["ticket_types"][0]["available"]) == (made["id"], 40)


async def test_dates_by_hand(asked: Series) -> None:
    made = await asked.add(starts_at_local=[f"{YEAR}-04-01T15:00:00", f"{YEAR}-03-14T20:00:00"])
    assert starts(made) == ["03-13T19:30", "03-14T20:00", "04-01T15:00"]


async def test_what_is_wrong_with_dates(asked: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await asked.wrong() == [("/rule", "rule-or-dates")]
    assert await asked.wrong(rule="FREQ=DAILY;COUNT=2", starts_at_local=[f"{YEAR}-04-01T15:00:00"]) == [
        ("/rule", "rule-or-dates")
    ]
    assert await asked.wrong(rule="every friday") == [("/rule", "not-a-rule")]
    assert await asked.wrong(rule="FREQ=DAILY;COUNT=500") == [("/rule", "too-many-dates")]
    assert await asked.wrong(starts_at_local=["2020-01-01T20:00:00"]) == [
        ("/starts_at_local", "not-in-the-future")
    ]
    assert await asked.wrong(starts_at_local=["9999-12-31T20:00:00", "2199-01-01T20:00:00"]) == [
        ("/starts_at_local/0", "too-far-away"),
        ("/starts_at_local", "too-far-away"),
    ]
    assert await asked.wrong(starts_at_local=["2027-03-28T02:30:00"]) == [
        ("/starts_at_local/0", "time-skipped")
    ]
    monkeypatch.setattr(series, "SERIES_DATES_MAX", 3)
    assert await asked.wrong(rule="FREQ=DAILY;COUNT=4") == [("/rule", "too-many-dates")]
    found = await asked.office.client.get(f"/v1/events/{asked.event['id']}", headers=asked.headers)
    assert found.json()["series_id"] is None, "a refused request makes no series"


async def test_a_hall_bounds_the_dates(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    event = await office.open_hall()
    asked = Series(office, await office.as_member("manager"), {"id": show_id("evt", event.event_id)})
    monkeypatch.setattr(series, "SEATS_MAX", 30)
    assert await asked.wrong(rule="FREQ=DAILY;COUNT=90") == [("/rule", "too-many-dates")]


async def test_all_dates_are_published_changed_and_cancelled(asked: Series) -> None:
    office, headers = asked.office, asked.headers
    made = await asked.add(rule="FREQ=WEEKLY;COUNT=3")
    where = f"/v1/series/{made['id']}"
    alone = made["dates"][1]["event_id"]
    await office.client.post(f"/v1/events/{alone}/publish", headers=headers)
    await office.client.post(f"/v1/events/{alone}/cancel", headers=headers)

    published = await office.client.post(f"{where}/publish", headers=headers)
    assert [(each["state"], each["problem"]) for each in published.json()["dates"]] == [
        ("published", None)
    ] * 2
    assert (await office.client.post(f"{where}/publish", headers=headers)).json()["dates"] == []
    listed = await office.client.get("/v1/events", params={"series": made["id"]})
    assert [each["title"] for each in listed.json()["data"]] == ["Hamlet", "Hamlet"]
    assert {each["series_id"] for each in listed.json()["data"]} == {made["id"]}

    changed = await office.client.patch(where, json={"title": "Hamlet, last nights"}, headers=headers)
    assert changed.status_code == 200, changed.text
    assert alone not in [each["event_id"] for each in changed.json()["dates"]]
    listed = await office.client.get("/v1/events", params={"series": made["id"], "q": "nights"})
    assert len(listed.json()["data"]) == 2

    visitor = Visitor(office)
    page = await visitor.read(f"/events?series={made['id']}&view=month&month={YEAR}-03")
    assert page.count("Hamlet, last nights") == 2
    page = await visitor.read(f"/events/{asked.event['id']}")
    assert f"/events?series={made['id']}" in page

    cancelled = await office.client.post(f"{where}/cancel", headers=headers)
    assert [(each["state"], each["problem"]) for each in cancelled.json()["dates"]] == [
        ("cancelled", None)
    ] * 2
    answer = await office.client.post(
        f"/v1/events/{alone}/dates", json={"rule": "FREQ=DAILY;COUNT=2"}, headers=headers
    )
    assert problem_of(answer, 409) == "event-cancelled"


async def test_a_date_that_refuses_stops_no_other(asked: Series) -> None:
    office, headers = asked.office, asked.headers
    made = await asked.add(rule="FREQ=WEEKLY;COUNT=3")
    bare = made["dates"][1]["event_id"]
    types = (await office.client.get(f"/v1/events/{bare}", headers=headers)).json()["ticket_types"]
    await office.client.delete(
        f"/v1/events/{bare}/ticket-types/{types[0]['id']}", headers={**headers, "If-Match": "*"}
    )
    published = await office.client.post(f"/v1/series/{made['id']}/publish", headers=headers)
    assert [each["problem"] for each in published.json()["dates"]] == [None, "nothing-to-sell", None]


async def test_strangers_find_no_series(asked: Series) -> None:
    made = await asked.add(rule="FREQ=WEEKLY;COUNT=2")
    stranger = asked.office.as_buyer()
    for method, path in (
        ("GET", f"/v1/series/{made['id']}"),
        ("POST", f"/v1/series/{made['id']}/cancel"),
        ("GET", "/v1/series/ser_01m7y4ef72ev2sxmcnxfse27zp"),
        ("GET", "/v1/series/nonsense"),
    ):
        answer = await asked.office.client.request(method, path, headers=stranger)
        assert problem_of(answer, 404) == "not-found"
    listed = await asked.office.client.get("/v1/events", params={"series": made["id"]})
    assert listed.json()["data"] == []
