"""Several workers, one of which has all the connections that it may have; with real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from evently.web.edge.connections import ROOM_AGAIN, connections_for
from tests.support.serving import Serving, serving, until

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes the Linux way"),
]

DESCRIPTORS = 600  # the hard limit
CONNECTIONS_MAX = connections_for(DESCRIPTORS)
GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
HTTP = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def server(shared_database_url: str) -> Iterator[Serving]:
    limits = f"ulimit -S -n 300; ulimit -H -n {DESCRIPTORS}"
    settings = {"database_url": shared_database_url, "access_log": "false", "rate_reads": "0"}
    with serving("--workers", "2", limits=limits, **settings) as running:
        until(lambda: running.starts() == 2, "both serve")
        yield running


def soft_limit(pid: int) -> int:
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    match = re.search(r"Max open files\s+(\d+)", limits)
    assert match is not None
    return int(match[1])


def descriptors_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def metric(server: Serving, name: str) -> float:
    lines = HTTP.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def connected(server: Serving) -> socket.socket:
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    connection.sendall(GET)
    return connection


def answered(connection: socket.socket) -> bool:
    return connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_parent_raises_its_limit_for_all_that_it_starts(server: Serving) -> None:
    assert {soft_limit(pid) for pid in (server.process.pid, *server.workers())} == {DESCRIPTORS}


def test_a_full_worker_does_not_accept_and_the_others_do(server: Serving) -> None:
    full, other = server.workers()
    with ExitStack() as stack:
        os.kill(other, signal.SIGSTOP)  # so that all connections reach the same worker
        stack.callback(os.kill, other, signal.SIGCONT)
        kept = [stack.enter_context(connected(server)) for _ in range(CONNECTIONS_MAX)]
        assert all(answered(each) for each in kept)
        waiting = stack.enter_context(connected(server))
        waiting.settimeout(0.3)
        with pytest.raises(TimeoutError):
            waiting.recv(65536)
        os.kill(other, signal.SIGCONT)
        waiting.settimeout(30)
        assert answered(waiting), "the other worker accepts it"
        descriptors = descriptors_of(full)
        more = [stack.enter_context(connected(server)) for _ in range(50)]
        assert all(answered(each) for each in more)
        assert descriptors_of(full) < descriptors + 25, "it took none of them; the database may open some"
        kept[0].sendall(GET)
        assert answered(kept[0]), "the full worker serves those that it has"

        check = HTTP.get(f"{server.url}/health").json()["checks"]["connections"]
        assert check["status"] == "warn"
        assert "full and accept no connections: 1." in check["output"]
        assert metric(server, "evently_full_workers") == 1
        assert metric(server, "evently_connections_full_total") == 1
        until(lambda: metric(server, "evently_connections") > CONNECTIONS_MAX, "all are counted")
        assert "full: no more connections are accepted" in server.log()

        for each in kept[: int(CONNECTIONS_MAX * (1 - ROOM_AGAIN)) + 2]:
            each.close()
        until(lambda: metric(server, "evently_full_workers") == 0, "the worker accepts again")
        check = HTTP.get(f"{server.url}/health").json()["checks"]["connections"]
        assert "no connections" not in check.get("output", "")
