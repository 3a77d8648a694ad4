"""Codes by e-mail: the person who reads the e-mails to an address logs in, or chooses a new password.

A code has six digits, and works only with the receipt that its requester got: what an attacker requests, an
attacker cannot enter elsewhere, and what a victim reads out works in one browser only. The link in the same
e-mail has a secret of its own and works anywhere; a page asks before it uses the link, because mail servers
open links. Both are used once. For `GRACE` after that, the same browser may repeat the use, because an answer
can be lost; the session that the first use opened ends then.

Only hashes are stored. Nothing here depends on whether the address has an account.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias, get_args
from uuid import UUID

import msgspec

from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import derive_key, hash_secret
from evently.db import Connection, Database, Record, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import crockford, new_id

sql: Final = load_queries(__name__)

CODE_DIGITS: Final = 6
TRIES_MAX: Final = 5  # of one code: one chance in 200,000
# Requested for one address in an hour from where it never signed in: one chance in 20,000 to guess one
REQUESTS_MAX: Final = 10
GRACE: Final = timedelta(minutes=1)  # for a second press of the button, and for an answer that was lost

Purpose: TypeAlias = Literal["sign_in", "new_password", "new_email", "old_email"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
VALID_FOR: Final[dict[Purpose, timedelta]] = {
    "sign_in": timedelta(minutes=10),
    "new_password": timedelta(minutes=30),  # a good password takes a while
    "new_email": timedelta(minutes=30),  # a new mailbox is opened on another device
}
UNDO_FOR: Final = timedelta(days=7)  # a change of the address: its owner may be on holiday
_RECEIPT_PREFIX: Final = "evc_"
_LINK_PREFIX: Final = "evl_"
_SECRET_BYTES: Final = 32


class NewCode(msgspec.Struct, frozen=True):
    """A code as it is sent, and the receipt for its requester. None of the three secrets is stored."""

    email: str
    purpose: Purpose
    code: str
    link: str
    receipt: str
    expires_at: datetime


class EmailCode(msgspec.Struct, frozen=True):
    """A code that was sent, as its requester may see it. `name`: of the account that is made with it."""

    code_id: UUID
    purpose: Purpose
    email: str
    name: str | None
    wrong_tries: int
    expires_at: datetime
    used_at: datetime | None
    session_id: UUID | None  # that an earlier use opened, or in which it happened
    person_id: UUID | None = None  # who changes to this address


class Undo(NamedTuple):
    """A change of an address that can be undone: which one the person had, and when it was changed."""

    email: str
    person_id: UUID
    created_at: datetime


class ByCode(msgspec.Struct, frozen=True):
    """The digits of a code, with the receipt of their requester."""

    receipt: str
    code: str


class ByLink(msgspec.Struct, frozen=True):
    """The secret of a link; `receipt` is a secret of the browser that uses it."""

    link: str
    receipt: str


Given: TypeAlias = ByCode | ByLink


class Codes:
    """Makes and checks codes with the secret of the installation."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "codes by e-mail")

    async def add(
        self,
        tx: Connection,
        purpose: Purpose,
        email: str,
        name: str | None,
        now: datetime,
        *,
        person_id: UUID | None = None,
    ) -> NewCode:
        """Add a code for a normalised e-mail, whether or not it has an account.

        `person_id`: who changes to this address, or had it (`old_email`, of which only the link is sent).
        """
        new = NewCode(
            email=email,
            purpose=purpose,
            code=f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}",
            link=_LINK_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower(),
            receipt=new_receipt(),
            expires_at=now + VALID_FOR.get(purpose, UNDO_FOR),
        )
        code_id = new_id()
        await tx.execute(
            *sql.add(
                code_id=code_id,
                purpose=purpose,
                email=email,
                name=name,
                person_id=person_id,
                receipt_hash=hash_secret(new.receipt),
                code_hash=self._hash(code_id, new.code),
                link_hash=hash_secret(new.link),
                now=now,
                expires_at=new.expires_at,
            )
        )
        return new

    async def check(
        self, tx: Connection, given: Given, purpose: Purpose, now: datetime
    ) -> EmailCode | Refused:
        """Lock the code of a receipt or link, and compare; a wrong one counts.

        Returns a refusal instead of raising it, because the count must be committed: `wrong-code` or
        `code-expired`.
        """
        if isinstance(given, ByLink):
            row = await tx.fetchrow(*sql.lock_by_link(link_hash=hash_secret(given.link), purpose=purpose))
        else:
            row = await tx.fetchrow(
                *sql.lock_by_receipt(receipt_hash=hash_secret(given.receipt), purpose=purpose)
            )
        if row is None or not _may_be_used(row, given, now):
            return Refused(AccountsRefusal.CODE_EXPIRED)
        if isinstance(given, ByCode) and not hmac.compare_digest(
            self._hash(row["code_id"], given.code), row["code_hash"]
        ):
            left = TRIES_MAX - row["wrong_tries"] - 1
            await tx.execute(*sql.count_wrong_try(code_id=row["code_id"]))
            return Refused(AccountsRefusal.WRONG_CODE, tries_left=left)
        return _email_code(row)

    async def use(
        self, tx: Connection, code: EmailCode, given: Given, session_id: UUID, now: datetime
    ) -> None:
        """Write that a checked code opened a session."""
        await tx.execute(
            *sql.use(
                code_id=code.code_id,
                used_with=hash_secret(given.receipt),
                session_id=session_id,
                now=now,
            )
        )

    def _hash(self, code_id: UUID, code: str) -> bytes:
        return hmac.digest(self._key, code_id.bytes + code.encode(), "sha256")


