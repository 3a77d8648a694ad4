"""Lists in pages: `?limit=&after=`, `{"data": [...], "next_cursor": ...}`, and `Link` (RFC 8288).

async def list_venues(request: Request, limit: Limit = LIMIT, after: After = None) ->
Response[PageView[VenueView]]:
    return paginated(request, page)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Generic, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from evently.kit.cursors import Page
from evently.web.edge.context import Request, Response
from evently.web.edge.routing import QueryParameter

Row = TypeVar("Row")
View = TypeVar("View")

LIMIT_MAX: Final = 100  # a screen shows twenty; a hundred keeps the slowest page under 10 ms
LIMIT: Final = 20
_CURSOR_LENGTH_MAX: Final = 500

Limit: TypeAlias = Annotated[
    int, QueryParameter(ge=1, le=LIMIT_MAX, description=f"The number of items to return. Default: {LIMIT}.")
]
After: TypeAlias = Annotated[
    str | None,
    QueryParameter(max_length=_CURSOR_LENGTH_MAX, description="The `next_cursor` of the previous page."),
]


class PageView(msgspec.Struct, Generic[View], frozen=True):
    """A page of items, and the cursor of the next page; null on the last page."""

    data: list[View]
    next_cursor: str | None


def paginated(
    request: Request, page: Page[Row], show: Callable[[Row], View], headers: Mapping[str, str] | None = None
) -> Response[PageView[View]]:
    """Return a page, its rows as `show` shows them, with the URL of the next page in `Link`."""
    found = {"cache-control": "no-store", **(headers or {})}
    if page.next_cursor is not None:
        found["link"] = f'<{_address_of_next(request, page.next_cursor)}>; rel="next"'
    return Response(PageView([show(row) for row in page.data], page.next_cursor), headers=found)


def _address_of_next(request: Request, cursor: str) -> str:
    given = parse_qsl(request.scope["query_string"].decode("latin-1"))
    query = urlencode([*[(name, value) for name, value in given if name != "after"], ("after", cursor)])
    return f"{request.context.options.public_url}{request.scope['path']}?{query}"
