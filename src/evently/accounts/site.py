"""The site for which passkeys are made. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import idna
import msgspec

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104  # names of this machine
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Site(msgspec.Struct, frozen=True):
    """For what passkeys are made: a domain (the id of the relying party), and the origin of its pages."""

    domain: str
    origin: str


def find_site(public_url: str, local_url: str) -> Site | None:
    """Return the site of an installation; None where browsers make no passkeys.

    They make them for a domain, not for an address of IP, and over https; for `localhost` also without it.
    Without a public URL, the site is the server's port on `localhost`.
    """
    parts = urlsplit(public_url or local_url)
    host = (parts.hostname or "").rstrip(".")
    if not public_url and host in _LOOPBACK:
        host = "localhost"
    try:
        domain = host if host.isascii() else idna.encode(host, uts46=True).decode()
        port = parts.port
    except ValueError:  # no host, or no port
        return None
    local = domain == "localhost" or domain.endswith(".localhost")
    if not _is_domain(domain) or (parts.scheme != "https" and not local):
        return None
    shown = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}"
    return Site(domain, f"{parts.scheme}://{domain}{shown}")


def _is_domain(host: str) -> bool:
    """Return whether a host is a name; the last part of an address of IP is a number."""
    return bool(host) and ":" not in host and not host.rpartition(".")[2].isdecimal()
