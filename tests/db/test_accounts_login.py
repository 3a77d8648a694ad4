"""Registration, login, logout, refresh, changed passwords, closed accounts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from datetime import timedelta
from statistics import median
from typing import Final

import pytest
import pytest_asyncio
from argon2 import extract_parameters

from evently.accounts import Accounts, AccountsRefusal, HashingOptions, TokenOptions
from evently.accounts.attempts import ATTEMPTS_MAX, ATTEMPTS_PERIOD, UNKNOWN_ATTEMPTS_MAX, UNKNOWN_PERIOD
from evently.accounts.members import add_member
from evently.accounts.people import get_person, list_people
from evently.accounts.sessions import SESSIONS_MAX
from evently.db import Database
from evently.kit.errors import Busy, CommonRefusal, Invalid, Refused
from tests.support.accounts import (
    CHEAP,
    ORIGIN,
    PASSWORD,
    SECRET,
    MovableClock,
    log_in,
    make_organizer,
    make_person,
    open_accounts,
)

ADA: Final = "ada@example.org"
OTHER_PASSWORD: Final = "eleven quiet owls blink"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def accounts(db: Database, clock: MovableClock) -> AsyncIterator[Accounts]:
    async with open_accounts(db, clock) as made:
        yield made


def refused(code: AccountsRefusal | CommonRefusal) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda exc: exc.refusal is code)


async def fail_to_log_in(accounts: Accounts, email: str, origin: str | None, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Refused) as caught:
            await accounts.login(email, "wrong " + PASSWORD, origin)
        assert caught.value.refusal is AccountsRefusal.WRONG_CREDENTIALS


# Register and log in ----------------------------------------------------------------------------------------


async def test_register_and_log_in(accounts: Accounts, clock: MovableClock) -> None:
    await accounts.register("  Ada@Example.org", " Ada   Lovelace ", PASSWORD, ORIGIN)
    grant = await accounts.login("ADA@example.ORG ", PASSWORD, ORIGIN)
    assert (grant.person.email, grant.person.name, grant.person.role) == (ADA, "Ada Lovelace", "buyer")
    claims = accounts.tokens.verify_access(grant.access_token)
    assert (claims.person_id, claims.role, claims.expires_at) == (
        grant.person.person_id,
        "buyer",
        clock() + timedelta(minutes=15),
    )


async def test_both_spellings_of_an_international_address_are_one_account(
    accounts: Accounts, db: Database
) -> None:
    unicode, ascii_domain = "Müller@Bücher.example", "MÜLLER@xn--bcher-kva.example"
    await accounts.register(unicode, "Zoë Müller", PASSWORD, ORIGIN)
    await accounts.register(ascii_domain, "Eve", OTHER_PASSWORD, ORIGIN)
    grant = await accounts.login(ascii_domain, PASSWORD, ORIGIN)
    assert (grant.person.email, grant.person.name) == ("müller@xn--bcher-kva.example", "Zoë Müller")
    assert (await accounts.login(unicode, PASSWORD, ORIGIN)).person == grant.person
    for search in (unicode, ascii_domain, "müller@", "zoë"):
        assert (await list_people(db, search, 10, None)).data == [grant.person], search
    await fail_to_log_in(accounts, unicode, "198.51.100.7", ATTEMPTS_MAX)
    with refused(AccountsRefusal.TOO_MANY_ATTEMPTS):
        await accounts.login(ascii_domain, PASSWORD, "198.51.100.7")


async def test_a_taken_email_says_nothing_and_changes_nothing(accounts: Accounts, db: Database) -> None:
    grant = await log_in(accounts, ADA, "Ada")
    await accounts.register(ADA, "Eve", OTHER_PASSWORD, ORIGIN)
    assert await get_person(db, grant.person.person_id) == grant.person
    with pytest.raises(Refused):
        await accounts.login(ADA, OTHER_PASSWORD, ORIGIN)
    assert (await accounts.login(ADA, PASSWORD, ORIGIN)).person == grant.person


async def test_register_refuses_all_that_is_wrong_at_once(accounts: Accounts) -> None:
    with pytest.raises(Invalid) as caught:
        await accounts.register("nobody", " ", "short", ORIGIN)
    assert [error.pointer for error in caught.value.errors] == ["/email", "/name", "/password"]


async def test_one_of_many_parallel_registrations_counts(accounts: Accounts, db: Database) -> None:
    passwords = [f"{PASSWORD} {number}" for number in range(ATTEMPTS_MAX)]
    await asyncio.gather(*[accounts.register(ADA, "Ada", password, ORIGIN) for password in passwords])
    assert len((await list_people(db, ADA, 10, None)).data) == 1
    right = 0
    for password in passwords:
        with suppress(Refused):
            await accounts.login(ADA, password, ORIGIN)
            right += 1
    assert right == 1


async def test_registering_one_email_over_and_over_is_bounded(accounts: Accounts) -> None:
    for _ in range(ATTEMPTS_MAX):
        await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    with pytest.raises(Refused) as caught:
        await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    assert caught.value.refusal is AccountsRefusal.TOO_MANY_ATTEMPTS
    await accounts.login(ADA, PASSWORD, ORIGIN)


async def test_wrong_unknown_and_erased_are_refused_alike(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    await make_person(db, "no-password@example.org", clock)
    said = set()
    for email in (
        ADA,
        "nobody@example.org",
        "no-password@example.org",
        "not an address",
        "\nada@example.org",
    ):
        with pytest.raises(Refused) as caught:
            await accounts.login(email, "wrong " + PASSWORD, ORIGIN)
        said.add((caught.value.refusal, caught.value.reason))
    assert said == {(AccountsRefusal.WRONG_CREDENTIALS, "")}


async def test_known_and_unknown_take_as_long(db: Database, clock: MovableClock) -> None:
    async with open_accounts(db, clock, HashingOptions()) as accounts:
        await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
        with accounts._hasher.permit():
            hashing = min([await seconds_of(accounts._hasher.hash(PASSWORD)) for _ in range(5)])
        gaps = []
        for round_number in range(10):  # a garbage collection or a busy machine may disturb some
            gaps.append(await _largest_gap(accounts, round_number))
            if gaps[-1] < min(0.005, hashing / 4):
                return
    raise AssertionError(f"without hashing the gap would be {hashing:.4f} s; it is {gaps}")


async def _largest_gap(accounts: Accounts, round_number: int) -> float:
    """Return the time difference of a known and an unknown e-mail, at login or registration."""
    log_ins: tuple[list[float], list[float]] = ([], [])
    registrations: tuple[list[float], list[float]] = ([], [])
    for number in range(7):
        origin = f"198.51.{round_number}.{number}"
        for index, email in enumerate((ADA, f"nobody{round_number}{number}@example.org")):
            registrations[index].append(
                await seconds_of(accounts.register(email, "Eve", OTHER_PASSWORD, origin))
            )
            log_ins[index].append(
                await seconds_of(
                    accounts.login(email if index == 0 else f"un{email}", "wrong " + PASSWORD, origin)
                )
            )
    return max(abs(median(known) - median(unknown)) for known, unknown in (log_ins, registrations))


async def seconds_of(work: Awaitable[object]) -> float:
    """Return the processor seconds of this process: the time that an attacker sees on an idle machine."""
    started = time.process_time()
    with suppress(Refused):
        await work
    return time.process_time() - started


async def test_hashes_have_the_parameters_of_owasp_and_are_renewed(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    await log_in(accounts, ADA)
    async with open_accounts(db, clock, HashingOptions()) as today:
        await today.login(ADA, PASSWORD, ORIGIN)
        parameters = extract_parameters(await db.fetch_value("SELECT password_hash FROM people"))
        assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)
        assert parameters.type.name == "ID"
        await today.login(ADA, PASSWORD, ORIGIN)
    await accounts.login(ADA, PASSWORD, ORIGIN)


async def test_parallel_logins_renew_a_hash_without_a_deadlock(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    await log_in(accounts, ADA)
    async with open_accounts(db, clock, HashingOptions(memory_kib=128, passes=1)) as today:
        outcomes = await asyncio.gather(
            *[today.login(ADA, PASSWORD, ORIGIN) for _ in range(6)], return_exceptions=True
        )
        assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []


async def test_the_line_for_hashing_has_an_end(db: Database, clock: MovableClock) -> None:
    async with open_accounts(
        db, clock, HashingOptions(memory_kib=1024, passes=1, threads_max=1, waiting_max=4)
    ) as accounts:
        guesses = [accounts.login(f"nobody{number}@example.org", PASSWORD, ORIGIN) for number in range(50)]
        outcomes = await asyncio.gather(*guesses, return_exceptions=True)
        assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 45
        assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 5
        assert (
            await db.fetch_value("SELECT count(*) FROM login_attempts") == 10
        )  # refused requests never reached the database
        with accounts._hasher.permit():
            assert await accounts._hasher.hash(PASSWORD)


async def test_sessions_of_a_person_are_bounded(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    first = await log_in(accounts, ADA)
    for _ in range(SESSIONS_MAX):
        clock.move(seconds=1)
        latest = await accounts.login(ADA, PASSWORD, ORIGIN)
    assert await db.fetch_value("SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == SESSIONS_MAX
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(first.access_token)
    accounts.tokens.verify_access(latest.access_token)


# Guessing ---------------------------------------------------------------------------------------------------


async def test_one_origin_has_ten_tries(accounts: Accounts, clock: MovableClock) -> None:
    await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    await fail_to_log_in(accounts, ADA, "203.0.113.9", ATTEMPTS_MAX)
    with pytest.raises(Refused) as caught:
        await accounts.login(ADA, PASSWORD, "203.0.113.9")
    assert caught.value.refusal is AccountsRefusal.TOO_MANY_ATTEMPTS
    assert caught.value.data == {"retry_after": ATTEMPTS_PERIOD.total_seconds()}
    await accounts.login(ADA, PASSWORD, ORIGIN)
    clock.now += ATTEMPTS_PERIOD
    await accounts.login(ADA, PASSWORD, "203.0.113.9")


async def test_a_success_forgets_what_was_counted(accounts: Accounts) -> None:
    await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    for _ in range(3):
        await fail_to_log_in(accounts, ADA, ORIGIN, ATTEMPTS_MAX - 1)
        await accounts.login(ADA, PASSWORD, ORIGIN)


async def test_strangers_cannot_guess_on_and_cannot_lock_the_owner_out(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    await log_in(accounts, ADA)
    for number in range(UNKNOWN_ATTEMPTS_MAX):
        await fail_to_log_in(accounts, ADA, f"198.51.100.{number}")
    with refused(AccountsRefusal.TOO_MANY_ATTEMPTS):
        await accounts.login(ADA, PASSWORD, "198.51.100.250")
    await accounts.login(ADA, PASSWORD, ORIGIN)
    async with open_accounts(db, clock) as elsewhere:  # the counts are stored in the database
        await elsewhere.login(ADA, PASSWORD, "198.51.100.251")


async def test_attempts_from_nobody_knows_where_are_not_those_of_one_origin(
    accounts: Accounts, db: Database
) -> None:
    """Otherwise ten wrong passwords of a stranger would lock out the owner behind the same proxy."""
    await accounts.register(ADA, "Ada", PASSWORD, None)
    await fail_to_log_in(accounts, ADA, None, UNKNOWN_ATTEMPTS_MAX - 1)
    await accounts.login(ADA, PASSWORD, None)
    assert await db.fetch_value("SELECT count(trusted_until) FROM login_attempts") == 0
    await fail_to_log_in(accounts, ADA, None, UNKNOWN_ATTEMPTS_MAX)
    with refused(AccountsRefusal.TOO_MANY_ATTEMPTS):
        await accounts.login(ADA, PASSWORD, None)


async def test_strangers_may_try_again_after_an_hour(accounts: Accounts, clock: MovableClock) -> None:
    await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    for number in range(UNKNOWN_ATTEMPTS_MAX):
        await fail_to_log_in(accounts, ADA, f"198.51.100.{number}")
    clock.now += UNKNOWN_PERIOD
    await accounts.login(ADA, PASSWORD, "198.51.100.250")


async def test_a_thousand_guesses_at_once_are_counted_before_they_are_looked_at(accounts: Accounts) -> None:
    await accounts.register(ADA, "Ada", PASSWORD, ORIGIN)
    guesses = [accounts.login(ADA, f"wrong {number}", "203.0.113.9") for number in range(200)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    looked_at = [
        outcome
        for outcome in outcomes
        if isinstance(outcome, Refused) and outcome.refusal is AccountsRefusal.WRONG_CREDENTIALS
    ]
    assert len(looked_at) == ATTEMPTS_MAX


async def test_accounts_that_do_not_exist_are_counted_alike(accounts: Accounts) -> None:
    await fail_to_log_in(accounts, "nobody@example.org", ORIGIN, ATTEMPTS_MAX)
    with refused(AccountsRefusal.TOO_MANY_ATTEMPTS):
        await accounts.login("nobody@example.org", PASSWORD, ORIGIN)


async def test_neither_addresses_nor_origins_are_stored(accounts: Accounts, db: Database) -> None:
    await log_in(accounts, ADA)
    rows = await db.fetch("SELECT account_hash, origin_hash FROM login_attempts")
    stored = b"".join(row["account_hash"] + row["origin_hash"] for row in rows)
    assert rows
    assert b"ada" not in stored
    assert b"192" not in stored


# Sessions ---------------------------------------------------------------------------------------------------


async def test_refreshing_rotates(accounts: Accounts, clock: MovableClock) -> None:
    grant = await log_in(accounts, ADA)
    for _ in range(5):
        clock.move(minutes=14)
        earlier, grant = grant, await accounts.refresh(grant.refresh_token)
        assert grant.refresh_token != earlier.refresh_token
        session_id = accounts.tokens.verify_access(grant.access_token).session_id
        assert session_id == accounts.tokens.verify_access(earlier.access_token).session_id


async def test_fifty_parallel_refreshes_have_one_live_child(accounts: Accounts, db: Database) -> None:
    grant = await log_in(accounts, ADA)
    children = await asyncio.gather(*[accounts.refresh(grant.refresh_token) for _ in range(50)])
    assert len({child.refresh_token for child in children}) == 1
    assert await db.fetch_value("SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL") == 1
    await accounts.refresh(children[0].refresh_token)


async def test_a_lost_answer_can_be_repeated_within_the_grace(
    accounts: Accounts, clock: MovableClock
) -> None:
    grant = await log_in(accounts, ADA)
    child = await accounts.refresh(grant.refresh_token)
    clock.move(seconds=10)
    assert (await accounts.refresh(grant.refresh_token)).refresh_token == child.refresh_token


async def test_reuse_after_the_grace_ends_the_session(accounts: Accounts, clock: MovableClock) -> None:
    grant = await log_in(accounts, ADA)
    child = await accounts.refresh(grant.refresh_token)
    clock.move(seconds=11)
    with refused(AccountsRefusal.REFRESH_TOKEN_REUSED):
        await accounts.refresh(grant.refresh_token)
    for token in (grant.refresh_token, child.refresh_token):
        with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
            await accounts.refresh(token)
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(child.access_token)


async def test_reuse_after_the_child_was_used_ends_the_session_even_within_the_grace(
    accounts: Accounts,
) -> None:
    grant = await log_in(accounts, ADA)
    child = await accounts.refresh(grant.refresh_token)
    grandchild = await accounts.refresh(child.refresh_token)
    with refused(AccountsRefusal.REFRESH_TOKEN_REUSED):
        await accounts.refresh(grant.refresh_token)
    with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
        await accounts.refresh(grandchild.refresh_token)


async def test_other_sessions_are_left_alone_by_reuse(accounts: Accounts, clock: MovableClock) -> None:
    grant, other = await log_in(accounts, ADA), await accounts.login(ADA, PASSWORD, ORIGIN)
    await accounts.refresh(grant.refresh_token)
    clock.move(minutes=1)
    with refused(AccountsRefusal.REFRESH_TOKEN_REUSED):
        await accounts.refresh(grant.refresh_token)
    await accounts.refresh(other.refresh_token)


async def test_a_session_ends_after_thirty_days(accounts: Accounts, clock: MovableClock) -> None:
    grant = await log_in(accounts, ADA)
    clock.move(days=29)
    grant = await accounts.refresh(grant.refresh_token)
    clock.move(days=1)
    with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
        await accounts.refresh(grant.refresh_token)


async def test_no_other_token_refreshes(accounts: Accounts, clock: MovableClock, db: Database) -> None:
    grant = await log_in(accounts, ADA)
    foreign = Accounts(db, clock, TokenOptions(b"x" * 32), CHEAP)
    for token in (
        grant.access_token,
        "",
        "evr_",
        accounts.tokens.new_refresh_token(),
        foreign.tokens.child_of(grant.refresh_token),
    ):
        with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
            await accounts.refresh(token)
    await foreign.stop()


async def test_only_hashes_of_refresh_tokens_are_stored(accounts: Accounts, db: Database) -> None:
    grant = await log_in(accounts, ADA)
    rows = await db.fetch("SELECT token_hash FROM refresh_tokens")
    assert [len(row["token_hash"]) for row in rows] == [32]
    assert grant.refresh_token.encode() not in rows[0]["token_hash"]


async def test_logging_out_ends_this_session(accounts: Accounts) -> None:
    grant, other = await log_in(accounts, ADA), await accounts.login(ADA, PASSWORD, ORIGIN)
    claims = accounts.tokens.verify_access(grant.access_token)
    await accounts.logout(claims.person_id, claims.session_id, everywhere=False)
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(grant.access_token)
    with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
        await accounts.refresh(grant.refresh_token)
    accounts.tokens.verify_access(other.access_token)
    await accounts.logout(claims.person_id, claims.session_id, everywhere=False)


async def test_logging_out_everywhere_ends_every_session(accounts: Accounts) -> None:
    grants = [await log_in(accounts, ADA), await accounts.login(ADA, PASSWORD, ORIGIN)]
    stranger = await log_in(accounts, "eve@example.org")
    claims = accounts.tokens.verify_access(grants[0].access_token)
    await accounts.logout(claims.person_id, claims.session_id, everywhere=True)
    for grant in grants:
        with refused(AccountsRefusal.TOKEN_INVALID):
            accounts.tokens.verify_access(grant.access_token)
    accounts.tokens.verify_access(stranger.access_token)


# Change the password, close the account ---------------------------------------------------------------------


async def test_changing_the_password_ends_the_other_sessions(accounts: Accounts) -> None:
    grant, other = await log_in(accounts, ADA), await accounts.login(ADA, PASSWORD, ORIGIN)
    claims = accounts.tokens.verify_access(grant.access_token)
    await accounts.change_password(claims.person_id, claims.session_id, PASSWORD, OTHER_PASSWORD, ORIGIN)
    accounts.tokens.verify_access(grant.access_token)
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(other.access_token)
    await fail_to_log_in(accounts, ADA, ORIGIN)
    with refused(AccountsRefusal.WRONG_CREDENTIALS):
        await accounts.login(ADA, PASSWORD, ORIGIN)
    await accounts.login(ADA, OTHER_PASSWORD, ORIGIN)


async def test_changing_the_password_needs_the_present_one_and_a_good_one(accounts: Accounts) -> None:
    grant = await log_in(accounts, ADA, "Ada Lovelace")
    claims = accounts.tokens.verify_access(grant.access_token)
    with refused(AccountsRefusal.WRONG_PASSWORD):
        await accounts.change_password(
            claims.person_id, claims.session_id, OTHER_PASSWORD, OTHER_PASSWORD, ORIGIN
        )
    with pytest.raises(Invalid) as caught:
        await accounts.change_password(
            claims.person_id, claims.session_id, PASSWORD, "ada lovelace 1915", ORIGIN
        )
    assert [error.pointer for error in caught.value.errors] == ["/new_password"]
    await accounts.login(ADA, PASSWORD, ORIGIN)


async def test_a_stolen_token_does_not_help_in_guessing(accounts: Accounts) -> None:
    grant = await log_in(accounts, ADA)
    claims = accounts.tokens.verify_access(grant.access_token)
    for _ in range(ATTEMPTS_MAX):
        with refused(AccountsRefusal.WRONG_PASSWORD):
            await accounts.change_password(
                claims.person_id, claims.session_id, "wrong", OTHER_PASSWORD, "203.0.113.9"
            )
    with refused(AccountsRefusal.TOO_MANY_ATTEMPTS):
        await accounts.close_account(claims.person_id, PASSWORD, "203.0.113.9")


async def test_of_parallel_password_changes_one_succeeds(accounts: Accounts) -> None:
    grant = await log_in(accounts, ADA)
    claims = accounts.tokens.verify_access(grant.access_token)
    changes = [
        accounts.change_password(
            claims.person_id, claims.session_id, PASSWORD, f"{OTHER_PASSWORD} {number}", ORIGIN
        )
        for number in range(5)
    ]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert outcomes.count(None) == 1
    await accounts.login(ADA, f"{OTHER_PASSWORD} {outcomes.index(None)}", ORIGIN)


async def test_no_session_survives_a_password_change(accounts: Accounts, db: Database) -> None:
    """A client with the old password logs in repeatedly while the password is changed."""
    grant = await log_in(accounts, ADA)
    claims = accounts.tokens.verify_access(grant.access_token)
    logins = [accounts.login(ADA, PASSWORD, ORIGIN) for _ in range(8)]
    await asyncio.gather(
        *logins,
        accounts.change_password(claims.person_id, claims.session_id, PASSWORD, OTHER_PASSWORD, ORIGIN),
        return_exceptions=True,
    )
    live = await db.fetch("SELECT session_id FROM sessions WHERE revoked_at IS NULL")
    assert [row["session_id"] for row in live] == [claims.session_id]


async def test_leaving_erases_what_a_person_can_be_known_by(accounts: Accounts, db: Database) -> None:
    grant = await log_in(accounts, ADA, "Ada Lovelace")
    await accounts.close_account(grant.person.person_id, PASSWORD, ORIGIN)
    person = await get_person(db, grant.person.person_id)
    assert (person.email, person.name, person.erased_at is not None) == (None, "erased", True)
    assert await db.fetch_value("SELECT password_hash FROM people") is None
    assert (
        await db.fetch_value(
            "SELECT count(*) FROM login_attempts WHERE account_hash = $1", accounts._attempts._hash(ADA)
        )
        == 0
    )
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(grant.access_token)
    with refused(AccountsRefusal.REFRESH_TOKEN_INVALID):
        await accounts.refresh(grant.refresh_token)
    with refused(AccountsRefusal.WRONG_CREDENTIALS):
        await accounts.login(ADA, PASSWORD, ORIGIN)
    assert (await log_in(accounts, ADA)).person.person_id != grant.person.person_id


async def test_leaving_needs_the_password(accounts: Accounts) -> None:
    grant = await log_in(accounts, ADA)
    with refused(AccountsRefusal.WRONG_PASSWORD):
        await accounts.close_account(grant.person.person_id, OTHER_PASSWORD, ORIGIN)
    await accounts.login(ADA, PASSWORD, ORIGIN)


async def test_the_only_owner_cannot_leave(accounts: Accounts, db: Database, clock: MovableClock) -> None:
    grant = await log_in(accounts, ADA)
    organizer_id = await make_organizer(db, grant.person.person_id, clock)
    with pytest.raises(Refused) as caught:
        await accounts.close_account(grant.person.person_id, PASSWORD, ORIGIN)
    assert caught.value.refusal is AccountsRefusal.LAST_OWNER
    assert caught.value.data == {"organizers": ["Moor Sounds"]}
    other = await make_person(db, "bo@example.org", clock)
    async with db.transaction() as tx:
        await add_member(tx, organizer_id, other, "owner", clock())
    await accounts.close_account(grant.person.person_id, PASSWORD, ORIGIN)
    assert await db.fetch_value("SELECT count(*) FROM organizer_members") == 1


async def test_two_owners_who_leave_at_once_leave_one_behind(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    for attempt in range(5):
        first, second = (
            await log_in(accounts, f"first{attempt}@example.org"),
            await log_in(accounts, f"second{attempt}@example.org"),
        )
        organizer_id = await make_organizer(db, first.person.person_id, clock)
        async with db.transaction() as tx:
            await add_member(tx, organizer_id, second.person.person_id, "owner", clock())
        leaving = [
            accounts.close_account(grant.person.person_id, PASSWORD, ORIGIN) for grant in (first, second)
        ]
        outcomes = await asyncio.gather(*leaving, return_exceptions=True)
        assert outcomes.count(None) == 1
        owners = await db.fetch_value(
            "SELECT count(*) FROM organizer_members WHERE organizer_id = $1", organizer_id
        )
        assert owners == 1


async def test_create_admin_makes_one_or_promotes(accounts: Accounts) -> None:
    person, generated = await accounts.create_admin("root@example.org", "Root")
    assert person.role == "admin"
    assert generated is not None
    assert (await accounts.login("root@example.org", generated, ORIGIN)).person.role == "admin"
    ada = await log_in(accounts, ADA, "Ada")
    promoted, generated = await accounts.create_admin(ADA, "Another name")
    assert (promoted.person_id, promoted.name, promoted.role, generated) == (
        ada.person.person_id,
        "Ada",
        "admin",
        None,
    )
    with refused(AccountsRefusal.TOKEN_INVALID):
        accounts.tokens.verify_access(ada.access_token)
    assert (await accounts.login(ADA, PASSWORD, ORIGIN)).person.role == "admin"


async def test_the_last_admin_cannot_leave(accounts: Accounts) -> None:
    _, password = await accounts.create_admin("root@example.org", "Root")
    grant = await accounts.login("root@example.org", password or "", ORIGIN)
    with refused(AccountsRefusal.LAST_ADMIN):
        await accounts.close_account(grant.person.person_id, password or "", ORIGIN)


async def test_another_secret_counts_and_signs_apart(db: Database, clock: MovableClock) -> None:
    async with open_accounts(db, clock) as accounts:
        grant = await log_in(accounts, ADA)
    other = Accounts(db, clock, TokenOptions(SECRET[::-1]), CHEAP)
    with refused(AccountsRefusal.TOKEN_INVALID):
        other.tokens.verify_access(grant.access_token)
    await other.stop()
