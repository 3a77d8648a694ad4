"""The account of the reader: name, e-mail, password, log-ins, a copy of the data, and the end of it all."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Annotated, Any, Final, cast
from zoneinfo import ZoneInfo

from evently import attendees, mail, notifications, push, questions, sales
from evently.accounts import AccountsRefusal, organizers, passkeys, people, sessions
from evently.accounts.codes import ByCode, Given, is_code, normalise_code
from evently.accounts.sessions import LOGIN_AGE_MAX, Session
from evently.kit.errors import Invalid, Refused, Trouble
from evently.kit.ids import PasskeyId, SessionId, reference_of, show_id
from evently.sales.outcomes import SalesRefusal
from evently.web.codes import (
    UNDO_PATH,
    changed_notice,
    notice,
    request_code,
    request_email_change,
    require_mail,
)
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.cookies import forget_session, keep_receipt, read_receipt
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.exporting import export_person
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.passkeys import add_passkey, passkey_offer
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.pages.sessions import RECEIPT_SECONDS, code_errors
from evently.web.passkeys import base64url
from evently.web.services import Request

_FIELDS: Final = {"/name": "name", "/new_password": "new_password"}
_SAVED: Final = {
    "name": "Your name is saved.",
    "password": "Your password is changed. You are logged out everywhere else.",
    "sessions": "These log-ins have ended.",
    "verified": "Your e-mail is confirmed.",
    "email": "Your e-mail is changed.",
    "passkey": "Your passkey is added. Use it the next time that you log in.",
    "removed": "This passkey is removed.",
    "renamed": "The name of your passkey is saved.",
}
_UTC: Final = ZoneInfo("UTC")
_LINK_MAX: Final = 200
Saved = Annotated[str, QueryParameter(max_length=10)]
Link = Annotated[str, QueryParameter(max_length=_LINK_MAX)]
Page = Response[str] | Response[None]


@show("/me", **policy(SIGNED_IN))
async def account_page(request: Request, saved: Saved = "") -> Response[str]:
    """Return the account of the reader."""
    return await _account(request, Form([]), [], _SAVED.get(saved, ""))


@act("/me/name", **policy(SIGNED_IN))
async def rename(request: Request) -> Page:
    """Change the name of the reader."""
    form = await read_form(request)
    name = people.normalise_name(form.text("name"))
    if errors := people.name_errors(name, "/name"):
        return await _account(request, form, errors_of(Invalid(errors), _FIELDS))
    async with request.context.database.transaction() as tx:
        await people.rename(tx, await people.lock_person(tx, request.actor.id), name)
    return see_other("/me?saved=name")


@act("/me/password", **policy(SIGNED_IN, rate="login"))
async def change_password(request: Request) -> Page:
    """Change the password of the reader; other sessions end."""
    form, actor = await read_form(request), request.actor
    assert actor.session_id is not None, "a person has a session"
    errors = [
        FormError(field, text)
        for field, text in (
            ("current_password", "Enter your present password."),
            ("new_password", "Choose a new password."),
        )
        if not form.raw(field)
    ]
    if errors:
        return await _account(request, form, errors)
    try:
        await request.context.accounts.change_password(
            actor.id,
            actor.session_id,
            form.raw("current_password"),
            form.raw("new_password"),
            request.exchange.origin,
            notice(request, mail.PasswordChanged()),
        )
    except Invalid as exc:
        return await _account(request, form, errors_of(exc, _FIELDS))
    except Refused as exc:
        if exc.refusal not in (AccountsRefusal.WRONG_PASSWORD, AccountsRefusal.TOO_MANY_ATTEMPTS):
            raise
        return await _account(request, form, [FormError("current_password", _password_error(exc))])
    return see_other("/me?saved=password")


@act("/me/passkeys", **policy(SIGNED_IN, rate="login"))
async def add_a_passkey(request: Request) -> Page:
    """Add a passkey of the reader, which the script has filled in."""
    form = await read_form(request)
    if errors := await add_passkey(request, form):
        return await _account(request, form, errors)
    return see_other("/me?saved=passkey")


@act("/me/passkeys/{passkey_id}/name", **policy(SIGNED_IN))
async def rename_passkey(request: Request, passkey_id: FromPath[PasskeyId]) -> Page:
    """Change the name of a passkey of the reader."""
    form, field = await read_form(request), f"name-{show_id('pky', passkey_id)}"
    try:
        await request.context.accounts.passkeys.rename(request.actor.id, passkey_id, form.text("name"))
    except Invalid as exc:
        return await _account(request, Form([(field, form.text("name"))]), errors_of(exc, {"/name": field}))
    return see_other("/me?saved=renamed#passkeys")


@show("/me/email", **policy(SIGNED_IN))
async def email_page(request: Request) -> Response[str]:
    """Return the page on which the reader enters a new address."""
    require_mail(request)
    return await _email(request, Form([]), [])


@act("/me/email", **policy(SIGNED_IN, rate="login"))
async def start_email_change(request: Request) -> Page:
    """Send a code to the new address, and go to where it is entered."""
    form = await read_form(request)
    try:
        new = await request_email_change(request, form.text("email"))
    except Invalid as exc:
        return await _email(request, form, errors_of(exc, {"/email": "email"}))
    except Refused as exc:
        if exc.refusal not in (AccountsRefusal.TOO_MANY_CODES, AccountsRefusal.LOGIN_TOO_OLD):
            raise
        return await _email(request, form, [FormError("email", sentence_of(exc))])
    keep_receipt(request, new.receipt, RECEIPT_SECONDS)
    return see_other("/me/email/code")


@show("/me/email/code", **policy(SIGNED_IN))
async def email_code_page(request: Request) -> Response[str]:
    """Return the page on which the reader enters the code that proves the new address."""
    require_mail(request)
    return await _email_code(request, Form([]), [])


@act("/me/email/code", **policy(SIGNED_IN, rate="login"))
async def change_email(request: Request) -> Page:
    """Change the address of the reader."""
    require_mail(request)
    form, actor = await read_form(request), request.actor
    assert actor.session_id is not None, "a person has a session"
    given = _given_code(request, form)
    if given is None:
        return await _email_code(request, form, [FormError("code", "A code has six digits.")])
    try:
        await request.context.accounts.codes.change_email(
            actor.id,
            actor.session_id,
            given,
            request.exchange.origin,
            changed_notice(request),
        )
    except Refused as exc:
        if exc.refusal is AccountsRefusal.EMAIL_TAKEN:
            return await _email_code(request, form, [FormError("code", sentence_of(exc))])
        return await _email_code(request, form, code_errors(exc))
    return see_other("/me?saved=email")


@show(UNDO_PATH, **policy(PUBLIC))
async def undo_page(request: Request, link: Link = "") -> Response[str]:
    """Return the page that asks before the link in an e-mail undoes a change. It changes nothing."""
    code = await request.context.accounts.codes.find_by_link(link)
    known = code is not None and code.purpose == "old_email"
    return _undo(request, "asks" if known else "expired", link, None if code is None else code.email)


@act(UNDO_PATH, **policy(PUBLIC, rate="login"))
async def undo_email_change(request: Request) -> Response[str]:
    """Give an account the address back that it had, and log everybody out."""
    link = (await read_form(request)).text("link")[:_LINK_MAX]
    try:
        await request.context.accounts.codes.undo_change(link, notice(request, mail.EmailChanged()))
    except Refused as exc:
        if exc.refusal not in (AccountsRefusal.CODE_EXPIRED, AccountsRefusal.EMAIL_TAKEN):
            raise
        return _undo(request, "taken" if exc.refusal is AccountsRefusal.EMAIL_TAKEN else "expired", "")
    forget_session(request)
    return _undo(request, "done", "")


def _undo(request: Request, state: str, link: str, email: str | None = None) -> Response[str]:
    status = {"expired": 410, "taken": 409}.get(state, 200)
    return render(request, "undo_email.html", status=status, state=state, link=link, email=email)


@act("/me/sessions/{session_id}/end", **policy(SIGNED_IN))
async def end_session(request: Request, session_id: FromPath[SessionId]) -> Response[None]:
    """End a session of the reader."""
    await request.context.accounts.end_session(request.actor.id, session_id)
    return see_other("/me?saved=sessions")


@act("/me/sessions/end", **policy(SIGNED_IN))
async def end_other_sessions(request: Request) -> Response[None]:
    """End all sessions of the reader but this one."""
    actor = request.actor
    assert actor.session_id is not None, "a person has a session"
    await request.context.accounts.logout_elsewhere(actor.id, actor.session_id)
    return see_other("/me?saved=sessions")


@act("/me/verify/send", **policy(SIGNED_IN, rate="login"))
async def start_verification(request: Request) -> Page:
    """Send a code to the address of the reader."""
    if (error := await _start_code(request, "/me")) is not None:
        return await _account(request, Form([]), [FormError("email", error)])
    return see_other("/me/verify")


@show("/me/verify", **policy(SIGNED_IN))
async def verify_page(request: Request) -> Page:
    """Return the page on which the reader enters a code that verifies the address."""
    require_mail(request)
    return await _verify(request, Form([]), [])


@act("/me/verify", **policy(SIGNED_IN, rate="login"))
async def verify(request: Request) -> Page:
    """Verify the address of the reader."""
    require_mail(request)
    form, actor = await read_form(request), request.actor
    assert actor.session_id is not None, "a person has a session"
    given = _given_code(request, form)
    if given is None:
        return await _verify(request, form, [FormError("code", "A code has six digits.")])
    try:
        await request.context.accounts.codes.verify(actor.id, actor.session_id, given)
    except Refused as exc:
        return await _verify(request, form, code_errors(exc))
    return see_other("/me?saved=verified")


@show("/me/export", **policy(SIGNED_IN, rate="heavy"))
async def export(request: Request) -> Response[bytes]:
    """Return what is stored about the reader, as a file."""
    headers = {
        "content-disposition": 'attachment; filename="evently.json"',
        "cache-control": "no-store",
    }
    return Response(await export_person(request), headers=headers, media_type="application/json")


@show("/me/delete", **policy(SIGNED_IN))
async def delete_page(request: Request, sent: Saved = "") -> Response[str]:
    """Return the page that says what the deletion of the account means."""
    return await _delete(request, Form([("sent", sent)]), [])


@act("/me/delete/send", **policy(SIGNED_IN, rate="login"))
async def start_deletion(request: Request) -> Page:
    """Send a code with which a reader without a password deletes the account."""
    if (error := await _start_code(request, "/me/delete")) is not None:
        return await _delete(request, Form([]), [FormError("code", error)])
    return see_other("/me/delete?sent=yes")


@act("/me/delete", **policy(SIGNED_IN, rate="login"))
async def close_account(request: Request) -> Page:
    """Erase the account of the reader, and end what it claims."""
    form, context, person_id = await read_form(request), request.context, request.actor.id
    now, proof = context.clock(), form.raw("password") or _given_code(request, form)
    confirmed = form.text("confirm") if form.text("confirm") in ("cancel_tickets", "lose_tickets") else None
    if proof is None:
        field = "code" if "code" in dict(form.pairs) else "password"
        text = "A code has six digits." if field == "code" else "Enter your password."
        return await _delete(request, form, [FormError(field, text)])
    try:
        await context.accounts.close_account(
            person_id,
            proof,
            request.exchange.origin,
            notifications.forget_person,
            mail.forget_person,
            push.forget_person,
            attendees.forget_person,
            questions.forget_person,
            partial(
                sales.leaving.end_claims_later,
                confirmed=cast("sales.leaving.Confirmed | None", confirmed),
                now=now,
            ),
        )
    except Refused as exc:
        return await _delete(request, form, _deletion_errors(exc))
    # The job does what is left if this fails: the account is closed already
    with contextlib.suppress(Trouble):
        await sales.leaving.end_claims(
            context.database, context.engine, person_id, now, cancel_tickets=confirmed == "cancel_tickets"
        )
    forget_session(request)
    return render(request, "deleted.html")


def _deletion_errors(exc: Refused) -> list[FormError]:
    if exc.refusal is SalesRefusal.TICKETS_AHEAD:
        return [
            FormError(
                "confirm", "You have tickets for events that are not over. Choose what becomes of them."
            )
        ]
    if exc.refusal in (AccountsRefusal.WRONG_PASSWORD, AccountsRefusal.TOO_MANY_ATTEMPTS):
        return [FormError("password", _password_error(exc))]
    if exc.refusal in (AccountsRefusal.LAST_OWNER, AccountsRefusal.LAST_ADMIN):
        return [FormError("main", sentence_of(exc))]
    return code_errors(exc)


def _password_error(exc: Refused) -> str:
    if exc.refusal is AccountsRefusal.WRONG_PASSWORD:
        return "This is not your present password."
    return sentence_of(exc)


def _given_code(request: Request, form: Form) -> Given | None:
    typed = normalise_code(form.text("code"))
    return ByCode(read_receipt(request) or "", typed) if is_code(typed) else None


async def _start_code(request: Request, address: str) -> str | None:
    """Send a code to the address of the reader; returns why not."""
    person = await people.get_person(request.context.database, request.actor.id)
    try:
        new = await request_code(request, "sign_in", person.email or "", None, address)
    except Refused as exc:
        if exc.refusal is not AccountsRefusal.TOO_MANY_CODES:
            raise
        return sentence_of(exc)
    keep_receipt(request, new.receipt, RECEIPT_SECONDS)
    return None


async def _account(request: Request, form: Form, errors: list[FormError], done: str = "") -> Response[str]:
    context, actor = request.context, request.actor
    person, password_hash = await people.find_password(context.database, actor.id)
    found = await sessions.list_sessions(context.database, actor.id, context.clock())
    keys = await passkeys.list_passkeys(context.database, actor.id)
    memberships = await organizers.list_memberships(context.database, actor.id, 1, None)
    return render(
        request,
        "account.html",
        is_member=bool(memberships.data),
        is_admin=actor.role == "admin",
        fresh=_is_fresh(request, found),
        removed=done == _SAVED["removed"],
        passkey=passkey_offer(request),
        person_handle=base64url(actor.id.bytes),
        passkeys=[
            {
                "id": show_id("pky", each.passkey_id),
                "credential_id": base64url(each.credential_id),
                "name": each.name,
                "synced": each.synced,
                "copied": each.copied_at is not None,
                "created": each.created_at.astimezone(_UTC),
                "used": None if each.last_used_at is None else each.last_used_at.astimezone(_UTC),
            }
            for each in keys
        ],
        status=422 if errors else 200,
        form=form,
        errors=errors,
        done=done,
        person=person,
        has_password=password_hash is not None,
        mail=context.mail.on,
        sessions=[
            {
                "id": show_id("ses", each.session_id),
                "since": each.created_at.astimezone(_UTC),
                "in_browser": each.in_browser,
                "current": each.session_id == actor.session_id,
            }
            for each in found
        ],
    )


def _is_fresh(request: Request, found: list[Session]) -> bool:
    """Return whether the reader logged in lately enough to change the account itself."""
    since = request.context.clock() - LOGIN_AGE_MAX
    return any(each.session_id == request.actor.session_id and each.created_at >= since for each in found)


async def _email(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    context = request.context
    found = await sessions.list_sessions(context.database, request.actor.id, context.clock())
    return render(
        request,
        "email.html",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        person=await people.get_person(context.database, request.actor.id),
        fresh=_is_fresh(request, found),
    )


async def _email_code(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    receipt, accounts = read_receipt(request), request.context.accounts
    code = None if receipt is None else await accounts.codes.find(receipt)
    mine = code is not None and (code.purpose, code.person_id) == ("new_email", request.actor.id)
    return render(
        request,
        "email_code.html",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        code=code if mine else None,
        mailbox=request.context.mail.shows_mailbox,
    )


async def _verify(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    person = await people.get_person(request.context.database, request.actor.id)
    return render(
        request,
        "verify.html",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        email=person.email,
        mailbox=request.context.mail.shows_mailbox,
    )


async def _delete(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    context = request.context
    person, password_hash = await people.find_password(context.database, request.actor.id)
    async with context.database.transaction() as tx:
        ahead = await sales.reads.list_tickets_ahead(tx, request.actor.id, context.clock())
    bookings: list[dict[str, Any]] = [
        {
            "address": f"/bookings/{show_id('bkg', each.booking_id)}",
            "reference": reference_of(each.booking_id),
            "tickets": each.tickets,
            "refund": each.refund_minor,
            "currency": each.currency,
        }
        for each in ahead
    ]
    return render(
        request,
        "delete_account.html",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        person=person,
        has_password=password_hash is not None,
        bookings=bookings,
        mail=context.mail.on,
        mailbox=context.mail.shows_mailbox,
    )


routes: Final = [
    account_page,
    rename,
    change_password,
    add_a_passkey,
    rename_passkey,
    email_page,
    start_email_change,
    email_code_page,
    change_email,
    undo_page,
    undo_email_change,
    end_session,
    end_other_sessions,
    start_verification,
    verify_page,
    verify,
    export,
    delete_page,
    start_deletion,
    close_account,
]
