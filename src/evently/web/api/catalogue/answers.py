"""Answers from memory."""

from __future__ import annotations

from typing import Any

from evently.web.edge.conditional import not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.memory import Kept
from evently.web.services import Request


def send(request: Request, found: Kept) -> Response[Any]:
    """Return a kept answer, or 304 if the client has it."""
    return not_modified(request, found.etag, found.cache_control) or Response(
        found.body, headers=found.headers, media_type=JSON
    )
