"""Logging in and out: a code by e-mail, a password, a new password.

Where no e-mail is sent, only passwords are offered. A code works in the browser that requested it: its
receipt is in a cookie. The link in the same e-mail works in any browser; opening it shows a button, because
mail servers open links, and only the button uses it.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from evently.accounts import AccountsRefusal, Grant
from evently.accounts.codes import (
    VALID_FOR,
    ByCode,
    ByLink,
    EmailCode,
    Given,
    Purpose,
    is_code,
    new_receipt,
    normalise_code,
)
from evently.kit.errors import Invalid, Refused
from evently.mail import PasswordChanged
from evently.web.codes import notice, request_code, require_mail
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.cookies import (
    forget_session,
    keep_receipt,
    keep_session,
    keeps_cookies,
    mark_browser,
    read_receipt,
)
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import QueryParameter
from evently.web.pages.choosing import find_choice
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.passkeys import (
    login_error,
    passkey_offer,
    read_login_credential,
    remember_passkey,
)
from evently.web.pages.rendering import act, render, safe_next, see_other, show
from evently.web.passkeys import as_credential, copied_notice
from evently.web.services import Request

_MISSING: Final = {"name": "Enter your name.", "email": "Enter your e-mail address."}
_FIELDS: Final = {"/email": "email", "/name": "name", "/password": "password", "/new_password": "password"}
_WRONG: Final = "This e-mail and this password do not belong together."
_NEXT_MAX: Final = 6_000  # a choice of a hundred seats
_LINK_MAX: Final = 200
RECEIPT_SECONDS: Final = round(max(VALID_FOR.values()).total_seconds())
Next = Annotated[str, QueryParameter(name="next", max_length=_NEXT_MAX)]
Word = Annotated[str, QueryParameter(max_length=10)]
Link = Annotated[str, QueryParameter(max_length=_LINK_MAX)]
Page = Response[str] | Response[None]


@show("/login", **policy(PUBLIC))
async def login_page(request: Request, address: Next = "", made: Word = "", way: Word = "") -> Page:
    """Return the page on which a person logs in: with a code, or with a password."""
    if request.actor.kind != "anonymous":
        return see_other(safe_next(address))
    return await _login(request, Form([("next", address), ("made", made), ("way", way)]), [])


@act("/login", **policy(PUBLIC, rate="login"))
async def log_in(request: Request) -> Page:
    """Open a session in this browser with a password."""
    form = await read_form(request)
    email, password = form.text("email"), form.raw("password")
    if form.text("way") == "password" and not password:
        return await _login(request, form, [])
    errors = [
        FormError(field, text)
        for field, given, text in (
            ("email", email, "Enter your e-mail address."),
            ("password", password, "Enter your password."),
        )
        if not given
    ]
    if errors:
        return await _login(request, form, errors)
    try:
        grant = await request.context.accounts.login(
            email, password, request.exchange.origin, in_browser=True
        )
    except Refused as exc:
        if exc.refusal is not AccountsRefusal.WRONG_CREDENTIALS:
            raise
        return await _login(request, form, [FormError("password", _WRONG)])
    return _admit(request, grant, form)


@act("/login/send", **policy(PUBLIC, rate="login"))
async def start_code(request: Request) -> Page:
    """Send a code to log in with, and go to where it is entered."""
    form = await read_form(request)
    named = "name" in dict(form.pairs)
    if (errors := await _request(request, "sign_in", form, named=named)) is not None:
        return await (_signup if named else _login)(request, form, errors)
    return see_other(f"/login/code?{urlencode({'sent': 'yes'} | _next(form))}")


@act("/login/passkey", **policy(PUBLIC, rate="login"))
async def log_in_with_passkey(request: Request) -> Page:
    """Open a session in this browser with a passkey."""
    form = await read_form(request)
    if not keeps_cookies(request):
        return _no_cookies(request, form.text("next"))
    credential = read_login_credential(form)
    if credential is None:
        error = FormError("passkey", "Your browser has sent no passkey. Try again, or log in another way.")
        return await _login(request, form, [error])
    try:
        grant = await request.context.accounts.login_with_passkey(
            read_receipt(request) or "",
            as_credential(credential),
            request.exchange.origin,
            partial(copied_notice, request),
            in_browser=True,
        )
    except Refused as exc:
        return await _login(request, form, [login_error(exc)])
    remember_passkey(request)
    return _admit(request, grant, form)


@show("/login/kept", **policy(PUBLIC))
async def kept_page(request: Request, address: Next = "") -> Page:
    """Lead on a browser that has kept the cookie of its session, and explain it to one that has not."""
    if request.actor.kind == "anonymous":
        return _no_cookies(request, address)
    return see_other(safe_next(address))


@show("/login/code", **policy(PUBLIC))
async def code_page(request: Request, address: Next = "", sent: Word = "") -> Page:
    """Return the page on which a code is entered."""
    if request.actor.kind != "anonymous":
        return see_other(safe_next(address))
    code = await _requested(request, "sign_in")
    if code is None and sent and not keeps_cookies(request):
        return _no_cookies(request, address)
    if code is None:
        return see_other(f"/login{_query(address)}")
    return await _code_page(request, "login_code.html", Form([("next", address)]), code, [])


@act("/login/code", **policy(PUBLIC, rate="login"))
async def log_in_with_code(request: Request) -> Page:
    """Open a session in this browser with a code."""
    require_mail(request)
    form = await read_form(request)
    if not keeps_cookies(request):
        return _no_cookies(request, form.text("next"))
    code, typed = await _requested(request, "sign_in"), normalise_code(form.text("code"))
    if code is None:
        return await _login(request, form, [FormError("email", _sentence(AccountsRefusal.CODE_EXPIRED))])
    if (error := _code_error(typed)) is not None:
        return await _code_page(request, "login_code.html", form, code, [error])
    given = ByCode(read_receipt(request) or "", typed)
    try:
        grant = await request.context.accounts.login_with_code(
            given, form.text("name") or None, request.exchange.origin, in_browser=True
        )
    except Refused as exc:
        asked = _asks_name(exc) and "name" not in dict(form.pairs)
        errors = [] if asked else code_errors(exc)
        return await _code_page(
            request, "login_code.html", form, code, errors, needs_name=isinstance(exc, Invalid)
        )
    return _admit(request, grant, form)


@show("/login/link", **policy(PUBLIC))
async def link_page(request: Request, link: Link = "", address: Next = "") -> Page:
    """Return the page that asks before the link of an e-mail logs in. It changes nothing."""
    require_mail(request)
    form = Form([("next", address), ("link", link)])
    return await _code_page(request, "login_link.html", form, await _linked(request, link, "sign_in"), [])


@act("/login/link", **policy(PUBLIC, rate="login"))
async def log_in_with_link(request: Request) -> Page:
    """Open a session in this browser with the link of an e-mail."""
    require_mail(request)
    form, accounts = await read_form(request), request.context.accounts
    link = form.text("link")[:_LINK_MAX]
    given = ByLink(link, read_receipt(request) or new_receipt())
    try:
        grant = await accounts.login_with_code(
            given, form.text("name") or None, request.exchange.origin, in_browser=True
        )
    except Invalid as exc:
        code = await accounts.codes.find_by_link(link)
        errors = [] if _asks_name(exc) and "name" not in dict(form.pairs) else errors_of(exc, _FIELDS)
        return await _code_page(request, "login_link.html", form, code, errors, needs_name=True)
    except Refused as exc:
        if exc.refusal is not AccountsRefusal.CODE_EXPIRED:
            raise
        return await _code_page(request, "login_link.html", form, None, [])
    return _admit(request, grant, form)


@show("/forgot", **policy(PUBLIC))
async def forgot_page(request: Request, address: Next = "") -> Page:
    """Return the page on which a person asks for a new password."""
    require_mail(request)
    return await _forgot(request, Form([("next", address)]), [])


@act("/forgot", **policy(PUBLIC, rate="login"))
async def start_reset(request: Request) -> Page:
    """Send a code for a new password, and go to where it is entered."""
    form = await read_form(request)
    if (errors := await _request(request, "new_password", form, named=False)) is not None:
        return await _forgot(request, form, errors)
    return see_other(f"/reset?{urlencode({'sent': 'yes'} | _next(form))}")


@show("/reset", **policy(PUBLIC))
async def reset_page(request: Request, link: Link = "", address: Next = "", sent: Word = "") -> Page:
    """Return the page on which a person chooses a new password, with a code or with a link."""
    require_mail(request)
    form = Form([("next", address), ("link", link)])
    if link:
        return await _code_page(request, "reset.html", form, await _linked(request, link, "new_password"), [])
    code = await _requested(request, "new_password")
    if code is None and sent and not keeps_cookies(request):
        return _no_cookies(request, address)
    return await _code_page(request, "reset.html", form, code, [])


@act("/reset", **policy(PUBLIC, rate="login"))
async def reset(request: Request) -> Page:
    """Set a new password, end all other sessions, and open one in this browser."""
    require_mail(request)
    form, accounts = await read_form(request), request.context.accounts
    link, receipt = form.text("link")[:_LINK_MAX], read_receipt(request) or ""
    if not link and not keeps_cookies(request):
        return _no_cookies(request, form.text("next"))
    typed, errors = normalise_code(form.text("code")), []
    given: Given = ByLink(link, receipt or new_receipt()) if link else ByCode(receipt, typed)
    code = await (accounts.codes.find_by_link(link) if link else _requested(request, "new_password"))
    if code is not None and not link and (error := _code_error(typed)) is not None:
        errors.append(error)
    if not form.raw("password"):
        errors.append(FormError("password", "Choose a new password."))
    if code is None or errors:
        return await _code_page(request, "reset.html", form, code, errors)
    try:
        grant = await accounts.reset_password(
            given,
            form.raw("password"),
            form.text("name") or None,
            request.exchange.origin,
            in_browser=True,
            store_notice=notice(request, PasswordChanged()),
        )
    except Refused as exc:
        found = code_errors(exc)
        needs_name = any(each.field == "name" for each in found)
        return await _code_page(request, "reset.html", form, code, found, needs_name=needs_name)
    return _admit(request, grant, form)


@show("/signup", **policy(PUBLIC))
async def signup_page(request: Request, address: Next = "") -> Page:
    """Return the page on which a person makes an account."""
    if request.actor.kind != "anonymous":
        return see_other(safe_next(address))
    return await _signup(request, Form([("next", address)]), [])


@act("/signup", **policy(PUBLIC, rate="register"))
async def sign_up(request: Request) -> Page:
    """Make an account with a password, and go to the log-in.

    The answer is the same whether the e-mail has an account or not: nobody finds out who has one.
    """
    form, accounts = await read_form(request), request.context.accounts
    email, name, password = form.text("email"), form.text("name"), form.raw("password")
    try:
        await accounts.register(email, name, password, request.exchange.origin)
    except Invalid as exc:
        return await _signup(request, form, _errors(exc, form))
    return see_other(f"/login?{urlencode({'made': 'yes', 'way': 'password', 'next': form.text('next')})}")


@act("/logout", **policy(PUBLIC))
async def log_out(request: Request) -> Response[None]:
    """End the session of this browser; `next` is the log-in for a reader who must log in again."""
    form, actor = await read_form(request), request.actor
    if actor.session_id is not None:
        await request.context.accounts.logout(actor.id, actor.session_id, everywhere=False)
    forget_session(request)
    return see_other(safe_next(form.text("next"), "/"))


def _admit(request: Request, grant: Grant, form: Form) -> Response[None]:
    keep_session(request, grant)
    address = safe_next(form.text("next"))
    # A browser that has sent no cookie may keep none: then it would be asked to log in again and again
    return see_other(address if keeps_cookies(request) else f"/login/kept{_query(address)}")


def _no_cookies(request: Request, address: str) -> Response[str]:
    """Return the page for a browser that keeps no cookies: what that means, and what to do."""
    return render(request, "no_cookies.html", status=422, query=_query(address))


async def _request(request: Request, purpose: Purpose, form: Form, *, named: bool) -> list[FormError] | None:
    """Send a code, and keep its receipt in the browser; returns what is wrong with the form."""
    require_mail(request)
    address = form.text("next")
    name = form.text("name") if named else None
    try:
        new = await request_code(
            request, purpose, form.text("email"), name, safe_next(address) if address else ""
        )
    except Invalid as exc:
        return _errors(exc, form)
    except Refused as exc:
        if exc.refusal is not AccountsRefusal.TOO_MANY_CODES:
            raise
        return [FormError("email", sentence_of(exc))]
    keep_receipt(request, new.receipt, RECEIPT_SECONDS)
    return None


async def _requested(request: Request, purpose: Purpose) -> EmailCode | None:
    """Return the code that this browser requested last, if it is for this."""
    receipt = read_receipt(request)
    code = None if receipt is None else await request.context.accounts.codes.find(receipt)
    return code if code is not None and code.purpose == purpose else None


async def _linked(request: Request, link: str, purpose: Purpose) -> EmailCode | None:
    """Return the code of a link that can still be used, and give the browser a receipt if it has none."""
    code = await request.context.accounts.codes.find_by_link(link)
    if code is None or code.purpose != purpose or code.used_at is not None:
        return None
    if read_receipt(request) is None:
        keep_receipt(request, new_receipt(), RECEIPT_SECONDS)
    return code


def _errors(exc: Invalid, form: Form) -> list[FormError]:
    """Return what is wrong with a form; of an empty field, that it is missing."""
    return [
        each
        if form.text(each.field) or each.field not in _MISSING
        else FormError(each.field, _MISSING[each.field])
        for each in errors_of(exc, _FIELDS)
    ]


def _asks_name(exc: Refused) -> bool:
    """Return whether all is right but that a person who is new has a name to give: the code stays valid."""
    return isinstance(exc, Invalid) and [each.code for each in exc.errors] == ["name-of-new-account"]


def _code_error(typed: str) -> FormError | None:
    """Return what is wrong with a code before it is tried."""
    if not typed:
        return FormError("code", "Enter the six digits from the e-mail.")
    return None if is_code(typed) else FormError("code", "A code has six digits.")


def code_errors(exc: Refused) -> list[FormError]:
    """Return the errors of a code that was tried."""
    if isinstance(exc, Invalid):
        return errors_of(exc, _FIELDS)
    if exc.refusal is AccountsRefusal.WRONG_CODE:
        left = exc.data["tries_left"]
        tries = "Ask for another one." if left == 0 else f"Tries left: {left}."
        return [FormError("code", f"This is not the code that we sent. {tries}")]
    if exc.refusal is AccountsRefusal.CODE_EXPIRED:
        return [FormError("code", "This code was used, or tried too often. Ask for another one.")]
    raise exc


def _sentence(refusal: AccountsRefusal) -> str:
    return PROBLEMS[refusal].explanation


async def _login(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    by_password = not request.context.mail.on or form.text("way") == "password" or bool(form.raw("password"))
    return await _form_page(request, "login.html", form, errors, by_password=by_password)


async def _signup(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    return await _form_page(request, "signup.html", form, errors)


async def _forgot(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    return await _form_page(request, "forgot.html", form, errors)


async def _code_page(
    request: Request,
    template: str,
    form: Form,
    code: EmailCode | None,
    errors: list[FormError],
    *,
    needs_name: bool = False,
) -> Response[str]:
    return await _form_page(request, template, form, errors, code=code, needs_name=needs_name)


async def _form_page(
    request: Request, template: str, form: Form, errors: list[FormError], **values: Any
) -> Response[str]:
    address = form.text("next")
    mail = request.context.mail
    mark_browser(request)
    return render(
        request,
        template,
        status=422 if errors else 200,
        form=form,
        errors=errors,
        address=address,
        chosen=await find_choice(request, address) if address else None,
        query=_query(address),
        mail=mail.on,
        mailbox=mail.shows_mailbox,
        passkey=passkey_offer(request),
        **values,
    )


def _next(form: Form) -> dict[str, str]:
    return {"next": form.text("next")} if 0 < len(form.text("next")) <= _NEXT_MAX else {}


def _query(address: str) -> str:
    return f"?{urlencode({'next': address})}" if 0 < len(address) <= _NEXT_MAX else ""


routes: Final = [
    login_page,
    log_in,
    start_code,
    log_in_with_passkey,
    kept_page,
    code_page,
    log_in_with_code,
    link_page,
    log_in_with_link,
    forgot_page,
    start_reset,
    reset_page,
    reset,
    signup_page,
    sign_up,
    log_out,
]
