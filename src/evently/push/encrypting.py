"""Encrypts a message for one device (RFC 8291), and proves who sends it (RFC 8292).

Only the device can read a message; the push service in between sees its length and when it was sent. Texts
are filled up to the next 256 bytes, so that the length says little. The libraries that do this bring HTTP
clients of their own, or exist as sources alone; `cryptography` does it in a page.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_BYTES: Final = 32
POINT_BYTES: Final = 65  # uncompressed
AUTH_BYTES: Final = 16
CONTENT_BYTES_MAX: Final = 3_000  # push services take 4,096 with what encryption adds
_RECORD_BYTES: Final = 4_096
_LAST_RECORD: Final = b"\2"  # ends the text of the only record
_SALT_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_CONTENT_KEY_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_FILLED_BYTES: Final = 256
_CURVE: Final = ec.SECP256R1()
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve
PROOF_VALID: Final = timedelta(hours=12)  # RFC 8292 allows a day; clocks differ
_PROOF_USED: Final = timedelta(hours=6)
_PROOFS_MAX: Final = 100  # push services: browsers have five


def encrypt(content: bytes, device_key: bytes, auth: bytes) -> bytes:
    """Return a message as only the device can read it, in the coding `aes128gcm` (RFC 8188)."""
    assert len(content) <= CONTENT_BYTES_MAX, "a message is short"
    filled = content.ljust(-(-len(content) // _FILLED_BYTES) * _FILLED_BYTES)
    sender = ec.generate_private_key(_CURVE)
    return seal(filled, device_key, auth, sender, secrets.token_bytes(_SALT_BYTES))


def seal(
    content: bytes, device_key: bytes, auth: bytes, sender: ec.EllipticCurvePrivateKey, salt: bytes
) -> bytes:
    """Return an encrypted message (RFC 8291, 3.4); `sender` and `salt` must never be used twice."""
    device = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, device_key)
    shared, public = sender.exchange(ec.ECDH(), device), _point_of(sender)
    secret = _derive(auth, shared, b"WebPush: info\0" + device_key + public, _SECRET_BYTES)
    key = _derive(salt, secret, b"Content-Encoding: aes128gcm\0", _CONTENT_KEY_BYTES)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\0", _NONCE_BYTES)
    head = salt + _RECORD_BYTES.to_bytes(4) + bytes([len(public)]) + public
    return head + AESGCM(key).encrypt(nonce, content + _LAST_RECORD, None)


class Proofs:
    """Proves to push services who sends: one token for each service, used for some hours."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str) -> None:
        self._key = key
        self._contact = contact
        self._public = public_text(key)
        self._made: dict[str, tuple[datetime, str]] = {}

    def header_for(self, endpoint: str, now: datetime) -> str:
        """Return the value of `Authorization` for an endpoint."""
        parts = urlsplit(endpoint)
        service = f"{parts.scheme}://{parts.netloc}"
        made = self._made.get(service)
        if made is None or not now - _PROOF_USED < made[0] <= now:
            claims: dict[str, Any] = {
                "aud": service,
                "exp": int((now + PROOF_VALID).timestamp()),
                "sub": self._contact,
            }
            if len(self._made) >= _PROOFS_MAX:
                self._made.clear()
            made = self._made[service] = now, jwt.encode(claims, self._key, algorithm="ES256")
        return f"vapid t={made[1]}, k={self._public}"


def is_key(text: str) -> bool:
    """Return whether a text is a private key: 32 bytes in base64url, as tools for web push write it."""
    try:
        read_key(text)
    except ValueError:
        return False
    return True


def read_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a text; raises ValueError."""
    return load_key(decoded(text, KEY_BYTES))


def load_key(raw: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key of its 32 bytes; raises ValueError for a number that is no key."""
    return ec.derive_private_key(int.from_bytes(raw), _CURVE)


def new_key_bytes() -> bytes:
    """Return the bytes of a new private key."""
    return (secrets.randbelow(_ORDER - 1) + 1).to_bytes(KEY_BYTES)


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public key as browsers and push services get it."""
    return base64.urlsafe_b64encode(_point_of(key)).rstrip(b"=").decode()


def decoded(text: str, length: int) -> bytes:
    """Return the bytes of a text in base64url; raises ValueError unless there are `length` of them."""
    if len(text) > 2 * length + 4 or not text.isascii():
        raise ValueError("too long")
    try:
        raw = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64url") from exc
    if len(raw) != length:
        raise ValueError("another length")
    return raw


def read_device_key(text: str) -> bytes:
    """Return the public key of a device; raises ValueError for what is no point of the curve."""
    raw = decoded(text, POINT_BYTES)
    ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw)
    return raw


def _point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)
