"""Registration, login, refresh, logout, and the account of the caller.

Registration gives the same answer whether or not the e-mail is taken. An account does not prove that its
owner has the e-mail address: nothing is sent to it, so another person may have registered it first.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal, cast

import msgspec

from evently import accounts, attendees, mail, notifications, push, questions, sales
from evently.accounts import AccountsRefusal, Grant, Person, PlatformRole
from evently.accounts.codes import VALID_FOR, ByCode, Purpose, normalise_code
from evently.accounts.passwords import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused, Trouble
from evently.kit.ids import SessionId, show_id
from evently.sales.outcomes import SalesRefusal
from evently.web.codes import changed_notice, notice, request_code, request_email_change, require_mail
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, delete, get, patch, post
from evently.web.services import Request

_PRIVATE: Final = {"cache-control": "no-store"}
_TAG: Final = "Accounts"

Email = Annotated[
    str,
    msgspec.Meta(examples=["ada@example.org"], extra_json_schema={"format": "idn-email", "maxLength": 254}),
]
Name = Annotated[
    str, msgspec.Meta(examples=["Ada Lovelace"], extra_json_schema={"minLength": 1, "maxLength": 200})
]
# The domain checks the length too, so that one answer reports everything that is wrong with a registration
NewPassword = Annotated[
    str,
    msgspec.Meta(
        description="Long rather than complicated: a few random words. Not your name, your e-mail or a "
        "common password.",
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
    """A new account."""

    email: Email
    name: Name
    password: NewPassword


class AcceptedView(msgspec.Struct, frozen=True):
    """The request was accepted. Log in to see whether the account was created."""

    status: Literal["accepted"] = "accepted"


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """E-mail and password."""

    email: Annotated[str, msgspec.Meta(max_length=1000, examples=["ada@example.org"])]
    password: GivenPassword


class CodeRequestBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where to send a code. `name`: of the account that is made if this e-mail has none; may come later."""

    email: Email
    name: Name | None = None


class CodeSentView(msgspec.Struct, frozen=True):
    """A code was sent. It works only together with this `receipt`, for `expires_in` seconds."""

    receipt: Annotated[
        str,
        msgspec.Meta(examples=["evc_1b5q0w7c9d2e4f6g8h0j1k3m5n7p9q1r3s5t7v9w1x3y5z7012345678"]),
    ]
    expires_in: Annotated[int, msgspec.Meta(examples=[600])]
    status: Literal["accepted"] = "accepted"


Receipt = Annotated[
    str,
    msgspec.Meta(max_length=1000, examples=["evc_1b5q0w7c9d2e4f6g8h0j1k3m5n7p9q1r3s5t7v9w1x3y5z7012345678"]),
]
GivenCode = Annotated[
    str,
    msgspec.Meta(max_length=100, description="Spaces and hyphens do not count.", examples=["204 861"]),
]


class CodeLoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """The code from the e-mail, and the receipt of its request. A new account needs a name."""

    receipt: Receipt
    code: GivenCode
    name: Name | None = None


class ResetBody(msgspec.Struct, forbid_unknown_fields=True):
    """The code from the e-mail, the receipt of its request, and the new password."""

    receipt: Receipt
    code: GivenCode
    new_password: NewPassword
    name: Name | None = None


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    """The refresh token of the latest login or refresh."""

    refresh_token: Annotated[
        str,
        msgspec.Meta(
            max_length=1000, examples=["evr_1b5q0w7c9d2e4f6g8h0j1k3m5n7p9q1r3s5t7v9w1x3y5z7012345678"]
        ),
    ]


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    """The current password and the new one."""

    current_password: GivenPassword
    new_password: NewPassword


class CloseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The password of the account, or a code that was sent to its e-mail with the receipt of the request."""

    password: GivenPassword | None = None
    receipt: Receipt | None = None
    code: GivenCode | None = None


class VerifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A code that was sent to my e-mail, and the receipt of its request."""

    receipt: Receipt
    code: GivenCode


class EmailBody(msgspec.Struct, forbid_unknown_fields=True):
    """My new e-mail."""

    email: Email


