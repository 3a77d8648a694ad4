"""Passkeys on pages: logging in with one, and those of the reader.

A script asks the browser for the passkey and fills it into a form (`static/passkeys.js`), so that every
outcome is a page. Without script, or where browsers make no passkeys, nothing of this is shown.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from evently.accounts import AccountsRefusal, Site
from evently.accounts.codes import VALID_FOR
from evently.accounts.passkeys import list_passkeys
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import PasskeyId
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.cookies import keep_receipt, read_cookie, read_receipt, set_cookie
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath
from evently.web.pages.forms import Form, FormError, errors_of
from evently.web.pages.rendering import act, see_other
from evently.web.passkeys import (
    AddingCredential,
    AddingOptions,
    LoginCredential,
    LoginOptions,
    added_notice,
    adding_options,
    as_credential,
    login_options,
    removed_notice,
)
from evently.web.services import Request

_KNOWN: Final = "evently-passkey"
# The receipt may be that of a code by e-mail, too, which must not end sooner because of a passkey
_RECEIPT_SECONDS: Final = round(max(VALID_FOR.values()).total_seconds())
_NO_STORE: Final = {"cache-control": "no-store"}


class PasskeyOffer(NamedTuple):
    """What a page needs to offer a passkey. `known`: this browser has used one here, so it comes first."""

    site: Site
    known: bool


def passkey_offer(request: Request) -> PasskeyOffer | None:
    """Return what a page needs to offer a passkey; None where browsers make none."""
    site = request.context.accounts.passkeys.site
    return None if site is None else PasskeyOffer(site, read_cookie(request, _KNOWN) is not None)


def remember_passkey(request: Request) -> None:
    """Make the browser remember that it has used a passkey here: the next log-in begins with it."""
    set_cookie(request, _KNOWN, "yes")


def read_login_credential(form: Form) -> LoginCredential | None:
    """Return what the script has filled in; None if it is no passkey."""
    found: LoginCredential | None = _read(form, LoginCredential)
    return found


@act("/login/passkey/options", **policy(PUBLIC))
async def login_challenge(request: Request) -> Response[LoginOptions]:
    """Return a challenge for this browser; its receipt is in a cookie."""
    given = request.context.accounts.passkeys.start_login(read_receipt(request))
    keep_receipt(request, given.receipt, _RECEIPT_SECONDS)
    return Response(login_options(given), headers=_NO_STORE)


@act("/me/passkeys/options", **policy(SIGNED_IN))
async def adding_challenge(request: Request) -> Response[AddingOptions]:
    """Return a challenge for a new passkey of the reader."""
    given = await request.context.accounts.passkeys.start_adding(*_session(request))
    return Response(adding_options(given), headers=_NO_STORE)


async def add_passkey(request: Request, form: Form) -> list[FormError]:
    """Add a passkey of the reader, and return what is wrong with it."""
    credential = _read(form, AddingCredential)
    if credential is None:
        return [FormError("passkey", "Your browser has sent no passkey. Try again.")]
    name = form.text("passkey_name")
    if not name:
        count = len(await list_passkeys(request.context.database, request.actor.id))
        name = f"Passkey {count + 1}"
    try:
        await request.context.accounts.passkeys.add(
            *_session(request), name, as_credential(credential), partial(added_notice, request)
        )
    except Invalid as exc:
        return errors_of(exc, {"/name": "passkey_name"})
    except Refused as exc:
        if not isinstance(exc.refusal, AccountsRefusal):
            raise
        return [FormError("passkey", _WORDS.get(exc.refusal) or sentence_of(exc))]
    remember_passkey(request)
    return []


@act("/me/passkeys/{passkey_id}/remove", **policy(SIGNED_IN))
async def remove_passkey(request: Request, passkey_id: FromPath[PasskeyId]) -> Response[None]:
    """Remove a passkey of the reader."""
    await request.context.accounts.passkeys.remove(
        request.actor.id, passkey_id, partial(removed_notice, request)
    )
    return see_other("/me?saved=removed#passkeys")


def login_error(exc: Refused) -> FormError:
    """Return what is wrong with a passkey that was used to log in."""
    if not isinstance(exc.refusal, AccountsRefusal):
        raise exc
    return FormError("passkey", _WORDS.get(exc.refusal) or sentence_of(exc))


_WORDS: Final = {
    AccountsRefusal.WRONG_PASSKEY: "This passkey is not known here. Use another one, or log in another way.",
    AccountsRefusal.PASSKEY_EXPIRED: "That took too long, or it was used already. Try again.",
    AccountsRefusal.PASSKEY_NOT_ADDED: "This passkey could not be added. Is it on your list already?",
    AccountsRefusal.LOGIN_TOO_OLD: "Log in again first: your log-in is more than an hour old.",
}


def _read(form: Form, shape: Any) -> Any:
    try:
        return msgspec.json.decode(form.raw("credential").encode(), type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def _session(request: Request) -> tuple[UUID, UUID]:
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    return actor.id, actor.session_id


routes: Final = [login_challenge, adding_challenge, remove_passkey]
