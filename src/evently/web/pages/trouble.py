"""Pages that say no: what is true now, and the next step. One template for every refusal of a page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from evently.accounts import AccountsRefusal
from evently.kit.errors import CommonRefusal, Refusal, Refused
from evently.sales.outcomes import SalesRefusal
from evently.tickets import TicketsRefusal
from evently.web.edge.context import Request as EdgeRequest
from evently.web.edge.context import Response
from evently.web.edge.cookies import read_device
from evently.web.edge.problems import PROBLEMS, respond_to, sentence_of
from evently.web.edge.refusals import EdgeRefusal
from evently.web.pages.rendering import login_address, render, see_other


class Link(NamedTuple):
    """The next step."""

    text: str
    address: str


_HOME: Final = Link("See what is on", "/")
_AGAIN: Final = Link("Try again", "")
_NOT_THERE: Final = frozenset(
    (
        CommonRefusal.NOT_FOUND,
        SalesRefusal.EVENT_NOT_FOUND,
        SalesRefusal.BOOKING_NOT_FOUND,
        SalesRefusal.ENTRY_NOT_FOUND,
        SalesRefusal.UNKNOWN_TICKET,
        TicketsRefusal.TICKET_NOT_FOUND,
    )
)
_TITLES: Final[dict[Refusal, str]] = {
    CommonRefusal.FORBIDDEN: "This page is for others",
    EdgeRefusal.REASON_NEEDED: "Say why first",
    EdgeRefusal.CROSS_SITE: "That came from another site",
    EdgeRefusal.RATE_LIMITED: "Too many tries from here",
    AccountsRefusal.TOO_MANY_ATTEMPTS: "Too many tries from here",
    EdgeRefusal.INTERNAL: "Something broke on our side",
    EdgeRefusal.OUTCOME_UNKNOWN: "We cannot see yet whether this worked",
    EdgeRefusal.COMMITS_WAIT: "We cannot see yet whether this worked",
    EdgeRefusal.BUSY: "We are full, and have done nothing",
    EdgeRefusal.DATABASE_UNAVAILABLE: "We cannot reach our books, and have done nothing",
    EdgeRefusal.WRONG_CLOCK: "We are full, and have done nothing",
}
_TEXTS: Final[dict[Refusal, str]] = {
    EdgeRefusal.BUSY: "What you chose is kept. We are trying again in a few seconds.",
    EdgeRefusal.DATABASE_UNAVAILABLE: "What you chose is kept. We are trying again in a few seconds.",
    EdgeRefusal.WRONG_CLOCK: "What you chose is kept. We are trying again in a few seconds.",
    EdgeRefusal.OUTCOME_UNKNOWN: "Press again: it cannot happen twice.",
    EdgeRefusal.COMMITS_WAIT: "Press again in a few seconds: it cannot happen twice.",
    EdgeRefusal.INTERNAL: "It was logged, and we look at it. What you had done before is safe.",
}


def respond_with_page(request: EdgeRequest, exc: Exception) -> Response[Any]:
    """Return the page for what went wrong; a reader who must log in is sent to the log-in and back."""
    answer = respond_to(request, exc)  # also logs what must be logged
    content = answer.content
    if not isinstance(content, dict):
        return answer
    code = content["code"]
    if code == EdgeRefusal.UNAUTHENTICATED and read_device(request) is not None:
        return _device_page(request)
    if code == EdgeRefusal.UNAUTHENTICATED:
        return see_other(_login_address(request))
    refusal = exc.refusal if isinstance(exc, Refused) else EdgeRefusal(code)
    seconds = answer.headers.get("retry-after")
    return _page(request, refusal, exc, answer.status_code or HTTPStatus.INTERNAL_SERVER_ERROR, seconds)


def _device_page(request: EdgeRequest) -> Response[str]:
    """Return the page for a phone that was a scanner at a door, and is none any more."""
    return render(
        request,  # type: ignore[arg-type]
        "trouble.html",
        status=HTTPStatus.UNAUTHORIZED,
        title="This phone is no longer a scanner",
        text="A manager of the event has removed it. Ask for a new code at the desk, or log in.",
        link=Link("Log in", _login_address(request)),
        request_id=None,
    )


def _login_address(request: EdgeRequest) -> str:
    """Return the log-in, and from there the page that was asked for, or whose form was sent.

    A form is not sent again by itself: the reader sees the page as it is then, and presses once more.
    """
    path = request.scope["path"]
    if request.scope["method"] == "GET":
        return login_address(request)  # type: ignore[arg-type]
    return f"/login?{urlencode({'next': _page_of_form(request, path)})}"


def _page_of_form(request: EdgeRequest, path: str) -> str:
    """Return the page on which a form stands: the nearest page at or above the address that it is sent to."""
    if path.startswith("/waitlist/"):
        return "/me/waitlist"
    pages = {route.path for route in request.routes if route.is_page and route.method == "GET"}
    template = [] if request.route is None else [part for part in request.route.path.split("/") if part]
    given = [part for part in path.split("/") if part]
    for length in range(len(template), 0, -1):
        if "/" + "/".join(template[:length]) in pages:
            return "/" + "/".join(given[:length])
    return "/"


def _page(
    request: EdgeRequest, refusal: Refusal, exc: Exception, status: int, seconds: str | None
) -> Response[str]:
    if refusal in _NOT_THERE:
        title, text = "Not there", "This page is not there, or it is not yours to see."
    elif refusal is EdgeRefusal.RATE_LIMITED:
        title, text = _TITLES[refusal], f"Nothing was done. The next try counts in {seconds} seconds."
    else:
        title = _TITLES.get(refusal) or PROBLEMS[refusal].title
        text = _TEXTS.get(refusal) or (
            sentence_of(exc) if isinstance(exc, Refused) else PROBLEMS[refusal].explanation
        )
    is_read = request.scope["method"] == "GET"
    link = Link("Try again", request.scope["path"]) if seconds is not None and is_read else _HOME
    if refusal is EdgeRefusal.REASON_NEEDED and isinstance(exc, Refused):
        query = urlencode({"next": _page_of_form(request, request.scope["path"])})
        link = Link("Say why", f"/admin/organizers/{exc.data['organizer_id']}/open?{query}")
    headers = {} if seconds is None else {"retry-after": seconds}
    if seconds is not None and is_read:
        headers["refresh"] = seconds
    return render(
        request,  # type: ignore[arg-type]
        "trouble.html",
        status=status,
        headers=headers,
        title=title,
        text=text,
        link=link,
        request_id=request.exchange.request_id if refusal is EdgeRefusal.INTERNAL else None,
    )
