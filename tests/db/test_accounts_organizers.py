"""Organizers, members, invitations, API keys."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

import pytest

from evently.accounts import AccountsRefusal, MemberRole
from evently.accounts.invitations import (
    VALID_FOR,
    accept_invitation,
    invite,
    list_invitations,
    withdraw_invitation,
)
from evently.accounts.keys import KEYS_SECONDS, KeyRing, checksum_of, create_key, list_keys, revoke_key
from evently.accounts.members import (
    ROLES_SECONDS,
    Roles,
    add_member,
    change_member_role,
    find_role,
    get_member,
    list_members,
    read_member,
    remove_member,
)
from evently.accounts.organizers import edit_organizer, get_organizer, list_memberships, lock_organizer
from evently.db import Database, Record
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from tests.support.accounts import MovableClock, make_organizer, make_person

SCOPES: Final = frozenset({"events:read", "bookings:read"})


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


class Ticks:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(code: AccountsRefusal | CommonRefusal) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda exc: exc.refusal is code)


async def remove(database: Database, organizer_id: UUID, person_id: UUID) -> None:
    async with database.transaction() as tx:
        await lock_organizer(tx, organizer_id)
        await remove_member(tx, await read_member(tx, organizer_id, person_id))


async def change(database: Database, organizer_id: UUID, person_id: UUID, role: MemberRole) -> None:
    async with database.transaction() as tx:
        await lock_organizer(tx, organizer_id)
        await change_member_role(tx, await read_member(tx, organizer_id, person_id), role)


async def join(
    database: Database, organizer_id: UUID, person_id: UUID, role: MemberRole, clock: MovableClock
) -> None:
    async with database.transaction() as tx:
        await lock_organizer(tx, organizer_id)
        await add_member(tx, organizer_id, person_id, role, clock())


# Organizers and members -------------------------------------------------------------------------------------


async def test_whoever_creates_an_organizer_owns_it(db: Database, clock: MovableClock) -> None:
    ada = await make_person(db, "ada@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    assert (await get_organizer(db, organizer_id)).name == "Moor Sounds"
    mine = await list_memberships(db, ada, 20, None)
    assert [(each.organizer.organizer_id, each.role) for each in mine.data] == [(organizer_id, "owner")]
    assert (await get_member(db, organizer_id, ada)).email == "ada@example.org"


async def test_lists_are_paged(db: Database, clock: MovableClock) -> None:
    ada = await make_person(db, "ada@example.org", clock)
    made = [await make_organizer(db, ada, clock) for _ in range(5)]
    for number in range(4):
        await join(db, made[0], await make_person(db, f"p{number}@example.org", clock), "door", clock)
    seen: list[UUID] = []
    after: str | None = None
    while True:
        page = await list_memberships(db, ada, 2, after)
        seen += [each.organizer.organizer_id for each in page.data]
        if (after := page.next_cursor) is None:
            break
    assert seen == sorted(made)
    first = await list_members(db, made[0], 3, None)
    second = await list_members(db, made[0], 3, first.next_cursor)
    assert len({member.person_id for member in first.data + second.data}) == 5
    assert second.next_cursor is None


async def test_editing_raises_the_version(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    async with db.transaction() as tx:
        await lock_organizer(tx, organizer_id)
        edited = await edit_organizer(tx, organizer_id, "Fen Sounds", "hi@fen.example")
    assert (edited.name, edited.contact_email, edited.version) == ("Fen Sounds", "hi@fen.example", 2)
    assert await get_organizer(db, organizer_id) == edited


async def test_what_is_not_there_is_not_found(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    stranger = await make_person(db, "eve@example.org", clock)
    for asking in (
        get_organizer(db, new_id()),
        get_member(db, organizer_id, stranger),
        remove(db, organizer_id, stranger),
    ):
        with refused(CommonRefusal.NOT_FOUND):
            await asking
    assert await find_role(db, organizer_id, stranger) is None


async def test_owned_organizers_are_bounded_however_many_are_created_at_once(
    db: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evently.accounts.organizers.OWNED_MAX", 3)
    ada = await make_person(db, "ada@example.org", clock)
    outcomes = await asyncio.gather(
        *[make_organizer(db, ada, clock) for _ in range(8)], return_exceptions=True
    )
    assert sum(isinstance(outcome, UUID) for outcome in outcomes) == 3
    refusals = {outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)}
    assert refusals == {AccountsRefusal.LIMIT_REACHED}


async def test_there_is_always_an_owner(db: Database, clock: MovableClock) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    await join(db, organizer_id, bo, "manager", clock)
    with refused(AccountsRefusal.LAST_OWNER):
        await remove(db, organizer_id, ada)
    with refused(AccountsRefusal.LAST_OWNER):
        await change(db, organizer_id, ada, "manager")
    await change(db, organizer_id, ada, "owner")
    await change(db, organizer_id, bo, "owner")
    await change(db, organizer_id, ada, "door")
    assert (await get_member(db, organizer_id, ada)).version == 3
    await remove(db, organizer_id, ada)
    assert await find_role(db, organizer_id, ada) is None


async def test_two_owners_who_remove_each_other_leave_one(db: Database, clock: MovableClock) -> None:
    for attempt in range(10):
        ada, bo = (
            await make_person(db, f"ada{attempt}@example.org", clock),
            await make_person(db, f"bo{attempt}@example.org", clock),
        )
        organizer_id = await make_organizer(db, ada, clock)
        await join(db, organizer_id, bo, "owner", clock)
        outcomes = await asyncio.gather(
            remove(db, organizer_id, bo), change(db, organizer_id, ada, "door"), return_exceptions=True
        )
        assert outcomes.count(None) == 1
        assert (
            await db.fetch_value(
                "SELECT count(*) FROM organizer_members WHERE organizer_id = $1 AND role = 'owner'",
                organizer_id,
            )
            == 1
        )


async def test_roles_are_remembered_for_half_a_second(db: Database, clock: MovableClock) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    ticks = Ticks()
    here, elsewhere = Roles(ticks), Roles(ticks)
    await join(db, organizer_id, bo, "manager", clock)
    assert (
        await here.find_role(db, organizer_id, bo)
        == await elsewhere.find_role(db, organizer_id, bo)
        == "manager"
    )
    await remove(db, organizer_id, bo)
    here.forget(organizer_id)
    assert await here.find_role(db, organizer_id, bo) is None
    assert await elsewhere.find_role(db, organizer_id, bo) == "manager"
    ticks.now += ROLES_SECONDS
    assert await elsewhere.find_role(db, organizer_id, bo) is None


class Counting:
    """A database that counts statements."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.asked = 0

    async def fetch(self, query: str, *values: object) -> list[Record]:
        self.asked += 1
        return await self.database.fetch(query, *values)


