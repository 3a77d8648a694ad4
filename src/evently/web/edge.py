"""The one ASGI middleware."""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from evently.kit.ids import new_id
from evently.web.context import Context
from evently.web.exchange import KEY, Exchange


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            found: Any = scope
            found[KEY] = Exchange(found, dict(scope["headers"]), str(new_id()), "")
        await self._app(scope, receive, send)
