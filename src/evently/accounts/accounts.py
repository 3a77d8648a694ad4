"""The desk where people register, log in and out, and leave.

`Accounts` is what a process keeps for that, built once.

The commands here look at passwords, which takes 20 ms in a thread; meanwhile they must hold no connection. So
they begin their own transactions, unlike the verbs they are made of, and check in the last one that the
password is still the one that was verified.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
import structlog

from evently.accounts import people, sessions
from evently.accounts.attempts import Attempts
from evently.accounts.hashing import Hasher, HashingOptions
from evently.accounts.installation import read_secret
from evently.accounts.invitations import forget_invitations_to
from evently.accounts.keys import KeyRing
from evently.accounts.members import Roles, leave_all
from evently.accounts.passwords import normalise_password, password_errors
from evently.accounts.people import Person, normalise_email, normalise_name
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.revocations import Revocations
from evently.accounts.tokens import REFRESH_PREFIX, TokenOptions, Tokens
from evently.db import Connection, Database, DatabaseOptions
from evently.kit.clock import Clock, utc_now
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import crockford, new_id
from evently.kit.repeating import repeat

NOTE_USES_SECONDS: Final = 20.0
_GENERATED_BYTES: Final = 5  # in each of three groups

Erasing: TypeAlias = Callable[
    [Connection, UUID], Awaitable[None]
]  # what somebody else knows of a person, in the same transaction

_log = structlog.get_logger(__name__)


class Grant(msgspec.Struct, frozen=True):
    """What a log-in or a refresh gives. `expires_in` is of the access token, in seconds."""

    person: Person
    access_token: str
    expires_in: int
    refresh_token: str


class Accounts:
    """Everything about accounts that lives as long as the process. `start` it, and `stop` it when done."""

    def __init__(
        self, database: Database, clock: Clock, tokens: TokenOptions, hashing: HashingOptions | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._hasher = Hasher(hashing or HashingOptions())
        self._attempts = Attempts(tokens.secret)
        self._upkeep: list[asyncio.Task[None]] = []
        self.revocations = Revocations(clock, tokens.access_seconds_max)
        self.tokens = Tokens(tokens, clock, self.revocations)
        self.roles = Roles()
        self.keys = KeyRing()

    async def start(self) -> None:
        """Begin to listen for revocations and to note the use of keys."""
        self._upkeep = [
            asyncio.create_task(self.revocations.run(self._database)),
            asyncio.create_task(
                repeat(
                    "uses of API keys",
                    self._note_uses,
                    failed_seconds=NOTE_USES_SECONDS,
                    expected=(Exception,),
                )
            ),
        ]

    async def stop(self) -> None:
        """Stop both, after a last note."""
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        self._upkeep = []
        try:
            await self._note_uses()
        except Exception as exc:  # noqa: BLE001  # the process stops: nobody can try again
            _log.warning("the use of API keys cannot be noted", cause=repr(exc))
        self._hasher.close()

    async def register(self, email: str, name: str, password: str, origin: str) -> None:
        """Add somebody; refuses what no account can have with `invalid`.

        Says nothing, and changes nothing, where the e-mail is taken.

        Whether it is taken shows neither in the answer nor in its time: both ways hash, write and commit.
        Without e-mail there is no better way to tell the owner of an account; whoever has one already finds
        out by logging in.
        """
        email, name, password = normalise_email(email), normalise_name(name), normalise_password(password)
        _check_new(email, name, password)
        with self._hasher.place():
            password_hash = await self._hasher.hash(password)
        person = Person(new_id(), email, name, "buyer", 1, self._clock(), None)
        async with self._database.transaction() as tx:
            added = await people.add_person(tx, person, password_hash)
            await self._attempts.count(
                tx, f"\n{email}", origin, person.created_at
            )  # no log-in has an e-mail like that
        _log.info(
            "registered" if added else "registration of a taken e-mail",
            person_id=str(person.person_id) if added else None,
        )

    async def login(self, email: str, password: str, origin: str) -> Grant:
        """Begin a session; refuses with `wrong-credentials` or `too-many-attempts`.

        `origin` is the client's address.
        """
        with self._hasher.place():
            return await self._login(normalise_email(email), normalise_password(password), origin)

    async def _login(self, email: str, password: str, origin: str) -> Grant:
        await self._count_attempt(email, origin)
        person, password_hash = await people.find_by_email(self._database, email) or (None, None)
        if not await self._hasher.matches(password, password_hash) or person is None or password_hash is None:
            _log.warning("log-in refused", person_id=person and str(person.person_id), origin=origin)
            raise Refused(AccountsRefusal.WRONG_CREDENTIALS)
        renewed = await self._hasher.hash(password) if self._hasher.is_outdated(password_hash) else None
        opened = await self._open(person, email, password_hash, renewed, origin)
        if opened is None:
            return await self._login(email, password, origin)
        self.revocations.add(opened.ended)
        _log.info(
            "logged in", person_id=str(person.person_id), session_id=str(opened.session_id), origin=origin
        )
        return self._grant(opened)

    async def _open(
        self, person: Person, email: str, password_hash: str, renewed: str | None, origin: str
    ) -> sessions.Opened | None:
        """Open a session, unless the hash that was verified was changed or renewed meanwhile: then look at the password again."""
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await _still(tx, person, password_hash, renewed):
                return None
            opened = await sessions.open_session(tx, self.tokens, person.person_id, now)
            await self._attempts.succeed(tx, email, origin, now)
            return opened

    async def refresh(self, refresh_token: str) -> Grant:
        """Continue a session; refuses with `refresh-token-invalid` or, ending the session, `refresh-token-reused`."""
        if not refresh_token.startswith(REFRESH_PREFIX):
            raise Refused(AccountsRefusal.REFRESH_TOKEN_INVALID, "malformed")
        async with self._database.transaction() as tx:
            outcome = await sessions.refresh_session(tx, self.tokens, refresh_token, self._clock())
        if isinstance(outcome, sessions.Broken):
            self.revocations.add([outcome.session_id])
            _log.warning(
                "refresh token used twice",
                person_id=str(outcome.person_id),
                session_id=str(outcome.session_id),
            )
            raise Refused(outcome.refusal)
        return self._grant(outcome)

    async def logout(self, person_id: UUID, session_id: UUID, *, everywhere: bool) -> None:
        """End the session, or all of the person's."""
        now = self._clock()
        async with self._database.transaction() as tx:
            if everywhere:
                await people.lock_person(tx, person_id)
                ended = await sessions.end_all_sessions(tx, person_id, now)
            else:
                ended = await sessions.end_sessions(tx, [session_id], now)
        self.revocations.add(ended)
        _log.info("logged out", person_id=str(person_id), sessions=len(ended))

    async def change_password(
        self, person_id: UUID, session_id: UUID, current: str, new: str, origin: str
    ) -> None:
        """Change a password and end the person's other sessions; refuses with `wrong-password`, `too-many-attempts` or `invalid`."""
        person, password_hash = await people.find_password(self._database, person_id)
        new = normalise_password(new)
        _check(password_errors(new, [person.email or "", person.name], "/new_password"))
        with self._hasher.place():
            await self._verify(person, password_hash, current, origin)
            new_hash = await self._hasher.hash(new)
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await people.change_password(tx, person_id, password_hash, new_hash):
                raise _wrong_password()
            ended = await sessions.end_all_sessions(tx, person_id, now, kept=session_id)
            await self._attempts.succeed(tx, person.email or "", origin, now)
        self.revocations.add(ended)
        _log.info("password changed", person_id=str(person_id), sessions_ended=len(ended))

    async def close_account(self, person_id: UUID, password: str, origin: str, *also: Erasing) -> None:
        """Erase a person, and what others know of them; refuses `wrong-password`, `too-many-attempts`, `last-owner` and `last-admin`."""
        person, password_hash = await people.find_password(self._database, person_id)
        with self._hasher.place():
            await self._verify(person, password_hash, password, origin)
        now = self._clock()
        async with self._database.transaction() as tx:
            locked = await people.lock_with_admins(tx, person_id)
            if not await people.confirm_password(tx, person_id, password_hash or ""):
                raise _wrong_password()
            await people.check_other_admin(tx, locked)
            await leave_all(tx, person_id)
            ended = await sessions.end_all_sessions(tx, person_id, now)
            await people.erase_person(tx, person_id, now)
            for erase in also:
                await erase(tx, person_id)
            await self._attempts.forget(tx, person.email or "")
            await forget_invitations_to(tx, person.email or "")
        self.revocations.add(ended)
        _log.info("account erased", person_id=str(person_id))

    async def create_admin(
        self, email: str, name: str, password: str | None = None
    ) -> tuple[Person, str | None]:
        """Make an admin of whoever has this e-mail, adding them if nobody has; returns the password that was generated, if any.

        Somebody who is here already keeps their password and name. Refuses with `invalid`.
        """
        email, name = normalise_email(email), normalise_name(name)
        generated = _generated_password() if password is None else None
        chosen = normalise_password(password or generated or "")
        _check_new(email, name, chosen)
        with self._hasher.place():
            password_hash = await self._hasher.hash(chosen)
        added = Person(new_id(), email, name, "admin", 1, self._clock(), None)
        async with self._database.transaction() as tx:
            if await people.add_person(tx, added, password_hash):
                _log.info("admin created", person_id=str(added.person_id))
                return added, generated
        return await self._promote(email), None

    async def _promote(self, email: str) -> Person:
        found = await people.find_by_email(self._database, email)
        if found is None:
            raise Refused(CommonRefusal.NOT_FOUND, "account_just_closed")
        async with self._database.transaction() as tx:
            person = await people.lock_with_admins(tx, found[0].person_id)
            promoted = await people.change_role(tx, person, "admin")
            ended = await sessions.end_all_sessions(tx, person.person_id, self._clock())
        self.revocations.add(ended)
        _log.info("role changed", person_id=str(person.person_id), role="admin")
        return promoted

    async def _count_attempt(self, email: str, origin: str) -> None:
        async with self._database.transaction() as tx:
            await self._attempts.count(tx, email, origin, self._clock())

    async def _verify(self, person: Person, password_hash: str | None, password: str, origin: str) -> None:
        """Refuse whoever has a token and not the password; a stolen token must not help in guessing it."""
        await self._count_attempt(person.email or "", origin)
        if not await self._hasher.matches(normalise_password(password), password_hash):
            _log.warning("password refused", person_id=str(person.person_id), origin=origin)
            raise _wrong_password()

    def _grant(self, opened: sessions.Opened) -> Grant:
        access_token = self.tokens.issue_access(
            opened.person.person_id, opened.person.role, opened.session_id
        )
        return Grant(
            opened.person, access_token, self.tokens.options.access_seconds_max, opened.refresh_token
        )

    async def _note_uses(self) -> float:
        await self.keys.note_uses(self._database)
        return NOTE_USES_SECONDS


