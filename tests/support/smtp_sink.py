"""A mail server in this process that speaks real SMTP (aiosmtpd), and does what a test scripts."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ssl import SSLContext
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library uses what later Pythons deprecate
    from aiosmtpd.smtp import SMTP, AuthResult

Script = Callable[[str], str | None]


class Sink:
    """A mail server. A script gets the address or the bytes and may answer in place of `250`.

    `connections`: how many were opened. `closing`: what `DATA` does: close the connection before or after the
    message was taken.
    """

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.addresses: list[str] = []
        self.senders: list[str] = []
        self.connections = 0
        self.open_at_once = 0
        self.open_at_most = 0
        self.on_mail: Script | None = None
        self.on_rcpt: Script | None = None
        self.on_data: Script | None = None
        self.close_in_data: str | None = None
        self.slow_seconds = 0.0
        self.url = ""
        self._open: set[Any] = set()

    def hang_up(self) -> None:
        """Close the connections that are open, as a server does with idle ones."""
        for transport in self._open:
            transport.close()

    @property
    def messages(self) -> list[EmailMessage]:
        """What was accepted, parsed."""
        return [message_from_bytes(raw, policy=default) for raw in self.raw]

    async def handle_MAIL(  # noqa: N802  # the library's names
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_mail is not None and (answer := self.on_mail(address)) is not None:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        self.senders.append(address)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_rcpt is not None and (answer := self.on_rcpt(address)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.slow_seconds:
            await asyncio.sleep(self.slow_seconds)
        if self.close_in_data == "before":
            server.transport.abort()
            return "250 never read"
        if self.on_data is not None and (answer := self.on_data(envelope.rcpt_tos[0])) is not None:
            return answer
        self.raw.append(envelope.content)
        self.addresses += envelope.rcpt_tos
        if self.close_in_data == "after":
            server.transport.abort()
        return "250 2.0.0 Queued"


class _Counted(SMTP):
    """Counts connections."""

    def connection_made(self, transport: Any) -> None:
        sink = self.event_handler
        sink.connections += 1
        sink.open_at_once += 1
        sink.open_at_most = max(sink.open_at_most, sink.open_at_once)
        sink._open.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.open_at_once -= 1
        self.event_handler._open.discard(self.transport)
        super().connection_lost(error)


@asynccontextmanager
async def open_sink(
    *, user: str | None = None, password: str = "", ssl: SSLContext | None = None, **options: Any
) -> AsyncIterator[Sink]:
    """Open a mail server on a free port. `ssl`: encrypted from the start; `tls_context=`: by STARTTLS."""
    sink = Sink()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        ok = (given.login, given.password) == ((user or "").encode(), password.encode())
        return AuthResult(success=ok, handled=ok)

    more: dict[str, Any] = {"authenticator": check, "auth_require_tls": False} if user else {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Counted(sink, enable_SMTPUTF8=True, hostname="sink.example", loop=loop, **more, **options),
        "127.0.0.1",
        0,
        ssl=ssl,
    )
    port = server.sockets[0].getsockname()[1]
    login = f"{user}:{password}@" if user else ""
    sink.url = f"smtp://{login}127.0.0.1:{port}"
    try:
        yield sink
    finally:
        server.close()
