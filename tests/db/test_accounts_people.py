"""People in the view of admins; revocations; deletion of expired rows; the secret."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from evently.accounts import (
    Accounts,
    AccountsRefusal,
    PlatformRole,
    TokenOptions,
    delete_expired,
    end_all_sessions,
    read_secret,
    register_admin,
)
from evently.accounts.people import (
    change_role,
    get_person,
    list_people,
    lock_person,
    lock_with_admins,
    rename,
)
from evently.accounts.revocations import OVERLAP, Revocations
from evently.db import Database, DatabaseOptions
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import new_id
from tests.support.accounts import (
    CHEAP,
    ORIGIN,
    PASSWORD,
    SECRET,
    MovableClock,
    log_in,
    make_person,
    open_accounts,
)

DEADLINE_SECONDS: Final = 60.0


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


def refused(code: AccountsRefusal | CommonRefusal) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda exc: exc.refusal is code)


async def eventually(true: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # a database does the work
            await asyncio.sleep(0.01)


async def set_role(
    database: Database, person_id: UUID, role: PlatformRole, clock: MovableClock
) -> list[UUID]:
    async with database.transaction() as tx:
        await change_role(tx, await lock_with_admins(tx, person_id), role)
        return await end_all_sessions(tx, person_id, clock())


# People -----------------------------------------------------------------------------------------------------


async def test_people_are_found_by_how_their_email_or_name_begins(db: Database, clock: MovableClock) -> None:
    emails = [
        "ada@example.org",
        "adam_x@example.org",
        "bo@example.org",
        "a%a@example.org",
        "zoë@".replace("ë", "e") + "example.org",
    ]
    for email in emails:
        await make_person(db, email, clock)
    async with db.transaction() as tx:
        bo = (await list_people(db, "bo", 1, None)).data[0]
        await rename(tx, await lock_person(tx, bo.person_id), "Ádám Bőd")

    async def found(search: str | None) -> set[str | None]:
        return {person.email for person in (await list_people(db, search, 100, None)).data}

    assert await found("ada") == {"ada@example.org", "adam_x@example.org"}
    assert await found("ADA") == {"ada@example.org", "adam_x@example.org"}
    assert await found("ádám b") == {"bo@example.org"}
    assert await found("a%") == {"a%a@example.org"}
    assert await found("adam_") == {"adam_x@example.org"}
    assert await found("example") == set()
    assert await found("' OR true --") == set()
    assert await found("") == await found(None) == set(emails)


async def test_people_are_paged_newest_first(db: Database, clock: MovableClock) -> None:
    made = [await make_person(db, f"p{number:02}@example.org", clock) for number in range(7)]
    seen: list[UUID] = []
    after: str | None = None
    while True:
        page = await list_people(db, "p", 3, after)
        seen += [person.person_id for person in page.data]
        if (after := page.next_cursor) is None:
            break
    assert seen == made[::-1]
    with pytest.raises(Invalid):
        await list_people(db, None, 3, "no cursor")


async def test_search_uses_the_indexes(db: Database) -> None:
    await db.fetch(
        """INSERT INTO people (person_id, email, name, role, version, created_at)
        SELECT gen_random_uuid(), md5(n::text) || '@example.org', md5(n::text), 'buyer', 1, now()
        FROM generate_series(1, 5000) AS n"""
    )
    await db.fetch("ANALYZE people")
    query, *values = _list_people_query("c4ca42")
    plan = "\n".join(row[0] for row in await db.fetch(f"EXPLAIN {_inlined(query, values)}"))
    assert "people_email_uq" in plan
    assert "people_name_ix" in plan


def _list_people_query(low: str) -> tuple[str, *tuple[object, ...]]:
    from evently.accounts.people import sql  # noqa: PLC0415  # only to read the plan

    return sql.list_people(after=None, low=low, high=low + "\U0010ffff", limit=20)


def _inlined(query: str, values: list[object]) -> str:
    for number, value in reversed(list(enumerate(values, start=1))):
        query = query.replace(f"${number}", "NULL" if value is None else repr(value))
    return query


async def test_a_role_is_changed_and_its_sessions_end(db: Database, clock: MovableClock) -> None:
    async with open_accounts(db, clock) as accounts:
        grant = await log_in(accounts, "ada@example.org")
        await make_person(db, "root@example.org", clock, "admin")
        ended = await set_role(db, grant.person.person_id, "admin", clock)
        accounts.revocations.add(ended)
        assert ended == [_session_of(accounts, grant.access_token)]
        again = await accounts.login("ada@example.org", PASSWORD, ORIGIN)
        assert accounts.tokens.verify_access(again.access_token).role == "admin"
        assert again.person.version == 2


def _session_of(accounts: Accounts, token: str) -> UUID:
    with pytest.raises(Refused):
        accounts.tokens.verify_access(token)
    return accounts.tokens._remembered[token].session_id


async def test_there_is_always_an_admin(db: Database, clock: MovableClock) -> None:
    first, second = (
        await make_person(db, "a@example.org", clock, "admin"),
        await make_person(db, "b@example.org", clock, "admin"),
    )
    for _ in range(10):
        deposing = [set_role(db, person_id, "buyer", clock) for person_id in (first, second, first)]
        outcomes = await asyncio.gather(*deposing, return_exceptions=True)
        refusals = {outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)}
        assert refusals == {AccountsRefusal.LAST_ADMIN}
        admins = [person for person in (await list_people(db, None, 10, None)).data if person.role == "admin"]
        assert len(admins) == 1
        await set_role(db, first, "admin", clock)
        await set_role(db, second, "admin", clock)


async def test_nobody_is_nobody(db: Database, clock: MovableClock) -> None:
    with refused(CommonRefusal.NOT_FOUND):
        await get_person(db, new_id())
    with refused(CommonRefusal.NOT_FOUND):
        await set_role(db, new_id(), "admin", clock)


async def test_no_login_misses_a_change_of_role(db: Database, clock: MovableClock) -> None:
    """A login during a change of role has either the new role or an ended session."""
    async with open_accounts(db, clock) as accounts:
        await make_person(db, "root@example.org", clock, "admin")
        person = (await log_in(accounts, "ada@example.org")).person
        for _ in range(10):
            await set_role(db, person.person_id, "admin", clock)
            logins = [
                asyncio.create_task(accounts.login("ada@example.org", PASSWORD, ORIGIN)) for _ in range(4)
            ]
            accounts.revocations.add(await set_role(db, person.person_id, "buyer", clock))
            for grant in [await login for login in logins]:
                session_id = accounts.tokens._verify(grant.access_token).session_id
                assert grant.person.role == "buyer" or session_id in accounts.revocations


# Revocations ------------------------------------------------------------------------------------------------


async def test_a_revocation_reaches_other_processes_within_a_second(
    database_url: str, clock: MovableClock
) -> None:
    here, there = [await Database.open(DatabaseOptions(database_url)) for _ in range(2)]
    mine, theirs = [Accounts(database, clock, TokenOptions(SECRET), CHEAP) for database in (here, there)]
    await theirs.start()
    grant = await log_in(mine, "ada@example.org")
    claims = theirs.tokens.verify_access(grant.access_token)
    await mine.logout(claims.person_id, claims.session_id, everywhere=False)
    await eventually(lambda: claims.session_id in theirs.revocations, 1.0)
    for accounts, database in ((mine, here), (theirs, there)):
        await accounts.stop()
        await database.close()


async def test_a_poll_that_fails_forgets_nothing_and_goes_on(db: Database, clock: MovableClock) -> None:
    listening, known = Revocations(clock, 900), new_id()
    listening.add([known])
    with capture_logs() as logs:
        task = asyncio.create_task(listening.run(db))
        await eventually(lambda: listening._read_at is not None)
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
        await _survive(db, listening, clock, logs, cut, "SELECT")
        await _survive(
            db,
            listening,
            clock,
            logs,
            "ALTER TABLE revocations RENAME TO gone",
            "ALTER TABLE gone RENAME TO revocations",
        )
        assert known in listening
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert {(log["event"], log["what"]) for log in logs} == {("interrupted", "revocations")}


async def _survive(
    database: Database, listening: Revocations, clock: MovableClock, logs: Sized, breaks: str, mends: str
) -> None:
    """Break the database, wait for the warning, repair it, and wait for a new revocation."""
    noticed, news = len(logs), new_id()
    await database.fetch(breaks)
    await eventually(lambda: len(logs) > noticed)
    await database.fetch(mends)
    await database.fetch("INSERT INTO revocations (session_id, at) VALUES ($1, $2)", news, clock())
    await eventually(lambda: news in listening)


async def test_a_row_that_becomes_visible_late_is_still_news(db: Database, clock: MovableClock) -> None:
    listening = Revocations(clock, 900)
    await listening.refresh(db)
    late = new_id()
    written_at = clock() - OVERLAP + timedelta(seconds=1)
    await db.fetch("INSERT INTO revocations (session_id, at) VALUES ($1, $2)", late, written_at)
    await listening.refresh(db)
    assert late in listening


async def test_a_process_that_starts_learns_what_still_matters(db: Database, clock: MovableClock) -> None:
    recent, old = new_id(), new_id()
    await db.fetch(
        "INSERT INTO revocations (session_id, at) VALUES ($1, $2)", recent, clock() - timedelta(minutes=14)
    )
    await db.fetch(
        "INSERT INTO revocations (session_id, at) VALUES ($1, $2)", old, clock() - timedelta(hours=1)
    )
    listening = Revocations(clock, 900)
    await listening.refresh(db)
    assert recent in listening
    assert old not in listening
    clock.move(minutes=3)
    await listening.refresh(db)
    assert len(listening) == 0


async def test_parallel_endings_of_one_session_write_one_row(db: Database, clock: MovableClock) -> None:
    async with open_accounts(db, clock) as accounts:
        grant = await log_in(accounts, "ada@example.org")
        claims = accounts.tokens.verify_access(grant.access_token)
        logouts = [
            accounts.logout(claims.person_id, claims.session_id, everywhere=number % 2 == 0)
            for number in range(8)
        ]
        await asyncio.gather(*logouts)
        assert await db.fetch_value("SELECT count(*) FROM revocations") == 1


# What is deleted, and what is not -------------------------------------------------------------------------


async def test_what_no_longer_matters_is_forgotten(db: Database, clock: MovableClock) -> None:
    async with open_accounts(db, clock) as accounts:
        grant = await log_in(accounts, "ada@example.org")
        claims = accounts.tokens.verify_access(grant.access_token)
        await accounts.logout(claims.person_id, claims.session_id, everywhere=False)
        with refused(AccountsRefusal.WRONG_CREDENTIALS):
            await accounts.login("nobody@example.org", PASSWORD, ORIGIN)

    async def counts() -> dict[str, int]:
        tables = ("sessions", "refresh_tokens", "revocations", "login_attempts")
        return {table: await db.fetch_value(f"SELECT count(*) FROM {table}") for table in tables}

    before = await counts()
    await delete_expired(db, clock(), 900)
    assert await counts() == before
    clock.move(hours=2)
    await delete_expired(db, clock(), 900)
    assert await counts() == {
        "sessions": 1,
        "refresh_tokens": 1,
        "revocations": 0,
        "login_attempts": 1,
    }  # the origin of ada is still known
    clock.move(days=100)
    await delete_expired(db, clock(), 900)
    assert await counts() == {"sessions": 0, "refresh_tokens": 0, "revocations": 0, "login_attempts": 0}


async def test_the_secret_is_made_once(db: Database, clock: MovableClock) -> None:
    secrets = await asyncio.gather(*[read_secret(db, clock()) for _ in range(8)])
    assert len(set(secrets)) == 1
    assert len(secrets[0]) == 32


async def test_register_admin_from_the_command_line(database_url: str, db: Database) -> None:
    password = await register_admin(DatabaseOptions(database_url), "root@example.org", "Root")
    assert password is not None
    assert await register_admin(DatabaseOptions(database_url), "root@example.org", "Root") is None
    assert (await list_people(db, "root", 1, None)).data[0].role == "admin"