class SessionView(msgspec.Struct, frozen=True):
    """A session that has not ended. `current`: it is the one of this request."""

    id: str
    created_at: datetime
    expires_at: datetime
    in_browser: Annotated[bool, msgspec.Meta(examples=[True])]
    current: Annotated[bool, msgspec.Meta(examples=[True])]


class SessionsView(msgspec.Struct, frozen=True):
    """The sessions of a person, newest first."""

    data: list[SessionView]


class ProfilePatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change."""

    name: Name | msgspec.UnsetType = msgspec.UNSET


class PersonView(msgspec.Struct, frozen=True):
    """An account, as its owner sees it.

    `email_verified_at`: when a code from an e-mail to this address was first used.
    """

    id: str
    email: str | None
    name: str
    role: PlatformRole
    created_at: datetime
    email_verified_at: datetime | None


class TokensView(msgspec.Struct, frozen=True):
    """The tokens of a session, as in RFC 6749. The access token expires in `expires_in` seconds.

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
        "The answer is `accepted` even if the e-mail already has an account; then nothing changes. So nobody "
        "can find out who has an account. Log in next. No message is sent to the e-mail, and it is not "
        "verified; logging in with a code (`POST /v1/auth/code`) verifies it, and deletes this password, "
        "because another person may have registered first. Where e-mail is sent, use a code instead: it "
        "makes the account, and then choose a password with `POST /v1/auth/reset`."
    ),
    tags=[_TAG],
    status_code=202,
    responses=problems(AccountsRefusal.TOO_MANY_ATTEMPTS),
    **policy(PUBLIC, rate="register"),
)
async def register(request: Request, data: JSONBody[RegisterBody]) -> Response[AcceptedView]:
    """Create an account."""
    await request.context.accounts.register(data.email, data.name, data.password, request.exchange.origin)
    return Response(AcceptedView(), status_code=202, headers=_PRIVATE)


@post(
    "/v1/auth/login",
    operation_id="login",
    summary="Log in",
    description=(
        "After ten wrong passwords from one address, further attempts from it are refused for 15 minutes. "
        "Attempts from other addresses never block an address that logged in recently."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        AccountsRefusal.ACCOUNT_LOCKED, AccountsRefusal.WRONG_CREDENTIALS, AccountsRefusal.TOO_MANY_ATTEMPTS
    ),
    **policy(PUBLIC, rate="login"),
)
async def login(request: Request, data: JSONBody[LoginBody]) -> Response[TokensView]:
    """Open a session."""
    return show_grant(
        await request.context.accounts.login(data.email, data.password, request.exchange.origin)
    )


@post(
    "/v1/auth/code",
    operation_id="requestCode",
    summary="Send a code to log in with",
    description=(
        "Sends six digits to the e-mail, valid for ten minutes. The answer is the same whether or not it has "
        "an account. The code works only together with the `receipt` of this answer."
    ),
    tags=[_TAG],
    status_code=202,
    responses=problems(AccountsRefusal.TOO_MANY_CODES, AccountsRefusal.NO_MAIL),
    **policy(PUBLIC, rate="login"),
)
async def request_login_code(request: Request, data: JSONBody[CodeRequestBody]) -> Response[CodeSentView]:
    """Send a code to log in with."""
    return await _send(request, "sign_in", data)


@post(
    "/v1/auth/code/login",
    operation_id="loginWithCode",
    summary="Log in with a code",
    description=(
        "Opens a session, verifies the e-mail, and makes the account if there is none; that needs a name, "
        "here or in the request. A code has five tries and works once; if the answer is lost, repeat the "
        "request within a minute. If the e-mail was not verified before, the account's other sessions end "
        "and its password is deleted: another person may have chosen it."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        AccountsRefusal.ACCOUNT_LOCKED,
        AccountsRefusal.WRONG_CODE,
        AccountsRefusal.CODE_EXPIRED,
        AccountsRefusal.NO_MAIL,
    ),
    **policy(PUBLIC, rate="login"),
)
async def login_with_code(request: Request, data: JSONBody[CodeLoginBody]) -> Response[TokensView]:
    """Open a session with a code."""
    require_mail(request)
    given = ByCode(data.receipt, normalise_code(data.code))
    return show_grant(
        await request.context.accounts.login_with_code(given, data.name, request.exchange.origin)
    )


