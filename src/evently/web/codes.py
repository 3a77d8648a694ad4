"""Codes by e-mail, and messages about an account, for the API and the pages.

A message is stored in the transaction of what it is about.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from evently import mail
from evently.accounts import AccountsRefusal, Person
from evently.accounts.code_logins import StoreChanged
from evently.accounts.codes import NewCode, Purpose
from evently.accounts.people import StoreNotice
from evently.db import Connection
from evently.kit.errors import Refused
from evently.web.services import Request

UNDO_PATH: Final = "/me/email/undo"
_PATHS: Final[dict[Purpose, str]] = {"sign_in": "/login/link", "new_password": "/reset"}


def require_mail(request: Request) -> None:
    """Refuse with `no-mail` where e-mails reach nobody."""
    if not request.context.mail.on:
        raise Refused(AccountsRefusal.NO_MAIL)


async def request_code(
    request: Request, purpose: Purpose, email: str, name: str | None, next_address: str = ""
) -> NewCode:
    """Send a code to an address; refuses with `no-mail`, `invalid` or `too-many-codes`.

    `next_address`: of the page here to which the link of the message leads in the end.
    """
    require_mail(request)
    context = request.context

    async def store(tx: Connection, new: NewCode, person_id: UUID | None) -> None:
        query = {"link": new.link} | ({"next": next_address} if next_address else {})
        path = f"{_PATHS[purpose]}?{urlencode(query)}"
        kind = mail.SignInCode if purpose == "sign_in" else mail.PasswordReset
        await mail.add(
            tx,
            kind(new.code, path),
            address=new.email,
            person_id=person_id,
            expires_at=new.expires_at,
            now=context.clock(),
        )

    return await context.accounts.codes.request(purpose, email, name, request.exchange.origin, store)


async def request_email_change(request: Request, email: str) -> NewCode:
    """Send a code to the new address of the actor.

    Refuses with `no-mail`, `login-too-old`, `invalid` or `too-many-codes`.
    """
    require_mail(request)
    context, actor = request.context, request.actor
    assert actor.session_id is not None, "a person has a session"

    async def store(tx: Connection, new: NewCode, person_id: UUID | None) -> None:
        await mail.add(
            tx,
            mail.EmailChange(new.code),
            address=new.email,
            person_id=person_id,
            expires_at=new.expires_at,
            now=context.clock(),
        )

    return await context.accounts.codes.start_change(
        actor.id, actor.session_id, email, request.exchange.origin, store
    )


def changed_notice(request: Request) -> StoreChanged:
    """Return what stores the message to the address that a person had, with the way to undo the change."""

    async def store(tx: Connection, person: Person, undo: NewCode | None) -> None:
        path = "" if undo is None else f"{UNDO_PATH}?{urlencode({'link': undo.link})}"
        await notice(request, mail.EmailChanged(path))(tx, person)

    return store


def notice(request: Request, about: mail.AccountChange) -> StoreNotice:
    """Return what stores a message to a person about a change of the account."""
    context = request.context

    async def store(tx: Connection, person: Person) -> None:
        if person.email is None:  # of a rehearsal
            return
        now, terms = context.clock(), mail.KINDS[str(about.__struct_config__.tag)]
        await mail.add(
            tx,
            about,
            address=person.email,
            person_id=person.person_id,
            expires_at=now + terms.kept,
            now=now,
        )

    return store
