"""The SMTP server: a few kept connections, and what its answers mean.

    Smtp.send      hand one message to the server
    SmtpServer     a server's URL: smtp, smtps, smtp+starttls

A server that cannot be reached, or refuses this program, is `MailTrouble`: it is no fault of a message.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from evently.kit.errors import Trouble

COMMAND_SECONDS_MAX: Final = 30.0  # to connect, and for each answer
MESSAGE_SECONDS_MAX: Final = 90.0  # for a whole message with its attachments
IDLE_SECONDS_MAX: Final = 60.0  # less than servers wait for a client (RFC 5321, 4.5.3.2: minutes)
MESSAGES_MAX: Final = 100  # on one connection: many servers allow no more
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_CLOSING: Final = 421  # the server closes the connection (RFC 5321, 3.8)
_PERMANENT: Final = 500
_OVER_QUOTA: Final = 552  # "exceeded storage allocation"
_MAILBOX_FULL: Final = "5.2.2"
_ENHANCED: Final = re.compile(r"5\.(\d{1,3})\.\d{1,3}\b")  # RFC 3463


class MailTrouble(Trouble):
    """The mail server cannot be used now. The message was not sent, and is not to blame."""

    def __init__(self, response: str) -> None:
        super().__init__(response=response)


class SmtpServer(msgspec.Struct, frozen=True):
    """Where the server is, and how it is spoken to."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None
    password: str | None = None

    @property
    def shown(self) -> str:
        """The server, without its secret."""
        return f"{self.host}:{self.port}"


class Answer(msgspec.Struct, frozen=True):
    """What the server answered about a message.

    `bounced`: the address is refused for good; `refused`: the message is; `later`: neither is, try again.
    """

    result: Literal["accepted", "bounced", "refused", "later"]
    text: str


