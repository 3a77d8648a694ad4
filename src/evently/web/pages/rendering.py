"""How a page is made: its decorators, its templates, its headers, and public pages that are kept.

    show, act        decorators of a page that is read, and of one to which a form is sent
    render           a page for one reader, which no cache stores
    render_kept      a public page: rendered once for everybody who asks within a quarter of a second
    render_with_key  such a page for a reader who has logged in: the form in it has an idempotency key, and
                     members of the organizer see the way to their desk
    manage_link      that way, as HTML; empty for everybody else
    render_alike     a page that is the same for many readers but for a few texts, such as ids
    see_other        to the page of the outcome, after a form

Templates are in `web/templates/pages`. Nothing is inline, so the same bytes serve everybody, and the policy
needs no nonce.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import zlib
from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
from functools import wraps
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import brotli
import jinja2
import markupsafe

from evently.accounts import people
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.web.edge.assets import asset_address, asset_names
from evently.web.edge.compression import best_coding
from evently.web.edge.conditional import NO_STORE, not_modified
from evently.web.edge.context import Response
from evently.web.edge.cookies import read_cookie, read_session
from evently.web.edge.memory import Kept, kept
from evently.web.edge.routing import Route, get, post
from evently.web.pages import words
from evently.web.pages.holding import hold_of, read_hold
from evently.web.pages.pictures import sized
from evently.web.pages.poster import draw_poster
from evently.web.services import Request

HTML: Final = "text/html; charset=utf-8"
FRESH: Final = "public, max-age=1"  # no longer than the API's answers
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
THEMES: Final = ("light", "dark")
_THEME_COOKIE: Final = "theme"
_IN_ADDRESS: Final = "%/:?#[]@!$&'()*+,;=~"  # what stays as it is in an address (RFC 3986, 2.2)
_DESK: Final = "evently-desk"  # of a page that is kept: where members manage what it shows; never sent
_FONT: Final = "vendor/instrument-sans/instrument-sans-latin-wght-normal.woff2"
# Nobody else can write them into a page
_KEY_MARK: Final = secrets.token_hex(16)
_HOLD_MARK: Final = secrets.token_hex(16)
_MANAGE_MARK: Final = secrets.token_hex(16)
_KEY_BYTES: Final = 16
_BROTLI_QUALITY: Final = 4  # 11 KB in 0.6 ms; a page is compressed at most four times a second


def show(path: str, **options: Any) -> Callable[[Callable[..., Any]], Route]:
    """Declare a page that is read."""
    declare = get(path, include_in_schema=False, is_page=True, **options)
    return lambda handler: declare(_after_reading_hold(handler))


def act(path: str, **options: Any) -> Callable[[Callable[..., Any]], Route]:
    """Declare a page to which a form is sent."""
    declare = post(path, include_in_schema=False, is_page=True, reads_body=True, status_code=200, **options)
    return lambda handler: declare(_after_reading_hold(handler))


def _after_reading_hold(handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    async def handle(request: Request, **arguments: Any) -> Any:
        await read_hold(request)
        return await handler(request, **arguments)

    return handle


class _Environment(jinja2.Environment):
    """Jinja's, but templates have their globals in a dict: its `ChainMap` costs 25 us in each page."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return the globals of a template. Nothing is added to those of the environment later."""
        return {**self.globals, **(d or {})}


