"""The cookies of pages: the session, the receipt of a code, the key of a device at a door, the theme.

The API reads none: nothing to forge.

A session's cookie holds two texts, separated by a dot: the secret of the session, and an access token that is
checked without I/O and renewed when it has expired. Over https the cookie's name begins with `__Host-`, which
binds it to this host; browsers refuse such a name over plain http, so there it is left out.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from evently.accounts import Grant
from evently.kit.errors import Refused
from evently.web.edge.context import Request
from evently.web.edge.refusals import EdgeRefusal

_NAME: Final = "evently"
_RECEIPT: Final = "evently-code"
_TRIED: Final = "evently-cookies"
_DEVICE: Final = "evently-door"
_SECONDS: Final = 30 * 86_400  # as long as a session
_DAY: Final = 86_400
_YEAR: Final = 365 * 86_400
_COOKIES_LENGTH_MAX: Final = 8_192  # of the whole header; ours have 500 bytes


def read_cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie."""
    header = request.header("cookie")
    if header is None or len(header) > _COOKIES_LENGTH_MAX:
        return None
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None


def set_cookie(
    request: Request,
    name: str,
    value: str,
    *,
    seconds: int | None = _YEAR,
    secret: bool = False,
    path: str = "/",
) -> None:
    """Set a cookie with the response to a request. `secret`: scripts cannot read it.

    `seconds` is None for a cookie that ends with the visit. `path`: under which it is sent back.
    """
    parts = [f"{name}={value}", f"Path={path}", "SameSite=Lax"]
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    if secret:
        parts.append("HttpOnly")
    if _is_https(request):
        parts.append("Secure")
    line = (b"set-cookie", "; ".join(parts).encode("latin-1"))
    request.exchange.cookies = (*request.exchange.cookies, line)


def read_session(request: Request) -> tuple[str, str] | None:
    """Return the secret of the browser's session and its access token."""
    value = read_cookie(request, _session_name(request))
    if value is None:
        return None
    secret, _, token = value.partition(".")
    return (secret, token) if secret and token else None


def keep_session(request: Request, grant: Grant) -> None:
    """Make the browser keep a session that was opened or renewed."""
    value = f"{grant.refresh_token}.{grant.access_token}"
    set_cookie(request, _session_name(request), value, seconds=_SECONDS, secret=True)


def forget_session(request: Request) -> None:
    """Make the browser forget its session."""
    set_cookie(request, _session_name(request), "", seconds=0, secret=True)


def read_device(request: Request) -> str | None:
    """Return the key of a device at the door whose page this is."""
    return read_cookie(request, _secure_name(request, _DEVICE))


def keep_device(request: Request, key: str, path: str) -> None:
    """Make the browser keep the key of a device, for the pages of one door: they have this path."""
    set_cookie(request, _secure_name(request, _DEVICE), key, secret=True, path=path)


def read_receipt(request: Request) -> str | None:
    """Return the secret with which this browser requested a code by e-mail."""
    return read_cookie(request, _host_name(request, _RECEIPT))


def keep_receipt(request: Request, receipt: str, seconds: int) -> None:
    """Make the browser keep the receipt of a code."""
    set_cookie(request, _host_name(request, _RECEIPT), receipt, seconds=seconds, secret=True)


def keeps_cookies(request: Request) -> bool:
    """Return whether the browser has sent a cookie of this host, so whether it keeps any."""
    return request.header("cookie") is not None


def mark_browser(request: Request) -> None:
    """Give a cookie to a browser that has none, to see with its form whether it keeps cookies."""
    if not keeps_cookies(request):
        set_cookie(request, _TRIED, "yes", seconds=_DAY, secret=True)


def check_same_origin(request: Request) -> None:
    """Refuse a request that a page of another site caused."""
    site = request.header("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
    elif request.header("origin") in own_origins(request):
        return
    raise Refused(EdgeRefusal.CROSS_SITE)


def own_origins(request: Request) -> set[str]:
    """Return the origins of our own pages."""
    own = {f"{scheme}://{request.header('host')}" for scheme in ("http", "https")}
    public = urlsplit(request.context.options.public_url)
    return own | {f"{public.scheme}://{public.netloc}"}


def _session_name(request: Request) -> str:
    return _host_name(request, _NAME)


def _host_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _is_https(request) else name


def _secure_name(request: Request, name: str) -> str:
    """Return the name of a cookie with a path of its own, which `__Host-` does not allow."""
    return f"__Secure-{name}" if _is_https(request) else name


def _is_https(request: Request) -> bool:
    return request.context.options.public_url.startswith("https:")