def read_server(url: str) -> SmtpServer:
    """Return the server of a URL; raises ValueError, with words for the operator, for any other text."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("is not a URL like smtp+starttls://user:password@mail.example:587")
    security: Literal["none", "starttls", "tls"] = (
        "tls" if parts.scheme == "smtps" else "starttls" if parts.scheme == "smtp+starttls" else "none"
    )
    if parts.username and security == "none" and parts.hostname not in _LOOPBACK:
        raise ValueError("would send a password without encryption; use smtp+starttls:// or smtps://")
    return SmtpServer(
        parts.hostname,
        parts.port or _PORTS[parts.scheme],
        security,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password or "") if parts.username else None,
    )


_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class _Connection:
    """A connection to the server, and how it was used."""

    def __init__(self, client: aiosmtplib.SMTP, idle_since: float) -> None:
        self.client = client
        self.idle_since = idle_since
        self.messages = 0


class Smtp:
    """Hands messages to a server, over at most `connections_max` connections; one that is idle is kept."""

    def __init__(
        self,
        server: SmtpServer,
        connections_max: int,
        *,
        command_seconds_max: float = COMMAND_SECONDS_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._seconds = command_seconds_max
        self._tls = tls
        self._free = asyncio.Semaphore(connections_max)
        self._idle: list[_Connection] = []

    @property
    def shown(self) -> str:
        """Where messages go."""
        return self._server.shown

    async def send(self, sender: str, address: str, raw: bytes) -> Answer:
        """Hand a message to the server. Raises MailTrouble when the server cannot be used.

        When the connection is lost, the server may have the message: the answer is `later`, and the same
        message may come to it again, with the same Message-ID.
        """
        async with self._free:
            while True:
                connection, kept = await self._connect()
                try:
                    async with asyncio.timeout(MESSAGE_SECONDS_MAX):
                        answer = await self._transact(connection.client, sender, address, raw)
                except _ClosedBefore as exc:
                    connection.client.close()
                    if not kept:
                        raise MailTrouble(f"{self.shown} closed the connection") from exc.__cause__
                except (aiosmtplib.SMTPException, TimeoutError, OSError) as exc:
                    connection.client.close()
                    return Answer("later", _words(exc))
                except ValueError as exc:  # the library sends no such address
                    connection.client.close()
                    return Answer("refused", _words(exc))
                except BaseException:
                    connection.client.close()
                    raise
                else:
                    self._keep(connection)
                    return answer

    async def check(self) -> None:
        """Connect, and log in if a password is named. Raises MailTrouble if the server cannot be used."""
        await _quit((await self._open()).client)

    async def close_idle(self, seconds: float = IDLE_SECONDS_MAX) -> None:
        """Close connections that have been idle for so long."""
        now = asyncio.get_running_loop().time()
        old = [each for each in self._idle if now - each.idle_since >= seconds]
        self._idle = [each for each in self._idle if now - each.idle_since < seconds]
        for each in old:
            await _quit(each.client)

    async def stop(self) -> None:
        """Close all connections."""
        await self.close_idle(0)

    async def _connect(self) -> tuple[_Connection, bool]:
        """Return a connection, and whether it was used before."""
        while self._idle:
            connection = self._idle.pop()
            if connection.client.is_connected:
                return connection, True
            connection.client.close()
        return await self._open(), False

    async def _open(self) -> _Connection:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            timeout=self._seconds,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(2 * self._seconds):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await _greet(client)
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as exc:
            client.close()
            raise MailTrouble(f"{self.shown}: {_words(exc)}") from exc
        return _Connection(client, asyncio.get_running_loop().time())

    async def _transact(self, client: aiosmtplib.SMTP, sender: str, address: str, raw: bytes) -> Answer:
        """Run MAIL, RCPT and DATA."""
        utf8 = not address.isascii()
        if utf8 and not client.supports_extension("smtputf8"):
            return Answer("refused", "The server cannot deliver to addresses beyond ASCII.")
        encoding = "utf-8" if utf8 else "ascii"
        try:
            await client.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
        except aiosmtplib.SMTPServerDisconnected as exc:
            raise _ClosedBefore from exc
        except aiosmtplib.SMTPResponseException as exc:
            await _reset(client)
            if exc.code == _CLOSING:
                raise _ClosedBefore from exc
            # It refuses the sender, which is the same for all messages.
            raise MailTrouble(f"{self.shown} refuses the sender: {_words(exc)}") from exc
        try:
            await client.rcpt(address, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as exc:
            await _reset(client)
            return Answer("bounced" if is_bounce(exc.code, exc.message) else "later", _words(exc))
        try:
            response = await client.data(raw)
        except aiosmtplib.SMTPDataError as exc:
            await _reset(client)
            return Answer("refused" if exc.code >= _PERMANENT else "later", _words(exc))
        return Answer("accepted", f"{response.code} {response.message}")

    def _keep(self, connection: _Connection) -> None:
        connection.messages += 1
        if not connection.client.is_connected or connection.messages >= MESSAGES_MAX:
            connection.client.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)


class _ClosedBefore(Exception):
    """The connection was closed before the server knew anything of the message."""


def is_bounce(code: int, text: str) -> bool:
    """Return whether an answer to RCPT says that the address is wrong for good.

    A full mailbox may be emptied. A refusal by policy (5.7: no relaying, a wrong password, a block list) or
    by the system or network (5.3, 5.4) is one for the operator: the address is not to blame.
    """
    if code < _PERMANENT:
        return False
    found = _ENHANCED.match(text)
    if found is None:
        return code != _OVER_QUOTA
    return found[1] in ("1", "2", "5", "6") and found[0] != _MAILBOX_FULL


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


async def _reset(client: aiosmtplib.SMTP) -> None:
    """End a transaction that was refused; a server that does not answer has ended it, too."""
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.rset()


async def _quit(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=1.0)
    client.close()


def _words(exc: BaseException) -> str:
    if isinstance(exc, aiosmtplib.SMTPResponseException):
        return f"{exc.code} {exc.message}"
    return str(exc) or type(exc).__name__