templates: Final = _Environment(
    loader=jinja2.PackageLoader("evently.web", "templates/pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,  # or each page asks the file system whether its templates have changed
)
templates.filters |= {
    "asset": asset_address,  # of a constant name, it is part of the compiled template
    "breakable": words.breakable,
    "money": words.money,
    "sized": sized,
    "sum": words.sum_of,
    "day": words.day,
    "long_day": words.long_day,
    "clock": words.clock,
    "clock_near": words.clock_near,
    "moment": words.moment,
    "count": words.count,
    "listed": words.listed,
    "with_seat": words.with_seat,
    "link_to": people.link_to,
}
templates.globals |= {
    "asset": asset_address,
    "font": _FONT if _FONT in asset_names() else None,
    "has_asset": lambda name: name in asset_names(),
    "id_of": show_id,
    "Money": Money,
    "span": words.span,
    "poster": lambda event_id: markupsafe.Markup(draw_poster(event_id)),  # noqa: S704  # drawn by us
}


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response[str]:
    """Return a page for the one who asked for it."""
    return Response(
        _text(
            template,
            theme_of(request),
            request,
            {"hold_bar": _hold_bar(request), "signed_in": read_session(request) is not None} | values,
        ),
        status_code=status,
        headers={"content-security-policy": POLICY, **NO_STORE, **(headers or {})},
        media_type=HTML,
    )


async def render_kept(
    request: Request, key: Hashable, template: str, read: Callable[[], Awaitable[dict[str, Any]]]
) -> Response[bytes] | Response[None]:
    """Return a public page, compressed and kept: the same for everybody with the same theme.

    `read` returns the values of the template; it runs at most every quarter of a second for each `key`. The
    page must not depend on who asks, nor on how an address is spelled: `read` names it as `here` where
    spellings differ. A reader who holds tickets gets it with the bar that says so, and no cache stores that.
    """
    if hold_of(request) is not None:
        return await render_with_key(request, key, template, read)
    theme = theme_of(request)
    coding = best_coding(request.exchange.headers.get(b"accept-encoding", b""))

    async def make() -> Kept:
        text = _text(template, theme, request, await read())
        body = await asyncio.to_thread(_compressed, text.encode(), coding)
        headers = {"content-security-policy": POLICY, "vary": "Accept-Encoding, Cookie"}
        if coding is not None:
            headers["content-encoding"] = coding
        return kept(body, FRESH, headers=headers)

    found = await request.context.memory.get(("page", template, key, theme, coding), make)
    if (unchanged := not_modified(request, found.etag, FRESH)) is not None:
        # A browser replaces the headers of what it has by those of this answer (RFC 9111, 3.2)
        unchanged.headers |= {"content-security-policy": POLICY, "vary": found.headers["vary"]}
        return unchanged
    return Response(found.body, headers=found.headers, media_type=HTML)


async def render_with_key(
    request: Request, key: Hashable, template: str, read: Callable[[], Awaitable[dict[str, Any]]]
) -> Response[bytes]:
    """Return the same page as `render_kept`, with an idempotency key of its own, for a reader who logged in.

    The page is rendered once for all of them, with marks where the key, what the reader holds and the way to
    the desk stand; no cache stores it. `read` names the `organizer_id` of the page, and its `desk`.
    """
    theme, marks = theme_of(request), {"key": _KEY_MARK, "hold_bar": _HOLD_MARK, "manage": _MANAGE_MARK}

    async def make() -> Kept:
        values = await read()
        text = _text(template, theme, request, values | marks)
        headers = {_DESK: values["desk"]}
        return kept(text.encode(), "no-store", headers=headers)._replace(organizer_id=values["organizer_id"])

    found = await request.context.memory.get(("page", template, key, theme, _KEY_MARK), make)
    manage = await manage_link(request, found.organizer_id, found.headers[_DESK])
    body = found.body.replace(_KEY_MARK.encode(), new_key().encode())
    body = body.replace(_HOLD_MARK.encode(), _hold_bar(request).encode())
    body = body.replace(_MANAGE_MARK.encode(), manage.encode())
    return Response(body, headers={"content-security-policy": POLICY, **NO_STORE}, media_type=HTML)


async def manage_link(request: Request, organizer_id: UUID | None, desk: str) -> str:
    """Return the way to the desk of what a page shows, as HTML; empty unless the reader is a member there.

    Roles are remembered for half a second, so a page that many read costs no statement for each of them.
    """
    access, actor = request.context.access, request.actor
    if actor.kind != "person" or organizer_id is None:
        return ""
    if not await access.is_member(actor, organizer_id, "door", None):
        return ""
    if await access.acts_as_admin(actor, organizer_id, "door"):
        return ""
    return markupsafe.Markup(templates.get_template("manage.html").render(desk=desk))  # noqa: S704  # escaped


def render_alike(
    request: Request,
    key: Hashable,
    template: str,
    values: Callable[[], dict[str, Any]],
    marks: Sequence[str],
    own: Sequence[str],
) -> Response[str]:
    """Return a page in which `own` texts stand in the places of `marks`, which nobody can guess.

    The page must depend on nothing but the `values` of its template, which `key` determines. It is rendered
    once for all who ask with this key within a quarter of a second; no cache stores it. The texts are not
    escaped.
    """
    theme, memory = theme_of(request), request.context.alike
    whole_key = (template, theme, key)
    pieces = memory.find(whole_key)
    if pieces is None:
        pieces = _cut(_text(template, theme, request, values()), marks)
        memory.put(whole_key, pieces)
    body = pieces.copy()
    for place in range(1, len(body), 2):
        body[place] = own[ord(body[place])]
    return Response("".join(body), headers={"content-security-policy": POLICY, **NO_STORE}, media_type=HTML)


def _cut(text: str, marks: Sequence[str]) -> list[str]:
    """Return a text cut at marks: at even places what stands between them, at odd ones which mark it was."""
    numbers = {mark: chr(number) for number, mark in enumerate(marks) if mark}
    pieces = re.split("(" + "|".join(numbers) + ")", text)
    pieces[1::2] = [numbers[mark] for mark in pieces[1::2]]
    return pieces


def see_other(address: str) -> Response[None]:
    """Return the way to another page, after a form: the browser asks for it with GET."""
    location = quote(address, safe=_IN_ADDRESS)  # titles have letters that no header can carry
    return Response(None, status_code=303, headers={"location": location, **NO_STORE})


def new_key() -> str:
    """Return an idempotency key for a form: sent twice, the form acts once."""
    return secrets.token_urlsafe(_KEY_BYTES)


def theme_of(request: Request) -> str | None:
    """Return the theme that the reader has chosen, or None: the system decides."""
    chosen = read_cookie(request, _THEME_COOKIE)
    return chosen if chosen in THEMES else None


def safe_next(text: str, otherwise: str = "/me/tickets") -> str:
    """Return where to go next: an address on this site, whatever a link says."""
    inside = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if inside else otherwise


def login_address(request: Request) -> str:
    """Return the address at which a reader logs in and then comes back here."""
    scope = request.scope
    here = scope["path"]
    if scope["query_string"]:
        here += "?" + scope["query_string"].decode("latin-1")
    return f"/login?next={quote(here, safe='')}"


def _text(template: str, theme: str | None, request: Request, values: dict[str, Any]) -> str:
    # Empty parts of a path do not count, and some of them would lead to another site
    here = "/" + "/".join(part for part in request.scope["path"].split("/") if part)
    given = {
        "theme": theme,
        "public_url": request.context.options.public_url,
        "here": here,
        "mailbox": request.context.mail.shows_mailbox,
        "hold_bar": "",
        "signed_in": False,  # a page that many readers share never says so
    }
    return templates.get_template(template).render(given | values)


def _hold_bar(request: Request) -> str:
    """Return what the reader holds, as HTML; empty if nothing."""
    hold = hold_of(request)
    if hold is None:
        return ""
    return markupsafe.Markup(templates.get_template("hold_bar.html").render(hold=hold))  # noqa: S704  # escaped


def _compressed(body: bytes, coding: str | None) -> bytes:
    if coding == "br":
        body_br: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)
        return body_br
    if coding == "gzip":
        compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
        return compressor.compress(body) + compressor.flush()
    return body
