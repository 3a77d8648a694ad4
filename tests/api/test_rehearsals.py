"""Preparing a rehearsal over the API, and running one: a separate server, simulated buyers, a clean audit."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from rich.console import Console

from evently import organizing
from evently.accounts import Accounts, TokenOptions, read_secret
from evently.audit import audit
from evently.catalogue import Event
from evently.config import ConfigError
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import find_id, new_id, show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.rehearsal import CannotRehearse, RehearsalPlan, rehearse
from evently.rehearsal.plan import make_organizer, run
from evently.rehearsal.server import own_server
from evently.web.application import all_routes
from evently.web.edge.routing import Route
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import event_terms
from tests.support.catalogue import make_organizer as make_other
from tests.support.postgres import scratch_directory
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def prepare(office: BoxOffice, event: Event, headers: dict[str, str], **body: Any) -> httpx2.Response:
    return await office.client.post(
        f"/v1/events/{show_id('evt', event.event_id)}/sandboxes", json=body, headers=headers
    )


async def two_pools(office: BoxOffice) -> Event:
    """Return a draft whose two ticket types draw on pools of 300 and 100, one of them for everybody."""
    hall, balcony = NewPool("Hall", 300), NewPool("Balcony", 100)
    standing = NewTicketType(name="Standing", price=Money(2500, "EUR"), pools=("Hall",), per_buyer_max=2)
    seated = NewTicketType(name="Seated", price=Money(4000, "EUR"), pools=("Balcony",))
    terms = SaleTerms(currency="EUR", pools=(hall, balcony), ticket_types=(standing, seated))
    now = utc_now()
    starts_at = now + timedelta(days=30)
    event = event_terms(office.venue.venue_id, starts_at=starts_at, ends_at=starts_at + timedelta(hours=3))
    async with office.context.database.transaction() as tx:
        return (await organizing.create_event(tx, office.venue.organizer_id, event, terms, now)).event


async def test_a_copy_is_on_sale_and_its_buyers_can_book(office: BoxOffice) -> None:
    original = await office.open_event(capacity=500)
    answer = await prepare(office, original, await office.as_member("manager"), buyers=3, places=4)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert (made["title"], made["places"], len(made["buyers"])) == ("Rehearsal: Jazz by night", 4, 3)
    assert answer.headers["location"] == f"/v1/events/{made['event_id']}"
    [kind] = made["ticket_types"]
    statuses = []
    for buyer in made["buyers"]:
        booked = await office.client.post(
            f"/v1/events/{made['event_id']}/bookings",
            json={"lines": [{"ticket_type_id": kind["id"], "quantity": 2}]},
            headers={"Authorization": f"Bearer {buyer['access_token']}"},
        )
        statuses.append(booked.status_code)
        if booked.status_code == 201:
            assert booked.json()["buyer_id"] == buyer["id"]
    assert statuses == [201, 201, 409]
    untouched = (
        await office.client.get(f"/v1/events/{show_id('evt', original.event_id)}/availability")
    ).json()
    assert untouched["ticket_types"][0]["available"] == 500


async def test_a_copy_is_there_for_its_buyers_and_members_alone(office: BoxOffice) -> None:
    """Its id alone shows nothing: not over the API, and not on pages."""
    original, manager = await office.open_event(), await office.as_member("manager")
    office.context.accounts.roles.forget(office.venue.organizer_id)
    made = (await prepare(office, original, manager, buyers=2, places=10)).json()
    where, types = f"/v1/events/{made['event_id']}", made["ticket_types"]
    mine, other = [{"Authorization": f"Bearer {each['access_token']}"} for each in made["buyers"]]
    elsewhere = await office.as_member("owner", await make_other(office.context.database))
    body = {"lines": [{"ticket_type_id": types[0]["id"], "quantity": 1}]}

    asked = [route for route in all_routes() if "{event_id}" in route.path and _is_for_everybody(route)]
    assert len(asked) > 20, "the API and the pages"
    for stranger in (office.as_buyer(), elsewhere):
        visitor = Visitor(office, stranger)
        for route in asked:
            path = re.sub(r"\{event_id\}", made["event_id"], route.path)
            path = re.sub(r"\{\w+\}", "01m7y4ef72ev2sxmcnxfse27zp", path)
            if not route.is_page:
                answer = await office.client.request(route.method, path, headers=stranger)
                assert problem_of(answer, 404) == "event-not-found", (route.method, path)
            elif route.method == "GET":
                await visitor.read(path)
                assert visitor.status == 404, path
            else:
                await visitor.send(path, {types[0]["id"]: "1", "key": "a-key"})
                assert visitor.status == 404, path
    for path in (where, f"{where}/availability", f"{where}/seats", f"{where}/calendar.ics"):
        assert problem_of(await office.client.get(path), 404) == "event-not-found", "without a token"
    refused = await office.client.get(f"{where}/bookings", headers=elsewhere)
    assert problem_of(refused, 404) == "not-found", "nor to other organizers"

    shown = await office.client.get(where, headers=mine)
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "private, max-age=1")
    assert (await office.client.post(f"{where}/bookings", json=body, headers=mine)).status_code == 201
    assert (await office.client.post(f"{where}/quote", json=body, headers=other)).status_code == 200
    admin = office.as_person(new_id(), "admin")
    for member in (manager, await office.as_member("door"), admin):
        assert (await office.client.get(f"{where}/availability", headers=member)).status_code == 200
    desk = Visitor(office, manager)
    assert "Rehearsal: Jazz by night" in await desk.read(f"/events/{made['event_id']}")
    second = (await prepare(office, original, manager, buyers=1)).json()
    across = await office.client.get(f"/v1/events/{second['event_id']}/availability", headers=mine)
    assert problem_of(across, 404) == "event-not-found", "the buyers of one copy do not know another"


def _is_for_everybody(route: Route) -> bool:
    return route.policy.who in ("public", "signed_in")


async def test_its_buyers_are_people_who_cannot_log_in(office: BoxOffice) -> None:
    made = (
        await prepare(office, await office.open_event(), await office.as_member("owner"), buyers=2)
    ).json()
    ids = [find_id("per", buyer["id"]) for buyer in made["buyers"]]
    rows = await office.context.database.fetch(
        "SELECT name, email, password_hash, role FROM people WHERE person_id = ANY($1) ORDER BY person_id",
        ids,
    )
    assert [tuple(row) for row in rows] == [
        ("Rehearsal buyer 1", None, None, "buyer"),
        ("Rehearsal buyer 2", None, None, "buyer"),
    ]
    row = await office.context.database.fetch_row(
        "SELECT sandbox, state FROM events WHERE event_id = $1", find_id("evt", made["event_id"])
    )
    assert row is not None
    assert tuple(row) == (True, "published")


async def test_a_draft_with_pools_keeps_its_proportions(office: BoxOffice) -> None:
    made = (
        await prepare(office, await two_pools(office), await office.as_member("manager"), buyers=1, places=40)
    ).json()
    standing, seated = made["ticket_types"]
    assert (standing["name"], standing["per_buyer_max"], standing["price"]["amount"]) == ("Standing", 2, 2500)
    buyer = {"Authorization": f"Bearer {made['buyers'][0]['access_token']}"}
    shown = await office.client.get(f"/v1/events/{made['event_id']}/availability", headers=buyer)
    left = shown.json()["ticket_types"]
    assert {line["ticket_type_id"]: line["available"] for line in left} == {
        standing["id"]: 30,
        seated["id"]: 10,
    }


async def test_without_places_the_copy_has_the_originals(office: BoxOffice) -> None:
    assert (
        await prepare(office, await two_pools(office), await office.as_member("manager"), buyers=1)
    ).json()["places"] == 400


async def test_a_fresh_event_at_the_organizers_venue(office: BoxOffice) -> None:
    path = f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/sandboxes"
    made = await office.client.post(
        path, json={"buyers": 2, "places": 25}, headers=await office.as_member("manager")
    )
    assert (made.status_code, made.json()["places"]) == (201, 25)
    event_id = find_id("evt", made.json()["event_id"])
    assert (
        await office.context.database.fetch_value("SELECT venue_id FROM events WHERE event_id = $1", event_id)
        == office.venue.venue_id
    )


async def test_who_may(office: BoxOffice) -> None:
    event = await office.open_event()
    assert (await prepare(office, event, {}, buyers=1)).status_code == 401
    assert (await prepare(office, event, office.as_buyer(), buyers=1)).status_code == 403
    assert (await prepare(office, event, await office.as_member("door"), buyers=1)).status_code == 403


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"buyers": 0}, ["/buyers"]),
        ({"buyers": 20_001}, ["/buyers"]),
        ({"buyers": 1, "places": 0}, ["/places"]),
        ({"buyers": "1", "places": 1_000_001, "more": 1}, ["/buyers", "/more", "/places"]),
        ({}, ["/buyers"]),
    ],
)
async def test_what_is_asked_for_is_limited(
    office: BoxOffice, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await prepare(office, await office.open_event(), await office.as_member("manager"), **body)
    assert answer.status_code == 422, answer.text
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == pointers


async def owners_token(database_url: str) -> str:
    """Return an access token of the one person who owns an organizer."""
    database = await Database.open(DatabaseOptions(database_url))
    try:
        tokens = Accounts(database, utc_now, TokenOptions(await read_secret(database, utc_now()))).tokens
        owner = await database.fetch_value("SELECT person_id FROM organizer_members WHERE role = 'owner'")
    finally:
        await database.close()
    return tokens.issue_access(owner, "buyer", new_id())


def test_a_rehearsal_of_a_server_that_runs(database_url: str, tmp_path: Path) -> None:
    console = Console(width=120, record=True, quiet=True)
    with (
        scratch_directory() as directory,
        own_server(directory, {"database_url": database_url, "workers": "1"}) as server,
    ):
        organizer, key = run(make_organizer(database_url))
        report = tmp_path / "report.html"
        plan = RehearsalPlan(
            buyers=50,
            places=20,
            url=server.url,
            organizer=organizer,
            token=key,
            report=report,
            seed=3,
            spread_seconds=0.2,
        )
        assert rehearse(plan, console)
        assert rehearse(
            RehearsalPlan(
                buyers=3, places=9, url=server.url, token=run(owners_token(database_url)), spread_seconds=0.1
            ),
            console,
        )
        with pytest.raises(CannotRehearse, match="name --organizer"):
            rehearse(RehearsalPlan(buyers=1, url=server.url, token=key), console)
        with pytest.raises(CannotRehearse, match="401"):
            rehearse(
                RehearsalPlan(buyers=1, url=server.url, organizer=organizer, token="evk_nobody"), console
            )
    html = report.read_text(encoding="utf-8")
    assert "Audit passed" in html
    assert "of 20 places" in html


def test_seats_and_payments(database_url: str, tmp_path: Path) -> None:
    console = Console(width=120, record=True, quiet=True)
    with (
        scratch_directory() as directory,
        own_server(directory, {"database_url": database_url, "workers": "1"}) as server,
    ):
        organizer, key = run(make_organizer(database_url))
        plan = RehearsalPlan(
            buyers=60, places=44, url=server.url, organizer=organizer, token=key, spread_seconds=0.2
        )
        report = tmp_path / "report.html"
        assert rehearse(replace(plan, seats="random", hold_seconds=2, abandon=0.3, report=report), console)
        assert rehearse(replace(plan, seats="best"), console)
        with pytest.raises(ConfigError, match="--abandon needs --hold-seconds"):
            rehearse(replace(plan, abandon=0.5), console)
    assert {
        finding.code: finding.count for finding in run(audit(DatabaseOptions(database_url))) if finding.count
    } == {}
    html = report.read_text(encoding="utf-8")
    assert "Bookings paid online" in html
    assert "chosen by the buyers at random" in html


async def test_a_copy_with_a_waiting_room(office: BoxOffice) -> None:
    body = {"opens_after_seconds": 90, "per_minute": 60}
    manager = await office.as_member("manager")
    made = (
        await prepare(office, await office.open_event(), manager, buyers=2, places=10, waiting_room=body)
    ).json()
    assert 80 < made["opens_in_seconds"] <= 90
    where = f"/v1/events/{made['event_id']}"
    buyer, other = [{"Authorization": f"Bearer {each['access_token']}"} for each in made["buyers"]]
    shown = (await office.client.get(f"{where}/waiting-room", headers=buyer)).json()
    assert (shown["stage"], shown["per_minute"]) == ("open", 60)
    entered = await office.client.post(f"{where}/waiting-room/entries", headers=buyer)
    assert entered.status_code == 201, entered.text
    stranger = await office.client.post(f"{where}/waiting-room/entries", headers=office.as_buyer())
    assert problem_of(stranger, 404) == "event-not-found"
    token = {"place-token": entered.json()["token"]}
    assert (await office.client.get(f"{where}/waiting-room/place", headers=other | token)).status_code == 200
    anonymous = await office.client.get(f"{where}/waiting-room/place", headers=token)
    assert problem_of(anonymous, 404) == "event-not-found"
    for wrong in ({"opens_after_seconds": 0}, {"opens_after_seconds": 9, "per_minute": 0}):
        answer = await prepare(office, await office.open_event(), manager, buyers=1, waiting_room=wrong)
        assert problem_of(answer, 422) == "invalid"
    at_once = (await prepare(office, await office.open_event(), manager, buyers=1)).json()
    assert at_once["opens_in_seconds"] is None


def test_with_and_without_a_waiting_room(database_url: str, tmp_path: Path) -> None:
    """Everybody gets a ticket: few tickets for many people take minutes, as they are admitted slowly then."""
    console, report = Console(width=120, record=True, quiet=True), tmp_path / "report.html"
    with (
        scratch_directory() as directory,
        own_server(directory, {"database_url": database_url, "workers": "1"}) as server,
    ):
        organizer, key = run(make_organizer(database_url))
        plan = RehearsalPlan(
            buyers=60,
            places=1_000,
            url=server.url,
            organizer=organizer,
            token=key,
            spread_seconds=0.2,
            waiting_room=True,
            per_minute=6_000,
            opens_after=3,
            report=report,
        )
        assert rehearse(plan, console)
        with pytest.raises(ConfigError, match="--per-minute"):
            rehearse(replace(plan, per_minute=0), console)
        with pytest.raises(ConfigError, match="--opens-after"):
            rehearse(replace(plan, opens_after=601), console)
    found = run(audit(DatabaseOptions(database_url)))
    assert {finding.code: finding.count for finding in found if finding.count} == {}
    assert "I14" in {finding.code for finding in found}
    html = report.read_text(encoding="utf-8")
    assert "With and without the waiting room" in html
    assert "Audit passed" in html
    assert re.search(r"People with a place</th><td>–</td><td>60,", html)


def test_the_command_starts_a_server_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    command = [
        sys.executable,
        "-m",
        "evently",
        "rehearse",
        "--buyers",
        "12",
        "--places",
        "5",
        "--report",
        str(report),
    ]
    with scratch_directory() as temporary:
        environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=100, check=False, env=environment
        )
        assert list(temporary.iterdir()) == []
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Clean. 5 of 5 places sold" in done.stdout
    assert "Audit of the database" in done.stdout
    assert report.exists()
