"""`Idempotency-Key`: what makes a request that books, pays, refunds or joins safe to repeat.

The till stores it with the effect.

A key belongs to an actor and an event, and is bound to what was asked: the verb, what it is done to, and the
meaning of the body.
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
    """Return the key, whether it came quoted (as the draft says) or bare (as everybody sends it); refuses what is no visible ASCII."""
    if given is None:
        return None
    bare = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not bare or not bare.isascii() or not bare.isprintable():
        raise Invalid(
            [FieldError("Idempotency-Key", f"is 1 to {_KEY_LENGTH_MAX} printable ASCII characters")]
        )
    return bare


def fingerprint_of(verb: str, path_id: UUID, body: msgspec.Struct) -> bytes:
    """Return what a key is bound to.

    Bodies leave their defaults out, so that a field more does not make old keys another wish's.
    """
    return hashlib.sha256(b"\n".join((verb.encode(), path_id.bytes, _encode(body)))).digest()
