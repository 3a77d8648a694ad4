"""The version before is replaced by this one, server after server behind HAProxy, while people book."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql

from evently.db.migrations import head_revision
from tests.cluster.test_balancers import BEHIND_PROXIES, on_port
from tests.support.balancers import haproxy_text
from tests.support.diary import CLEAN, Diary, Sold, breaches, judge
from tests.support.marks import needs
from tests.support.postgres import ServerAddress, in_database
from tests.support.proxies import MISSING, free_port, haproxy
from tests.support.serving import evently, serving_meanwhile, serving_together
from tests.support.versions import BEFORE_REVISION, revision_of, unpack_code, until_settled
from tests.upgrades.make_dump import Caller

pytestmark = [
    pytest.mark.timeout(1_200),
    needs([name for name in MISSING if name == "haproxy"]),
]

CLIENTS = 12


async def test_servers_are_replaced_one_by_one(
    postgres_address: ServerAddress,
    postgres_admin: psycopg.Connection[tuple[object, ...]],
    tmp_path: Path,
    *,
    prove: bool,
) -> None:
    """Migrate while the older version sells; then each server gives way to a newer one at its address."""
    steps = 2_000 if prove else 100
    source = {"source": str(unpack_code(tmp_path))}
    name = f"rolling_{uuid4().hex}"
    postgres_admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = in_database(postgres_address.tcp_url, name)
    ports = [free_port() for _ in range(2)]
    older = [(arguments, settings | source) for arguments, settings in (on_port(port, url) for port in ports)]
    try:
        with serving_together(older[0]) as (one,), haproxy(ports[0], text=haproxy_text(ports)) as port:
            assert revision_of(url) == BEFORE_REVISION, "the older code has made its own schema"
            diary = Diary([f"http://127.0.0.1:{port}"], [await asyncio.to_thread(sell, one.url)], CLIENTS)
            with serving_together(older[1]) as (two,):
                async with AsyncExitStack() as newer:
                    async with diary.writing():
                        await diary.until_booked(steps)
                        migrated = await asyncio.to_thread(evently, "migrate", database_url=url)
                        assert migrated.returncode == 0, migrated.stderr
                        assert revision_of(url) == head_revision()
                        await diary.until_booked(steps)
                        for number, server in enumerate((one, two)):
                            assert await asyncio.to_thread(server.stop) == 0
                            await diary.until_booked(steps)
                            arguments, settings = on_port(ports[number], url)
                            await newer.enter_async_context(serving_meanwhile(*arguments, **settings))
                            await diary.until_booked(steps)
                    await asyncio.to_thread(until_settled, url)
            print(diary.codes())
            diary.close()
        assert set(diary.codes()) <= BEHIND_PROXIES
        assert await judge(url, diary) == CLEAN
        assert await breaches(url) == {}
    finally:
        postgres_admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def sell(url: str) -> Sold:
    """Put a free event on sale through the API of the version before."""
    owner = Caller(url, "owner@evently.example")
    organizer = owner.send("POST", "/v1/organizers", {"name": "Lakeside", "contact_email": "a@lake.example"})
    place = {"name": "Hall", "address": "Quay 1", "city": "Berlin", "country": "DE"}
    zone = {"time_zone": "Europe/Berlin", "organizer_id": organizer["id"]}
    venue = owner.send("POST", "/v1/venues", place | zone)
    draft: dict[str, Any] = {
        "organizer_id": organizer["id"],
        "venue_id": venue["id"],
        "title": "A long evening",
        "currency": "EUR",
        "starts_at": "2035-05-20T18:00:00Z",
        "ends_at": "2035-05-20T21:00:00Z",
        "capacity": 1_000_000,
        "ticket_types": [{"name": "Standing"}],
    }
    event = owner.send("POST", "/v1/events", draft)
    owner.send("POST", f"/v1/events/{event['id']}/publish")
    owner.http.close()
    body = {"lines": [{"ticket_type_id": event["ticket_types"][0]["id"], "quantity": 1}]}
    return Sold(f"/v1/events/{event['id']}/bookings", msgspec.json.encode(body))
