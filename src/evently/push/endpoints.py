"""Which addresses may be called: a browser names the endpoint, so it may name anything.

An endpoint is `https` at a name of the public DNS, on the usual port. A connection is made to addresses that
were looked up once and are all public: a name that also leads into a private network is not called, and one
that changes between the look-up and the connection cannot.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore2

ENDPOINT_CHARACTERS_MAX: Final = 1_000  # those of browsers have 200 to 700
PORT: Final = 443
_ADDRESSES_MAX: Final = 8  # of a name
_NAME: Final = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z][a-z0-9-]{0,61}[a-z0-9]")
_NAME_CHARACTERS_MAX: Final = 253
# Names that lead into the machine or its network (RFC 6761, 6762, 8375, and what is in use)
_PRIVATE_NAMES: Final = (
    ".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".private", ".arpa", ".test",
    ".invalid", ".onion", ".localdomain",
)  # fmt: skip
_EMBEDDING: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))

Resolve = Callable[[str, int], Awaitable[list[str]]]


class NotPublic(Exception):
    """A name leads to an address that is not public, or to none."""


def is_endpoint(text: str) -> bool:
    """Return whether a text is an endpoint that may be called, as far as its letters say."""
    if len(text) > ENDPOINT_CHARACTERS_MAX or not re.fullmatch(r"[!-~]+", text) or "\\" in text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and parts.netloc in (parts.hostname, f"{parts.hostname}:{PORT}")
        and port in (None, PORT)
        and not parts.fragment
        and _is_public_name(parts.hostname or "")
    )


def is_contact(text: str) -> bool:
    """Return whether a text is a contact for push services (RFC 8292, 2.1)."""
    return re.fullmatch(r"mailto:[!-~]+@[!-~]+\.[!-~]+|https://[!-~]+", text) is not None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of the public network, and holds none of another."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return True
    if address.ipv4_mapped or address.sixtofour or address.teredo or address.is_site_local:
        return False
    return not any(address in network for network in _EMBEDDING)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses alone; the certificate is still checked against the name."""

    def __init__(self, find: Resolve = resolve) -> None:
        self._find = find
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the library's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of a name that answers; raises NotPublic."""
        try:
            addresses = await asyncio.wait_for(self._find(host, port), timeout)
        except OSError as exc:
            raise httpcore2.ConnectError(f"no address: {exc}") from exc
        if not addresses or not all(is_public(ip_address(each.partition("%")[0])) for each in addresses):
            raise NotPublic(host)
        failed: Exception | None = None
        for address in addresses[:_ADDRESSES_MAX]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failed = exc
        assert failed is not None, "there was an address"
        raise failed

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def _is_public_name(name: str) -> bool:
    return (
        len(name) <= _NAME_CHARACTERS_MAX
        and _NAME.fullmatch(name) is not None
        and not name.endswith(_PRIVATE_NAMES)
    )
