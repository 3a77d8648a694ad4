"""Which addresses may be called: an organizer names them, so they may be anything.

An address is `https` at a name of the public DNS, on the usual port. Where the operator allows networks that
are not public, other names, ports, digits and `http` are allowed, too; they lead into these networks alone.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from evently.kit.public_network import is_public_name

ADDRESS_CHARACTERS_MAX: Final = 1_000
_PORT: Final = 443


def is_address(text: str, *, allows_private: bool = False) -> bool:
    """Return whether a text is an address that may be called, as far as its letters say.

    `allows_private`: the operator allows networks that are not public.
    """
    if len(text) > ADDRESS_CHARACTERS_MAX or not re.fullmatch(r"[!-~]+", text) or "\\" in text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.fragment or "@" in parts.netloc or port == 0:
        return False
    return is_usual(parts) or (allows_private and parts.scheme in ("http", "https"))


def is_usual(parts: SplitResult) -> bool:
    """Return whether an address may be called wherever it is public."""
    return (
        parts.scheme == "https"
        and parts.netloc in (parts.hostname, f"{parts.hostname}:{_PORT}")
        and is_public_name(parts.hostname or "")
    )
