"""The signed token with which a reader refuses a topic without logging in (RFC 8058).

It names a person and a topic. It does not expire: an e-mail is read years later.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple
from uuid import UUID

from evently.accounts import derive_key
from evently.kit.ids import find_id, show_id
from evently.notifications import REQUIRED, TOPICS, Topic

_SIGNATURE_BYTES: Final = 16  # 128 bits
TOKEN_CHARACTERS_MAX: Final = 120


class Unsubscription(NamedTuple):
    """Who refuses what."""

    person_id: UUID
    topic: Topic


class Unsubscriptions:
    """Makes and reads the tokens of an installation."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "unsubscribing")

    def token_of(self, person_id: UUID, topic: Topic) -> str:
        """Return the token."""
        claims = f"{show_id('per', person_id)}.{topic}"
        return f"{claims}.{self._sign(claims)}"

    def read(self, token: str) -> Unsubscription | None:
        """Return what a token says; None for one that was not made here."""
        claims, _, signature = token.rpartition(".")
        if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
            return None
        if not hmac.compare_digest(signature, self._sign(claims)):
            return None
        person, _, topic = claims.partition(".")
        person_id = find_id("per", person)
        found = next((each for each in TOPICS if each == topic and each not in REQUIRED), None)
        return None if person_id is None or found is None else Unsubscription(person_id, found)

    def _sign(self, claims: str) -> str:
        return hmac.digest(self._key, claims.encode(), "sha256")[:_SIGNATURE_BYTES].hex()
