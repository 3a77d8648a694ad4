"""What the edge knows about one request. It is kept in the ASGI scope, so that nothing is parsed twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from evently.web.edge.clients import Client

if TYPE_CHECKING:
    from evently.web.edge.access import Actor

KEY: Final = "evently"


class Exchange:
    """`headers` are those of the request, names in lower case; of a repeated header the last one counts.

    `enforce` sets actor and organizer_id.
    """

    __slots__ = (
        "actor",
        "client",
        "cookies",
        "headers",
        "is_head",
        "organizer_id",
        "rate_limit",
        "release",
        "request_id",
        "scope",
        "trace_id",
    )

    actor: Actor
    organizer_id: UUID

    def __init__(self, scope: Any, headers: dict[bytes, bytes], request_id: str, client: Client) -> None:
        self.scope = scope
        self.is_head = False  # a HEAD, which handlers see as a GET
        self.headers = headers
        self.request_id = request_id
        self.client = client
        self.trace_id: str | None = None
        self.rate_limit: tuple[tuple[bytes, bytes], ...] = ()
        self.cookies: tuple[tuple[bytes, bytes], ...] = ()  # the Set-Cookie headers of the response
        self.release: Callable[[], None] | None = None  # called when the response is sent

    @property
    def origin(self) -> str | None:
        """Where the client is, for the limits of log-in attempts; None: nobody knows."""
        return self.client.address if self.client.proxy is None else None

    def leave_slot(self) -> None:
        """Release what the request holds, such as the slot of a report, before its end or at it."""
        if self.release is not None:
            release, self.release = self.release, None
            release()

    def header(self, name: bytes) -> str | None:
        """Return a request header, as Latin-1 text (RFC 9110, 5.5)."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def exchange_of(scope: Any) -> Exchange:
    """Return the exchange of a request."""
    found: Exchange = scope[KEY]
    return found
