r"""Who the client of a request is: the peer, or the address that a trusted proxy reports.

Only one header is read, `EVENTLY_CLIENT_HEADER`: a proxy that sets one header passes on what clients sent in
the others. The last address that is not a trusted proxy's is the client's; what stands before it may be
invented. Addresses may have quotes, brackets and a port.

A trusted proxy may not tell who its client is: it says `unknown` or an obfuscated identifier (RFC 7239, 6.3:
possibly another one for each request, or the same for all), or sends no header. Then nobody knows how many
people share its address, so `Client.proxy` is set and they are limited together, by far wider limits
(`limits.py`).

On the path of every request: an IPv4 address is parsed once, in C; `ipaddress` took a tenth of a cached read.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain, islice
from typing import Final, NamedTuple

X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"
ADDRESSES_REMEMBERED_MAX: Final = 4_096  # of peers, and of IPv6, which is parsed slowly
HOPS_MAX: Final = 32  # proxies in a row; clients can write as many as a header takes
ELEMENT_CHARACTERS_MAX: Final = 1_024  # of Forwarded
ADDRESS_CHARACTERS_MAX: Final = 64  # IPv6 with a zone
NAME_CHARACTERS_MAX: Final = 64  # of an obfuscated identifier, in logs
_MAPPED: Final = "::ffff:"  # an IPv4 address, where a socket listens for IPv6 too
_LOCAL: Final = "unix:"  # a proxy that is reached by a socket of the file system names its peer so
# The last element of a Forwarded header (RFC 7239, 4): `for=192.0.2.1;proto=http`. It is read from the end,
# where the proxy writes: a quote that a client leaves open before it hides nothing.
_PAIR: Final = r'[\w!#$%&\'*+.^`|~-]+=(?:[\w!#$%&\'*+.^`|~:\[\]-]+|"(?:[^"\\]|\\.)*")'
_LAST_ELEMENT: Final = re.compile(rf"(?:^|,)[ \t]*({_PAIR}(?:[ \t]*;[ \t]*{_PAIR})*)$", re.ASCII)
_FOR: Final = re.compile(r'(?i)(?:^|;)[ \t]*for=("(?:[^"\\]|\\.)*"|[^;\s]+)')
_BETWEEN: Final = ", \t"  # elements
_UNREADABLE: Final = "?"  # an element that is none, or names no client


class Client(NamedTuple):
    """The client of a request.

    `address` is for logs, and tells clients apart. `proxy`: the trusted proxy that does not tell who its
    client is; None if the client is known.
    """

    address: str
    proxy: str | None = None


class Clients:
    """Finds the client of a request."""

    def __init__(self, trusted_proxies: tuple[str, ...], header: str = X_FORWARDED_FOR) -> None:
        self._header = header.lower().encode()
        self._is_forwarded = header.lower() == FORWARDED
        self._trusted = _Networks(trusted_proxies)
        # There are only a few proxies
        self._is_proxy = lru_cache(ADDRESSES_REMEMBERED_MAX)(self._trusted.contain)

    def find(
        self, peer: str, headers: dict[bytes, bytes], sent: Iterable[tuple[bytes, bytes]] | None = None
    ) -> Client:
        """Return the client of a request from `peer`.

        `sent`: all headers as they were sent; a proxy may add a line of its own instead of a word.
        """
        peer = peer.removeprefix(_MAPPED)
        if not self._is_proxy(peer):
            return Client(peer)
        given = headers.get(self._header)
        if given is None:
            return Client(peer, peer)
        if not self._is_forwarded:  # nearly always, the last word is the client's address in IPv4
            last = given.rpartition(b",")[2].strip().decode("latin-1")
            if ":" not in last and self._trusted.contain(last) is False:
                return Client(last)
        for hop in self._hops(headers, sent):
            trusted = self._trusted.contain(hop)
            if trusted is None:
                return Client(hop[:NAME_CHARACTERS_MAX] if hop.startswith("_") else peer, peer)
            if not trusted:
                return Client(hop)
            peer = hop
        return Client(peer, peer)

    def _hops(self, headers: dict[bytes, bytes], sent: Iterable[tuple[bytes, bytes]] | None) -> Iterator[str]:
        """Yield the addresses, the last one first."""
        lines = [value.decode("latin-1") for name, value in sent or headers.items() if name == self._header]
        split = _split_forwarded if self._is_forwarded else _split
        for hop in islice(chain.from_iterable(map(split, reversed(lines))), HOPS_MAX):
            address = _address_in(hop)
            if address and not address.lower().startswith(_LOCAL):
                yield address


class _Networks:
    """Networks of IPv4 and IPv6. An address and its form in IPv6 (`::ffff:192.0.2.1`) are the same."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        parsed = [ip_network(each, strict=False) for each in networks]
        self._old = [
            (int(each.network_address), int(each.netmask)) for each in parsed if isinstance(each, IPv4Network)
        ]
        self._new = [each for each in parsed if isinstance(each, IPv6Network)]
        self._contain_new = lru_cache(ADDRESSES_REMEMBERED_MAX)(self._parse)

    def contain(self, text: str) -> bool | None:
        """Return whether an address is in one of the networks; None: the text is no address."""
        if len(text) > ADDRESS_CHARACTERS_MAX:
            return None  # not remembered
        try:
            number = int.from_bytes(socket.inet_pton(socket.AF_INET, text))
        except (OSError, ValueError):
            return self._contain_new(text)
        return any(number & mask == network for network, mask in self._old)

    def _parse(self, text: str) -> bool | None:
        with suppress(ValueError):
            address = ip_address(text)
            if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
                return self.contain(str(address.ipv4_mapped))
            return any(address in network for network in self._new)
        return None


def _split(line: str) -> Iterator[str]:
    return reversed(line.split(","))


def _split_forwarded(line: str) -> Iterator[str]:
    """Yield the identifiers of the elements of a Forwarded header, the last one first."""
    while end := len(line.rstrip(_BETWEEN)):
        element = _LAST_ELEMENT.search(line, max(0, end - ELEMENT_CHARACTERS_MAX), end)
        found = _FOR.search(element[1]) if element is not None else None
        if element is None or found is None:
            yield _UNREADABLE
            return
        yield found[1]
        line = line[: element.start()]


def _address_in(hop: str) -> str:
    """Return an address without quotes, brackets, port, and in the form of IPv4 if it is one."""
    text = hop.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1 and not text.lower().startswith(_LOCAL):
        text = text.partition(":")[0]
    return text[len(_MAPPED) :] if text.lower().startswith(_MAPPED) and "." in text else text