async def register_admin(options: DatabaseOptions, email: str, name: str) -> str | None:
    """Make an admin, from the command line; returns the generated password, or None where they keep their own."""
    database = await Database.open(options)
    accounts = Accounts(database, utc_now, TokenOptions(await read_secret(database, utc_now())))
    try:
        return (await accounts.create_admin(email, name))[1]
    finally:
        await accounts.stop()
        await database.close()


async def _still(tx: Connection, person: Person, password_hash: str, renewed: str | None) -> bool:
    """Return whether the verified password is still the password; store its renewed hash, if it has one."""
    if renewed is not None:
        return await people.change_password(tx, person.person_id, password_hash, renewed)
    return await people.confirm_password(tx, person.person_id, password_hash)


def _check_new(email: str, name: str, password: str) -> None:
    """Refuse what no account can have, all of it."""
    wrong_password = password_errors(password, [email, name], "/password")
    _check([*people.email_errors(email, "/email"), *people.name_errors(name, "/name"), *wrong_password])


def _generated_password() -> str:
    """Return a password of 120 random bits that can be read aloud."""
    return "-".join(crockford(secrets.token_bytes(_GENERATED_BYTES)).lower() for _ in range(3))


def _check(errors: list[FieldError]) -> None:
    if errors:
        raise Invalid(errors)


def _wrong_password() -> Refused:
    return Refused(AccountsRefusal.WRONG_PASSWORD)
