"""Passkeys: what adds one, what logs in, and every lie that a browser or a device can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from evently.accounts import Accounts, AccountsRefusal, Grant, Person, Site, TokenOptions, delete_expired
from evently.accounts.passkey_logins import CHALLENGE_FOR, new_receipt
from evently.accounts.passkeys import PASSKEYS_MAX, Passkey, list_passkeys
from evently.accounts.people import StoreNotice
from evently.accounts.sessions import LOGIN_AGE_MAX
from evently.db import Connection, Database
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.web.passkeys import adding_options, login_options
from tests.db.test_accounts_codes import by_code, request
from tests.support.accounts import CHEAP, ORIGIN, PASSWORD, SECRET, MovableClock, log_in
from tests.support.passkeys import SYNCED, USER_PRESENT, Device, decoded, encoded

SITE: Final = Site("tickets.example", "https://tickets.example")
ADA: Final = "ada@example.org"
WRONG: Final = AccountsRefusal.WRONG_PASSKEY
EXPIRED: Final = AccountsRefusal.PASSKEY_EXPIRED
NOT_ADDED: Final = AccountsRefusal.PASSKEY_NOT_ADDED


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def accounts(db: Database, clock: MovableClock) -> AsyncIterator[Accounts]:
    made = Accounts(db, clock, TokenOptions(SECRET), CHEAP, SITE)
    yield made
    await made.stop()


class Told:
    """Keeps what people would be sent."""

    def __init__(self) -> None:
        self.notices: list[tuple[str | None, str]] = []

    def __call__(self, passkey: Passkey | str) -> StoreNotice:
        name = passkey if isinstance(passkey, str) else passkey.name

        async def store(tx: Connection, person: Person) -> None:
            await tx.fetchval("SELECT 1")
            self.notices.append((person.email, name))

        return store


def refused(code: AccountsRefusal | CommonRefusal) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda exc: exc.refusal is code)


def plain(options: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(options)
    return found


def session_of(accounts: Accounts, grant: Grant) -> tuple[UUID, UUID]:
    claims = accounts.tokens.verify_access(grant.access_token)
    return claims.person_id, claims.session_id


async def options_to_add(accounts: Accounts, grant: Grant) -> dict[str, Any]:
    return plain(adding_options(await accounts.passkeys.start_adding(*session_of(accounts, grant))))


async def add(
    accounts: Accounts,
    grant: Grant,
    device: Device,
    name: str = "Telephone",
    told: Told | None = None,
    **lie: Any,
) -> Passkey:
    options = await options_to_add(accounts, grant)
    return await accounts.passkeys.add(
        *session_of(accounts, grant), name, device.create(options, **lie), told
    )


async def enter(accounts: Accounts, device: Device, told: Told | None = None, **lie: Any) -> Grant:
    given_ = accounts.passkeys.start_login(None)
    credential = device.get(plain(login_options(given_)), **lie)
    return await accounts.login_with_passkey(given_.receipt, credential, ORIGIN, told)


@pytest.mark.parametrize("kind", ["p256", "ed25519", "rsa"])
async def test_a_passkey_is_added_and_logs_in_without_an_e_mail(
    accounts: Accounts, db: Database, clock: MovableClock, kind: str
) -> None:
    grant, device, told = await log_in(accounts, ADA), Device(SITE.origin, kind=kind), Told()
    added = await add(accounts, grant, device, "  Ada’s   telephone ", told)
    assert (added.name, added.synced, added.transports) == ("Ada’s telephone", False, ["hybrid", "internal"])
    assert told.notices == [(ADA, "Ada’s telephone")]
    clock.move(days=2)
    entered = await enter(accounts, device)
    assert entered.person.person_id == grant.person.person_id
    accounts.tokens.verify_access(entered.access_token)
    [listed] = await list_passkeys(db, grant.person.person_id)
    assert listed.last_used_at == clock()
    assert listed.created_at < clock()


async def test_a_synced_passkey_counts_nothing_and_logs_in_again_and_again(
    accounts: Accounts, db: Database
) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin, counts=False, synced=True)
    assert (await add(accounts, grant, device)).synced
    for _ in range(3):
        await enter(accounts, device)
    await enter(accounts, device, flags=device.flags & ~SYNCED)
    [listed] = await list_passkeys(db, grant.person.person_id)
    assert not listed.synced


async def test_user_verification_is_preferred_and_not_required(accounts: Accounts) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    device.flags = USER_PRESENT
    options = await options_to_add(accounts, grant)
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    await add(accounts, grant, device)
    await enter(accounts, device)


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://tickets.example.evil.example"},
        {"origin": "http://tickets.example"},
        {"origin": "https://tickets.example:444"},
        {"domain": "evil.example"},
        {"kind": "webauthn.create"},
        {"cross_origin": True},
        {"flags": 0},
        {"signature": b"nothing"},
        {"signature": b""},
        {"user_handle": bytes(16)},
        {"user_handle": b""},
        {"credential_id": b"unknown"},
    ],
    ids=str,
)
async def test_a_log_in_has_one_no_for_every_lie(accounts: Accounts, lie: dict[str, Any]) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    with pytest.raises(Refused) as caught:
        await enter(accounts, device, **lie)
    assert caught.value.refusal is WRONG
    assert (caught.value.reason, caught.value.data) == ("", {})
    await enter(accounts, device)  # a lie locks nobody out


async def test_the_key_of_another_person_opens_neither_account(accounts: Accounts) -> None:
    ada, eve = await log_in(accounts, ADA), await log_in(accounts, "eve@example.org")
    hers, mine = Device(SITE.origin), Device(SITE.origin)
    await add(accounts, ada, hers)
    await add(accounts, eve, mine)
    with refused(WRONG):  # Eve signs, and says that it is Ada
        await enter(accounts, mine, user_handle=hers.user_handle)
    with refused(WRONG):  # Eve signs, and names Ada's key
        await enter(accounts, mine, credential_id=hers.credential_id, user_handle=hers.user_handle)
    with refused(NOT_ADDED):  # Eve adds the id of Ada's key with a key of her own
        await add(accounts, eve, Device(SITE.origin), credential_id=hers.credential_id)
    assert (await enter(accounts, hers)).person.person_id == ada.person.person_id


async def test_a_challenge_belongs_to_one_browser_and_works_once(accounts: Accounts) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    here, there = accounts.passkeys.start_login(None), accounts.passkeys.start_login(None)
    stolen = device.get(plain(login_options(here)))
    for receipt in (there.receipt, new_receipt(), "", "evp_\x00"):
        with refused(EXPIRED):
            await accounts.login_with_passkey(receipt, stolen, ORIGIN)
    await accounts.login_with_passkey(here.receipt, stolen, ORIGIN)
    with refused(EXPIRED):  # replayed, with all that it needs
        await accounts.login_with_passkey(here.receipt, stolen, ORIGIN)


async def test_a_replayed_signature_of_a_key_that_counts_nothing_is_refused_too(accounts: Accounts) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin, counts=False)
    await add(accounts, grant, device)
    here = accounts.passkeys.start_login(None)
    stolen = device.get(plain(login_options(here)))
    tries = [accounts.login_with_passkey(here.receipt, stolen, ORIGIN) for _ in range(6)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert len([each for each in answers if isinstance(each, Grant)]) == 1
    assert {each.refusal for each in answers if isinstance(each, Refused)} == {EXPIRED}


async def test_tabs_of_one_browser_do_not_disturb_each_other(accounts: Accounts) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    first = accounts.passkeys.start_login(None)
    second = accounts.passkeys.start_login(first.receipt)
    assert second.receipt == first.receipt
    for each in (first, second):
        credential = device.get(plain(login_options(each)))
        await accounts.login_with_passkey(first.receipt, credential, ORIGIN)


async def test_a_challenge_ends(accounts: Accounts, db: Database, clock: MovableClock) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    options = await options_to_add(accounts, grant)
    clock.move(seconds=CHALLENGE_FOR.total_seconds())
    with refused(EXPIRED):
        await accounts.passkeys.add(*session_of(accounts, grant), "Key", device.create(options))
    await add(accounts, grant, device)
    here = accounts.passkeys.start_login(None)
    clock.move(seconds=CHALLENGE_FOR.total_seconds() - 1)
    await accounts.login_with_passkey(here.receipt, device.get(plain(login_options(here))), ORIGIN)
    late = accounts.passkeys.start_login(None)
    clock.move(seconds=CHALLENGE_FOR.total_seconds())
    with refused(EXPIRED):
        await accounts.login_with_passkey(late.receipt, device.get(plain(login_options(late))), ORIGIN)
    assert await db.fetch_value("SELECT count(*) FROM used_challenges") == 2
    await delete_expired(db, clock(), 900)
    assert await db.fetch_value("SELECT count(*) FROM used_challenges") == 0


async def test_a_challenge_is_for_one_thing_one_person_and_one_session(
    accounts: Accounts, clock: MovableClock
) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    here = accounts.passkeys.start_login(None)
    options = await options_to_add(accounts, grant)
    with refused(EXPIRED):  # a challenge to log in adds nothing
        await accounts.passkeys.add(
            *session_of(accounts, grant), "Key", device.create(options, challenge=encoded(here.challenge))
        )
    await accounts.passkeys.add(*session_of(accounts, grant), "Key", device.create(options))
    with refused(EXPIRED):  # and one to add logs nobody in
        await enter(accounts, device, challenge=(await options_to_add(accounts, grant))["challenge"])
    elsewhere = await accounts.login(ADA, PASSWORD, ORIGIN)
    eve = await log_in(accounts, "eve@example.org")
    options = await options_to_add(accounts, grant)
    for other in (elsewhere, eve):
        with refused(EXPIRED):
            await accounts.passkeys.add(
                *session_of(accounts, other), "Key", Device(SITE.origin).create(options)
            )


@pytest.mark.parametrize("length", [0, 8, 24, 55, 57, 200])
async def test_a_forged_challenge_is_refused(accounts: Accounts, length: int) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    with refused(EXPIRED):
        await enter(accounts, device, challenge=encoded(b"\xff" * length))


async def test_a_challenge_cannot_be_prolonged(accounts: Accounts, clock: MovableClock) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    here = accounts.passkeys.start_login(None)
    later = (int.from_bytes(here.challenge[:8], "big") + 10_000).to_bytes(8, "big") + here.challenge[8:]
    clock.move(minutes=11)
    credential = device.get({**plain(login_options(here)), "challenge": encoded(later)})
    with refused(EXPIRED):
        await accounts.login_with_passkey(here.receipt, credential, ORIGIN)


async def test_a_key_that_counts_backwards_has_a_copy_and_neither_logs_in(
    accounts: Accounts, db: Database, clock: MovableClock
) -> None:
    grant, device, told = await log_in(accounts, ADA), Device(SITE.origin), Told()
    await add(accounts, grant, device)
    for _ in range(5):
        await enter(accounts, device)
    stored = device.count
    with refused(WRONG):
        await enter(accounts, device, told, count=stored)  # the same count again
    assert told.notices == [(ADA, "Telephone")]
    [listed] = await list_passkeys(db, grant.person.person_id)
    assert listed.copied_at == clock()
    with refused(WRONG):
        await enter(accounts, device, told, count=stored + 100)
    assert told.notices == [(ADA, "Telephone")], "told once"


async def test_a_wrong_signature_with_a_low_count_disables_no_key(accounts: Accounts, db: Database) -> None:
    """Else a stranger who has seen an id could disable the passkey of its owner."""
    grant, device, told = await log_in(accounts, ADA), Device(SITE.origin), Told()
    await add(accounts, grant, device)
    await enter(accounts, device)
    count = device.count
    with refused(WRONG):
        await enter(accounts, device, told, count=1, signature=b"0" * 70)
    device.count = count
    await enter(accounts, device)
    assert told.notices == []


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://evil.example"},
        {"domain": "evil.example"},
        {"kind": "webauthn.get"},
        {"cross_origin": True},
        {"flags": 0},
        {"fmt": "android-safetynet"},
        {"fmt": "packed"},
        {"credential_id": b""},
        {"credential_id": bytes(1024)},
        {"public_key": b"\xa0"},
        {
            "public_key": bytes.fromhex("a5010203262001215820")
            + bytes(32)
            + bytes.fromhex("225820")
            + bytes(32)
        },
    ],
    ids=str,
)
async def test_what_is_no_passkey_for_this_site_is_not_added(
    accounts: Accounts, db: Database, lie: dict[str, Any]
) -> None:
    grant = await log_in(accounts, ADA)
    with refused(NOT_ADDED):
        await add(accounts, grant, Device(SITE.origin), **lie)
    assert await list_passkeys(db, grant.person.person_id) == []


async def test_a_kind_of_key_that_was_not_offered_is_not_added(accounts: Accounts) -> None:
    grant = await log_in(accounts, ADA)
    with refused(NOT_ADDED):
        await add(accounts, grant, Device(SITE.origin, kind="p384"))


async def test_the_same_passkey_is_not_added_twice_and_the_browser_knows_it(accounts: Accounts) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    options = await options_to_add(accounts, grant)
    [known] = options["excludeCredentials"]
    assert (decoded(known["id"]), known["transports"]) == (device.credential_id, ["hybrid", "internal"])
    with refused(NOT_ADDED):
        await add(accounts, grant, device)


async def test_a_person_has_several_passkeys_up_to_a_limit(accounts: Accounts, db: Database) -> None:
    grant = await log_in(accounts, ADA)
    devices = [Device(SITE.origin) for _ in range(PASSKEYS_MAX + 1)]
    for number, device in enumerate(devices[:-1]):
        await add(accounts, grant, device, f"Key {number}")
    with refused(AccountsRefusal.LIMIT_REACHED):
        await add(accounts, grant, devices[-1])
    known, told = await list_passkeys(db, grant.person.person_id), Told()
    await accounts.passkeys.remove(grant.person.person_id, known[3].passkey_id, told)
    assert told.notices == [(ADA, "Key 3")]
    with refused(WRONG):
        await enter(accounts, devices[3])
    await enter(accounts, devices[4])
    with refused(CommonRefusal.NOT_FOUND):
        await accounts.passkeys.remove(grant.person.person_id, known[3].passkey_id, told)
    eve = await log_in(accounts, "eve@example.org")
    with refused(CommonRefusal.NOT_FOUND):
        await accounts.passkeys.remove(eve.person.person_id, known[4].passkey_id, told)
    with refused(CommonRefusal.NOT_FOUND):
        await accounts.passkeys.rename(eve.person.person_id, known[4].passkey_id, "Mine")
    renamed = await accounts.passkeys.rename(grant.person.person_id, known[4].passkey_id, " Old  key ")
    assert renamed.name == "Old key"


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "\u202e", "a\x00b"])
async def test_a_passkey_has_a_name_that_people_can_read(accounts: Accounts, name: str) -> None:
    grant = await log_in(accounts, ADA)
    with pytest.raises(Invalid) as caught:
        await add(accounts, grant, Device(SITE.origin), name)
    assert [error.pointer for error in caught.value.errors] == ["/name"]


async def test_an_old_session_adds_no_passkey(accounts: Accounts, clock: MovableClock) -> None:
    grant = await log_in(accounts, ADA)
    options = await options_to_add(accounts, grant)
    session = session_of(accounts, grant)
    clock.move(seconds=LOGIN_AGE_MAX.total_seconds() - 60)
    options = plain(adding_options(await accounts.passkeys.start_adding(*session)))
    clock.move(seconds=61)
    with refused(AccountsRefusal.LOGIN_TOO_OLD):
        await accounts.passkeys.start_adding(*session)
    with refused(AccountsRefusal.LOGIN_TOO_OLD):
        await accounts.passkeys.add(*session, "Key", Device(SITE.origin).create(options))


async def test_a_session_that_has_ended_adds_no_passkey(accounts: Accounts) -> None:
    grant = await log_in(accounts, ADA)
    options, session = await options_to_add(accounts, grant), session_of(accounts, grant)
    await accounts.logout(*session, everywhere=False)
    with refused(AccountsRefusal.LOGIN_TOO_OLD):
        await accounts.passkeys.add(*session, "Key", Device(SITE.origin).create(options))


async def test_a_closed_account_has_no_passkeys(accounts: Accounts, db: Database) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    await accounts.close_account(grant.person.person_id, PASSWORD, ORIGIN)
    assert await db.fetch_value("SELECT count(*) FROM passkeys") == 0
    with refused(WRONG):
        await enter(accounts, device)


async def test_the_owner_of_an_address_gets_no_account_with_the_passkey_of_a_stranger(
    accounts: Accounts, db: Database
) -> None:
    """A stranger registers the address first and waits ("account pre-hijacking")."""
    stranger, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, stranger, device)
    session = session_of(accounts, stranger)
    owner = await accounts.login_with_code(by_code(await request(accounts)), None, ORIGIN)
    assert owner.person.person_id == stranger.person.person_id
    assert await list_passkeys(db, owner.person.person_id) == []
    with refused(WRONG):
        await enter(accounts, device)
    with refused(AccountsRefusal.LOGIN_TOO_OLD):
        await accounts.passkeys.start_adding(*session)


async def test_passkeys_of_a_verified_account_stay_when_its_person_uses_a_code(accounts: Accounts) -> None:
    owner = await accounts.login_with_code(by_code(await request(accounts)), None, ORIGIN)
    device = Device(SITE.origin)
    await add(accounts, owner, device)
    await accounts.login_with_code(by_code(await request(accounts)), None, ORIGIN)
    await enter(accounts, device)


async def test_without_a_site_nothing_is_offered(db: Database, clock: MovableClock) -> None:
    accounts = Accounts(db, clock, TokenOptions(SECRET), CHEAP)
    grant = await log_in(accounts, ADA)
    with refused(AccountsRefusal.NO_PASSKEYS):
        accounts.passkeys.start_login(None)
    with refused(AccountsRefusal.NO_PASSKEYS):
        await accounts.passkeys.start_adding(*session_of(accounts, grant))
    with refused(AccountsRefusal.NO_PASSKEYS):
        await accounts.login_with_passkey("x", {}, ORIGIN)
    await accounts.stop()


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary().map(encoded),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


async def test_any_other_bytes_are_refused_and_break_nothing(accounts: Accounts) -> None:
    grant, device = await log_in(accounts, ADA), Device(SITE.origin)
    await add(accounts, grant, device)
    here = accounts.passkeys.start_login(None)
    good = device.get(plain(login_options(here)))
    options = await options_to_add(accounts, grant)
    new = Device(SITE.origin).create(options)
    session = session_of(accounts, grant)

    async def tries(value: Any, data: bytes) -> None:
        for name in (*good["response"], "id", "rawId", "type"):
            for garbled in (value, encoded(data)):
                bad = {**good, "response": {**good["response"]}}
                (bad if name in bad else bad["response"])[name] = garbled
                if bad != good:
                    with pytest.raises(Refused):
                        await accounts.login_with_passkey(here.receipt, bad, ORIGIN)
        for name in ("clientDataJSON", "attestationObject"):
            for garbled in (value, encoded(data)):
                bad = {**new, "response": {**new["response"], name: garbled}}
                with suppress(Refused):  # a new key is signed by nobody: some bits may be others
                    await accounts.passkeys.add(*session, "Key", bad)

    cases: list[tuple[Any, bytes]] = []

    @settings(max_examples=25)
    @given(JSON, st.binary(max_size=200))
    def collect(value: Any, data: bytes) -> None:
        cases.append((value, data))

    collect()
    raw = decoded(new["response"]["attestationObject"])
    cases += [("x", raw[:cut]) for cut in range(0, len(raw), 7)]
    cases += [("x", raw[:at] + bytes([raw[at] ^ 0x40]) + raw[at + 1 :]) for at in range(40)]
    cases += [("x", b"[" * 100_000), ("x", b"\x81" * 5_000)]
    for value, data in cases:
        await tries(value, data)
