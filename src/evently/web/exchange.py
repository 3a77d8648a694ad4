"""One request and its answer, as the edge and the guard see it: a small object in the ASGI scope, so that nothing is parsed twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

if TYPE_CHECKING:
    from evently.web.context import Actor

KEY: Final = "evently"


class Exchange:
    """`headers` are the request's, names in lower case; of a header sent twice the last one counts."""

    __slots__ = ("actor", "client", "headers", "organizer_id", "rate_limit", "release", "request_id", "scope")

    actor: Actor
    organizer_id: UUID

    def __init__(self, scope: Any, headers: Mapping[bytes, bytes], request_id: str, client: str) -> None:
        self.scope = scope
        self.headers = headers
        self.request_id = request_id
        self.client = client
        self.rate_limit: list[tuple[bytes, bytes]] | None = None

    def header(self, name: bytes) -> str | None:
        """Return a request header, as Latin-1 text (RFC 9110, 5.5)."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def exchange_of(scope: Any) -> Exchange:
    """Return what the edge put into the scope."""
    return cast("Exchange", scope[KEY])
