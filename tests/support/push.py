"""A push service in this process, behind TLS: it decrypts what it gets, and answers as a test says."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpcore2
import jwt
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

from evently.db import Database
from evently.kit.clock import Clock
from evently.push import Push, PushOptions, PushServices
from tests.support.mail import BASE

HOST: Final = "push.service.example"
CONTACT: Final = "mailto:admin@evently.example"


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Phone:
    """A device with the keys that its browser keeps."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = name.encode().ljust(16, b"-")[:16]
        self.endpoint = f"https://{HOST}/send/{name}"

    @property
    def form(self) -> dict[str, str]:
        """What its browser gives to a page."""
        return {"endpoint": self.endpoint, "p256dh": text_of(point_of(self.key)), "auth": text_of(self.auth)}

    def read(self, raw: bytes) -> bytes:
        """Decrypt a message (RFC 8291)."""
        return decrypt(raw, self.key, self.auth)


class Received(msgspec.Struct):
    """A message as a push service gets it."""

    path: str
    headers: dict[str, str]
    raw: bytes


class FakeService:
    """`answers` by path: the lines of a status, and headers; 201 for all others."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, str] = {}
        self.connections = 0
        self.hang = False
        self.network: Any = None
        self.tls = ssl.create_default_context()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
                }
                raw = await reader.readexactly(int(headers["content-length"]))
                path = first.split(" ")[1]
                if self.hang:
                    await asyncio.Event().wait()
                self.received.append(Received(path, headers, raw))
                answer = self.answers.get(path, "201 Created\r\ncontent-length: 0")
                writer.write(f"HTTP/1.1 {answer}\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def read(self, phone: Phone) -> list[dict[str, str]]:
        """Return what a device was shown."""
        path = phone.endpoint.removeprefix(f"https://{HOST}")
        return [msgspec.json.decode(phone.read(each.raw)) for each in self.received if each.path == path]


class OwnNetwork(httpcore2.AnyIOBackend):
    """Leads every name to one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect_tcp(self, host: str, port: int, *more: Any, **named: Any) -> Any:
        assert (host, port) == (HOST, 443)
        return await super().connect_tcp("127.0.0.1", self._port, *more, **named)


@asynccontextmanager
async def open_push_service(directory: Path) -> AsyncIterator[FakeService]:
    """Serve a push service with a certificate of its own authority."""
    fake = FakeService()
    certificate = make_certificate(directory)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, directory / "key.pem")
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, ssl=tls)
    fake.network = OwnNetwork(server.sockets[0].getsockname()[1])
    fake.tls = ssl.create_default_context(cafile=str(certificate))
    try:
        yield fake
    finally:
        server.close()


def make_push(db: Database, clock: Clock, fake: FakeService | None = None, **options: Any) -> Push:
    """Return the pushes of a process: off, unless there is a service."""
    given = {"contact": None if fake is None else CONTACT, "key": None, "base_url": BASE, **options}
    services = None if fake is None else PushServices(fake.network, fake.tls)
    return Push(db, PushOptions(**given), clock, services=services)


def check_proof(received: Received, now: dt.datetime) -> dict[str, Any]:
    """Verify who sent a message (RFC 8292), as a push service does."""
    scheme, _, rest = received.headers["authorization"].partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes_of(parts["k"]))
    claims: dict[str, Any] = jwt.decode(
        parts["t"], key, algorithms=["ES256"], audience=f"https://{HOST}", options={"verify_exp": False}
    )
    assert now.timestamp() < claims["exp"] <= now.timestamp() + 86_400
    return claims


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def decrypt(raw: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Decrypt a message as RFC 8291 and 8188 say, apart from our own code."""

    def derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)

    salt, size, count = raw[:16], int.from_bytes(raw[16:20]), raw[20]
    sender, body = raw[21 : 21 + count], raw[21 + count :]
    assert len(raw) <= 4096
    assert len(body) <= size, "one record"
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    secret = derive(auth, shared, b"WebPush: info\0" + point_of(key) + sender, 32)
    opened = AESGCM(derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)).decrypt(
        derive(salt, secret, b"Content-Encoding: nonce\0", 12), body, None
    )
    text, last, padding = opened.rpartition(b"\2")
    assert last
    assert not padding.strip(b"\0")
    return text


def make_certificate(directory: Path) -> Path:
    """Write a certificate for the host of the service, which is its own authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    usage: Callable[..., x509.KeyUsage] = x509.KeyUsage
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            usage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return directory / "certificate.pem"
