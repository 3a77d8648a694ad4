"""Every operation with every kind of actor. The cases come from the routes, so new routes are included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from evently.accounts import acts, keys
from evently.accounts.keys import SCOPES, create_key
from evently.config import Config
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.organizing import NewDates, add_dates
from evently.seating import add_seat_map
from evently.web.application import all_routes
from evently.web.edge.access import Policy
from evently.web.edge.openapi import describe, operations_of
from evently.web.edge.routing import Route
from tests.support.box_office import HALL, BoxOffice, open_box_office
from tests.support.catalogue import make_organizer

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = describe(all_routes())
OPERATIONS = operations_of(all_routes())
RANKS = {"door": 1, "manager": 2, "owner": 3}
UNLIMITED = {name: 0 for name in Config.__struct_fields__ if name.startswith("rate_")}
Headers = dict[str, str]


class Stage(msgspec.Struct):
    """An organizer with a published event, a draft, and one actor of each kind."""

    office: BoxOffice
    actors: dict[str, Headers]
    path_values: dict[str, str]
    draft_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(shared_database_url: str) -> AsyncIterator[Stage]:
    async with open_box_office(shared_database_url, **UNLIMITED) as office:
        organizer_id = office.venue.organizer_id
        event, draft = await office.open_event(), await office.open_event(publish=False)
        async with office.context.database.transaction() as tx:
            seat_map = await add_seat_map(tx, organizer_id, office.venue.venue_id, HALL, utc_now())
            dates = await add_dates(tx, event.event_id, NewDates(rule="FREQ=DAILY;COUNT=2"), utc_now())
        (series_id,) = {date.series_id for date in dates}
        assert series_id is not None
        elsewhere = await make_organizer(office.context.database)
        admin_id = new_id()
        async with office.context.database.transaction() as tx:
            shown = show_id("org", organizer_id)
            await acts.record(tx, admin_id, "desk_opened", shown, "Helps them", office.context.clock())
        actors = {
            "nobody": {},
            "buyer": office.as_buyer(),
            "stranger": await office.as_member("owner", elsewhere),
            "admin": office.as_person(admin_id, "admin"),
            "foreign key": await key_of(office, elsewhere, frozenset(SCOPES)),
            **{f"key {scope}": await key_of(office, organizer_id, frozenset({scope})) for scope in SCOPES},
        }
        values = {
            "organizer_id": show_id("org", organizer_id),
            "event_id": show_id("evt", event.event_id),
            "venue_id": show_id("ven", office.venue.venue_id),
            "seat_map_id": show_id("smp", seat_map.seat_map_id),
            "series_id": show_id("ser", series_id),
        }
        yield Stage(office, actors, values, show_id("evt", draft.event_id))


async def test_made_up_keys_ask_the_database_no_more_often_than_readers_may(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their checksums are right. A key that is known here is not refused because of them."""
    asked, find_live = list[bytes](), keys._find_live

    async def counted(database: Database, secret_hash: bytes) -> keys.ApiKey | None:
        asked.append(secret_hash)
        return await find_live(database, secret_hash)

    monkeypatch.setattr(keys, "_find_live", counted)
    limited = UNLIMITED | {"rate_reads": 3}
    async with open_box_office(shared_database_url, **limited) as office:
        organizer_id = office.venue.organizer_id
        mine = await key_of(office, organizer_id, frozenset(SCOPES))
        url = f"/v1/organizers/{show_id('org', organizer_id)}"
        assert (await office.client.get(url, headers=mine)).status_code == 200
        statuses = []
        for number in range(6):
            body = f"evk_{number:052}"
            guess = {"Authorization": f"Bearer {body}{keys.checksum_of(body)}"}
            statuses.append((await office.client.get(url, headers=guess)).status_code)
        assert statuses == [401, 401, 429, 429, 429, 429]
        assert len(asked) == 3
        assert (await office.client.get(url, headers=mine)).status_code == 200


async def key_of(office: BoxOffice, organizer_id: Any, scopes: frozenset[str]) -> Headers:
    async with office.context.database.transaction() as tx:
        _, text = await create_key(tx, organizer_id, "a key", scopes, new_id(), utc_now())
    return {"Authorization": f"Bearer {text}"}


def expected(policy: Policy, actor: str) -> set[int] | None:
    """Return the statuses that refuse this actor; None if the policy allows the actor."""
    if policy.who == "public":
        return None
    if actor == "nobody":
        return {401}
    is_key = "key" in actor
    if policy.who == "admin":
        return None if actor == "admin" else {403}
    if policy.who == "signed_in":
        return (
            None
            if not is_key or (actor in {f"key {policy.scope}", "foreign key"} and policy.scope)
            else {403}
        )
    if actor in {"buyer", "stranger", "foreign key"}:
        return {403, 404}
    if is_key:
        return None if actor == f"key {policy.scope}" else {403}
    return None if actor == "admin" or RANKS[actor] >= RANKS[policy.role or ""] else {403}


async def ask(stage: Stage, operation: Route, headers: Headers, **values: str) -> int:
    """Send the operation's example, with existing ids where the policy checks them, else with others."""
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    path = operation.path
    for parameter in described.get("parameters", ()):
        if parameter["in"] == "path":
            known = {**stage.path_values, **values}.get(parameter["name"])
            path = path.replace(
                f"{{{parameter['name']}}}",
                known or str((parameter["schema"].get("examples") or ["nothing"])[0]),
            )
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    stays_open = operation.path.endswith("/stream")
    answer = await stage.office.client.request(
        "HEAD" if stays_open else operation.method,
        path,
        headers=headers,
        json=body if body is not None else None,
    )
    assert answer.status_code < 500, answer.text
    return int(answer.status_code)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.operation_id))
async def test_only_those_come_in_who_may(stage: Stage, operation: Route) -> None:
    policy = operation.policy
    members = {
        role: await stage.office.as_member(role) for role in RANKS
    }  # created anew each time, because some operations delete them
    stage.office.context.accounts.roles.forget(stage.office.venue.organizer_id)
    for actor, headers in sorted(
        [*stage.actors.items(), *members.items()], key=lambda item: expected(policy, item[0]) is None
    ):
        refused = expected(policy, actor)
        status = await ask(stage, operation, headers)
        if refused is not None:
            assert status in refused, f"{actor} got {status}"
        elif policy.who == "organizer":
            assert status not in {401, 403}, f"{actor} got {status}"
        else:
            assert status != 401 or policy.who == "public", f"{actor} got {status}"


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if each.policy.who == "organizer" and "{event_id}" in each.path],
    ids=lambda operation: str(operation.operation_id),
)
async def test_a_foreign_draft_is_not_there(stage: Stage, operation: Route) -> None:
    for actor in ("buyer", "stranger", "foreign key"):
        assert await ask(stage, operation, stage.actors[actor], event_id=stage.draft_id) == 404, actor


async def test_a_bad_token_is_refused_and_says_so(stage: Stage) -> None:
    for authorization, code in (
        ("Bearer nonsense", "token-invalid"),
        ("Bearer evk_nonsense", "token-invalid"),
        ("Bearer ", "token-invalid"),
        ("Basic YTpi", "unauthenticated"),
        ("Bearer " + "a" * 5000, "token-invalid"),
    ):
        answer = await stage.office.client.get("/v1/me", headers={"Authorization": authorization})
        assert (answer.status_code, answer.json()["code"]) == (401, code), authorization[:40]
        wanted = 'Bearer error="invalid_token"' if code == "token-invalid" else "Bearer"
        assert answer.headers["www-authenticate"] == wanted
