"""Three servers behind HAProxy or nginx, one of them killed, one rolled, while people book."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.balancers import haproxy_text, nginx_text
from tests.support.diary import CLEAN, DOCUMENTED, SETTINGS, Diary, breaches, judge, put_on_sale
from tests.support.marks import kills_processes, needs
from tests.support.proxies import MISSING, free_port, haproxy, nginx
from tests.support.serving import Serving, kill_all, serving_meanwhile, serving_together

pytestmark = [
    pytest.mark.timeout(1_200),
    kills_processes,
    needs(MISSING),
]

CLIENTS = 16
# 0: no answer at all, from a server that has died. A proxy answers 502 when that happens behind it, and
# HAProxy 503 without a code where it reaches no server
BEHIND_PROXIES = DOCUMENTED | {"502", "503", "0"}


async def test_one_server_is_killed_and_one_is_rolled(external_database_url: str, *, prove: bool) -> None:
    """Half of the people come through HAProxy, half through nginx."""
    steps = 2_000 if prove else 150
    ports = [free_port() for _ in range(3)]
    with (
        serving_together(*[on_port(port, external_database_url) for port in ports]) as (one, two, _),
        haproxy(ports[0], text=haproxy_text(ports)) as first_front,
        nginx(ports[0], text=nginx_text(ports)) as second_front,
    ):
        fronts = [f"http://127.0.0.1:{port}" for port in (first_front, second_front)]
        diary = Diary(fronts, await put_on_sale(external_database_url), CLIENTS)
        async with diary.writing():
            await diary.until_booked(steps)
            kill(one)
            await diary.until_booked(steps)
            await asyncio.to_thread(two.stop)
            await diary.until_booked(steps)
            arguments, settings = on_port(ports[1], external_database_url)
            async with serving_meanwhile(*arguments, **settings):
                await diary.until_booked(steps)
        for front in fronts:
            print((front == fronts[0] and "haproxy") or "nginx", diary.codes(server=front))
        diary.close()
    assert set(diary.codes()) <= BEHIND_PROXIES
    assert await judge(external_database_url, diary) == CLEAN
    assert await breaches(external_database_url) == {}


def on_port(port: int, url: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the arguments and settings of a server behind a proxy."""
    settings = {"database_url": url, "trusted_proxies": "127.0.0.1", **SETTINGS}
    return ("--workers", "1", "--port", str(port)), settings


def kill(server: Serving) -> None:
    """Kill a server and its workers at once."""
    kill_all(server.process.pid, *server.children())
