"""Which endpoints may be called: a browser names the endpoint, so it may name anything.

An endpoint is `https` at a name of the public DNS, on the usual port; the connection goes to public addresses
alone (`kit/public_network.py`).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from evently.kit.public_network import is_public_name

ENDPOINT_CHARACTERS_MAX: Final = 1_000  # those of browsers have 200 to 700
PORT: Final = 443


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
        and is_public_name(parts.hostname or "")
    )


def is_contact(text: str) -> bool:
    """Return whether a text is a contact for push services (RFC 8292, 2.1)."""
    return re.fullmatch(r"mailto:[!-~]+@[!-~]+\.[!-~]+|https://[!-~]+", text) is not None