@post(
    "/v1/auth/reset",
    operation_id="requestReset",
    summary="Send a code for a new password",
    description="As `requestCode`; this code is valid for half an hour, and sets a new password.",
    tags=[_TAG],
    status_code=202,
    responses=problems(AccountsRefusal.TOO_MANY_CODES, AccountsRefusal.NO_MAIL),
    **policy(PUBLIC, rate="login"),
)
async def request_reset(request: Request, data: JSONBody[CodeRequestBody]) -> Response[CodeSentView]:
    """Send a code for a new password."""
    return await _send(request, "new_password", data)


@post(
    "/v1/auth/reset/password",
    operation_id="resetPassword",
    summary="Set a new password with a code",
    description=(
        "Sets the password, ends all sessions of the account, and opens one. Otherwise as `loginWithCode`."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        AccountsRefusal.ACCOUNT_LOCKED,
        AccountsRefusal.WRONG_CODE,
        AccountsRefusal.CODE_EXPIRED,
        AccountsRefusal.NO_MAIL,
    ),
    **policy(PUBLIC, rate="login"),
)
async def reset_password(request: Request, data: JSONBody[ResetBody]) -> Response[TokensView]:
    """Set a new password with a code."""
    require_mail(request)
    given = ByCode(data.receipt, normalise_code(data.code))
    return show_grant(
        await request.context.accounts.reset_password(
            given,
            data.new_password,
            data.name,
            request.exchange.origin,
            store_notice=notice(request, mail.PasswordChanged()),
        )
    )


