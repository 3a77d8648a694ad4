"""`evently serve` as operators run it: with real processes, connections and signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from tests.support.serving import Serving, all_gone, environment, evently, is_alive, serving, until

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes the Linux way"),
]

JSON_HEAD = b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
# One client, because creating one takes 50 ms; a new connection per request, so that every worker gets some.
HTTP = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False)
QUIET = {"access_log": "false", "rate_reads": "0"}


@pytest.fixture(scope="module")
def server(shared_database_url: str) -> Iterator[Serving]:
    with serving("--workers", "2", database_url=shared_database_url, rate_reads="0") as running:
        yield running


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """Return a directory for an embedded PostgreSQL, whose user cannot enter the directories of pytest."""
    with tempfile.TemporaryDirectory(prefix="evently-serving-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "data"


def raw(server: Serving, request: bytes) -> bytes:
    """Send bytes; return everything that the server sends until it closes the connection."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(request)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def problem_in(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower(), answer
    said: dict[str, Any] = json.loads(body)
    assert said["request_id"].encode() in head
    return int(head.split()[1]), said


def test_it_says_where_it_is(server: Serving) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/health", "/metrics"):
        assert f"{server.url}{path}" in server.said
        assert HTTP.get(f"{server.url}{path}").status_code == 200


def test_it_says_at_its_start_that_there_is_no_gateway(server: Serving) -> None:
    assert "no gateway is named (EVENTLY_GATEWAY)" in server.said
    assert "no payment gateway" in server.log()


def test_it_is_alive_ready_and_well(server: Serving) -> None:
    assert HTTP.get(f"{server.url}/livez").json() == {"status": "pass"}
    ready = HTTP.get(f"{server.url}/readyz")
    assert (ready.status_code, ready.headers["content-type"]) == (200, "application/health+json")
    assert set(ready.json()["checks"]) == {
        "connections",
        "streams",
        "database",
        "writes",
        "clock",
        "migrations",
        "relay",
        "gateway",
        "mail",
        "push",
        "webhooks",
        "backups",
    }


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400, "malformed"),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400, "malformed"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed"),
        (b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET /livez\r\n\r\n", 400, "malformed"),
        (b'GET /livez HTTP/1.1\r\nHost: "a"\r\nConnection: close\r\n\r\n', 400, "malformed"),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "address-too-long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers-too-long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n", 431, "headers-too-long"),
    ],
)
def test_what_cannot_be_read_is_a_problem_too(
    server: Serving, request_bytes: bytes, status: int, code: str
) -> None:
    found, said = problem_in(raw(server, request_bytes))
    assert (found, said["status"], said["code"]) == (status, status, code)


