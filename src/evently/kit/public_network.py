"""Connections to addresses that other people name: to public ones alone, or where the operator allows it.

A name is looked up once, every address that it has is checked, and the connection is made to an address that
was checked: a name that also leads into a private network is not called, and one that changes between the
look-up and the connection cannot.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, TypeAlias

import httpcore2

_ADDRESSES_MAX: Final = 8  # of a name
_NAME: Final = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z][a-z0-9-]{0,61}[a-z0-9]")
_NAME_CHARACTERS_MAX: Final = 253
# Names that lead into the machine or its network (RFC 6761, 6762, 8375, and what is in use)
_PRIVATE_NAMES: Final = (
    ".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".private", ".arpa", ".test",
    ".invalid", ".onion", ".localdomain",
)  # fmt: skip
_EMBEDDING: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
_PROTOCOLS: Final = IPv4Network("192.0.0.0/24")  # of the IETF; a few of its addresses count as global

Network: TypeAlias = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]


class NotPublic(Exception):
    """A name leads to an address that may not be called, or to none."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of the public network, and holds none of another."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return address not in _PROTOCOLS
    if address.ipv4_mapped or address.sixtofour or address.teredo or address.is_site_local:
        return False
    return not any(address in network for network in _EMBEDDING)


def is_public_name(name: str) -> bool:
    """Return whether a text is a name of the public DNS, in lower case, as far as its letters say."""
    return (
        len(name) <= _NAME_CHARACTERS_MAX
        and _NAME.fullmatch(name) is not None
        and not name.endswith(_PRIVATE_NAMES)
    )


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses alone; the certificate is still checked against the name.

    `allowed`: networks whose addresses may be called, too; `public`: whether public ones may.
    """

    def __init__(
        self, find: Resolve = resolve, allowed: Sequence[Network] = (), *, public: bool = True
    ) -> None:
        self._find = find
        self._allowed = tuple(allowed)
        self._public = public
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
        except (OSError, UnicodeError) as exc:
            raise httpcore2.ConnectError(f"no address: {exc}") from exc
        if not addresses or not all(self._may_call(each) for each in addresses):
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

    def _may_call(self, text: str) -> bool:
        address = ip_address(text.partition("%")[0])
        return (self._public and is_public(address)) or any(address in network for network in self._allowed)