@post(
    "/v1/auth/refresh",
    operation_id="refresh",
    summary="Refresh an access token",
    description=(
        "The answer also has a new refresh token; the old one is used up. If the answer is lost, repeat the "
        "request within ten seconds to get the same tokens. If a token is used again later, the session "
        "ends, because the token may be stolen."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(AccountsRefusal.REFRESH_TOKEN_INVALID, AccountsRefusal.REFRESH_TOKEN_REUSED),
    **policy(PUBLIC, rate="writes"),
)
async def refresh(request: Request, data: JSONBody[RefreshBody]) -> Response[TokensView]:
    """Continue a session."""
    return show_grant(await request.context.accounts.refresh(data.refresh_token))


@post(
    "/v1/auth/logout",
    operation_id="logout",
    summary="Log out",
    description="The access token stops working within a second, the refresh token at once.",
    tags=[_TAG],
    status_code=204,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def logout(
    request: Request,
    everywhere: Annotated[  # noqa: FBT002  # a parameter of the URL
        bool, QueryParameter(description="End all my sessions, not only this one.")
    ] = False,
) -> Response[None]:
    """End the session of the caller, or all sessions."""
    person_id, session_id = request.actor.id, request.actor.session_id
    assert session_id is not None, "a person has a session"
    await request.context.accounts.logout(person_id, session_id, everywhere=everywhere)
    return Response(None, headers=_PRIVATE)


@get(
    "/v1/me",
    operation_id="getMe",
    summary="Get my account",
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_me(request: Request) -> Response[PersonView] | Response[None]:
    """Return the account of the caller."""
    person = await accounts.people.get_person(request.context.database, request.actor.id)
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
    """Change the account of the caller."""
    name = None if data.name is msgspec.UNSET else accounts.people.normalise_name(data.name)
    if name is not None and (errors := accounts.people.name_errors(name, "/name")):
        raise Invalid(errors)
    async with request.context.database.transaction() as tx:
        person = await accounts.people.lock_person(tx, request.actor.id)
        require_if_match(request, person.version)
        if name is not None:
            person = await accounts.people.rename(tx, person, name)
    return _answer(person)


@post(
    "/v1/me/password",
    operation_id="changePassword",
    summary="Change my password",
    description="My other sessions end; this one continues. An e-mail says that it was changed.",
    tags=[_TAG],
    status_code=204,
    responses=problems(
        CommonRefusal.NOT_FOUND, AccountsRefusal.WRONG_PASSWORD, AccountsRefusal.TOO_MANY_ATTEMPTS
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def change_password(request: Request, data: JSONBody[PasswordBody]) -> Response[None]:
    """Change the password of the caller."""
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    await request.context.accounts.change_password(
        actor.id,
        actor.session_id,
        data.current_password,
        data.new_password,
        request.exchange.origin,
        notice(request, mail.PasswordChanged()),
    )
    return Response(None, headers=_PRIVATE)


@post(
    "/v1/me/verify-email",
    operation_id="verifyMyEmail",
    summary="Verify my e-mail",
    description=(
        "With a code from `requestCode` for the e-mail of this account. My password and sessions stay."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        CommonRefusal.NOT_FOUND,
        AccountsRefusal.WRONG_CODE,
        AccountsRefusal.CODE_EXPIRED,
        AccountsRefusal.NO_MAIL,
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def verify_email(request: Request, data: JSONBody[VerifyBody]) -> Response[PersonView]:
    """Verify the address of the caller."""
    require_mail(request)
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    given = ByCode(data.receipt, normalise_code(data.code))
    return _answer(await request.context.accounts.codes.verify(actor.id, actor.session_id, given))


@post(
    "/v1/me/email",
    operation_id="requestEmailChange",
    summary="Change my e-mail",
    description=(
        "Sends six digits to the new e-mail, valid for half an hour; until they are sent to "
        "`confirmEmailChange`, the e-mail stays what it is. The answer is the same whether or not the new "
        "e-mail has an account. Log in at most an hour before."
    ),
    tags=[_TAG],
    status_code=202,
    responses=problems(
        AccountsRefusal.TOO_MANY_CODES, AccountsRefusal.NO_MAIL, AccountsRefusal.LOGIN_TOO_OLD
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def request_change(request: Request, data: JSONBody[EmailBody]) -> Response[CodeSentView]:
    """Send a code to the new e-mail of the caller."""
    new = await request_email_change(request, data.email)
    seconds = round(VALID_FOR["new_email"].total_seconds())
    return Response(CodeSentView(new.receipt, seconds), status_code=202, headers=_PRIVATE)


@post(
    "/v1/me/email/confirm",
    operation_id="confirmEmailChange",
    summary="Confirm my new e-mail",
    description=(
        "With the code that was sent to it, and the receipt of `requestEmailChange`. The new e-mail is "
        "verified with this, the old one gets a message, and my sessions, password and passkeys stay. If the "
        "new e-mail has an account of its own, the answer is 409: its reader has proved that it is theirs."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(
        CommonRefusal.NOT_FOUND,
        AccountsRefusal.WRONG_CODE,
        AccountsRefusal.CODE_EXPIRED,
        AccountsRefusal.EMAIL_TAKEN,
        AccountsRefusal.NO_MAIL,
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def confirm_change(request: Request, data: JSONBody[VerifyBody]) -> Response[PersonView]:
    """Change the e-mail of the caller."""
    require_mail(request)
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    person = await request.context.accounts.codes.change_email(
        actor.id,
        actor.session_id,
        ByCode(data.receipt, normalise_code(data.code)),
        request.exchange.origin,
        changed_notice(request),
    )
    return _answer(person)


@get(
    "/v1/me/sessions",
    operation_id="listMySessions",
    summary="List my sessions",
    tags=[_TAG],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_sessions(request: Request) -> Response[SessionsView]:
    """List the sessions of the caller, newest first."""
    context, actor = request.context, request.actor
    found = await accounts.sessions.list_sessions(context.database, actor.id, context.clock())
    views = [
        SessionView(
            show_id("ses", each.session_id),
            each.created_at,
            each.expires_at,
            each.in_browser,
            each.session_id == actor.session_id,
        )
        for each in found
    ]
    return Response(SessionsView(views), headers=_PRIVATE)


@delete(
    "/v1/me/sessions/{session_id}",
    operation_id="endMySession",
    summary="End one of my sessions",
    description="Its refresh token stops working at once, its access token within a second. Safe to repeat.",
    tags=[_TAG],
    status_code=204,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def end_my_session(request: Request, session_id: FromPath[SessionId]) -> Response[None]:
    """End a session of the caller."""
    await request.context.accounts.end_session(request.actor.id, session_id)
    return Response(None, headers=_PRIVATE)


@delete(
    "/v1/me",
    operation_id="closeAccount",
    summary="Delete my account",
    description=(
        "Erases my e-mail, name, password, passkeys, notifications and messages, ends my sessions and "
        "removes me from "
        "my organizers. My holds, offers and waitlist entries end. My bookings stay, under an id that no "
        "longer identifies me: organizers need their figures. With valid tickets of events that are not "
        "over, the answer is 409 and has each booking with the refund for cancelling it now; then `confirm` "
        "says whether they are cancelled with these refunds, or lost. Send the password, "
        "or with a code from `requestCode`."
    ),
    tags=[_TAG],
    status_code=204,
    responses=problems(
        CommonRefusal.NOT_FOUND,
        AccountsRefusal.WRONG_PASSWORD,
        AccountsRefusal.TOO_MANY_ATTEMPTS,
        AccountsRefusal.WRONG_CODE,
        AccountsRefusal.CODE_EXPIRED,
        AccountsRefusal.LAST_OWNER,
        AccountsRefusal.LAST_ADMIN,
        SalesRefusal.TICKETS_AHEAD,
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def close_account(
    request: Request,
    data: JSONBody[CloseBody],
    confirm: Annotated[
        str | None,
        QueryParameter(
            pattern="^(cancel_tickets|lose_tickets)$",
            description="What becomes of valid tickets of events that are not over.",
        ),
    ] = None,
) -> Response[None]:
    """Erase the account of the caller, and end what it claims."""
    context, person_id, now = request.context, request.actor.id, request.context.clock()
    await context.accounts.close_account(
        person_id,
        _proof(data),
        request.exchange.origin,
        notifications.forget_person,
        mail.forget_person,
        push.forget_person,
        attendees.forget_person,
        questions.forget_person,
        partial(
            sales.leaving.end_claims_later, confirmed=cast("sales.leaving.Confirmed | None", confirm), now=now
        ),
    )
    # The job does what is left if this fails: the account is closed already
    with contextlib.suppress(Trouble):
        await sales.leaving.end_claims(
            context.database, context.engine, person_id, now, cancel_tickets=confirm == "cancel_tickets"
        )
    return Response(None, headers=_PRIVATE)


def _proof(data: CloseBody) -> str | ByCode:
    if data.password is not None:
        return data.password
    if data.receipt is None or data.code is None:
        raise Invalid([FieldError("/password", "missing")])
    return ByCode(data.receipt, normalise_code(data.code))


async def _send(request: Request, purpose: Purpose, data: CodeRequestBody) -> Response[CodeSentView]:
    new = await request_code(request, purpose, data.email, data.name)
    seconds = round(VALID_FOR[purpose].total_seconds())
    return Response(CodeSentView(new.receipt, seconds), status_code=202, headers=_PRIVATE)


def _answer(person: Person) -> Response[PersonView]:
    if person.erased_at is not None:
        raise Refused(AccountsRefusal.TOKEN_INVALID, "account_erased")
    return Response(_show_person(person), headers={"etag": etag_of(person.version), **_PRIVATE})


def _show_person(person: Person) -> PersonView:
    return PersonView(
        id=show_id("per", person.person_id),
        email=person.email,
        name=person.name,
        role=person.role,
        created_at=person.created_at,
        email_verified_at=person.email_verified_at,
    )


def show_grant(grant: Grant) -> Response[TokensView]:
    """Return the tokens of a session that was opened or continued."""
    view = TokensView(
        access_token=grant.access_token,
        token_type="Bearer",  # noqa: S106  # no password
        expires_in=grant.expires_in,
        refresh_token=grant.refresh_token,
        person=_show_person(grant.person),
    )
    return Response(view, headers=_PRIVATE)


routes: Final = [
    register,
    login,
    request_login_code,
    login_with_code,
    request_reset,
    reset_password,
    refresh,
    logout,
    get_me,
    edit_me,
    change_password,
    verify_email,
    request_change,
    confirm_change,
    list_my_sessions,
    end_my_session,
    close_account,
]
