"""Campaign links: the word in `?via=` of the page of an event comes with the booking that is made there.

A cookie keeps it for this visit and for this event only: no other page receives it, nobody is recognised by
it, and it ends with the browser's session. Without cookies, the booking has no source.
"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from evently.analytics import read_source
from evently.kit.ids import show_id
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.cookies import read_cookie, set_cookie
from evently.web.edge.routing import QueryParameter
from evently.web.services import Request

_NAME: Final = "via"
_LINK_CHARACTERS_MAX: Final = 4_000  # of what a link may say; what is too long for a source is ignored

Via = Annotated[str, QueryParameter(max_length=_LINK_CHARACTERS_MAX)]


def keep_source(request: Request, event_id: UUID, via: str) -> bool:
    """Make the browser keep the source that a link names, for this visit; return whether it names one."""
    source = read_source(via)
    if source:
        path = f"/events/{show_id('evt', event_id)}"
        set_cookie(request, _NAME, source, seconds=None, secret=True, path=path)
    return bool(source)


def forbid_storing(response: Response[bytes] | Response[str] | Response[None]) -> None:
    """Forbid caches to store a page that sets the cookie: other readers came without the link."""
    response.headers |= NO_STORE


def source_of(request: Request) -> str:
    """Return the source with which the reader came to this event; empty if there is none."""
    return read_source(read_cookie(request, _NAME) or "")