def new_receipt() -> str:
    """Return a secret for a browser or client that requests a code, or uses a link."""
    return _RECEIPT_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower()


def normalise_code(text: str) -> str:
    """Return the digits of a code as a person typed it; what is no code stays no code."""
    return "".join(each for each in text if not each.isspace() and each not in "-.\u2011\u2013")


def is_code(text: str) -> bool:
    """Return whether a text has the form of a code."""
    return len(text) == CODE_DIGITS and text.isascii() and text.isdigit()


async def find_by_receipt(database: Database, receipt: str, now: datetime) -> EmailCode | None:
    """Return the code that a browser requested, unless it has expired."""
    row = await database.fetch_row(*sql.find_by_receipt(receipt_hash=hash_secret(receipt), now=now))
    return None if row is None else _email_code(row)


async def find_by_link(database: Database, link: str, now: datetime) -> EmailCode | None:
    """Return the code of a link, unless it has expired."""
    row = await database.fetch_row(*sql.find_by_link(link_hash=hash_secret(link), now=now))
    return None if row is None else _email_code(row)


async def lock_undo(tx: Connection, link: str, now: datetime) -> Undo | None:
    """Lock the link that undoes a change, unless it has expired: only one of two uses finds it."""
    row = await tx.fetchrow(*sql.lock_undo(link_hash=hash_secret(link), now=now))
    return None if row is None else Undo(**row)


async def is_reserved(tx: Connection, email: str, now: datetime) -> bool:
    """Return whether a person may still take an address back: without proof, nobody gets it meanwhile."""
    found: bool = await tx.fetchval(*sql.is_reserved(email=email, now=now))
    return found


async def delete_undos(tx: Connection, person_id: UUID, since: datetime | None = None) -> None:
    """Delete the links that undo changes of a locked person, those since an instant or all of them.

    An older one stays: it belongs to who had an address before.
    """
    await tx.execute(*sql.delete_undos(person_id=person_id, since=since))


def _may_be_used(row: Record, given: Given, now: datetime) -> bool:
    if row["used_at"] is not None:
        return bool(
            now <= row["used_at"] + GRACE
            and row["used_with"] == hash_secret(given.receipt)
            and row["wrong_tries"] < TRIES_MAX
        )
    return bool(now < row["expires_at"] and row["wrong_tries"] < TRIES_MAX)


def _email_code(row: Record) -> EmailCode:
    return EmailCode(**{name: row[name] for name in EmailCode.__struct_fields__})
