"""The guarantees of the embedded PostgreSQL (see the package), with real servers, processes and kills."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from evently.db.embedded import (
    DirectoryInUse,
    DirectoryUnreachable,
    EmbeddedOptions,
    EmbeddedPostgres,
    NoPrograms,
    OtherVersion,
    StartFailed,
    reachable_data_directory,
)
from evently.db.embedded.programs import copied_programs, find_programs
from tests.support.postgres import scratch_directory

DEADLINE_SECONDS: Final = 30.0
AS_ROOT: Final = os.geteuid() == 0
NOBODY: Final = pwd.getpwnam("nobody")
GUARDS: Final = ["death-signal", "pipe"] if sys.platform == "linux" else ["pipe"]
SERVE: Final = """
import json, sys
from pathlib import Path
from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
options = EmbeddedOptions(data_directory=Path(sys.argv[1]), **json.loads(sys.argv[2]))
with EmbeddedPostgres(options) as postgres:
    print(postgres.url, flush=True)
    sys.stdin.read()
"""
ROOT_ONLY: Final = pytest.mark.skipif(not AS_ROOT, reason="only root has another user to become")


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that every user can reach."""
    with scratch_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def bin_directory() -> Iterator[Path]:
    """Programs that every user can reach, wherever the environment of these tests is."""
    with scratch_directory() as directory:
        yield copied_programs(find_programs(None), directory).directory


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """A data directory with a cluster, stopped."""
    with scratch_directory() as directory:
        with EmbeddedPostgres(options(directory)):
            pass
        yield directory


@pytest.fixture
def data(place: Path, initialised: Path) -> Path:
    """A copy of the stopped data directory."""
    subprocess.run(["cp", "-a", initialised, place / "data"], check=True)
    return place / "data"


def options(data_directory: Path, **more: Any) -> EmbeddedOptions:
    return EmbeddedOptions(data_directory=data_directory, **more)


