"""Logging in and out, and making an account."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote, urlencode

from evently.accounts import AccountsRefusal
from evently.kit.errors import Invalid, Refused
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.cookies import forget_session, keep_session
from evently.web.edge.routing import QueryParameter
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.rendering import act, render, safe_next, see_other, show
from evently.web.services import Request

_FIELDS: Final = {"/email": "email", "/name": "name", "/password": "password"}
_WRONG: Final = "This e-mail and this password do not belong together."
_NEXT_MAX: Final = 2_000
Next = Annotated[str, QueryParameter(name="next", max_length=_NEXT_MAX)]
Made = Annotated[str, QueryParameter(max_length=3)]


@show("/login", **policy(PUBLIC))
async def login_page(request: Request, address: Next = "", made: Made = "") -> Response[str] | Response[None]:
    """Return the page on which a person logs in."""
    if request.actor.kind != "anonymous":
        return see_other(safe_next(address))
    return _login(request, Form([("next", address), ("made", made)]), [])


@act("/login", **policy(PUBLIC, rate="login"))
async def log_in(request: Request) -> Response[str] | Response[None]:
    """Open a session in this browser."""
    form = await read_form(request)
    email, password = form.text("email"), form.raw("password")
    errors = [
        FormError(field, text)
        for field, given, text in (
            ("email", email, "Enter your e-mail address."),
            ("password", password, "Enter your password."),
        )
        if not given
    ]
    if errors:
        return _login(request, form, errors)
    try:
        grant = await request.context.accounts.login(
            email, password, request.exchange.origin, in_browser=True
        )
    except Refused as exc:
        if exc.refusal is not AccountsRefusal.WRONG_CREDENTIALS:
            raise
        return _login(request, form, [FormError("password", _WRONG)])
    keep_session(request, grant)
    return see_other(safe_next(form.text("next")))


@show("/signup", **policy(PUBLIC))
async def signup_page(request: Request, address: Next = "") -> Response[str] | Response[None]:
    """Return the page on which a person makes an account."""
    if request.actor.kind != "anonymous":
        return see_other(safe_next(address))
    return _signup(request, Form([("next", address)]), [])


@act("/signup", **policy(PUBLIC, rate="register"))
async def sign_up(request: Request) -> Response[str] | Response[None]:
    """Make an account, and go to the log-in.

    The answer is the same whether the e-mail has an account or not: nobody finds out who has one.
    """
    form, accounts = await read_form(request), request.context.accounts
    email, name, password = form.text("email"), form.text("name"), form.raw("password")
    try:
        await accounts.register(email, name, password, request.exchange.origin)
    except Invalid as exc:
        return _signup(request, form, errors_of(exc, _FIELDS))
    return see_other(f"/login?{urlencode({'made': 'yes', 'next': form.text('next')})}")


@act("/logout", **policy(PUBLIC))
async def log_out(request: Request) -> Response[None]:
    """End the session of this browser."""
    actor = request.actor
    if actor.session_id is not None:
        await request.context.accounts.logout(actor.id, actor.session_id, everywhere=False)
    forget_session(request)
    return see_other("/")


def _login(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    return _form_page(request, "login.html", form, errors)


def _signup(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    return _form_page(request, "signup.html", form, errors)


def _form_page(request: Request, template: str, form: Form, errors: list[FormError]) -> Response[str]:
    address = form.text("next")
    return render(
        request,
        template,
        status=422 if errors else 200,
        form=form,
        errors=errors,
        address=address,
        query=f"?next={quote(address, safe='')}" if address else "",
    )


routes: Final = [login_page, log_in, signup_page, sign_up, log_out]
