"""The `Idempotency-Key` header, which makes a request safe to repeat. Sales stores the key with its effect.

A key belongs to an actor and an event. Its fingerprint is the verb, the id in the path and the parsed body:
the same key with another fingerprint is refused.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import FieldError, Invalid
from evently.web.edge.routing import HeaderParameter

_KEY_LENGTH_MAX: Final = 255
_encode: Final = msgspec.json.Encoder().encode

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=_KEY_LENGTH_MAX,
        description=(
            "Makes the request safe to repeat: the same key with the same body gets the same answer, even if "
            "the first answer was lost."
        ),
    ),
]


def key_of(given: str | None) -> str | None:
    """Return the key without the quotes that the draft asks for; refuse a key that is not visible ASCII."""
    if given is None:
        return None
    bare = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not bare or not bare.isascii() or not bare.isprintable():
        raise Invalid([FieldError("Idempotency-Key", "not-a-key", {"characters_max": _KEY_LENGTH_MAX})])
    return bare


def fingerprint_of(verb: str, path_id: UUID, body: msgspec.Struct) -> bytes:
    """Return the fingerprint of a request.

    Bodies leave out fields with their default, so that a new field does not change the fingerprints of old
    keys.
    """
    return hashlib.sha256(b"\n".join((verb.encode(), path_id.bytes, _encode(body)))).digest()
