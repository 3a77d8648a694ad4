"""PgBouncer in transaction mode: prepared statements are refused where it does not carry them."""

from __future__ import annotations

import pytest

from evently.db import Database, DatabaseOptions
from evently.db.pooling import carries_prepared_statements
from tests.support.diary import CLEAN, SETTINGS, SLOW, Diary, breaches, judge, put_on_sale
from tests.support.marks import needs
from tests.support.programs import CARRYING, PGBOUNCER, pgbouncer, pgbouncer_version
from tests.support.serving import evently, serving

pytestmark = pytest.mark.timeout(600)
needs_pgbouncer = needs([] if PGBOUNCER else ["pgbouncer"])


@needs_pgbouncer
@pytest.mark.parametrize("carried", [0, 200])
async def test_it_sells(external_database_url: str, carried: int, *, prove: bool) -> None:
    """Without prepared statements; with them, where the pooler carries them."""
    if carried and pgbouncer_version() < CARRYING:
        pytest.skip("PgBouncer before 1.21 carries no prepared statements (PGBOUNCER names another one)")
    settings = SETTINGS | {"prepared_statements": "true" if carried else "false"}
    with (
        pgbouncer(external_database_url, carried) as url,
        serving("--workers", "1", database_url=url, **settings) as server,
    ):
        diary = Diary([server.url], await put_on_sale(external_database_url), 16)
        async with diary.writing():
            await diary.until_booked(5_000 if prove else 300)
        status, health, _ = await diary.get(server.url, "/health")
        diary.close()
        assert (status, health["checks"]["writes"]["status"]) == (200, "pass")
        assert set(diary.codes()) - SLOW == {"201"}
        assert await judge(external_database_url, diary) == CLEAN
        assert await breaches(external_database_url) == {}
        done = evently("audit", database_url=url, prepared_statements=settings["prepared_statements"])
        assert done.returncode == 0, done.stderr


@needs_pgbouncer
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("audit",)])
def test_with_prepared_statements_it_is_refused_at_the_start(
    external_database_url: str, command: tuple[str, ...]
) -> None:
    with pgbouncer(external_database_url) as url:
        done = evently(*command, database_url=url)
        assert done.returncode == 2, done.stderr
        assert "EVENTLY_PREPARED_STATEMENTS=false" in done.stderr
        assert "Traceback" not in done.stderr


async def test_a_server_without_a_pooler_carries_them(external_database_url: str) -> None:
    database = await Database.open(DatabaseOptions(external_database_url))
    assert await carries_prepared_statements(database)
    await database.close()
