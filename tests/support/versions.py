"""The code of an earlier version, and a database that it has filled."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.support.serving import until

ROOT: Final = Path(__file__).parents[2]
BEFORE: Final = "3035f295"  # the version before: its schema is 0036
BEFORE_REVISION: Final = "0036"
DUMP: Final = ROOT / "tests" / "upgrades" / "before.sql.gz"
PASSWORD: Final = "nine lively herons wade"
BUYERS: Final = 6  # buyer-0@evently.example and so on


def unpack_code(place: Path) -> Path:
    """Unpack the source of the version before; skip the test in a clone without history."""
    done = subprocess.run(
        ["git", "archive", BEFORE, "src"], check=False, capture_output=True, cwd=ROOT, timeout=60
    )
    if done.returncode != 0:
        pytest.skip("the version before is not in the history of this clone (it is shallow, or no clone)")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place / "src"


def revision_of(url: str) -> str:
    """Return the revision of a database's schema."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def until_settled(url: str) -> None:
    """Wait until the relay has delivered every fact, which the audit of figures needs."""

    def delivered() -> bool:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM journal WHERE delivered_at IS NULL").fetchone()
        return row is not None and row[0] == 0

    until(delivered, "every fact is delivered", 120)


def restore(url: str) -> None:
    """Fill an empty database with the dump."""
    text = gzip.decompress(DUMP.read_bytes()).decode()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())
