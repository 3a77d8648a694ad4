"""Codes by e-mail: where they work, how often, for how long; who has the account afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, cast
from uuid import UUID

import pytest
import pytest_asyncio

from evently import mail
from evently.accounts import Accounts, AccountsRefusal, TokenOptions, delete_expired
from evently.accounts.codes import (
    GRACE,
    REQUESTS_MAX,
    TRIES_MAX,
    ByCode,
    ByLink,
    NewCode,
    Purpose,
    new_receipt,
)
from evently.accounts.people import find_by_email, get_person
from evently.db import Connection, Database
from evently.kit.errors import Invalid, Refused
from tests.support.accounts import CHEAP, ORIGIN, PASSWORD, SECRET, MovableClock, log_in, open_accounts
from tests.support.crash_points import CrashingDatabase, CrashPoint, ProcessCrashed

ADA: Final = "ada@example.org"
OTHER: Final = "eleven quiet owls blink"
# Everybody may request these; a new address is the signed-in person's
ANYBODYS: Final[tuple[Purpose, ...]] = ("sign_in", "new_password")
CRASH_POINTS_MAX: Final = 40  # a login with a code has fewer


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def accounts(db: Database, clock: MovableClock) -> AsyncIterator[Accounts]:
    async with open_accounts(db, clock) as made:
        yield made


def refused(code: AccountsRefusal) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda exc: exc.refusal is code)


async def request(
    accounts: Accounts,
    email: str = ADA,
    name: str | None = "Ada",
    purpose: Purpose = "sign_in",
    origin: str | None = ORIGIN,
) -> NewCode:
    async def store(tx: Connection, new: NewCode, person_id: UUID | None) -> None:
        await tx.fetchval("SELECT 1")

    return await accounts.codes.request(purpose, email, name, origin, store)


def by_code(new: NewCode) -> ByCode:
    return ByCode(new.receipt, new.code)


def wrong(new: NewCode) -> ByCode:
    return ByCode(new.receipt, f"{(int(new.code) + 1) % 1_000_000:06}")


async def test_a_code_makes_an_account_once_and_then_logs_in_to_it(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    made = await accounts.login_with_code(by_code(await request(accounts, "Ada@Example.org")), None, ORIGIN)
    assert (made.person.email, made.person.name) == (ADA, "Ada")
    assert made.person.email_verified_at == clock()
    clock.move(minutes=5)
    again = await accounts.login_with_code(
        by_code(await request(accounts, name="Another name")), "A third name", ORIGIN
    )
    assert again.person == made.person
    assert again.refresh_token != made.refresh_token
    accounts.tokens.verify_access(made.access_token)  # the first session continues
    assert await db.fetch_value("SELECT count(*) FROM people") == 1


async def test_without_a_name_the_code_stays_of_use_until_one_is_given(accounts: Accounts) -> None:
    new = await request(accounts, name=None)
    for _ in range(TRIES_MAX + 1):
        with pytest.raises(Invalid) as caught:
            await accounts.login_with_code(by_code(new), None, ORIGIN)
        assert [error.pointer for error in caught.value.errors] == ["/name"]
    grant = await accounts.login_with_code(by_code(new), "  Ada  Lovelace ", ORIGIN)
    assert grant.person.name == "Ada Lovelace"


async def test_a_code_works_only_with_the_receipt_of_its_request(accounts: Accounts) -> None:
    mine, theirs = await request(accounts), await request(accounts)
    assert mine.receipt != theirs.receipt
    for receipt in (new_receipt(), "", mine.link, "evc_\x00"):
        with refused(AccountsRefusal.CODE_EXPIRED):
            await accounts.login_with_code(ByCode(receipt, mine.code), None, ORIGIN)
    if mine.code != theirs.code:
        with refused(AccountsRefusal.WRONG_CODE):
            await accounts.login_with_code(ByCode(theirs.receipt, mine.code), None, ORIGIN)
    assert (await accounts.login_with_code(by_code(mine), None, ORIGIN)).person.email == ADA


async def test_after_five_wrong_tries_even_the_right_code_and_the_link_are_refused(
    accounts: Accounts,
) -> None:
    new = await request(accounts)
    for left in reversed(range(TRIES_MAX)):
        with pytest.raises(Refused) as caught:
            await accounts.login_with_code(wrong(new), None, ORIGIN)
        assert caught.value.refusal is AccountsRefusal.WRONG_CODE
        assert caught.value.data["tries_left"] == left
    for given in (by_code(new), ByLink(new.link, new.receipt)):
        with refused(AccountsRefusal.CODE_EXPIRED):
            await accounts.login_with_code(given, None, ORIGIN)


async def test_tries_at_the_same_time_all_count(accounts: Accounts, db: Database) -> None:
    new = await request(accounts)
    tries = [accounts.login_with_code(wrong(new), None, ORIGIN) for _ in range(TRIES_MAX + 7)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    codes = [outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)]
    assert codes.count(AccountsRefusal.WRONG_CODE) == TRIES_MAX
    assert codes.count(AccountsRefusal.CODE_EXPIRED) == 7
    assert await db.fetch_value("SELECT wrong_tries FROM email_codes") == TRIES_MAX


@pytest.mark.parametrize("purpose", ANYBODYS)
async def test_a_code_and_its_link_expire(accounts: Accounts, clock: MovableClock, purpose: Purpose) -> None:
    async def use(given: ByCode | ByLink) -> None:
        if purpose == "sign_in":
            await accounts.login_with_code(given, None, ORIGIN)
        else:
            await accounts.reset_password(given, PASSWORD, None, ORIGIN)

    new = await request(accounts, purpose=purpose)
    last = await request(accounts, purpose=purpose)
    clock.now = last.expires_at - timedelta(seconds=1)
    await use(by_code(last))
    clock.now = new.expires_at
    for given in (by_code(new), ByLink(new.link, new.receipt)):
        with refused(AccountsRefusal.CODE_EXPIRED):
            await use(given)


async def test_a_code_is_for_one_purpose(accounts: Accounts) -> None:
    login, reset = await request(accounts), await request(accounts, purpose="new_password")
    for given in (by_code(login), ByLink(login.link, login.receipt)):
        with refused(AccountsRefusal.CODE_EXPIRED):
            await accounts.reset_password(given, PASSWORD, None, ORIGIN)
    for given in (by_code(reset), ByLink(reset.link, reset.receipt)):
        with refused(AccountsRefusal.CODE_EXPIRED):
            await accounts.login_with_code(given, None, ORIGIN)


async def test_a_lost_answer_is_repeated_in_the_same_browser_within_a_minute(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    new = await request(accounts)
    lost = await accounts.login_with_code(by_code(new), None, ORIGIN, in_browser=True)
    clock.move(seconds=GRACE.total_seconds())
    again = await accounts.login_with_code(by_code(new), None, ORIGIN, in_browser=True)
    assert again.person == lost.person
    assert await accounts.continue_in_browser(lost.refresh_token) is None, "one code, one session"
    assert await accounts.continue_in_browser(again.refresh_token) is not None
    clock.move(seconds=1)
    with refused(AccountsRefusal.CODE_EXPIRED):
        await accounts.login_with_code(by_code(new), None, ORIGIN, in_browser=True)
    live = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"
    assert await db.fetch_value(live) == 1


async def test_a_link_works_in_any_browser_once(accounts: Accounts, clock: MovableClock) -> None:
    new, browser = await request(accounts), new_receipt()
    grant = await accounts.login_with_code(ByLink(new.link, browser), None, ORIGIN)
    assert grant.person.email == ADA
    for given in (ByLink(new.link, new_receipt()), by_code(new)):
        with refused(AccountsRefusal.CODE_EXPIRED):
            await accounts.login_with_code(given, None, ORIGIN)
    await accounts.login_with_code(ByLink(new.link, browser), None, ORIGIN)  # a second press
    clock.move(minutes=2)
    with refused(AccountsRefusal.CODE_EXPIRED):
        await accounts.login_with_code(ByLink(new.link, browser), None, ORIGIN)


async def test_fifty_uses_at_the_same_time_make_one_account_and_leave_one_session(
    accounts: Accounts, db: Database
) -> None:
    new = await request(accounts)
    uses = [accounts.login_with_code(by_code(new), None, ORIGIN) for _ in range(50)]
    grants = await asyncio.gather(*uses)
    assert len({grant.person.person_id for grant in grants}) == 1
    assert await db.fetch_value("SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == 1


async def test_two_codes_for_one_new_address_at_the_same_time_make_one_account(
    accounts: Accounts, db: Database
) -> None:
    new = [await request(accounts, name=f"Name {number}") for number in range(8)]
    grants = await asyncio.gather(*[accounts.login_with_code(by_code(each), None, ORIGIN) for each in new])
    assert len({grant.person.person_id for grant in grants}) == 1
    assert await db.fetch_value("SELECT count(*) FROM people") == 1


async def test_who_registered_the_address_of_another_person_loses_the_account_to_its_owner(
    accounts: Accounts, clock: MovableClock
) -> None:
    squatter = await log_in(accounts, ADA, "Mallory")
    owner = await accounts.login_with_code(by_code(await request(accounts)), None, ORIGIN)
    assert owner.person.person_id == squatter.person.person_id
    with refused(AccountsRefusal.WRONG_CREDENTIALS):
        await accounts.login(ADA, PASSWORD, ORIGIN)
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(squatter.access_token)
    with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
        await accounts.refresh(squatter.refresh_token)


async def test_the_owner_of_a_verified_address_keeps_password_and_sessions(accounts: Accounts) -> None:
    new = await request(accounts, purpose="new_password")
    first = await accounts.reset_password(by_code(new), PASSWORD, None, ORIGIN)
    second = await accounts.login_with_code(by_code(await request(accounts)), None, ORIGIN)
    third = await accounts.login(ADA, PASSWORD, ORIGIN)
    for grant in (first, second, third):
        accounts.tokens.verify_access(grant.access_token)


async def test_a_reset_replaces_the_password_and_ends_every_other_session(
    accounts: Accounts, db: Database
) -> None:
    old = await log_in(accounts, ADA)
    new = await request(accounts, purpose="new_password")
    with pytest.raises(Invalid) as caught:
        await accounts.reset_password(by_code(new), "ada", None, ORIGIN)
    assert [error.pointer for error in caught.value.errors] == ["/new_password"]
    with pytest.raises(Invalid):
        await accounts.reset_password(by_code(new), f"{ADA} {ADA}", None, ORIGIN)
    grant = await accounts.reset_password(by_code(new), OTHER, None, ORIGIN)
    assert grant.person.person_id == old.person.person_id
    assert (await get_person(db, grant.person.person_id)).email_verified_at is not None
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(old.access_token)
    with refused(AccountsRefusal.WRONG_CREDENTIALS):
        await accounts.login(ADA, PASSWORD, ORIGIN)
    assert (await accounts.login(ADA, OTHER, ORIGIN)).person.person_id == old.person.person_id


async def test_requests_are_bounded_per_address_and_a_known_origin_is_not_affected_by_strangers(
    accounts: Accounts, clock: MovableClock
) -> None:
    await accounts.login_with_code(by_code(await request(accounts)), None, ORIGIN)
    clock.move(hours=2)
    for number in range(REQUESTS_MAX):
        await request(accounts, origin=f"198.51.100.{number}")
    with pytest.raises(Refused) as caught:
        await request(accounts, origin="198.51.100.99")
    assert caught.value.refusal is AccountsRefusal.TOO_MANY_CODES
    assert caught.value.data["retry_after"] == 3600
    await request(accounts, origin=ORIGIN)  # where the owner logged in before, nothing is refused
    await request(accounts, email="bo@example.org", origin="198.51.100.99")
    clock.move(hours=1)
    await request(accounts, origin="198.51.100.99")


class RecordingDatabase(Database):
    """A database that records the statements of its transactions."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner._pool, inner._options)
        self.statements: list[str] = []

    @asynccontextmanager
    async def transaction(self, seconds_max: float | None = 30.0) -> AsyncIterator[Connection]:
        async with super().transaction(seconds_max) as tx:
            yield cast("Connection", Recorder(tx, self.statements))


