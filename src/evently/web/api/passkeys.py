"""Passkeys: logging in with one, and those of the caller."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently.accounts import AccountsRefusal
from evently.accounts.passkey_logins import CHALLENGE_FOR
from evently.accounts.passkeys import NAME_CHARACTERS_MAX, Passkey, list_passkeys
from evently.kit.errors import CommonRefusal
from evently.kit.ids import PasskeyId, show_id
from evently.web.api.accounts import TokensView, show_grant
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post
from evently.web.passkeys import (
    AddingCredential,
    AddingOptions,
    LoginCredential,
    LoginOptions,
    added_notice,
    adding_options,
    as_credential,
    copied_notice,
    login_options,
    removed_notice,
)
from evently.web.services import Request

_PRIVATE: Final = {"cache-control": "no-store"}
_TAG: Final = "Passkeys"
_SECONDS: Final = round(CHALLENGE_FOR.total_seconds())
_RECEIPT: Final = "evp_1b5q0w7c9d2e4f6g8h0j1k3m5n7p9q1r3s5t7v9w1x3y5z7012345678"
Name = Annotated[
    str,
    msgspec.Meta(
        examples=["Ada's telephone"], extra_json_schema={"minLength": 1, "maxLength": NAME_CHARACTERS_MAX}
    ),
]


class LoginOptionsView(msgspec.Struct, frozen=True):
    """A challenge. It works only together with this `receipt`, once, for `expires_in` seconds."""

    public_key: LoginOptions
    receipt: Annotated[str, msgspec.Meta(examples=[_RECEIPT])]
    expires_in: Annotated[int, msgspec.Meta(examples=[_SECONDS])] = _SECONDS


class PasskeyLoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """The signature of the challenge, and its receipt."""

    receipt: Annotated[str, msgspec.Meta(max_length=1000, examples=[_RECEIPT])]
    credential: LoginCredential


class AddingOptionsView(msgspec.Struct, frozen=True):
    """A challenge for a new passkey. It works in this session, once, for `expires_in` seconds."""

    public_key: AddingOptions
    expires_in: Annotated[int, msgspec.Meta(examples=[_SECONDS])] = _SECONDS


class PasskeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new passkey."""

    name: Name
    credential: AddingCredential


class PasskeyPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change."""

    name: Name


class PasskeyView(msgspec.Struct, frozen=True):
    """A passkey. `synced`: a provider copies it to the other devices of its person.

    `copied_at`: since when a second copy of a key is known that should have none; it logs in no more.
    """

    id: Annotated[str, msgspec.Meta(examples=["pky_01m7y4ef72ev2sxmcnxfse27zp"])]
    name: Annotated[str, msgspec.Meta(examples=["Ada's telephone"])]
    synced: Annotated[bool, msgspec.Meta(examples=[True])]
    created_at: datetime
    last_used_at: datetime | None
    copied_at: Annotated[datetime | None, msgspec.Meta(examples=[None])]


class PasskeysView(msgspec.Struct, frozen=True):
    """The passkeys of a person, oldest first."""

    data: list[PasskeyView]


@post(
    "/v1/auth/passkey",
    operation_id="requestPasskeyLogin",
    summary="Get a challenge to log in with a passkey",
    description=(
        "Pass `public_key` to `navigator.credentials.get`, on a page of this site. No e-mail is needed: the "
        "device offers its own passkeys. 409 where the site has no domain, or no https."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(AccountsRefusal.NO_PASSKEYS),
    **policy(PUBLIC),
)
async def request_login(request: Request) -> Response[LoginOptionsView]:
    """Return a challenge."""
    given = request.context.accounts.passkeys.start_login(None)
    return Response(LoginOptionsView(login_options(given), given.receipt), headers=_PRIVATE)


@post(
    "/v1/auth/passkey/login",
    operation_id="loginWithPasskey",
    summary="Log in with a passkey",
    description=(
        "Opens a session. The refusal is the same for a passkey that is not known, was removed, belongs to "
        "another site, or was copied."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        AccountsRefusal.ACCOUNT_LOCKED,
        AccountsRefusal.WRONG_PASSKEY,
        AccountsRefusal.PASSKEY_EXPIRED,
        AccountsRefusal.NO_PASSKEYS,
    ),
    **policy(PUBLIC, rate="login"),
)
async def login(request: Request, data: JSONBody[PasskeyLoginBody]) -> Response[TokensView]:
    """Open a session."""
    return show_grant(
        await request.context.accounts.login_with_passkey(
            data.receipt,
            as_credential(data.credential),
            request.exchange.origin,
            partial(copied_notice, request),
        )
    )


@get(
    "/v1/me/passkeys",
    operation_id="listMyPasskeys",
    summary="List my passkeys",
    tags=[_TAG],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_passkeys(request: Request) -> Response[PasskeysView]:
    """List the passkeys of the caller, oldest first."""
    found = await list_passkeys(request.context.database, request.actor.id)
    return Response(PasskeysView([_show(each) for each in found]), headers=_PRIVATE)


@post(
    "/v1/me/passkeys/options",
    operation_id="requestPasskey",
    summary="Get a challenge for a new passkey",
    description="Pass `public_key` to `navigator.credentials.create`. Log in at most an hour before.",
    tags=[_TAG],
    status_code=200,
    responses=problems(CommonRefusal.NOT_FOUND, AccountsRefusal.LOGIN_TOO_OLD, AccountsRefusal.NO_PASSKEYS),
    **policy(SIGNED_IN),
)
async def request_passkey(request: Request) -> Response[AddingOptionsView]:
    """Return a challenge for a new passkey of the caller."""
    given = await request.context.accounts.passkeys.start_adding(*_session(request))
    return Response(AddingOptionsView(adding_options(given)), headers=_PRIVATE)


@post(
    "/v1/me/passkeys",
    operation_id="addPasskey",
    summary="Add a passkey",
    description="It logs in to my account from now on. An e-mail says so.",
    tags=[_TAG],
    responses=problems(
        CommonRefusal.NOT_FOUND,
        AccountsRefusal.PASSKEY_NOT_ADDED,
        AccountsRefusal.PASSKEY_EXPIRED,
        AccountsRefusal.LOGIN_TOO_OLD,
        AccountsRefusal.LIMIT_REACHED,
        AccountsRefusal.NO_PASSKEYS,
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def add_passkey(request: Request, data: JSONBody[PasskeyBody]) -> Response[PasskeyView]:
    """Add a passkey of the caller."""
    added = await request.context.accounts.passkeys.add(
        *_session(request), data.name, as_credential(data.credential), partial(added_notice, request)
    )
    return Response(_show(added), headers=_PRIVATE)


@patch(
    "/v1/me/passkeys/{passkey_id}",
    operation_id="renamePasskey",
    summary="Rename a passkey",
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def rename_passkey(
    request: Request, passkey_id: FromPath[PasskeyId], data: JSONBody[PasskeyPatch]
) -> Response[PasskeyView]:
    """Change the name of a passkey of the caller."""
    renamed = await request.context.accounts.passkeys.rename(request.actor.id, passkey_id, data.name)
    return Response(_show(renamed), headers=_PRIVATE)


@delete(
    "/v1/me/passkeys/{passkey_id}",
    operation_id="removePasskey",
    summary="Remove a passkey",
    description="It logs in no more; sessions that it opened stay. An e-mail says so.",
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def remove_passkey(request: Request, passkey_id: FromPath[PasskeyId]) -> Response[None]:
    """Remove a passkey of the caller."""
    await request.context.accounts.passkeys.remove(
        request.actor.id, passkey_id, partial(removed_notice, request)
    )
    return Response(None, headers=_PRIVATE)


def _session(request: Request) -> tuple[UUID, UUID]:
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    return actor.id, actor.session_id


def _show(passkey: Passkey) -> PasskeyView:
    return PasskeyView(
        show_id("pky", passkey.passkey_id),
        passkey.name,
        passkey.synced,
        passkey.created_at,
        passkey.last_used_at,
        passkey.copied_at,
    )


routes: Final = [
    request_login,
    login,
    list_my_passkeys,
    request_passkey,
    add_passkey,
    rename_passkey,
    remove_passkey,
]
