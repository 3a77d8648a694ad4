"""`evently serve` in an environment that nobody chose: variables, closed streams, unknown users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.box_office import open_box_office
from tests.support.proxies import free_port
from tests.support.serving import environment, evently, serving, until

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes the Linux way"),
]

HTTP = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False)
UNKNOWN_USER = 54_321


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """Yield a directory that every user may enter, and in which every user may create others."""
    with tempfile.TemporaryDirectory(prefix="evently-serving-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o777)
        yield Path(name) / "data"


def test_an_embedded_server_ignores_the_variables_of_libpq(
    data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGSERVICE": "nothing",
        "PGSERVICEFILE": "/nowhere",
        "PGTARGETSESSIONATTRS": "standby",
        "PGHOST": "nowhere.invalid",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGDATABASE": "other",
        "PGUSER": "other",
        "PGPASSWORD": "wrong",
        "PGPASSFILE": "/nowhere",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSSLMODE": "verify-full",
        "PGREQUIREAUTH": "gss",
        "PGCHANNELBINDING": "require",
        "PGCLIENTENCODING": "LATIN1",
        "PGCONNECT_TIMEOUT": "1",
        "PGTZ": "Asia/Tokyo",
        "PGDATESTYLE": "German",
    }.items():
        monkeypatch.setenv(name, value)
    with serving("--workers", "1", data=str(data_directory), access_log="false") as server:
        assert HTTP.get(f"{server.url}/readyz").status_code == 200
        migrated = evently("migrate", data=str(data_directory))
        assert (migrated.returncode, migrated.stderr) == (0, "")


def test_a_start_right_after_a_kill_waits_for_the_port(shared_database_url: str) -> None:
    with serving("--workers", "2", database_url=shared_database_url, access_log="false") as killed:
        port = str(urlsplit(killed.url).port)
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
        with serving("--port", port, database_url=shared_database_url, access_log="false") as next_one:
            assert next_one.url == killed.url
            until(lambda: HTTP.get(f"{next_one.url}/livez").status_code == 200, "it answers")


@pytest.mark.parametrize("closed", ["<&- >&- 2>/dev/null", "<&- >&-", ">&-", "> /dev/full"])
def test_a_closed_output_is_no_reason_to_stop(shared_database_url: str, closed: str, tmp_path: Path) -> None:
    metrics = tmp_path / "pid"
    port = free_port()
    command = f"{sys.executable} -m evently serve --port {port} --workers 1 & echo $! > {metrics}; wait $!"
    with subprocess.Popen(
        ["/bin/sh", "-c", f"({command}) {closed}"],
        env=environment(database_url=shared_database_url, access_log="false"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as shell:
        try:
            until(lambda: _answers(port), "it answers", seconds_max=60)
            time.sleep(1)  # an exception at the announcement ended the workers a moment later
            assert _answers(port)
            assert shell.poll() is None
        finally:
            os.kill(int(metrics.read_text(encoding="ascii")), signal.SIGTERM)
            shell.wait(60)


@pytest.mark.parametrize("form", [("--json",), ()])
def test_a_reader_who_leaves_the_audit_is_no_finding(shared_database_url: str, form: tuple[str, ...]) -> None:
    """As `evently audit --json | head -c 900`: the status 1 would say that something was found."""
    with subprocess.Popen(
        [sys.executable, "-m", "evently", "audit", *form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(database_url=shared_database_url),
    ) as audit:
        assert audit.stdout is not None
        assert audit.stderr is not None
        audit.stdout.close()
        said = audit.stderr.read()
        assert (audit.wait(60), said) == (141, b"")


def _answers(port: int) -> bool:
    try:
        return HTTP.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_user_without_a_name_is_told_what_is_missing(data_directory: Path) -> None:
    """OpenShift runs containers as users that /etc/passwd does not know. Only `initdb` needs to know them."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    # It imports before it changes the user, who may not be able to read this installation
    done = subprocess.run(
        [sys.executable, "-c", _AS_UNKNOWN_USER, str(UNKNOWN_USER), str(data_directory)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"StartFailed: User {UNKNOWN_USER} has no entry in /etc/passwd" in done.stderr, done.stderr
    assert not (data_directory / "postgres").exists()


_AS_UNKNOWN_USER = """
import codecs, os, sys
from pathlib import Path
from evently.db.embedded.cluster import Cluster
from evently.db.embedded.programs import find_programs
programs = find_programs(None)
codecs.lookup("ascii")
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
cluster = Cluster(Path(sys.argv[2]))
account = cluster.lock(None)
cluster.read_password(account)
cluster.ensure(programs, account)
"""


async def test_metrics_and_health_may_have_a_network_of_their_own(shared_database_url: str) -> None:
    settings = {"monitoring_networks": "10.1.0.0/16, 127.0.0.1/32", "trusted_proxies": "127.0.0.1"}
    async with open_box_office(shared_database_url, **settings) as office:
        for address, allowed in (("10.1.2.3", True), ("10.2.0.1", False), ("2001:db8::1", False)):
            headers = {"X-Forwarded-For": address}
            for path in ("/metrics", "/health"):
                answer = await office.client.get(path, headers=headers)
                assert answer.status_code == (200 if allowed else 404)
            ready = await office.client.get("/readyz", headers=headers)
            assert (ready.status_code, bool(ready.json()["checks"])) == (200, allowed)
            assert (await office.client.get("/livez", headers=headers)).status_code == 200