class Recorder:
    """A connection that records what it is asked."""

    def __init__(self, tx: Connection, statements: list[str]) -> None:
        self._tx = tx
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._tx, name)

        def call(statement: str, *values: Any) -> Any:
            self._statements.append(statement)
            return method(statement, *values)

        return call


@pytest.mark.parametrize("purpose", ANYBODYS)
async def test_a_request_does_the_same_for_every_address(
    db: Database, clock: MovableClock, purpose: Purpose
) -> None:
    database = RecordingDatabase(db)
    async with open_accounts(database, clock) as accounts:
        await log_in(accounts, ADA)
        found: list[list[str]] = []

        async def store(tx: Connection, new: NewCode, person_id: UUID | None) -> None:
            await mail.add(
                tx,
                mail.SignInCode(new.code, f"/login/link?link={new.link}"),
                address=new.email,
                person_id=person_id,
                expires_at=new.expires_at,
                now=clock(),
            )

        for email in (ADA, "nobody@example.org"):
            database.statements.clear()
            await accounts.codes.request(purpose, email, None, ORIGIN, store)
            found.append(list(database.statements))
    assert found[0] == found[1]
    assert len(found[0]) == 5, "two counts, the search for the account, the code, the message"
    rows = await db.fetch("SELECT address, length(data) AS length FROM mail_messages ORDER BY message_id")
    assert [row["address"] for row in rows] == [ADA, "nobody@example.org"]
    assert rows[0]["length"] == rows[1]["length"]


