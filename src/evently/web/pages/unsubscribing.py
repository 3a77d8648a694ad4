"""No more e-mails about a topic, without a login: the link at the end of an e-mail, and RFC 8058.

The token in the address says who refuses what. GET changes nothing, because mail servers open links to check
them; POST refuses the topic, from the button on the page and from the mail reader's own button, which sends
neither cookies nor an origin. Repeating changes nothing.
"""

from __future__ import annotations

from typing import Final

from evently import notifications
from evently.kit.errors import CommonRefusal, Refused
from evently.mail.unsubscribing import Unsubscription
from evently.notifications import Choice
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, post
from evently.web.pages.rendering import render, show
from evently.web.services import Request

_PATH: Final = "/unsubscribe/{token}"
_HEADERS: Final = {"x-robots-tag": "noindex"}


@show(_PATH, **policy(PUBLIC))
async def ask(request: Request, token: FromPath[str]) -> Response[str]:
    """Return the page that asks whether to refuse the topic."""
    return render(
        request, "unsubscribe.html", headers=_HEADERS, topic=_read(request, token).topic, done=False
    )


# No page of ours for the edge: a mail reader's own button sends no origin, and no cookie is read
@post(_PATH, include_in_schema=False, status_code=200, reads_body=True, **policy(PUBLIC))
async def refuse_topic(request: Request, token: FromPath[str]) -> Response[str]:
    """Refuse the topic by e-mail for the person of the token."""
    found, context = _read(request, token), request.context
    async with context.database.transaction() as tx:
        choice = Choice(found.topic, "email", wanted=False)
        await notifications.choose(tx, found.person_id, choice, context.clock())
    return render(request, "unsubscribe.html", headers=_HEADERS, topic=found.topic, done=True)


def _read(request: Request, token: str) -> Unsubscription:
    found = request.context.mail.unsubscriptions.read(token)
    if found is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    return found


routes: Final = [ask, refuse_topic]
