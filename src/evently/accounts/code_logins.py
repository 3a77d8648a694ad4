"""Logging in with a code by e-mail, and choosing a new password with one.

What a request does is the same for every address: it counts, looks for the account, stores a code and a
message. So neither answer nor time shows whether the address has an account. One is made when a code is used.

An account whose address was never verified may have been made by another person, who waits for the owner of
the address to use it ("account pre-hijacking", Sudhodanan and Paverd 2022). So the first code that is used
ends all sessions, and deletes the password and the passkeys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import structlog

from evently.accounts import codes, passkeys, people, sessions
from evently.accounts.attempts import Attempts
from evently.accounts.codes import Codes, EmailCode, Given, NewCode, Purpose
from evently.accounts.hashing import Hasher
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
from evently.accounts.tokens import Tokens
from evently.db import Connection, Database
from evently.kit.clock import Clock
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import new_id

# Stores the message to an old address, with the link that undoes the change; None where the person has never
# proved that the address was theirs: then it may be another person's, who would get the account
StoreChanged: TypeAlias = Callable[[Connection, Person, NewCode | None], Awaitable[None]]
# Stores the message with a code, in the transaction of the request; of an address with an account, its id
StoreMessage: TypeAlias = Callable[[Connection, NewCode, UUID | None], Awaitable[None]]

_log: Final = structlog.get_logger(__name__)


class CodeLogins:
    """Logins with codes. `opened` of a login becomes a grant in `Accounts`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tokens: Tokens,
        hasher: Hasher,
        attempts: Attempts,
        revocations: Revocations,
    ) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._hasher = hasher
        self._attempts = attempts
        self._revocations = revocations
        self._codes = Codes(tokens.options.secret)

    async def request(
        self,
        purpose: Purpose,
        email: str,
        name: str | None,
        origin: str | None,
        store: StoreMessage,
        *,
        person_id: UUID | None = None,
    ) -> NewCode:
        """Send a code to an address; refuses with `invalid` or `too-many-codes`.

        `name`: of the account that is made if the address has none; it can also be given later. `person_id`:
        who changes to this address.
        """
        email = normalise_email(email)
        errors = people.email_errors(email, "/email")
        if name is not None:
            name = normalise_name(name)
            errors += people.name_errors(name, "/name")
        if errors:
            raise Invalid(errors)
        now = self._clock()
        async with self._database.transaction() as tx:
            await self._attempts.count(
                tx,
                counted_codes(email),
                origin,
                now,
                unknown_max=codes.REQUESTS_MAX,
                of_codes=True,
            )
            owner_id = await people.find_id_by_email(tx, email)
            new = await self._codes.add(tx, purpose, email, name, now, person_id=person_id)
            await store(tx, new, owner_id)
        _log.info("code requested", purpose=purpose, origin=origin)
        return new

    async def find(self, receipt: str) -> EmailCode | None:
        """Return the code that a browser requested, unless it has expired."""
        return await codes.find_by_receipt(self._database, receipt, self._clock())

    async def find_by_link(self, link: str) -> EmailCode | None:
        """Return the code of a link, unless it has expired."""
        return await codes.find_by_link(self._database, link, self._clock())

    async def open(
        self,
        purpose: Purpose,
        given: Given,
        name: str | None,
        new_password: str | None,
        origin: str | None,
        *,
        in_browser: bool,
        store_notice: StoreNotice = store_no_notice,
    ) -> sessions.OpenedSession:
        """Open a session with a code or a link, and make the account if there is none.

        Refuses with `wrong-code`, `code-expired`, or `invalid`: no account and no name, or a wrong password.
        The code then stays of use.
        """
        name = None if name is None else normalise_name(name)
        if name is not None and (errors := people.name_errors(name, "/name")):
            raise Invalid(errors)
        password_hash = None if new_password is None else await self._hash(given, name, new_password)
        now = self._clock()
        async with self._database.transaction() as tx:
            code = await self._codes.check(tx, given, purpose, now)
            if isinstance(code, EmailCode):
                person, ended = await self._admit(tx, code, name, password_hash, store_notice, now)
                opened = await sessions.open_session(
                    tx, self._tokens, person.person_id, now, in_browser=in_browser
                )
                await self._codes.use(tx, code, given, opened.session_id, now)
                for counted in (code.email, counted_codes(code.email)):
                    await self._attempts.record_success(tx, counted, origin, now)
        if isinstance(code, Refused):  # raised after the commit: a wrong try counts
            _log.warning("code refused", refusal=code.refusal.value, origin=origin)
            raise code
        self._revocations.add([*ended, *opened.ended])
        _log.info(
            "logged in with a code",
            person_id=str(person.person_id),
            session_id=str(opened.session_id),
            purpose=purpose,
            origin=origin,
        )
        return opened

    async def verify(self, person_id: UUID, session_id: UUID, given: Given) -> Person:
        """Verify the address of a person who has logged in; password and sessions stay.

        Refuses with `wrong-code` or `code-expired`, also if the code was sent to another address.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            code = await self._codes.check(tx, given, "sign_in", now)
            if isinstance(code, EmailCode):
                person = await people.lock_person(tx, person_id)
                if person.email != code.email:
                    raise Refused(AccountsRefusal.CODE_EXPIRED)
                if person.email_verified_at is None:
                    person = await people.verify_email(tx, person_id, now, keep_password=True)
                await self._codes.use(tx, code, given, session_id, now)
        if isinstance(code, Refused):  # raised after the commit: a wrong try counts
            raise code
        _log.info("e-mail verified", person_id=str(person_id))
        return person

    async def start_change(
        self, person_id: UUID, session_id: UUID, email: str, origin: str | None, store: StoreMessage
    ) -> NewCode:
        """Send a code to the new address of a person who has logged in lately.

        Refuses with `login-too-old`, `invalid` or `too-many-codes`: the same for every address.
        """
        async with self._database.transaction() as tx:
            await sessions.check_login_age(tx, session_id, self._clock())
        return await self.request("new_email", email, None, origin, store, person_id=person_id)

    async def change_email(
        self,
        person_id: UUID,
        session_id: UUID,
        given: Given,
        origin: str | None,
        store_changed: StoreChanged,
    ) -> Person:
        """Change the address of a person to the one that a code was sent to; sessions stay.

        `store_changed` gets the person with the old address. Refuses with `wrong-code`, `code-expired`, or
        `email-taken`: only who reads the e-mails to an address learns that it has an account.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            code = await self._codes.check(tx, given, "new_email", now)
            if isinstance(code, EmailCode):
                if code.person_id != person_id:
                    raise Refused(AccountsRefusal.CODE_EXPIRED)
                person = await people.lock_person(tx, person_id)
                if code.used_at is None:  # else the answer was lost
                    person = await self._change(tx, person, code.email, store_changed, now)
                    await self._attempts.record_success(tx, code.email, origin, now)
                await self._codes.use(tx, code, given, session_id, now)
        if isinstance(code, Refused):  # raised after the commit: a wrong try counts
            raise code
        _log.info("e-mail changed", person_id=str(person_id))
        return person

    async def _change(
        self, tx: Connection, person: Person, email: str, store_changed: StoreChanged, now: datetime
    ) -> Person:
        if person.email == email:
            return person
        changed = await people.change_email(tx, person.person_id, email, now)
        if changed is None:
            raise Refused(AccountsRefusal.EMAIL_TAKEN)
        await self._attempts.delete(tx, person.email or "")
        undo = None
        if person.email is not None and person.email_verified_at is not None:
            undo = await self._codes.add(tx, "old_email", person.email, None, now, person_id=person.person_id)
        await store_changed(tx, person, undo)
        return changed

    async def undo_change(self, link: str, store_notice: StoreNotice) -> None:
        """Give a person the address back that they had when the link was sent there.

        The thief may have more: all sessions end, the password is deleted, and so are the passkeys
        since the change, and the links that would undo later ones. `store_notice` gets the person with the
        address that goes. Refuses with `code-expired`, or `email-taken`.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            undo = await codes.lock_undo(tx, link, now)
            if undo is None:
                raise Refused(AccountsRefusal.CODE_EXPIRED)
            person = await people.lock_person(tx, undo.person_id)
            if await people.change_email(tx, person.person_id, undo.email, now) is None:
                raise Refused(AccountsRefusal.EMAIL_TAKEN)
            await people.drop_password(tx, person.person_id)
            await passkeys.remove_newer(tx, person.person_id, undo.created_at)
            ended = await sessions.end_all_sessions(tx, person.person_id, now)
            await codes.delete_undos(tx, person.person_id, undo.created_at)
            for email in {person.email or "", undo.email}:
                await self._attempts.delete(tx, email)
            await store_notice(tx, person)
        self._revocations.add(ended)
        _log.info("change of e-mail undone", person_id=str(undo.person_id))

    async def check_owner(
        self, tx: Connection, email: str | None, given: Given, now: datetime
    ) -> Refused | None:
        """Return why a code does not prove an address, or None. The refusal is for after the commit."""
        code = await self._codes.check(tx, given, "sign_in", now)
        if isinstance(code, Refused):
            return code
        return None if code.email == email else Refused(AccountsRefusal.CODE_EXPIRED)

    async def _admit(
        self,
        tx: Connection,
        code: EmailCode,
        name: str | None,
        password_hash: str | None,
        store_notice: StoreNotice,
        now: datetime,
    ) -> tuple[Person, list[UUID]]:
        """Return the person of a checked code, locked and verified, and the sessions that ended."""
        person = await people.lock_by_email(tx, code.email)
        if person is None:
            person = await self._register(tx, code, name, password_hash, now)
            if person is not None:
                return person, []
            person = await people.lock_by_email(tx, code.email)
            assert person is not None, "the address was taken a moment ago"
        ended = [] if code.session_id is None else await sessions.end_sessions(tx, [code.session_id], now)
        verified = person.email_verified_at is not None
        if password_hash is not None or not verified:
            ended += await sessions.end_all_sessions(tx, person.person_id, now)
        if not verified:
            person = await people.verify_email(tx, person.person_id, now, keep_password=False)
            await passkeys.remove_all(tx, person.person_id)
        if password_hash is not None:
            await people.set_password(tx, person.person_id, password_hash)
            await store_notice(tx, person)
        return person, ended

    async def _register(
        self, tx: Connection, code: EmailCode, name: str | None, password_hash: str | None, now: datetime
    ) -> Person | None:
        """Add the person of an address without an account; None when another request was quicker."""
        chosen = name or code.name
        if chosen is None:
            raise Invalid([FieldError("/name", "name-of-new-account")])
        person = Person(
            person_id=new_id(),
            email=code.email,
            name=chosen,
            role="buyer",
            version=1,
            created_at=now,
            erased_at=None,
            email_verified_at=now,
        )
        return person if await people.add_person(tx, person, password_hash) else None

    async def _hash(self, given: Given, name: str | None, new_password: str) -> str:
        """Return the hash of a new password; refuses with `code-expired` or `invalid`."""
        now, password = self._clock(), normalise_password(new_password)
        if isinstance(given, codes.ByLink):
            code = await codes.find_by_link(self._database, given.link, now)
        else:
            code = await codes.find_by_receipt(self._database, given.receipt, now)
        if code is None:
            raise Refused(AccountsRefusal.CODE_EXPIRED)
        known = [code.email, name or code.name or ""]
        if errors := password_errors(password, known, "/new_password"):
            raise Invalid(errors)
        with self._hasher.permit():
            return await self._hasher.hash(password)


def counted_codes(email: str) -> str:
    """Return what requests for an address are counted under; no login has such an e-mail."""
    return f"\r{email}"
