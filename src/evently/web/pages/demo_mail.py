"""The mailbox of the demo: what people would get by e-mail. Without `--demo` these pages do not exist.

A message is shown in a frame of its own address, which may neither run scripts nor load anything.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote

from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import MessageId, show_id
from evently.mail import mailbox
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.pages.rendering import POLICY, render, show
from evently.web.services import Request

PAGE_MAX: Final = 50
_PATH: Final = "/demo/mail"
_PRIVATE: Final = {"cache-control": "no-store", "x-robots-tag": "noindex"}
_PAGE: Final = _PRIVATE | {"content-security-policy": f"{POLICY}; frame-src 'self'"}
_FRAME: Final = _PRIVATE | {
    # Links open in the page around it; nothing is loaded, and nothing runs
    "content-security-policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; "
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'"
    ),
    "x-frame-options": "SAMEORIGIN",
}
_OPEN_ABOVE: Final = '<base target="_top">'


@show(_PATH, **policy(PUBLIC))
async def list_mail(
    request: Request,
    to: Annotated[str, QueryParameter(max_length=254)] = "",
    after: Annotated[str | None, QueryParameter(max_length=200)] = None,
) -> Response[str]:
    """Return the list of messages, newest first; `to` is a part of an address."""
    _refuse_outside_the_demo(request)
    page = await mailbox.list_shown(request.context.database, to, PAGE_MAX, after)
    return render(
        request,
        "demo_mail.html",
        headers=_PAGE,
        messages=[(show_id("msg", each.message_id), each) for each in page.data],
        to=to,
        older=None if page.next_cursor is None else f"{_PATH}?to={quote(to)}&after={quote(page.next_cursor)}",
    )


@show(f"{_PATH}/{{message_id}}", **policy(PUBLIC))
async def show_mail(request: Request, message_id: FromPath[MessageId]) -> Response[str]:
    """Return a message with its headers, its HTML in a frame, its text and its attachments."""
    shown = await _find(request, message_id)
    id_shown = show_id("msg", shown.message_id)
    return render(request, "demo_message.html", headers=_PAGE, message=shown, message_id=id_shown)


@get(f"{_PATH}/{{message_id}}/html", include_in_schema=False, **policy(PUBLIC))
async def show_mail_html(request: Request, message_id: FromPath[MessageId]) -> Response[str]:
    """Return the HTML of a message, for the frame."""
    shown = await _find(request, message_id)
    content = shown.html.replace("<head>", f"<head>{_OPEN_ABOVE}", 1).replace('target="_blank"', "")
    return Response(content, headers=_FRAME, media_type="text/html; charset=utf-8")


@get(f"{_PATH}/{{message_id}}/attachments/{{number}}", include_in_schema=False, **policy(PUBLIC))
async def download_attachment(
    request: Request, message_id: FromPath[MessageId], number: FromPath[str]
) -> Response[bytes]:
    """Return an attachment of a message; the first is number 0."""
    shown = await _find(request, message_id)
    if not number.isascii() or not number.isdigit() or int(number[:4]) >= len(shown.enclosed):
        raise Refused(CommonRefusal.NOT_FOUND)
    found = shown.enclosed[int(number)]
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(found.filename)}"}
    return Response(found.content, headers=_PRIVATE | headers, media_type=found.media_type)


async def _find(request: Request, message_id: MessageId) -> mailbox.Shown:
    _refuse_outside_the_demo(request)
    return await mailbox.get_shown(request.context.database, message_id)


def _refuse_outside_the_demo(request: Request) -> None:
    if not request.context.mail.shows_mailbox:
        raise Refused(CommonRefusal.NOT_FOUND)


routes: Final = [list_mail, show_mail, show_mail_html, download_attachment]
