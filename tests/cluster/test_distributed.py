"""A cluster of database servers that is there (`make test CLUSTER=...`): it sells, and is rehearsed on.

Skipped without one. The database is emptied; its tables are distributed if they are not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evently.db import DatabaseOptions
from evently.db.distributing import distribute
from evently.rehearsal.plan import make_organizer
from tests.support.diary import CLEAN, SETTINGS, Diary, breaches, judge, put_on_sale
from tests.support.serving import evently, serving

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def cluster(cluster_url: str | None, request: pytest.FixtureRequest) -> str:
    """Return an empty database on the cluster."""
    if cluster_url is None:
        pytest.skip("no cluster: make test CLUSTER=postgresql://coordinator/database")
    url: str = request.getfixturevalue("database_url")
    return url


async def test_every_table_of_events_is_distributed(cluster: str) -> None:
    plan = await distribute(DatabaseOptions(url=cluster), dry_run=True)
    assert plan.is_cluster
    assert [step.table for step in plan.steps if not step.is_done] == []


@pytest.mark.parametrize("events", [1, 50])
async def test_it_sells(cluster: str, events: int, *, prove: bool) -> None:
    with serving("--workers", "1", database_url=cluster, **SETTINGS) as server:
        diary = Diary([server.url], await put_on_sale(cluster, events), 64)
        async with diary.writing():
            await diary.until_booked(20_000 if prove else 1_000)
        diary.close()
        assert set(diary.codes()) == {"201"}
        assert await judge(cluster, diary) == CLEAN
        assert await breaches(cluster) == {}


async def test_a_rehearsal_is_clean(cluster: str, tmp_path: Path) -> None:
    with serving("--workers", "1", database_url=cluster, **SETTINGS) as server:
        organizer, token = await make_organizer(cluster)
        done = evently(
            "rehearse", "--url", server.url, "--organizer", organizer, "--buyers", "300", "--places", "100",
            "--report", str(tmp_path / "report.html"), token=token,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
