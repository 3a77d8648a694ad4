"""Servers whose clocks are apart: those that are wrong say so and do nothing, the others sell.

A database whose clock is wrong is the same, seen from the other side: all servers differ from it.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.diary import CLEAN, SETTINGS, SLOW, Diary, breaches, judge, put_on_sale
from tests.support.selling import database_at
from tests.support.serving import evently, serving_together
from tests.support.versions import until_settled

pytestmark = pytest.mark.timeout(1_200)

CLIENTS = 12
NEARLY_RIGHT = (1.0, -1.0)  # seconds ahead of the database
WRONG, WRONG_TO_PROVE = (5.0, -90.0), (5.0, -5.0, 90.0, -90.0)
# Python imports it before anything else, in the processes of `serve`, too
AHEAD = """
import datetime
import time
import time_machine
time_machine.travel(datetime.timedelta(seconds={seconds})).start()
time.time()  # from now on it ticks
"""
BACKWARDS = """
    SELECT count(*)
    FROM (SELECT at < lag(at) OVER (PARTITION BY event_id ORDER BY seq) AS back FROM journal) AS rows
    WHERE back
"""
ACCOUNT = {"email": "a@evently.example", "password": "nine lively herons wade"}


async def test_who_is_wrong_does_nothing_and_the_others_sell(
    external_database_url: str, tmp_path: Path, *, prove: bool
) -> None:
    url, ahead = external_database_url, NEARLY_RIGHT + (WRONG_TO_PROVE if prove else WRONG)
    settings = {"database_url": url, "rate_login": "0", "rate_register": "0", **SETTINGS}
    commands = [(("--workers", "1"), settings | {"source": clock_of(tmp_path, each)}) for each in ahead]
    with serving_together(*commands) as servers:
        diary = Diary([each.url for each in servers], await put_on_sale(url), CLIENTS)
        wrong = dict(zip(diary.servers[len(NEARLY_RIGHT) :], ahead[len(NEARLY_RIGHT) :], strict=True))
        async with diary.writing():
            await diary.until_booked(2_000 if prove else 200)
        for server in diary.servers:
            if server in wrong:
                assert set(diary.codes(server=server)) == {"503 wrong-clock"}
                await asyncio.to_thread(look_at_wrong_one, server, diary.servers[0], wrong[server])
            else:
                assert set(diary.codes(server=server)) - SLOW == {"201"}
                assert (await diary.get(server, "/health"))[1]["checks"]["clock"]["status"] == "pass"
        await asyncio.to_thread(until_settled, url)
        diary.close()
    async with database_at(url) as database:
        assert await database.fetch_value(BACKWARDS) == 0
    assert await judge(url, diary) == CLEAN
    assert await breaches(url) == {}


def look_at_wrong_one(server: str, right: str, ahead: float) -> None:
    """Look at what a server with a wrong clock tells operators, and people who are logged in elsewhere."""
    with httpx2.Client(base_url=server, timeout=60) as http:
        for path in ("/readyz", "/health"):
            answer = http.get(path)
            checks = answer.json()["checks"]
            assert (answer.status_code, checks["clock"]["status"]) == (503, "fail")
            assert checks["clock"]["observed"] == pytest.approx(ahead, abs=2.0)
            assert {name for name, check in checks.items() if check["status"] == "fail"} == {"clock"}
        events = http.get("/v1/events")
        assert (events.status_code, code_of(events)) == (503, "wrong-clock"), (
            "it does not know what is on sale"
        )
        token = log_in(right)
        mine = http.get("/v1/me/bookings", headers={"authorization": f"Bearer {token}"})
        assert (mine.status_code, code_of(mine)) in {(200, ""), (503, "wrong-clock")}, "nobody is logged out"
        again = http.post("/v1/auth/login", json=ACCOUNT)
        assert (again.status_code, code_of(again)) == (503, "wrong-clock")
        assert again.headers["retry-after"] == "5"


def log_in(server: str) -> str:
    """Return an access token from a server whose clock is right."""
    httpx2.post(f"{server}/v1/auth/register", json={**ACCOUNT, "name": "Ada"}, timeout=60)
    token: str = httpx2.post(f"{server}/v1/auth/login", json=ACCOUNT, timeout=60).json()["access_token"]
    return token


def code_of(answer: Any) -> str:
    return str(answer.json().get("code", ""))


@pytest.mark.parametrize(("ahead", "status"), [(5.0, "fail"), (-90.0, "fail"), (1.0, "pass")])
def test_the_doctor_says_that_clocks_are_apart(
    external_database_url: str, tmp_path: Path, ahead: float, status: str
) -> None:
    source = clock_of(tmp_path, ahead)
    done = evently("doctor", "--json", source=source, database_url=external_database_url, gateway="demo")
    (clock,) = [each for each in json.loads(done.stdout) if each["name"] == "Clock"]
    assert clock["status"] == status
    (seconds,) = re.findall(r"by ([0-9.]+) seconds", clock["text"])
    assert float(seconds) == pytest.approx(abs(ahead), abs=0.9)
    assert done.returncode == 1 or status == "pass"


def clock_of(directory: Path, seconds: float) -> str:
    """Return a directory that makes the clock of a Python process wrong."""
    place = directory / f"ahead{seconds:+g}"
    place.mkdir()
    (place / "sitecustomize.py").write_text(AHEAD.format(seconds=seconds), encoding="utf-8")
    return str(place)