def test_a_wrong_host_is_named_as_the_reason(server: Serving) -> None:
    close = b"Connection: close\r\n\r\n"
    for hosts in (b"", b"Host: a\r\nHost: b\r\n", b'Host: "a"\r\n'):
        _, said = problem_in(raw(server, b"GET /livez HTTP/1.1\r\n" + hosts + close))
        assert "Host" in said["detail"]
    assert raw(server, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_body_without_a_length_is_counted(server: Serving) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = raw(server, head + chunk * 8 + b"0\r\n\r\n")
    assert problem_in(answer)[0] == 413


def test_a_long_body_is_refused_before_it_is_sent(server: Serving) -> None:
    head = JSON_HEAD + b"Content-Length: 999999\r\n\r\n"
    status, said = problem_in(raw(server, head))
    assert (status, said["code"]) == (413, "too-large")


def test_the_answer_to_a_body_of_ten_megabytes_can_be_read(server: Serving) -> None:
    body = b"x" * 10_000_000
    head = JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    assert problem_in(raw(server, head + body))[0] == 413


def test_metrics_are_the_sum_of_all_workers(server: Serving) -> None:
    """Each worker counts in its own file; the worker that answers /metrics sums the files."""
    with ThreadPoolExecutor(16) as many:
        list(many.map(lambda _: HTTP.get(f"{server.url}/livez"), range(100)))
    before = counted(server, "/livez")
    with ThreadPoolExecutor(16) as many:
        list(many.map(lambda _: HTTP.get(f"{server.url}/livez"), range(200)))
    assert counted(server, "/livez") == before + 200
    assert len(server.workers()) == 2
    assert "/v1/nothing" not in HTTP.get(f"{server.url}/metrics").text


def counted(server: Serving, route: str) -> float:
    wanted = f'evently_http_request_seconds_count{{method="GET",route="{route}",status="200"}} '
    lines = HTTP.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def test_a_route_that_is_none_is_no_label(server: Serving) -> None:
    HTTP.get(f"{server.url}/v1/invented-by-a-client")
    HTTP.request("INVENTED", f"{server.url}/livez")
    text = HTTP.get(f"{server.url}/metrics").text
    assert "invented" not in text.lower()
    assert 'route="unmatched"' in text


def replaced(server: Serving, dead: int, starts: int) -> None:
    """Wait until another worker serves instead of a dead one; `starts`: the starts of workers before."""
    until(lambda: dead not in server.workers(), "the dead worker is gone")
    until(lambda: server.starts() > starts, "another one serves", seconds_max=60)
    assert len(server.workers()) == 2
    until(lambda: _status(server, "/readyz") == 200, "it answers")


@pytest.fixture
def both(server: Serving) -> list[int]:
    """Return the two workers of the server; both serve."""
    until(lambda: server.starts() >= 2, "both serve")
    return server.workers()


def test_a_worker_that_is_killed_is_replaced(server: Serving, both: list[int]) -> None:
    HTTP.get(f"{server.url}/livez")
    starts = server.starts()
    os.kill(both[0], signal.SIGKILL)
    replaced(server, both[0], starts)
    assert counted(server, "/livez") > 0, "the counts of the dead worker are kept"


def test_a_worker_that_dies_while_another_hangs_is_replaced_at_once(server: Serving, both: list[int]) -> None:
    """A worker has 30 seconds to answer a health check. The parent does not wait for it meanwhile."""
    hanging, dying = both
    starts = server.starts()
    os.kill(hanging, signal.SIGSTOP)
    try:
        time.sleep(2)  # the parent checks twice a second
        os.kill(dying, signal.SIGKILL)
        until(lambda: dying not in server.workers() and len(server.workers()) == 2, "two workers again")
        assert is_alive(hanging), "this was within its 30 seconds"
    finally:
        os.kill(hanging, signal.SIGCONT)
    replaced(server, dying, starts)
    assert hanging in server.workers(), "it answers again and is kept"


def test_a_worker_that_dies_while_it_is_asked_for_life_is_replaced_at_once(
    server: Serving, both: list[int]
) -> None:
    starts = server.starts()
    os.kill(both[0], signal.SIGSTOP)
    time.sleep(2)
    os.kill(both[0], signal.SIGKILL)
    until(lambda: both[0] not in server.workers() and len(server.workers()) == 2, "two workers again")
    replaced(server, both[0], starts)


def test_the_access_log_is_json_and_knows_the_trace(server: Serving) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    HTTP.get(
        f"{server.url}/livez",
        headers={"X-Request-Id": "look-for-me", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    until(lambda: "look-for-me" in server.log(), "the line is written")
    line = next(json.loads(line) for line in server.log().splitlines() if "look-for-me" in line)
    assert (line["path"], line["status"], line["trace_id"]) == ("/livez", 200, trace)
    assert all(json.loads(each) for each in server.log().splitlines()), "every line is JSON"


def test_requests_under_way_are_answered_when_it_is_told_to_stop(shared_database_url: str) -> None:
    """A client that is sending when the signal arrives gets its answer; the server exits cleanly."""
    with serving(database_url=shared_database_url, **QUIET) as server:
        parts = urlsplit(server.url)
        body = b'{"email":"nobody@example.org","password":"wrong password"}'
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            head = JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body[:10])
            until(lambda: HTTP.get(f"{server.url}/livez").status_code == 200, "the head has arrived")
            server.process.send_signal(signal.SIGTERM)
            until(lambda: "Shutting down" in server.log(), "the worker has the signal")
            connection.sendall(body[10:])
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 401 "), answer
        pids = [server.process.pid, *server.workers()]
        assert server.process.wait(30) == 0
        until(lambda: all_gone(pids), "nothing is left")
        with pytest.raises(httpx2.ConnectError):
            HTTP.get(f"{server.url}/livez")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_leaves_nothing(data_directory: Path, number: int) -> None:
    data = data_directory
    with serving(data=str(data), **QUIET) as server:
        pids = server.children()
        assert server.stop(number) == 0
        until(lambda: all_gone(pids), "nothing is left")
        assert not (data / "postgres" / "postmaster.pid").exists(), "PostgreSQL was stopped, too"
        assert "Traceback" not in server.log()


def test_everything_ends_with_the_parent(data_directory: Path) -> None:
    with serving("--workers", "2", data=str(data_directory), **QUIET) as server:
        pids = server.children()
        assert len(pids) >= 3
        server.process.kill()
        until(lambda: all_gone(pids), "workers and PostgreSQL are gone")


def test_a_second_serve_on_the_same_directory_is_refused_and_commands_are_not(data_directory: Path) -> None:
    data = str(data_directory)
    with serving(data=data, **QUIET) as server:
        second = evently("serve", "--port", "0", "--data", data)
        assert second.returncode == 3
        assert re.search(r"Process \d+ already serves", second.stderr)
        assert "Traceback" not in second.stderr
        migrated = evently("migrate", "--data", data)
        assert (migrated.returncode, migrated.stderr) == (0, "")
        assert HTTP.get(f"{server.url}/readyz").status_code == 200


def test_a_port_that_is_taken_is_refused(shared_database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = evently("serve", "--port", str(port), database_url=shared_database_url)
    assert done.returncode == 3
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_postgresql_comes_back_by_itself(data_directory: Path) -> None:
    """A killed PostgreSQL recovers from the crash; the same workers answer during and after it."""
    with serving(data=str(data_directory), **QUIET) as server:
        workers = server.workers()
        answers: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                answers.append(HTTP.get(server.url + something_new(), timeout=30).status_code)
                time.sleep(0.01)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            until(lambda: 200 in answers, "it answers")
            killed = server.postgres()
            os.kill(killed, signal.SIGKILL)
            until(lambda: 503 in answers, "the database is unavailable")
            until(lambda: answers[-20:].count(200) == 20, "it answers again")
        finally:
            stop.set()
            asking.join()
        assert set(answers) == {200, 503}
        assert server.workers() == workers
        assert not is_alive(killed)


def test_an_external_database_may_go_and_come_and_workers_too(data_directory: Path) -> None:
    """Without the database, requests that need it get 503 with Retry-After, also from a new worker."""
    postgres = EmbeddedPostgres(EmbeddedOptions(data_directory=data_directory))
    postgres.start()
    try:
        with serving(database_url=postgres.url, **QUIET) as server:
            assert HTTP.get(server.url + something_new()).status_code == 200
            postgres.stop()
            away = HTTP.get(server.url + something_new(), timeout=30)
            assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (
                503,
                "database-unavailable",
                "2",
            )
            assert HTTP.get(f"{server.url}/readyz", timeout=30).status_code == 503
            assert HTTP.get(f"{server.url}/livez").status_code == 200
            os.kill(server.workers()[0], signal.SIGKILL)
            until(lambda: _status(server, "/livez") == 200, "a new worker answers")
            assert _status(server, something_new()) == 503
            postgres.start()
            until(lambda: _status(server, something_new()) == 200, "it answers again")
            assert HTTP.get(f"{server.url}/readyz").status_code == 200
    finally:
        postgres.stop()


def something_new() -> str:
    """Return an address whose answer is in no memory."""
    return f"/v1/events?q=word{time.monotonic_ns()}"


def _status(server: Serving, path: str) -> int:
    try:
        return HTTP.get(f"{server.url}{path}", timeout=30).status_code
    except httpx2.TransportError:
        return 0


def test_several_hosts_may_be_named(external_database_url: str) -> None:
    """The server finds the host that accepts writes; nothing listens at the first one."""
    port = urlsplit(external_database_url).port
    several = external_database_url.replace(f"127.0.0.1:{port}", f"127.0.0.1:1,127.0.0.1:{port}")
    with serving(database_url=several, **QUIET) as server:
        assert HTTP.get(f"{server.url}/readyz").status_code == 200


def test_a_database_that_cannot_be_reached_is_said_plainly() -> None:
    done = evently("serve", "--port", "0", database_url="postgresql://nobody@127.0.0.1:1/nothing")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "127.0.0.1" in done.stderr


def test_a_database_of_a_newer_version_is_still_served(external_database_url: str) -> None:
    """A rolling update migrates first: the old version must keep serving, and warn that it is old."""
    with serving(database_url=external_database_url, **QUIET) as server:
        with psycopg.connect(external_database_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        ready = HTTP.get(f"{server.url}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "warn")
        with psycopg.connect(external_database_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0000'")
        # Its checks are at most half a second old
        until(lambda: HTTP.get(f"{server.url}/readyz").status_code == 503, "it is not ready")


def test_work_runs_without_answering(database_url: str) -> None:
    """`evently work` runs the relay and the sweeper, and listens on no port."""
    with subprocess.Popen(
        [sys.executable, "-m", "evently", "work"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(database_url=database_url),
    ) as process:
        until(lambda: _leases(database_url) > 0, "it works")
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def _leases(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM leases").fetchone()
    assert row is not None
    return int(row[0])
