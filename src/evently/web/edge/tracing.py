"""The ids under which a request is logged: its own, and that of the trace that it belongs to."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Final

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")  # no other text is copied into a log
# W3C Trace Context
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")

_ids: Final = itertools.count()
_process_id: Final = secrets.token_hex(6)  # with the count, no two requests of any process share an id


def request_id_of(headers: dict[bytes, bytes]) -> str:
    """Return the id that the client gives the request in `X-Request-Id`, or a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return f"{_process_id}-{next(_ids):x}"


def trace_id_of(headers: dict[bytes, bytes]) -> str | None:
    """Return the id of the trace in `traceparent`, or None if there is no valid one."""
    given = headers.get(b"traceparent")
    match = None if given is None else _TRACEPARENT.fullmatch(given)
    return None if match is None else match[1].decode()