async def test_what_is_stored_is_no_secret(accounts: Accounts, db: Database) -> None:
    new = await request(accounts)
    stored = await db.fetch_value("SELECT email_codes::text FROM email_codes")
    for secret in (new.code, new.link, new.receipt):
        assert secret not in stored
        assert secret.encode().hex() not in stored
        assert sha256(secret.encode()).hexdigest() in stored or secret == new.code
    assert sha256(new.code.encode()).hexdigest() not in stored, "a million of these are tried in a second"


async def test_expired_codes_are_deleted(accounts: Accounts, db: Database, clock: MovableClock) -> None:
    await request(accounts)
    clock.move(minutes=8)
    kept = await request(accounts)
    clock.move(minutes=4)
    await delete_expired(db, clock(), 900)
    assert await db.fetch_value("SELECT count(*) FROM email_codes") == 1
    assert (await accounts.login_with_code(by_code(kept), None, ORIGIN)).person.email == ADA


async def test_an_account_that_is_closed_leaves_its_address_free(accounts: Accounts, db: Database) -> None:
    new = await request(accounts, purpose="new_password")
    gone = await accounts.reset_password(by_code(new), PASSWORD, None, ORIGIN)
    late = await request(accounts, name="Ada again")
    await accounts.close_account(gone.person.person_id, PASSWORD, ORIGIN)
    assert (await get_person(db, gone.person.person_id)).email_verified_at is None
    grant = await accounts.login_with_code(by_code(late), None, ORIGIN)
    assert grant.person.person_id != gone.person.person_id


async def test_a_process_that_dies_anywhere_leaves_a_code_that_logs_in(
    db: Database, clock: MovableClock
) -> None:
    passed = 0
    for points in range(1, CRASH_POINTS_MAX):
        email, point = f"ada{points}@example.org", CrashPoint(points)
        dying = Accounts(CrashingDatabase(db, point), clock, TokenOptions(SECRET), CHEAP)
        living = Accounts(db, clock, TokenOptions(SECRET), CHEAP)
        new = await request(living, email)
        try:
            await dying.login_with_code(by_code(new), None, ORIGIN, in_browser=True)
        except ProcessCrashed:
            passed += 1
        else:
            break
        finally:
            await dying.stop()
        grant = await living.login_with_code(by_code(new), None, ORIGIN, in_browser=True)
        assert await living.continue_in_browser(grant.refresh_token) is not None
        found = await find_by_email(db, email)
        assert found is not None
        live = "SELECT count(*) FROM sessions WHERE person_id = $1 AND revoked_at IS NULL"
        assert await db.fetch_value(live, found[0].person_id) == 1, point.passed
        await living.stop()
    else:
        raise AssertionError("a login has more points than that")
    assert passed >= 2, "before the commit, and after it"
