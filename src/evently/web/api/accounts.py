"""Register, log in, refresh, log out; the account of whoever asks.

Registering answers the same whether or not the e-mail is taken. An account is no proof of an address: nothing
is sent to it, so whoever has the address may find it taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from evently import accounts, notifications
from evently.accounts import (
    PASSWORD_CHARACTERS_MAX,
    PASSWORD_CHARACTERS_MIN,
    AccountsRefusal,
    Grant,
    Person,
    PlatformRole,
)
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import show_id
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import JSONBody, QueryParameter, delete, get, patch, post

_PRIVATE: Final = {"cache-control": "no-store"}
_TAG: Final = "Accounts"

Email = Annotated[
    str, msgspec.Meta(examples=["ada@example.org"], extra_json_schema={"format": "email", "maxLength": 254})
]
Name = Annotated[
    str, msgspec.Meta(examples=["Ada Lovelace"], extra_json_schema={"minLength": 1, "maxLength": 200})
]
# Its length is checked with the rest of it, so that all that is wrong with a registration is said at once.
NewPassword = Annotated[
    str,
    msgspec.Meta(
        description="Long rather than complicated: a few words in a row. Not your name or e-mail, nor what everybody tries.",
        examples=["nine lively herons wade"],
        extra_json_schema={
            "minLength": PASSWORD_CHARACTERS_MIN,
            "maxLength": PASSWORD_CHARACTERS_MAX,
            "format": "password",
        },
    ),
]
GivenPassword = Annotated[
    str,
    msgspec.Meta(
        max_length=1000, examples=["nine lively herons wade"], extra_json_schema={"format": "password"}
    ),
]


class RegisterBody(msgspec.Struct, forbid_unknown_fields=True):
    """Who wants an account."""

    email: Email
    name: Name
    password: NewPassword


class AcceptedView(msgspec.Struct, frozen=True):
    """The request was taken. What became of it, a log-in tells."""

    status: Literal["accepted"] = "accepted"


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """E-mail and password."""

    email: Annotated[str, msgspec.Meta(max_length=1000, examples=["ada@example.org"])]
    password: GivenPassword


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    """The refresh token of the latest answer."""

    refresh_token: Annotated[
        str,
        msgspec.Meta(
            max_length=1000, examples=["evr_1b5q0w7c9d2e4f6g8h0j1k3m5n7p9q1r3s5t7v9w1x3y5z7012345678"]
        ),
    ]


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    """The present password and the next."""

    current_password: GivenPassword
    new_password: NewPassword


class CloseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The password, once more."""

    password: GivenPassword


class ProfilePatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change."""

    name: Name | msgspec.UnsetType = msgspec.UNSET


class PersonView(msgspec.Struct, frozen=True):
    """An account, as its owner sees it."""

    id: str
    email: str | None
    name: str
    role: PlatformRole
    created_at: datetime


class TokensView(msgspec.Struct, frozen=True):
    """Tokens of a session, as RFC 6749 spells them; `expires_in` seconds the access token expires.

    Each refresh token works once.
    """

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, msgspec.Meta(examples=[900])]
    refresh_token: str
    person: PersonView


@post(
    "/v1/auth/register",
    operation_id="register",
    summary="Create an account",
    description=(
        "Answers `accepted` whether or not the e-mail has an account already, and changes nothing in that case, so that nobody can ask "
        "who is here. Log in next. Nothing is sent to the e-mail, and it is not verified."
    ),
    tags=[_TAG],
    status_code=202,
    responses=problems(AccountsRefusal.TOO_MANY_ATTEMPTS),
    **policy(PUBLIC, rate="register"),
)
async def register(request: Request, data: JSONBody[RegisterBody]) -> Response[AcceptedView]:
    """Create an account."""
    await request.context.accounts.register(data.email, data.name, data.password, request.exchange.client)
    return Response(AcceptedView(), status_code=202, headers=_PRIVATE)


@post(
    "/v1/auth/login",
    operation_id="login",
    summary="Log in",
    description=(
        "Ten wrong passwords from one address close it for a quarter of an hour; "
        "strangers' attempts never lock out an address that logged in lately."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(AccountsRefusal.WRONG_CREDENTIALS, AccountsRefusal.TOO_MANY_ATTEMPTS),
    **policy(PUBLIC, rate="login"),
)
async def login(request: Request, data: JSONBody[LoginBody]) -> Response[TokensView]:
    """Begin a session."""
    return _show_grant(
        await request.context.accounts.login(data.email, data.password, request.exchange.client)
    )


@post(
    "/v1/auth/refresh",
    operation_id="refresh",
    summary="Get a new access token",
    description=(
        "Answers with a new refresh token, too; the old one has had its use. If the answer is lost, repeat the request within ten seconds: "
        "it is answered the same. A token that is used again later ends the session, for one of the two who used it is a thief."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(AccountsRefusal.REFRESH_TOKEN_INVALID, AccountsRefusal.REFRESH_TOKEN_REUSED),
    **policy(PUBLIC, rate="writes"),
)
async def refresh(request: Request, data: JSONBody[RefreshBody]) -> Response[TokensView]:
    """Continue a session."""
    return _show_grant(await request.context.accounts.refresh(data.refresh_token))


@post(
    "/v1/auth/logout",
    operation_id="logout",
    summary="Log out",
    description="The access token stops working within a second, wherever it is sent; the refresh token at once.",
    tags=[_TAG],
    status_code=204,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def logout(
    request: Request,
    everywhere: Annotated[  # noqa: FBT002  # of a URL
        bool, QueryParameter(description="End all my sessions, not only this one.")
    ] = False,
) -> Response[None]:
    """End the session."""
    person_id, session_id = request.actor.id, request.actor.session_id
    assert session_id is not None, "a person has a session"
    await request.context.accounts.logout(person_id, session_id, everywhere=everywhere)
    return Response(None, headers=_PRIVATE)


@get(
    "/v1/me",
    operation_id="getMe",
    summary="My account",
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_me(request: Request) -> Response[PersonView] | Response[None]:
    """Return the account of whoever asks."""
    person = await accounts.get_person(request.context.database, request.actor.id)
    return not_modified(request, etag_of(person.version)) or _answer(person)


@patch(
    "/v1/me",
    operation_id="editMe",
    summary="Change my name",
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND, CommonRefusal.STALE),
    **policy(SIGNED_IN),
)
async def edit_me(request: Request, data: JSONBody[ProfilePatch]) -> Response[PersonView]:
    """Change the account of whoever asks."""
    name = None if data.name is msgspec.UNSET else accounts.normalise_name(data.name)
    if name is not None and (errors := accounts.name_errors(name, "/name")):
        raise Invalid(errors)
    async with request.context.database.transaction() as tx:
        person = await accounts.lock_person(tx, request.actor.id)
        require_if_match(request, person.version)
        if name is not None:
            person = await accounts.rename(tx, person, name)
    return _answer(person)


@post(
    "/v1/me/password",
    operation_id="changePassword",
    summary="Change my password",
    description="My other sessions end; this one goes on.",
    tags=[_TAG],
    status_code=204,
    responses=problems(
        CommonRefusal.NOT_FOUND, AccountsRefusal.WRONG_PASSWORD, AccountsRefusal.TOO_MANY_ATTEMPTS
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def change_password(request: Request, data: JSONBody[PasswordBody]) -> Response[None]:
    """Change the password of whoever asks."""
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    await request.context.accounts.change_password(
        actor.id, actor.session_id, data.current_password, data.new_password, request.exchange.client
    )
    return Response(None, headers=_PRIVATE)


@delete(
    "/v1/me",
    operation_id="closeAccount",
    summary="Delete my account",
    description=(
        "Erases my e-mail, my name, my password and what I was told, ends my sessions and takes me out of my organizers. My bookings "
        "stay, under an id that no longer names anybody: organizers need their figures, and a ticket that is sold is sold. Cancel first "
        "what you do not want."
    ),
    tags=[_TAG],
    status_code=204,
    responses=problems(
        CommonRefusal.NOT_FOUND,
        AccountsRefusal.WRONG_PASSWORD,
        AccountsRefusal.TOO_MANY_ATTEMPTS,
        AccountsRefusal.LAST_OWNER,
        AccountsRefusal.LAST_ADMIN,
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def close_account(request: Request, data: JSONBody[CloseBody]) -> Response[None]:
    """Erase whoever asks."""
    await request.context.accounts.close_account(
        request.actor.id, data.password, request.exchange.client, notifications.forget_person
    )
    return Response(None, headers=_PRIVATE)


def _answer(person: Person) -> Response[PersonView]:
    if person.erased_at is not None:
        raise Refused(AccountsRefusal.TOKEN_INVALID, "account_erased")
    return Response(_show_person(person), headers={"etag": etag_of(person.version), **_PRIVATE})


def _show_person(person: Person) -> PersonView:
    return PersonView(
        show_id("per", person.person_id), person.email, person.name, person.role, person.created_at
    )


def _show_grant(grant: Grant) -> Response[TokensView]:
    view = TokensView(
        grant.access_token, "Bearer", grant.expires_in, grant.refresh_token, _show_person(grant.person)
    )
    return Response(view, headers=_PRIVATE)


routes: Final = [register, login, refresh, logout, get_me, edit_me, change_password, close_account]
