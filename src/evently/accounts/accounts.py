"""Registration, login, logout, changed passwords and closed accounts.

A process builds one `Accounts`. It owns what lives as long as the process: the threads that hash passwords,
the known revocations, and the memories of roles and API keys.

To verify a password takes 20 ms in a thread, and no database connection may wait for that. So these methods
begin their own transactions, unlike the functions that they call, and check in the last transaction that the
password is still the one that was verified.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
import structlog

from evently.accounts import passkeys, people, sessions
from evently.accounts.attempts import Attempts
from evently.accounts.code_logins import CodeLogins, counted_codes
from evently.accounts.codes import Given, delete_undos, is_reserved
from evently.accounts.hashing import Hasher, HashingOptions
from evently.accounts.installation import read_secret
from evently.accounts.invitations import delete_invitations_to
from evently.accounts.keys import KeyRing
from evently.accounts.members import Roles, leave_all
from evently.accounts.passkey_logins import Credential, NoticeOf, PasskeyLogins
from evently.accounts.passwords import normalise_password, password_errors
from evently.accounts.people import (
    Person,
    StoreNotice,
    normalise_email,
    normalise_name,
    store_no_notice,
)
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.revocations import Revocations
from evently.accounts.site import Site
from evently.accounts.tokens import REFRESH_PREFIX, PlatformRole, TokenOptions, Tokens
from evently.db import Connection, Database, DatabaseOptions
from evently.kit.clock import Clock, utc_now
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import crockford, new_id
from evently.kit.repeating import repeat

RECORD_USES_SECONDS: Final = 20.0  # between two writes of when API keys were used
_GENERATED_BYTES: Final = 5  # in each of three groups

# Erases what another package stores about a person, in the same transaction
ErasePersonalData: TypeAlias = Callable[[Connection, UUID], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Grant(msgspec.Struct, frozen=True):
    """What a login or a refresh grants. `expires_in` is the lifetime of the access token in seconds.

    `refresh_token` continues the session; of a session in a browser it is the secret, which stays the same.
    """

    person: Person
    access_token: str
    expires_in: int
    refresh_token: str


class Accounts:
    """The accounts of an installation in one process. Call `start` before use and `stop` at the end.

    `clock` is that of everything that is stored or issued; it may raise `Trouble`. `reading_clock` decides
    whether a token has expired, and never raises: people who are logged in read on.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tokens: TokenOptions,
        hashing: HashingOptions | None = None,
        site: Site | None = None,
        *,
        reading_clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._reading_clock = reading_clock = reading_clock or clock
        self._hasher = Hasher(hashing or HashingOptions())
        self._attempts = Attempts(tokens.secret)
        self._upkeep: list[asyncio.Task[None]] = []
        self.revocations = Revocations(reading_clock, tokens.access_seconds_max)
        self.tokens = Tokens(tokens, reading_clock, self.revocations, checked_clock=clock)
        self.codes = CodeLogins(database, clock, self.tokens, self._hasher, self._attempts, self.revocations)
        self.passkeys = PasskeyLogins(database, clock, self.tokens, self._attempts, self.revocations, site)
        self.roles = Roles()
        self.keys = KeyRing()

    async def start(self) -> None:
        """Start to poll for revocations and to record the use of API keys."""
        self._upkeep = [
            asyncio.create_task(self.revocations.run(self._database)),
            asyncio.create_task(
                repeat(
                    "uses of API keys",
                    self._record_uses,
                    failed_seconds=RECORD_USES_SECONDS,
                    expected=(Exception,),
                )
            ),
        ]

    async def stop(self) -> None:
        """Stop both tasks, and record the last uses."""
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        self._upkeep = []
        try:
            await self._record_uses()
        except Exception as exc:  # noqa: BLE001  # the process stops, so no later call tries again
            _log.warning("cannot record the use of API keys", cause=repr(exc))
        self._hasher.close()

    async def register(self, email: str, name: str, password: str, origin: str | None) -> None:
        """Add a person; refuses a wrong e-mail, name or password with `invalid`.

        Changes nothing when the e-mail is taken, and returns as if it were not.

        Neither the answer nor its time shows whether the e-mail is taken: both cases hash, write and commit.
        Until the platform sends e-mail, it cannot notify the owner of the account; a person who already has
        an account finds out by logging in.
        """
        email, name, password = normalise_email(email), normalise_name(name), normalise_password(password)
        _check_new(email, name, password)
        with self._hasher.permit():
            password_hash = await self._hasher.hash(password)
        person = self._new_person(email, name, "buyer")
        async with self._database.transaction() as tx:
            reserved = await is_reserved(tx, email, person.created_at)
            added = not reserved and await people.add_person(tx, person, password_hash)
            # No login has an e-mail that begins with a newline, so these are counted separately
            await self._attempts.count(tx, f"\n{email}", origin, person.created_at)
        _log.info(
            "registered" if added else "registration with a taken e-mail",
            person_id=str(person.person_id) if added else None,
        )

    async def login(
        self, email: str, password: str, origin: str | None, *, in_browser: bool = False
    ) -> Grant:
        """Open a session; refuses with `wrong-credentials` or `too-many-attempts`.

        `origin` is the address of the client; None if nobody knows it.
        """
        email, password = normalise_email(email), normalise_password(password)
        with self._hasher.permit():
            return await self._login(email, password, origin, in_browser=in_browser)

    async def _login(self, email: str, password: str, origin: str | None, *, in_browser: bool) -> Grant:
        await self._count_attempt(email, origin)
        person, password_hash = await people.find_by_email(self._database, email) or (None, None)
        if not await self._hasher.matches(password, password_hash) or person is None or password_hash is None:
            _log.warning("login refused", person_id=person and str(person.person_id), origin=origin)
            raise Refused(AccountsRefusal.WRONG_CREDENTIALS)
        renewed = await self._hasher.hash(password) if self._hasher.is_outdated(password_hash) else None
        opened = await self._open(person, email, password_hash, renewed, origin, in_browser=in_browser)
        if opened is None:
            return await self._login(email, password, origin, in_browser=in_browser)
        self.revocations.add(opened.ended)
        _log.info(
            "logged in", person_id=str(person.person_id), session_id=str(opened.session_id), origin=origin
        )
        return self._grant(opened)

    async def _open(
        self,
        person: Person,
        email: str,
        password_hash: str,
        renewed: str | None,
        origin: str | None,
        *,
        in_browser: bool,
    ) -> sessions.OpenedSession | None:
        """Open a session; returns None when the hash was replaced since it was verified: verify again."""
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await _password_unchanged(tx, person, password_hash, renewed):
                return None
            opened = await sessions.open_session(
                tx, self.tokens, person.person_id, now, in_browser=in_browser
            )
            await self._attempts.record_success(tx, email, origin, now)
            return opened

    async def login_with_code(
        self, given: Given, name: str | None, origin: str | None, *, in_browser: bool = False
    ) -> Grant:
        """Open a session with a code or a link that came by e-mail: see `CodeLogins.open`."""
        return self._grant(await self.codes.open("sign_in", given, name, None, origin, in_browser=in_browser))

    async def reset_password(
        self,
        given: Given,
        new_password: str,
        name: str | None,
        origin: str | None,
        *,
        in_browser: bool = False,
        store_notice: StoreNotice = store_no_notice,
    ) -> Grant:
        """Set a new password with a code or a link, end all sessions, and open one: see `CodeLogins.open`."""
        return self._grant(
            await self.codes.open(
                "new_password",
                given,
                name,
                new_password,
                origin,
                in_browser=in_browser,
                store_notice=store_notice,
            )
        )

    async def login_with_passkey(
        self,
        receipt: str,
        credential: Credential,
        origin: str | None,
        notice_of: NoticeOf | None = None,
        *,
        in_browser: bool = False,
    ) -> Grant:
        """Open a session with a passkey: see `PasskeyLogins.open`."""
        return self._grant(
            await self.passkeys.open(receipt, credential, origin, notice_of, in_browser=in_browser)
        )

    async def continue_in_browser(self, secret: str) -> Grant | None:
        """Return a new access token for the session of a browser, or None when the session has ended."""
        opened = await sessions.find_in_browser(self._database, secret, self._reading_clock())
        return None if opened is None else self._grant(opened)

    async def refresh(self, refresh_token: str) -> Grant:
        """Continue a session; refuses with `refresh-token-invalid` or, ending it, `refresh-token-reused`."""
        if not refresh_token.startswith(REFRESH_PREFIX):
            raise Refused(AccountsRefusal.REFRESH_TOKEN_INVALID, "malformed")
        async with self._database.transaction() as tx:
            outcome = await sessions.refresh_session(tx, self.tokens, refresh_token, self._clock())
        if isinstance(outcome, sessions.ReusedToken):
            self.revocations.add([outcome.session_id])
            _log.warning(
                "refresh token used twice",
                person_id=str(outcome.person_id),
                session_id=str(outcome.session_id),
            )
            raise Refused(AccountsRefusal.REFRESH_TOKEN_REUSED)
        return self._grant(outcome)

    async def logout(self, person_id: UUID, session_id: UUID, *, everywhere: bool) -> None:
        """End a session, or all sessions of the person."""
        now = self._clock()
        async with self._database.transaction() as tx:
            if everywhere:
                await people.lock_person(tx, person_id)
                ended = await sessions.end_all_sessions(tx, person_id, now)
            else:
                ended = await sessions.end_sessions(tx, [session_id], now)
        self.revocations.add(ended)
        _log.info("logged out", person_id=str(person_id), sessions=len(ended))

    async def end_session(self, person_id: UUID, session_id: UUID) -> None:
        """End one session of a person; refuses with `not-found`. Harmless to repeat."""
        async with self._database.transaction() as tx:
            if not await sessions.is_session_of(tx, person_id, session_id):
                raise Refused(CommonRefusal.NOT_FOUND, "session")
            ended = await sessions.end_sessions(tx, [session_id], self._clock())
        self.revocations.add(ended)

    async def logout_elsewhere(self, person_id: UUID, session_id: UUID) -> None:
        """End all sessions of a person but one."""
        async with self._database.transaction() as tx:
            await people.lock_person(tx, person_id)
            ended = await sessions.end_all_sessions(tx, person_id, self._clock(), kept=session_id)
        self.revocations.add(ended)
        _log.info("logged out elsewhere", person_id=str(person_id), sessions=len(ended))

    async def change_password(
        self,
        person_id: UUID,
        session_id: UUID,
        current: str,
        new: str,
        origin: str | None,
        store_notice: StoreNotice = store_no_notice,
    ) -> None:
        """Change a password and end the other sessions of the person.

        Refuses with `wrong-password`, `too-many-attempts` or `invalid`.
        """
        person, password_hash = await people.find_password(self._database, person_id)
        new = normalise_password(new)
        _check(password_errors(new, [person.email or "", person.name], "/new_password"))
        with self._hasher.permit():
            await self._verify(person, password_hash, current, origin)
            new_hash = await self._hasher.hash(new)
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await people.change_password(tx, person_id, password_hash, new_hash):
                raise _wrong_password()
            ended = await sessions.end_all_sessions(tx, person_id, now, kept=session_id)
            await self._attempts.record_success(tx, person.email or "", origin, now)
            await store_notice(tx, person)
        self.revocations.add(ended)
        _log.info("password changed", person_id=str(person_id), sessions_ended=len(ended))

    async def close_account(
        self, person_id: UUID, proof: str | Given, origin: str | None, *also: ErasePersonalData
    ) -> None:
        """Erase a person, and what other packages store about them (`also`).

        `proof`: the password, or a code that was sent to the address. Refuses with `wrong-password`,
        `too-many-attempts`, `wrong-code`, `code-expired`, `last-owner` or `last-admin`.
        """
        person, password_hash = await people.find_password(self._database, person_id)
        if isinstance(proof, str):
            with self._hasher.permit():
                await self._verify(person, password_hash, proof, origin)
        now, refused, ended = self._clock(), None, []
        async with self._database.transaction() as tx:
            if not isinstance(proof, str):
                refused = await self.codes.check_owner(tx, person.email, proof, now)
            if refused is None:
                locked = await people.lock_with_admins(tx, person_id)
                if isinstance(proof, str) and not await people.confirm_password(
                    tx, person_id, password_hash or ""
                ):
                    raise _wrong_password()
                await people.check_other_admin(tx, locked)
                ended = await self._erase(tx, person, now)
                for erase in also:
                    await erase(tx, person_id)
        if refused is not None:  # raised after the commit: a wrong try counts
            raise refused
        self.revocations.add(ended)
        _log.info("account erased", person_id=str(person_id))

    async def _erase(self, tx: Connection, person: Person, now: datetime) -> list[UUID]:
        """Erase what this package stores about a locked person, and return the sessions that ended."""
        await leave_all(tx, person.person_id)
        ended = await sessions.end_all_sessions(tx, person.person_id, now)
        await passkeys.remove_all(tx, person.person_id)
        await people.erase_person(tx, person.person_id, now)
        await self._attempts.delete(tx, person.email or "")
        await self._attempts.delete(tx, counted_codes(person.email or ""))
        await delete_invitations_to(tx, person.email or "")
        await delete_undos(tx, person.person_id)
        return ended

    async def create_admin(
        self, email: str, name: str, password: str | None = None
    ) -> tuple[Person, str | None]:
        """Make the person with this e-mail an admin, or add an admin; returns the generated password, if any.

        A person who has an account keeps the password and the name. Refuses with `invalid`.
        """
        email, name = normalise_email(email), normalise_name(name)
        generated = _generated_password() if password is None else None
        chosen = normalise_password(password or generated or "")
        _check_new(email, name, chosen)
        with self._hasher.permit():
            password_hash = await self._hasher.hash(chosen)
        added = self._new_person(email, name, "admin")
        # Who runs the installation vouches for the address
        added = msgspec.structs.replace(added, email_verified_at=added.created_at)
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

    async def _count_attempt(self, email: str, origin: str | None) -> None:
        async with self._database.transaction() as tx:
            await self._attempts.count(tx, email, origin, self._clock())

    async def _verify(
        self, person: Person, password_hash: str | None, password: str, origin: str | None
    ) -> None:
        """Refuse a wrong password. Counts the attempt: a stolen token must not help to guess."""
        await self._count_attempt(person.email or "", origin)
        if not await self._hasher.matches(normalise_password(password), password_hash):
            _log.warning("password refused", person_id=str(person.person_id), origin=origin)
            raise _wrong_password()

    def _new_person(self, email: str, name: str, role: PlatformRole) -> Person:
        return Person(
            person_id=new_id(),
            email=email,
            name=name,
            role=role,
            version=1,
            created_at=self._clock(),
            erased_at=None,
        )

    def _grant(self, opened: sessions.OpenedSession) -> Grant:
        access_token = self.tokens.issue_access(
            opened.person.person_id, opened.person.role, opened.session_id
        )
        return Grant(
            person=opened.person,
            access_token=access_token,
            expires_in=self.tokens.options.access_seconds_max,
            refresh_token=opened.refresh_token,
        )

    async def _record_uses(self) -> float:
        await self.keys.record_uses(self._database)
        return RECORD_USES_SECONDS


async def register_admin(options: DatabaseOptions, email: str, name: str) -> str | None:
    """Make a person an admin, from the command line; returns the generated password.

    Returns None when the person has an account: the password stays.
    """
    database = await Database.open(options)
    accounts = Accounts(database, utc_now, TokenOptions(await read_secret(database, utc_now())))
    try:
        return (await accounts.create_admin(email, name))[1]
    finally:
        await accounts.stop()
        await database.close()


async def _password_unchanged(
    tx: Connection, person: Person, password_hash: str, renewed: str | None
) -> bool:
    """Return whether the verified password is still the password; store its renewed hash, if it has one."""
    if renewed is not None:
        return await people.change_password(tx, person.person_id, password_hash, renewed)
    return await people.confirm_password(tx, person.person_id, password_hash)


def _check_new(email: str, name: str, password: str) -> None:
    """Refuse a wrong e-mail, name or password; report all that is wrong."""
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
