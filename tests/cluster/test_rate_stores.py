"""Valkey or Redis counts the rates: people who book notice nothing when it is flushed, stopped or killed."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.diary import CLEAN, SETTINGS, SLOW, Diary, breaches, judge, put_on_sale
from tests.support.marks import needs
from tests.support.programs import VALKEY, valkey
from tests.support.serving import environment, serving

pytestmark = pytest.mark.timeout(600)
NO_LIMIT = SETTINGS | {"rate_bookings": "1000000"}  # counted, and never reached


@needs([] if VALKEY else ["redis-server"])
async def test_nobody_notices_that_it_is_flushed_stopped_or_killed(
    external_database_url: str, *, prove: bool
) -> None:
    steps = 2_000 if prove else 200
    with (
        valkey() as store,
        serving(
            "--workers",
            "1",
            database_url=external_database_url,
            redis_url=f"redis://127.0.0.1:{store.port}",
            **NO_LIMIT,
        ) as server,
    ):
        diary = Diary([server.url], await put_on_sale(external_database_url), 16)
        async with diary.writing():
            await diary.until_booked(steps)
            async with asyncio.timeout(
                120
            ):  # where it once answers late, a process counts by itself for a while
                while tell(store.port, "DBSIZE") == ":0\r\n":
                    await asyncio.sleep(0.1)
            assert tell(store.port, "FLUSHALL") == "+OK\r\n"
            await diary.until_booked(steps)
            store.send(signal.SIGSTOP)
            await diary.until_booked(steps)
            store.send(signal.SIGCONT)
            await diary.until_booked(steps)
            await asyncio.to_thread(store.end)
            await diary.until_booked(steps)
            await asyncio.to_thread(store.start)
            await diary.until_booked(steps)
        diary.close()
    assert set(diary.codes()) - SLOW == {"201"}
    assert await judge(external_database_url, diary) == CLEAN
    assert await breaches(external_database_url) == {}


def test_without_its_package_one_sentence_names_it(external_database_url: str) -> None:
    hide = "import sys; sys.modules['valkey'] = None; from evently.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "serve", "--port", "0"],
        check=False,
        capture_output=True,
        text=True,
        env=environment(database_url=external_database_url, redis_url="redis://127.0.0.1:1"),
    )
    assert done.returncode == 2
    assert "pip install 'evently[redis]'" in done.stderr
    assert "Traceback" not in done.stderr


def tell(port: int, command: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(100).decode()