async def test_a_crowd_of_strangers_costs_one_statement(db: Database, clock: MovableClock) -> None:
    ada = await make_person(db, "ada@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    roles, counting = Roles(Ticks()), Counting(db)
    people = [*[new_id() for _ in range(200)], ada]
    found = await asyncio.gather(
        *[roles.find_role(cast("Database", counting), organizer_id, person_id) for person_id in people]
    )
    assert found == [None] * 200 + ["owner"]
    assert counting.asked == 1


async def test_what_was_forgotten_while_it_was_asked_is_asked_again(
    db: Database, clock: MovableClock
) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    roles = Roles(Ticks())
    asking = asyncio.ensure_future(roles.find_role(db, organizer_id, bo))
    await asyncio.sleep(0)
    await join(db, organizer_id, bo, "door", clock)
    roles.forget(organizer_id)
    assert await roles.find_role(db, organizer_id, bo) == "door"
    assert await asking in {None, "door"}
    assert await roles.find_role(db, organizer_id, bo) == "door"


# Invitations ------------------------------------------------------------------------------------------------


async def ask(
    database: Database, organizer_id: UUID, email: str, clock: MovableClock, role: MemberRole = "manager"
) -> str:
    async with database.transaction() as tx:
        await lock_organizer(tx, organizer_id)
        return (await invite(tx, organizer_id, email, role, new_id(), clock()))[1]


async def accept(database: Database, person_id: UUID, code: str, clock: MovableClock) -> None:
    async with database.transaction() as tx:
        await accept_invitation(tx, person_id, code, clock())


async def test_an_invitation_is_accepted_once_by_whom_it_names(db: Database, clock: MovableClock) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    eve = await make_person(db, "eve@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    code = await ask(db, organizer_id, "bo@example.org", clock)
    for person_id, given in ((eve, code), (bo, code + "0"), (bo, ""), (bo, code.upper())):
        with refused(AccountsRefusal.INVITATION_INVALID):
            await accept(db, person_id, given, clock)
    await accept(db, bo, code, clock)
    assert await find_role(db, organizer_id, bo) == "manager"
    with refused(AccountsRefusal.INVITATION_INVALID):
        await accept(db, bo, code, clock)
    with refused(AccountsRefusal.ALREADY_MEMBER):
        await ask(db, organizer_id, "bo@example.org", clock)


async def test_an_invitation_does_not_tell_who_is_here(db: Database, clock: MovableClock) -> None:
    ada = await make_person(db, "ada@example.org", clock)
    await make_person(db, "bo@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    await ask(db, organizer_id, "bo@example.org", clock)
    await ask(db, organizer_id, "nobody@example.org", clock)
    open_ones = (await list_invitations(db, organizer_id, clock(), 20, None)).data
    assert [each.email for each in open_ones] == ["bo@example.org", "nobody@example.org"]
    late = await make_person(db, "nobody@example.org", clock)
    await accept(db, late, await ask(db, organizer_id, "nobody@example.org", clock), clock)


async def test_a_new_invitation_replaces_the_old(db: Database, clock: MovableClock) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    old = await ask(db, organizer_id, "bo@example.org", clock, "owner")
    new = await ask(db, organizer_id, "bo@example.org", clock, "door")
    with refused(AccountsRefusal.INVITATION_INVALID):
        await accept(db, bo, old, clock)
    await accept(db, bo, new, clock)
    assert await find_role(db, organizer_id, bo) == "door"


async def test_invitations_expire_and_can_be_withdrawn(db: Database, clock: MovableClock) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    organizer_id, other_id = await make_organizer(db, ada, clock), await make_organizer(db, ada, clock)
    code = await ask(db, organizer_id, "bo@example.org", clock)
    clock.now += VALID_FOR
    with refused(AccountsRefusal.INVITATION_INVALID):
        await accept(db, bo, code, clock)
    assert (await list_invitations(db, organizer_id, clock(), 20, None)).data == []
    code = await ask(db, organizer_id, "bo@example.org", clock)
    invitation_id = (await list_invitations(db, organizer_id, clock(), 20, None)).data[0].invitation_id
    with refused(CommonRefusal.NOT_FOUND):
        async with db.transaction() as tx:
            await withdraw_invitation(tx, other_id, invitation_id)
    async with db.transaction() as tx:
        await withdraw_invitation(tx, organizer_id, invitation_id)
    with refused(AccountsRefusal.INVITATION_INVALID):
        await accept(db, bo, code, clock)


async def test_of_parallel_acceptances_one_succeeds(db: Database, clock: MovableClock) -> None:
    ada, bo = await make_person(db, "ada@example.org", clock), await make_person(db, "bo@example.org", clock)
    organizer_id = await make_organizer(db, ada, clock)
    code = await ask(db, organizer_id, "bo@example.org", clock)
    outcomes = await asyncio.gather(*[accept(db, bo, code, clock) for _ in range(8)], return_exceptions=True)
    assert outcomes.count(None) == 1


async def test_open_invitations_are_bounded(
    db: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evently.accounts.invitations.INVITATIONS_MAX", 2)
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    for number in range(2):
        await ask(db, organizer_id, f"p{number}@example.org", clock)
    with refused(AccountsRefusal.LIMIT_REACHED):
        await ask(db, organizer_id, "p2@example.org", clock)
    await ask(db, organizer_id, "p1@example.org", clock)


async def test_codes_are_stored_as_hashes(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    code = await ask(db, organizer_id, "bo@example.org", clock)
    assert len(code) == 36
    assert len(await db.fetch_value("SELECT code_hash FROM organizer_invitations")) == 32


# API keys ---------------------------------------------------------------------------------------------------


async def make_key(database: Database, organizer_id: UUID, clock: MovableClock) -> tuple[UUID, str]:
    async with database.transaction() as tx:
        await lock_organizer(tx, organizer_id)
        key, text = await create_key(tx, organizer_id, "Gate tablet", SCOPES, new_id(), clock())
    return key.api_key_id, text


async def test_a_key_is_found_until_it_is_revoked(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    key_id, text = await make_key(db, organizer_id, clock)
    ticks = Ticks()
    ring, elsewhere = KeyRing(ticks), KeyRing(ticks)
    for each in (ring, elsewhere):
        found = await each.find_key(db, text, clock())
        assert found is not None
        assert (found.api_key_id, found.organizer_id, found.scopes) == (key_id, organizer_id, SCOPES)
        assert text.startswith(found.hint)
        assert len(found.hint) == 8
    async with db.transaction() as tx:
        assert (await revoke_key(tx, organizer_id, key_id, clock())).revoked_at == clock()
    ring.forget_all()
    assert await ring.find_key(db, text, clock()) is None
    ticks.now += KEYS_SECONDS
    assert await elsewhere.find_key(db, text, clock()) is None
    clock.move(days=1)
    async with db.transaction() as tx:
        assert (await revoke_key(tx, organizer_id, key_id, clock())).revoked_at == clock() - timedelta(days=1)


async def test_keys_are_stored_as_hashes_and_listed_without_them(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    made = [await make_key(db, organizer_id, clock) for _ in range(3)]
    page = await list_keys(db, organizer_id, 2, None)
    rest = await list_keys(db, organizer_id, 2, page.next_cursor)
    assert [key.api_key_id for key in page.data + rest.data] == [key_id for key_id, _ in reversed(made)]
    stored = await db.fetch_value("SELECT string_agg(api_keys::text, '') FROM api_keys")
    assert not any(text[8:] in stored for _, text in made)


async def test_made_up_keys_never_reach_the_database(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    _, text = await make_key(db, organizer_id, clock)
    ring = KeyRing(Ticks())
    await db.close()
    changed = text[:20] + ("0" if text[20] != "0" else "1") + text[21:]
    for wrong in (
        "",
        "evk_",
        text[:-1],
        text + "0",
        text.upper(),
        changed,
        "evr" + text[3:],
        f" {text}",
        text + "\n",
        "evk_" + "é" * 60,
    ):
        assert await ring.find_key(db, wrong, clock()) is None


async def test_a_well_formed_key_of_nobody_is_not_found(db: Database, clock: MovableClock) -> None:
    body = "evk_" + "0" * 52
    assert await KeyRing(Ticks()).find_key(db, body + checksum_of(body), clock()) is None


async def test_uses_are_noted_once_a_minute(db: Database, clock: MovableClock) -> None:
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    _, text = await make_key(db, organizer_id, clock)
    ring = KeyRing(Ticks())
    used_at = []
    for seconds in (0, 30, 29, 1, 61):
        clock.move(seconds=seconds)
        await ring.find_key(db, text, clock())
        await ring.record_uses(db)
        used_at.append((await list_keys(db, organizer_id, 1, None)).data[0].last_used_at)
    start = used_at[0]
    assert start is not None
    assert used_at == [start, start, start, start + timedelta(seconds=60), start + timedelta(seconds=121)]


async def test_keys_are_bounded(db: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evently.accounts.keys.KEYS_MAX", 2)
    organizer_id = await make_organizer(db, await make_person(db, "ada@example.org", clock), clock)
    key_id, _ = await make_key(db, organizer_id, clock)
    await make_key(db, organizer_id, clock)
    with refused(AccountsRefusal.LIMIT_REACHED):
        await make_key(db, organizer_id, clock)
    async with db.transaction() as tx:
        await revoke_key(tx, organizer_id, key_id, clock())
    await make_key(db, organizer_id, clock)


async def test_another_organizers_key_is_not_there(db: Database, clock: MovableClock) -> None:
    ada = await make_person(db, "ada@example.org", clock)
    key_id, _ = await make_key(db, await make_organizer(db, ada, clock), clock)
    other_id = await make_organizer(db, ada, clock)
    with refused(CommonRefusal.NOT_FOUND):
        async with db.transaction() as tx:
            await revoke_key(tx, other_id, key_id, clock())
