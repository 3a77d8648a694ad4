"""The directory in which the workers of a server share their metrics, with real processes that are killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx2
import pytest

from tests.support.serving import all_gone, serving, until

QUIET = {"access_log": "false", "background": "false"}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the servers of a test make their temporary directories."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def directories(scratch: Path) -> set[Path]:
    return set(scratch.glob("evently-metrics-*"))


def test_a_server_that_stops_removes_its_directory(shared_database_url: str, scratch: Path) -> None:
    with serving("--workers", "1", database_url=shared_database_url, **QUIET) as server:
        assert len(directories(scratch)) == 1
        assert server.stop() == 0
    assert directories(scratch) == set()


def test_the_directory_of_a_killed_server_is_removed_by_the_next(
    shared_database_url: str, scratch: Path
) -> None:
    with serving("--workers", "1", database_url=shared_database_url, **QUIET) as killed:
        (left,) = directories(scratch)
        (worker,) = killed.workers()
        os.kill(worker, signal.SIGSTOP)  # so that it outlives its parent
        killed.process.kill()
        killed.process.wait()
        with serving("--workers", "1", database_url=shared_database_url, **QUIET):
            assert left in directories(scratch), "a worker still uses it"
        os.kill(worker, signal.SIGCONT)
        until(lambda: all_gone([worker]), "the worker ends after its parent")
    assert directories(scratch) == {left}
    with serving("--workers", "1", database_url=shared_database_url, **QUIET):
        (own,) = directories(scratch)
        assert own != left


def test_the_directory_of_a_living_server_is_kept(shared_database_url: str, scratch: Path) -> None:
    with serving("--workers", "1", database_url=shared_database_url, **QUIET) as first:
        (own,) = directories(scratch)
        with serving("--workers", "1", database_url=shared_database_url, **QUIET):
            assert len(directories(scratch)) == 2
        assert directories(scratch) == {own}
        metrics = httpx2.get(f"{first.url}/metrics")
        assert metrics.status_code == 200
        assert list(own.glob("*.db")), "its workers count there"
