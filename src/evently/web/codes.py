"""Codes by e-mail, for the API and the pages: the message is stored in the transaction of the code."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from evently import mail
from evently.accounts import AccountsRefusal
from evently.accounts.codes import NewCode, Purpose
from evently.db import Connection
from evently.kit.errors import Refused
from evently.web.services import Request

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
