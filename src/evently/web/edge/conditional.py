"""Conditional requests (RFC 9110, 13): an ETag names a version; If-None-Match and If-Match refer to it.

A tag is the version in quotes, `"7"`. A compressed response carries `"7-br"` or `"7-gzip"`, because its
bytes differ; all of them mean version 7. A hash of the bytes may follow after a dot, `"7.9f86d081"`: for an
edit that means version 7, too. So does the weak form, `W/"7"`: a proxy that compresses an answer writes it,
and no edit would be possible behind it. (RFC 9110, 13.1.1, compares strongly; our tags name versions, not
bytes.)
"""

from __future__ import annotations

import re
from typing import Final

from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.context import Request, Response
from evently.web.edge.refusals import EdgeRefusal

_TAG: Final = re.compile(r'(?:W/)?"([^"]*?)(?:-br|-gzip)?"')
_NO_STORE: Final = "no-store"
NO_STORE: Final = {"cache-control": _NO_STORE}  # headers of a response that no cache may store


def etag_of(version: int | str) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def require_if_match(request: Request, version: int) -> None:
    """Refuse an edit that does not name the current version: 428 if it names none, 412 if it names another.

    `*` matches every version.
    """
    given = request.header("if-match")
    if given is None:
        raise Refused(EdgeRefusal.IF_MATCH_MISSING, "send_if_match")
    if given.strip() != "*" and str(version) not in _versions(given):
        raise Refused(
            CommonRefusal.STALE,
            "other_version",
            given=given[:80],
            current_etag=etag_of(version),
        )


def not_modified(request: Request, etag: str, cache_control: str = _NO_STORE) -> Response[None] | None:
    """Return a 304 response if the client has this version already, else None."""
    given = request.header("if-none-match")
    if given is None:
        return None
    wanted = etag.strip('"').removeprefix('W/"')
    for match in _TAG.finditer(given):
        if match[1] == wanted:
            return Response(None, status_code=304, headers={"etag": match[0], "cache-control": cache_control})
    if given.strip() == "*":
        return Response(None, status_code=304, headers={"etag": etag, "cache-control": cache_control})
    return None


def _versions(header: str) -> set[str]:
    return {match[1].partition(".")[0] for match in _TAG.finditer(header)}
