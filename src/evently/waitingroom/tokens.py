"""Signed tokens: of a place in a waiting room, and of an admission to a sale.

Each process of an installation signs and verifies with a key that is derived from its secret, so a poll and a
booking read nothing. A token names its person: another person's is not valid.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FastUUID  # noqa: N811  # as in kit/ids.py
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from evently.waitingroom.nouns import Entry

TOKEN_CHARACTERS_MAX: Final = 200  # ours have 104
_PURPOSE: Final = b"evently waiting room"
_KEY_BYTES: Final = 32
_MAC_BYTES: Final = 16
_PLACE: Final = struct.Struct(">c16s16s16sIq")  # kind, event, entry, person, late number, entered at
_ADMISSION: Final = struct.Struct(">c16s16s16sq")  # kind, event, entry, person, until
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")  # the alphabet of base64 without that of addresses
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class TokenSigner:
    """Signs and verifies tokens."""

    def __init__(self, secret: bytes) -> None:
        self._key = HKDF(hashes.SHA256(), _KEY_BYTES, None, _PURPOSE).derive(secret)

    def sign_place(self, entry: Entry) -> str:
        """Return the token of a place."""
        return self._sign(
            _PLACE.pack(
                b"P",
                entry.event_id.bytes,
                entry.entry_id.bytes,
                entry.person_id.bytes,
                entry.late_number or 0,
                (entry.entered_at - _EPOCH) // _MICROSECOND,
            )
        )

    def read_place(self, token: str) -> Entry | None:
        """Return the entry that a token names, or None."""
        content = self._verify(token, _PLACE.size)
        if content is None:
            return None
        kind, event_id, entry_id, person_id, late_number, entered_at = _PLACE.unpack(content)
        if kind != b"P":
            return None
        return Entry(
            FastUUID(event_id),
            FastUUID(entry_id),
            FastUUID(person_id),
            _EPOCH + entered_at * _MICROSECOND,
            late_number or None,
        )

    def sign_admission(self, entry: Entry, expires_at: datetime) -> str:
        """Return the token of an admission."""
        until = (expires_at - _EPOCH) // _MICROSECOND
        return self._sign(
            _ADMISSION.pack(b"A", entry.event_id.bytes, entry.entry_id.bytes, entry.person_id.bytes, until)
        )

    def admits(self, token: str, event_id: UUID, person_id: UUID, now: datetime) -> bool:
        """Return whether a token admits a person to the sale of an event now."""
        content = self._verify(token, _ADMISSION.size)
        if content is None:
            return False
        kind, event, _, person, until = _ADMISSION.unpack(content)
        admits: bool = (
            kind == b"A"
            and event == event_id.bytes
            and person == person_id.bytes
            and now < _EPOCH + until * _MICROSECOND
        )
        return admits

    def _sign(self, content: bytes) -> str:
        signed = content + hmac.digest(self._key, content, "sha256")[:_MAC_BYTES]
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def _verify(self, token: str, size: int) -> bytes | None:
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            signed = binascii.a2b_base64(token.encode("ascii").translate(_FROM_URL) + b"==")
        except (binascii.Error, UnicodeEncodeError):
            return None
        content, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        if len(content) != size:
            return None
        right = hmac.digest(self._key, content, "sha256")[:_MAC_BYTES]
        return content if hmac.compare_digest(mac, right) else None
