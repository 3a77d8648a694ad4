"""Certificates and keys that look like those of the wallets, made here."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from evently.tickets import WalletOptions

PASS_TYPE = "pass.example.evently"
TEAM = "A1B2C3D4E5"
ACCOUNT = "passes@evently.iam.example"
ISSUER = "3388000000012345678"


def _name(**parts: str) -> x509.Name:
    oids = {
        "common": NameOID.COMMON_NAME,
        "unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "user": NameOID.USER_ID,
    }
    return x509.Name([x509.NameAttribute(oids[part], value) for part, value in parts.items()])


def _certify(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    by: rsa.RSAPrivateKey,
    days: tuple[int, int],
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_wallet_files(directory: Path, *, days: tuple[int, int] = (-1, 30), **subject: str) -> WalletOptions:
    """Write an authority, a certificate of a pass type with its key, and the key file of an account."""
    authority_key, key, account_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    authority_name = _name(common="Authority of the tests")
    authority = _certify(authority_name, authority_key, authority_name, authority_key, (-1, 3650))
    parts = subject or {"user": PASS_TYPE, "common": f"Pass Type ID: {PASS_TYPE}", "unit": TEAM}
    certificate = _certify(_name(**parts), key, authority_name, authority_key, days)
    account: dict[str, Any] = {
        "type": "service_account",
        "client_email": ACCOUNT,
        "private_key": _pem(account_key).decode(),
        "private_key_id": "0123abcd",
    }
    files = {
        "authority.pem": authority.public_bytes(serialization.Encoding.PEM),
        "pass.pem": certificate.public_bytes(serialization.Encoding.PEM),
        "pass.key": _pem(key),
        "other.key": _pem(account_key),
        "account.json": json.dumps(account).encode(),
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return WalletOptions(
        directory / "pass.pem",
        directory / "pass.key",
        directory / "authority.pem",
        directory / "account.json",
        ISSUER,
    )
