"""A device that keeps passkeys, in software: what a browser and an authenticator do together."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

USER_PRESENT: Final = 0x01
USER_VERIFIED: Final = 0x04
MAY_BE_SYNCED: Final = 0x08
SYNCED: Final = 0x10
HAS_KEY: Final = 0x40


class Device:
    """One passkey on a device. `counts`: it counts its uses; else its count is 0, as of synced ones."""

    def __init__(self, origin: str, *, kind: str = "p256", counts: bool = True, synced: bool = False) -> None:
        self.origin = origin
        self.credential_id = secrets.token_bytes(20)
        self.count = 1 if counts else 0
        self.user_handle = b""
        self.flags = USER_PRESENT | USER_VERIFIED | (MAY_BE_SYNCED | SYNCED if synced else 0)
        self.key: Any
        if kind == "ed25519":
            self.key = ed25519.Ed25519PrivateKey.generate()
        elif kind == "rsa":
            self.key = rsa.generate_private_key(65_537, 2_048)
        else:
            self.key = ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())

    def create(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """Return what `navigator.credentials.create` returns; `changed`: what a liar says."""
        self.user_handle = changed.get("user_handle", decoded(options["user"]["id"]))
        key = changed.get("public_key", self.public_key())
        credential_id = changed.get("credential_id", self.credential_id)
        data = self._data(
            changed.get("domain", options["rp"]["id"]), HAS_KEY | changed.get("flags", self.flags)
        )
        data += bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + key
        attestation = {"fmt": changed.get("fmt", "none"), "attStmt": {}, "authData": data}
        response = {
            "clientDataJSON": encoded(self._client_data("webauthn.create", options, changed)),
            "attestationObject": encoded(cbor2.dumps(attestation)),
            "transports": ["internal", "hybrid"],
        }
        return self._credential(response, credential_id)

    def get(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """Return what `navigator.credentials.get` returns, and count one more use."""
        if self.count:
            self.count += 1
        if "count" in changed:
            self.count = changed["count"]
        client_data = self._client_data("webauthn.get", options, changed)
        data = self._data(changed.get("domain", options["rpId"]), changed.get("flags", self.flags))
        signature = changed.get("signature", self._sign(data + hashlib.sha256(client_data).digest()))
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(data),
            "signature": encoded(signature),
            "userHandle": encoded(changed.get("user_handle", self.user_handle)),
        }
        return self._credential(response, changed.get("credential_id", self.credential_id))

    def public_key(self) -> bytes:
        """Return the public key as COSE."""
        public = self.key.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()})
        numbers = public.public_numbers()
        if isinstance(public, rsa.RSAPublicKey):
            return cbor2.dumps({1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"})
        size = public.curve.key_size // 8
        kind = {32: (-7, 1), 48: (-35, 2)}[size]
        return cbor2.dumps(
            {
                1: 2,
                3: kind[0],
                -1: kind[1],
                -2: numbers.x.to_bytes(size, "big"),
                -3: numbers.y.to_bytes(size, "big"),
            }
        )

    def _sign(self, text: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(text)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        signed: bytes = self.key.sign(text, ec.ECDSA(hashes.SHA256()))
        return signed

    def _client_data(self, kind: str, options: dict[str, Any], changed: dict[str, Any]) -> bytes:
        said = {
            "type": changed.get("kind", kind),
            "challenge": changed.get("challenge", options["challenge"]),
            "origin": changed.get("origin", self.origin),
            "crossOrigin": changed.get("cross_origin", False),
        }
        return json.dumps(said).encode()

    def _data(self, domain: str, flags: int) -> bytes:
        return hashlib.sha256(domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _credential(self, response: dict[str, Any], credential_id: bytes) -> dict[str, Any]:
        return {
            "id": encoded(credential_id),
            "rawId": encoded(credential_id),
            "response": response,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
        }


def encoded(data: bytes) -> str:
    """Return bytes as browsers write them in JSON."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return what `encoded` wrote."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
