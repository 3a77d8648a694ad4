"""What every handler gets: `Request` (with the context, the actor, and the organizer that the policy found) and, to give back, `Response`.

Litestar's dependency injection is not used: it was measured at 130 us for two values, a property costs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, Self, TypeVar, cast
from uuid import UUID

import litestar
import msgspec
from litestar.response import Response as FrameworkResponse
from litestar.types import Empty, Receive, Scope, Send

from evently.accounts import Accounts
from evently.checkout import Checkout
from evently.db import Database
from evently.kit.clock import Clock
from evently.sales import Engine
from evently.sales.reads import SeatBoards, WaitlistPositions
from evently.web.edge.access import Access, Actor
from evently.web.edge.exchange import Exchange, exchange_of
from evently.web.edge.limits import Limits
from evently.web.edge.memory import AnswerMemory, create_answer_memory
from evently.web.edge.options import WebOptions
from evently.web.edge.validation import decode_body

Content = TypeVar("Content")
JSON: Final = "application/json"
_encode = msgspec.json.Encoder().encode
_ENCODED_TYPES: Final[dict[str, bytes]] = {
    JSON: b"application/json",
    "application/problem+json": b"application/problem+json",
}
_NO_CONTENT: Final = 204


@dataclass(frozen=True, kw_only=True)
class Context:
    """What `app.py` built, once per process."""

    options: WebOptions
    database: Database
    clock: Clock
    accounts: Accounts
    access: Access
    engine: Engine
    boards: SeatBoards
    lines: WaitlistPositions
    checkout: Checkout
    limits: Limits
    memory: AnswerMemory = field(default_factory=create_answer_memory)


class Request(litestar.Request[Any, Any, Any]):
    """A request. `application.py` binds the context to a subclass of this, so that reading it costs nothing."""

    __slots__ = ()
    context: ClassVar[Context]

    @classmethod
    def light(cls, scope: Any, receive: Receive, send: Send) -> Self:
        """Return a request that knows its scope, its body and our own properties, and nothing of Litestar's: 4 us less."""
        request = cls.__new__(cls)
        request.scope = scope
        request.receive = receive
        request.send = send
        request._body = Empty  # noqa: SLF001  # of our own class
        return request

    @property
    def exchange(self) -> Exchange:
        """What the edge knows about this request."""
        return exchange_of(self.scope)

    @property
    def actor(self) -> Actor:
        """Whoever makes the request; the policy of the route has been enforced."""
        return exchange_of(self.scope).actor

    @property
    def organizer_id(self) -> UUID:
        """The organizer whose route this is; only with the policy `organizer(...)`."""
        return exchange_of(self.scope).organizer_id

    def header(self, name: str) -> str | None:
        """Return a request header; `name` in lower case."""
        return exchange_of(self.scope).header(name.encode())

    async def body(self) -> bytes:
        """Return the body. The edge limits how long it may be."""
        if self._body is Empty:
            message: Any = await self.receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                body, message = await self._rest(body)
            if message["type"] == "http.disconnect":
                raise Disconnected
            if not body and "data" in self.route_handler.parsed_fn_signature.parameters:
                decode_body(
                    self.route_handler, exchange_of(self.scope), body
                )  # Litestar would take it for a missing parameter
            self._body = body
        return self._body

    async def _rest(self, body: bytes) -> tuple[bytes, Any]:
        parts = [body]
        while True:
            message: Any = await self.receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts), message

    async def json(self) -> Any:
        """Return the body as what the handler's `data` says; refuses with every error in it."""
        return decode_body(self.route_handler, exchange_of(self.scope), await self.body())


class Disconnected(Exception):
    """The client went away before its request was complete. Nobody is there to be answered."""


class Response(FrameworkResponse[Content], Generic[Content]):
    """What a handler returns: content (a Struct, bytes, text, or None for no body), status and headers.

    It sends itself.
    """

    def __init__(
        self,
        content: Content,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        **_unused: object,
    ) -> None:
        self.content = content
        self.status_code = status_code
        self.headers = cast("dict[str, str]", headers or {})
        self.media_type = media_type

    def to_asgi_response(  # type: ignore[override]  # the base builds a second object with the same content; this one sends itself
        self,
        app: object,  # noqa: ARG002  # the framework's signature
        request: object,  # noqa: ARG002  # the same
        *,
        status_code: int | None = None,
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        **_unused: object,
    ) -> Response[Content]:
        """Take the handler's defaults for what was left open."""
        self.status_code = self.status_code or status_code
        self.media_type = self.media_type or media_type
        if headers:
            self.headers = {**headers, **self.headers}
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI, by name
        """Send the answer."""
        content = self.content
        status = self.status_code or (_NO_CONTENT if content is None else 200)
        headers = (
            [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in self.headers.items()
            ]
            if self.headers
            else []
        )
        body = b""
        if content is not None:
            body = (
                content
                if isinstance(content, bytes)
                else content.encode()
                if isinstance(content, str)
                else _encode(content)
            )
            media_type = self.media_type or JSON
            headers += (
                (b"content-type", _ENCODED_TYPES.get(media_type) or media_type.encode()),
                (b"content-length", b"%d" % len(body)),
            )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