@contextmanager
def serving(data_directory: Path, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process that serves the directory; yield it when the server answers."""
    with child(data_directory, **more) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        yield process


@contextmanager
def child(
    data_directory: Path, python: str = sys.executable, user: int | None = None, **more: Any
) -> Iterator[subprocess.Popen[str]]:
    command = [python, "-c", SERVE, str(data_directory), json.dumps(more)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=user,
        extra_groups=None if user is None else [],
        env=python_environment(),
        cwd="/",
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.communicate(timeout=DEADLINE_SECONDS)


def python_environment() -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PATH": os.defpath,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def server_pid(data_directory: Path) -> int:
    return int((data_directory / "postgres/postmaster.pid").read_text().splitlines()[0])


def server_user(data_directory: Path) -> int | None:
    """The system user of the server; None when it is the current user."""
    return (data_directory / "postgres").stat().st_uid if AS_ROOT else None


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.strip()
    return not state or state.startswith("Z")


def ask(url: str, question: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql.SQL(question)).fetchone()
        assert row is not None
        return row[0]


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement))


# A fresh directory


async def test_every_client_can_connect_to_a_fresh_directory(place: Path) -> None:
    with EmbeddedPostgres(options(place / "new/data")) as postgres:
        assert ask(postgres.url, "SELECT current_database()") == "evently"
        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        engine = create_engine(make_url(postgres.url).set(drivername="postgresql+psycopg"))
        with engine.connect() as through_sqlalchemy:
            assert through_sqlalchemy.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()


def test_what_was_written_is_there_after_a_clean_stop(data: Path) -> None:
    with EmbeddedPostgres(options(data)) as postgres:
        tell(postgres.url, "CREATE TABLE kept AS SELECT 7 AS value")
    with EmbeddedPostgres(options(data)) as postgres:
        assert ask(postgres.url, "SELECT value FROM kept") == 7


def test_stopping_ends_sessions_and_is_harmless_when_nothing_runs(data: Path) -> None:
    postgres = EmbeddedPostgres(options(data))
    postgres.stop()
    postgres.start()
    postgres.start()
    session = psycopg.connect(postgres.url)
    postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()
    postgres.stop()
    assert not postgres.running


def test_the_cluster_speaks_unicode_and_checks_its_pages(data: Path) -> None:
    with EmbeddedPostgres(options(data)) as postgres:
        assert ask(postgres.url, "SELECT upper('straße')") == "STRASSE"
        assert ask(postgres.url, "SELECT 'Ä' < 'a' COLLATE \"C\"") is False
        assert (
            ask(postgres.url, "SELECT to_tsvector('simple', 'Café – „Zürich“')::text")
            == "'café':1 'zürich':2"
        )
        for setting, value in {
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "TimeZone": "UTC",
            "max_wal_size": "2GB",
            "shared_preload_libraries": "pg_stat_statements",
        }.items():
            assert ask(postgres.url, f"SHOW {setting}") == value


def test_settings_are_added_to_ours(data: Path) -> None:
    with EmbeddedPostgres(options(data, settings={"work_mem": "7MB", "max_connections": "33"})) as postgres:
        assert ask(postgres.url, "SHOW work_mem") == "7MB"
        assert ask(postgres.url, "SHOW max_connections") == "33"


def test_the_log_goes_to_a_week_of_files(data: Path) -> None:
    with EmbeddedPostgres(options(data)) as postgres:
        tell(postgres.url, "DO $$ BEGIN RAISE WARNING 'a wet ticket'; END $$")
        eventually(
            lambda: any(
                "a wet ticket" in path.read_text() for path in data.glob("postgres/log/postgres-???.log")
            )
        )
        assert ask(postgres.url, "SHOW log_truncate_on_rotation") == "on"


def test_an_initdb_that_was_killed_leaves_nothing_that_looks_like_a_cluster(place: Path) -> None:
    with child(place / "data") as process:
        eventually(lambda: any(place.glob("data/postgres.new-*/*")))
        process.kill()
    assert not (place / "data/postgres").exists()
    with EmbeddedPostgres(options(place / "data")) as postgres:
        assert ask(postgres.url, "SELECT 1") == 1


# Who can connect


def test_nobody_gets_in_without_the_password(data: Path) -> None:
    with EmbeddedPostgres(options(data, tcp_port=0)) as postgres:
        assert ask(postgres.tcp_url, "SELECT host(inet_server_addr())") == "127.0.0.1"
        assert (
            ask(postgres.url, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules")
            == "scram-sha-256"
        )
        assert (
            ask(postgres.url, "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'evently'")
            == "SCRAM-SHA-256"
        )
        password = (data / "postgres.password").read_text().strip()
        for url in (postgres.url, postgres.tcp_url):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                ask(url.replace(password, "guess"), "SELECT 1")
    assert (data / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert (data / "postgres").stat().st_mode & 0o777 == 0o700


def test_there_is_no_tcp_unless_asked_for(data: Path) -> None:
    with EmbeddedPostgres(options(data)) as postgres:
        assert ask(postgres.url, "SHOW listen_addresses") == ""
        assert (data / "postgres.socket").stat().st_mode & 0o777 == 0o700


def test_a_lost_password_is_said_plainly(data: Path) -> None:
    (data / "postgres.password").unlink()
    with pytest.raises(StartFailed, match=r"postgres\.password is missing"):
        EmbeddedPostgres(options(data)).start()


def test_a_password_of_somebody_else_is_said_plainly(data: Path) -> None:
    (data / "postgres.password").write_text("guess\n")
    with pytest.raises(StartFailed, match="is not the password of"):
        EmbeddedPostgres(options(data)).start()


# Root and not root


@ROOT_ONLY
def test_root_serves_as_somebody_else_and_touches_nothing_above(place: Path, bin_directory: Path) -> None:
    above = {
        path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid)
        for path in [place, *place.parents]
    }
    with EmbeddedPostgres(options(place / "data", bin_directory=bin_directory)):
        owner = Path(f"/proc/{server_pid(place / 'data')}").stat().st_uid
        assert owner != 0
        assert {path.name: path.stat().st_uid for path in (place / "data").iterdir()} == {
            "postgres": owner,
            "postgres.lock": 0,
            "postgres.password": owner,
            "postgres.socket": owner,
        }
    assert above == {
        path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid)
        for path in [place, *place.parents]
    }


@ROOT_ONLY
def test_root_serves_as_the_user_it_is_told(place: Path) -> None:
    with EmbeddedPostgres(options(place / "data", user="nobody")):
        assert Path(f"/proc/{server_pid(place / 'data')}").stat().st_uid == NOBODY.pw_uid
    with EmbeddedPostgres(options(place / "data")):
        assert Path(f"/proc/{server_pid(place / 'data')}").stat().st_uid == NOBODY.pw_uid, (
            "the owner of a cluster keeps it"
        )


@ROOT_ONLY
def test_a_copy_made_by_root_is_given_back_to_the_user(data: Path) -> None:
    subprocess.run(["chown", "-R", "root:root", data], check=True)
    with EmbeddedPostgres(options(data)) as postgres:
        assert ask(postgres.url, "SELECT 1") == 1


@ROOT_ONLY
def test_a_path_that_the_user_cannot_reach_is_refused(place: Path) -> None:
    (place / "closed").mkdir(mode=0o700)
    with pytest.raises(DirectoryUnreachable, match=f"cannot enter {place}/closed: choose"):
        EmbeddedPostgres(options(place / "closed/data")).start()
    assert (place / "closed").stat().st_mode & 0o777 == 0o700
    assert reachable_data_directory(place / "closed/data") == Path("/var/lib/evently")
    assert reachable_data_directory(place / "data") == place / "data"


@ROOT_ONLY
def test_a_closed_data_directory_of_ours_is_opened_just_enough(place: Path) -> None:
    (place / "data").mkdir(mode=0o700)
    with EmbeddedPostgres(options(place / "data")):
        assert (place / "data").stat().st_mode & 0o777 == 0o701


@ROOT_ONLY
def test_programs_that_the_user_cannot_reach_are_copied(place: Path, data: Path) -> None:
    (place / "closed").mkdir(mode=0o700)
    (place / "closed/install").symlink_to(find_programs(None).directory.parent)
    for _ in range(2):
        with EmbeddedPostgres(options(data, bin_directory=place / "closed/install/bin")) as postgres:
            assert ask(postgres.url, "SELECT 1") == 1
        assert len(list(data.glob("postgres.programs-*"))) == 1


@ROOT_ONLY
def test_not_root_serves_as_itself(place: Path) -> None:
    python = python_for(NOBODY.pw_uid)
    os.chown(place, NOBODY.pw_uid, NOBODY.pw_gid)
    with child(place / "data", python=python, user=NOBODY.pw_uid) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert ask(url, "SELECT 1") == 1
        assert Path(f"/proc/{server_pid(place / 'data')}").stat().st_uid == NOBODY.pw_uid
        server = server_pid(place / "data")
        process.kill()
        eventually(lambda: gone(server))


def python_for(uid: int) -> str:
    """Return a Python with the packages that the user can run: this one, or the one of the system."""
    for python in (
        sys.executable,
        f"/usr/bin/python3.{sys.version_info.minor}",
        f"/usr/local/bin/python3.{sys.version_info.minor}",
    ):
        try:
            subprocess.run(
                [python, "-c", "import evently.db.embedded"],
                user=uid,
                extra_groups=[],
                check=True,
                env=python_environment(),
                cwd="/",
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python that another user can run")


# Kills


@pytest.mark.parametrize("guard", GUARDS)
def test_killing_the_parent_leaves_no_server(data: Path, guard: str) -> None:
    with serving(data, guard=guard) as process:
        server = server_pid(data)
        process.kill()
        eventually(lambda: gone(server))
    control = subprocess.run(
        [find_programs(None).path("pg_controldata"), data / "postgres"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "shut down" in next(
        line for line in control.splitlines() if line.startswith("Database cluster state")
    ), "it went cleanly"


@pytest.mark.parametrize("guard", GUARDS)
def test_a_start_right_after_the_parent_was_killed(data: Path, guard: str) -> None:
    with serving(data, guard=guard) as process:
        earlier = server_pid(data)
        process.kill()
        process.wait()
        with EmbeddedPostgres(options(data)) as postgres:
            assert ask(postgres.url, "SELECT 1") == 1
            assert server_pid(data) != earlier
        assert gone(earlier)


@pytest.mark.parametrize("guard", GUARDS)
def test_killing_the_server_and_starting_again_at_once_loses_nothing(data: Path, guard: str) -> None:
    postgres = EmbeddedPostgres(
        EmbeddedOptions(data_directory=data, guard="pipe" if guard == "pipe" else "death-signal")
    )
    postgres.start()
    tell(postgres.url, "CREATE TABLE kept (value int)")
    for value in range(3):
        tell(postgres.url, f"INSERT INTO kept VALUES ({value})")
        os.kill(server_pid(data), signal.SIGKILL)
        eventually(lambda: not postgres.running)
        url = postgres.url
        postgres.start()
        assert postgres.url == url
        assert ask(postgres.url, "SELECT count(*) FROM kept") == value + 1
    postgres.stop()


def test_killing_parent_and_server_and_starting_again_at_once_loses_nothing(data: Path) -> None:
    for value in range(3):
        with serving(data) as process:
            password = (data / "postgres.password").read_text().strip()
            url = f"postgresql://evently:{password}@/evently?host={data}/postgres.socket"
            tell(url, "CREATE TABLE IF NOT EXISTS kept (value int)")
            assert ask(url, "SELECT count(*) FROM kept") == value
            tell(url, f"INSERT INTO kept VALUES ({value})")
            os.kill(server_pid(data), signal.SIGKILL)
            process.kill()
    with EmbeddedPostgres(options(data)) as postgres:
        assert ask(postgres.url, "SELECT count(*) FROM kept") == 3


@pytest.mark.parametrize("pid_file", ["kept", "lost"])
def test_a_survivor_of_the_last_server_keeps_the_next_one_out(data: Path, pid_file: str) -> None:
    with EmbeddedPostgres(options(data, recovery_seconds_max=0.5)) as postgres:
        with psycopg.connect(postgres.url) as session:
            survivor = session.info.backend_pid
            with stopped(survivor):
                os.kill(server_pid(data), signal.SIGKILL)
                eventually(lambda: not postgres.running)
                if pid_file == "lost":
                    (data / "postgres/postmaster.pid").unlink()
                with pytest.raises(StartFailed, match="shared memory block"):
                    postgres.start()
        eventually(lambda: gone(survivor))
    with EmbeddedPostgres(options(data)) as postgres:
        assert ask(postgres.url, "SELECT 1") == 1


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Freeze a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("handled", [signal.SIG_DFL, signal.SIG_IGN], ids=["foreground", "background"])
def test_a_recovery_is_not_waited_for_for_ever(data: Path, handled: signal.Handlers) -> None:
    """Not where a shell has started us in the background either: there, SIGINT is ignored at first."""
    postgres = EmbeddedPostgres(options(data, recovery_seconds_max=0.0))
    before = signal.signal(signal.SIGINT, handled)
    try:
        began = time.monotonic()
        with pytest.raises(StartFailed, match="not ready after 0 seconds"):
            postgres.start()
        assert time.monotonic() - began < 30, "it was told to stop until it stopped"
    finally:
        signal.signal(signal.SIGINT, before)
    assert not postgres.running
    with EmbeddedPostgres(options(data)):
        pass


# Lock files


@pytest.mark.parametrize(
    "content",
    [
        "{pid}\n{data}/postgres\n1700000000\n5432\n{data}/postgres.socket\n\n 1 2\nready   \n",
        "{pid}\n",
        "",
        "soup\n",
    ],
)
def test_a_stale_pid_file_is_no_obstacle(data: Path, content: str) -> None:
    with unrelated_process(data) as pid:
        stale = data / "postgres/postmaster.pid"
        stale.write_text(content.format(pid=pid, data=data))
        shutil.copystat(data / "postgres/PG_VERSION", stale)
        shutil.chown(stale, (data / "postgres").stat().st_uid)
        with EmbeddedPostgres(options(data, recovery_seconds_max=60.0)) as postgres:
            assert ask(postgres.url, "SELECT 1") == 1
        assert not gone(pid)


def test_a_stale_socket_lock_is_no_obstacle(data: Path) -> None:
    with unrelated_process(data) as pid:
        owner = (data / "postgres").stat().st_uid
        (data / "postgres.socket").mkdir(mode=0o700)
        (data / "postgres.socket/.s.PGSQL.5432.lock").write_text(
            f"{pid}\n{data}/postgres\n1700000000\n5432\n{data}/postgres.socket\n"
        )
        for path in (data / "postgres.socket", data / "postgres.socket/.s.PGSQL.5432.lock"):
            shutil.chown(path, owner)
        with EmbeddedPostgres(options(data, recovery_seconds_max=60.0)) as postgres:
            assert ask(postgres.url, "SELECT 1") == 1


@contextmanager
def unrelated_process(data: Path) -> Iterator[int]:
    """Run a process that PostgreSQL may signal: it mistakes it for a server when a lock file names it."""
    with subprocess.Popen(["sleep", "600"], user=server_user(data), cwd="/") as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_second_start_is_refused_at_once(data: Path) -> None:
    with serving(data) as process:
        began = time.monotonic()
        with pytest.raises(DirectoryInUse, match=f"Process {process.pid} already serves"):
            EmbeddedPostgres(options(data)).start()
        assert time.monotonic() - began < 20, "it does not wait for the other one to stop"
    with EmbeddedPostgres(options(data)), pytest.raises(DirectoryInUse):
        EmbeddedPostgres(options(data)).start()


def test_a_server_that_somebody_else_started_is_left_alone(data: Path, bin_directory: Path) -> None:
    (data / "sockets").mkdir()
    shutil.chown(data / "sockets", (data / "postgres").stat().st_uid)
    foreign = [
        str(bin_directory / "postgres"),
        "-D",
        str(data / "postgres"),
        "-c",
        "listen_addresses=",
        "-k",
        str(data / "sockets"),
    ]
    with subprocess.Popen(
        foreign, user=server_user(data), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        eventually((data / "sockets/.s.PGSQL.5432").exists)
        with pytest.raises(DirectoryInUse, match=f"another program started \\(process {process.pid}\\)"):
            EmbeddedPostgres(options(data)).start()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)


# Paths, versions, programs


def test_a_cluster_of_another_version_is_refused_with_both_named(data: Path) -> None:
    (data / "postgres/PG_VERSION").write_text("17\n")
    with pytest.raises(
        OtherVersion,
        match=r"created by PostgreSQL 17, but the installed programs are PostgreSQL 18\.\d+: set EVENTLY_PG",
    ):
        EmbeddedPostgres(options(data)).start()


@pytest.mark.parametrize("name", ["deep/" + "x" * 120, "käse, 'zwei' %41 & \"drei\""])
def test_a_path_unfit_for_a_socket_gets_a_private_temporary_directory(
    place: Path, bin_directory: Path, name: str
) -> None:
    with EmbeddedPostgres(options(place / name, bin_directory=bin_directory)) as postgres:
        directory = Path(ask(postgres.url, "SHOW unix_socket_directories"))
        assert place not in directory.parents
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_a_temporary_socket_directory_goes_even_when_the_server_was_killed(place: Path) -> None:
    with EmbeddedPostgres(options(place / ("x" * 120))) as postgres:
        directory = Path(ask(postgres.url, "SHOW unix_socket_directories"))
        os.kill(server_pid(place / ("x" * 120)), signal.SIGKILL)
        eventually(lambda: not postgres.running)
    assert not directory.exists()
    with EmbeddedPostgres(options(place / ("x" * 120))) as postgres:
        assert ask(postgres.url, "SELECT 1") == 1


def test_what_postgresql_says_is_passed_on(data: Path) -> None:
    with pytest.raises(StartFailed, match='invalid value for parameter "shared_buffers": "banana"'):
        EmbeddedPostgres(options(data, settings={"shared_buffers": "banana"})).start()


def test_a_file_in_the_way_is_said_plainly(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(DirectoryUnreachable, match=r"cannot be used: "):
        EmbeddedPostgres(options(place / "file/data")).start()


def test_missing_or_old_programs_are_said_plainly(place: Path) -> None:
    with pytest.raises(NoPrograms, match="The program postgres is missing in"):
        EmbeddedPostgres(options(place / "data", bin_directory=place)).start()
    for name in ("postgres", "initdb"):
        (place / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.8 (Debian)'\n")
        (place / name).chmod(0o755)
    with pytest.raises(NoPrograms, match=r"contains PostgreSQL 15\.8; Evently needs 16 or newer"):
        EmbeddedPostgres(options(place / "data", bin_directory=place)).start()
