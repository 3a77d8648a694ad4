"""The pool, its transactions, and the translation of driver errors."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import psycopg
import pytest

from evently.db import Database, DatabaseOptions, Queries
from evently.db.migrations import Refused, head_revision, migrate
from evently.kit.errors import Busy, Unavailable


def with_a_dead_host_first(url: str) -> str:
    """Return the URL with a host in front on which no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = probe.getsockname()[1]
    user, _, hosts = urlsplit(url).netloc.rpartition("@")
    return url.replace(f"{user}@{hosts}", f"{user}@127.0.0.1:{dead},{hosts}")


async def test_several_hosts(external_database_url: str) -> None:
    """The pool, single connections and the migrations use the host that answers."""
    url = with_a_dead_host_first(external_database_url)
    migrate(url)
    database = await Database.open(DatabaseOptions(url))
    assert await database.fetch_value("SELECT 1") == 1
    own = await database.connect()
    assert await own.fetchval("SELECT 2") == 2
    await own.close()
    await database.close()


def test_the_database_of_another_program_is_refused(external_database_url: str) -> None:
    """`DATABASE_URL` in a shell may mean that one."""
    with psycopg.connect(external_database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE albums (id int)")
        with pytest.raises(Refused, match=r"tables of another program \(albums\)"):
            migrate(external_database_url)
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        with pytest.raises(Refused, match=r"\(albums, alembic_version\)"):
            migrate(external_database_url)
        connection.execute("DROP TABLE albums, alembic_version")
        connection.execute("CREATE VIEW statistics AS SELECT 1")
        migrate(external_database_url)
        migrate(external_database_url)
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert found == (head_revision(),)


async def test_no_host_at_all() -> None:
    """Opening succeeds, so that a server can start before its database; statements fail."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = await Database.open(DatabaseOptions(f"postgresql://u:p@127.0.0.1:{port}/evently"))
    with pytest.raises(Unavailable):
        await database.fetch_value("SELECT 1")
    with pytest.raises(Unavailable):
        async with database.transaction():
            pass
    await database.close()


async def test_a_transaction_is_all_or_nothing(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO leases (name, holder, expires_at) VALUES ('a', gen_random_uuid(), now())"
            )
            raise ZeroDivisionError
    assert await db.fetch_value("SELECT count(*) FROM leases") == 0


async def test_a_cancelled_request_does_not_tear_its_commit(db: Database) -> None:
    """A transaction that is cancelled during its commit still commits, and its connection stays usable."""
    for _ in range(20):
        entered = asyncio.Event()

        async def write(entered: asyncio.Event) -> None:
            async with db.transaction() as tx:
                await tx.execute(
                    "INSERT INTO leases (name, holder, expires_at) "
                    "VALUES (gen_random_uuid()::text, gen_random_uuid(), now())"
                )
                entered.set()

        task = asyncio.create_task(write(entered))
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await db.fetch_value("SELECT count(*) FROM leases") == 20


async def test_a_snapshot_sees_one_instant_and_writes_nothing(db: Database) -> None:
    async with db.snapshot() as snapshot:
        assert await snapshot.fetchval("SELECT count(*) FROM leases") == 0
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO leases (name, holder, expires_at) VALUES ('a', gen_random_uuid(), now())"
            )
        assert await snapshot.fetchval("SELECT count(*) FROM leases") == 0


async def test_a_killed_session_is_replaced(db: Database) -> None:
    """The request on the broken connection gets `Unavailable`; the next one gets another connection."""
    with pytest.raises(Unavailable):
        await db.fetch_value("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await db.fetch_value("SELECT 1") == 1


async def test_a_busy_pool_says_so(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await Database.open(DatabaseOptions(database_url, pool_connections_max=1))
    async with database.transaction():
        with monkeypatch.context() as meanwhile:  # before and after, connecting may take longer
            meanwhile.setattr("evently.db.pool.ACQUIRE_SECONDS_MAX", 0.05)
            with pytest.raises(Busy):
                await database.fetch_value("SELECT 1")
    assert await database.fetch_value("SELECT 1") == 1
    await database.close()


def test_queries_are_named_and_numbered() -> None:
    queries = Queries("""
-- Comments before the first name belong to nobody: not even :this.

-- name: find
-- A sentence with :colons that is no parameter.
SELECT a::text FROM t WHERE a = :first AND b = :second AND c = :first;

-- name: nothing
SELECT 1
""")
    assert queries.find(second=2, first=1) == (
        "SELECT a::text FROM t WHERE a = $1 AND b = $2 AND c = $1",
        1,
        2,
    )
    assert [query.name for query in queries] == ["find", "nothing"]
    with pytest.raises(AssertionError, match="find takes"):
        queries.find(first=1)
    with pytest.raises(AttributeError):
        queries.missing  # noqa: B018
