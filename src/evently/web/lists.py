"""Lists: `?limit=&after=`, `{"data": [...], "next_cursor": ...}`, and the next page's address in `Link` (RFC 8288).

async def list_venues(request: Request, limit: Limit = LIMIT, after: After = None) -> Answer[Page[VenueView]]:
    return paginated(request, page)
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode

from litestar.params import QueryParameter

from evently.kit.cursors import Page
from evently.web.context import Answer, Request

View = TypeVar("View")

LIMIT_MAX: Final = 100  # a screen shows twenty; a hundred keeps the slowest page under 10 ms
LIMIT: Final = 20
_CURSOR_LENGTH_MAX: Final = 500

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description=f"How many to return, {LIMIT} unless told.")]
After: TypeAlias = Annotated[str | None, QueryParameter(max_length=_CURSOR_LENGTH_MAX, description="`next_cursor` of the page before.")]


def paginated(request: Request, page: Page[View], headers: dict[str, str] | None = None) -> Answer[Page[View]]:
    """Return a page with the address of the next one."""
    found = dict(headers or {})
    if page.next_cursor is not None:
        found["link"] = f'<{_address_of_next(request, page.next_cursor)}>; rel="next"'
    return Answer(page, headers=found)


def _address_of_next(request: Request, cursor: str) -> str:
    query = [(name, value) for name, value in parse_qsl(request.scope["query_string"].decode("latin-1")) if name != "after"]
    return f"{request.context.options.public_url}{request.scope['path']}?{urlencode([*query, ('after', cursor)])}"
