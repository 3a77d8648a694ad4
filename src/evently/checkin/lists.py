"""The list with which a device decides without a network: a hash of each code, signed by this installation.

A list has ten bytes for each code, ordered by the hash: eight bytes of the hash of the code, the number of
the ticket type, and the state. 20,000 tickets are 200 KB. It admits nobody by itself: its
readers learn no code. Names are on it only where the organizer allows it.

The signature is ECDSA with P-256 and SHA-256 (ES256 in RFC 7518): every browser can verify it, also those
that do not know Ed25519.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from evently.checkin.scans import CheckInTerms, find_settings
from evently.db import Database, load_queries
from evently.kit.ids import show_id

sql: Final = load_queries(__name__)

HASH_BYTES: Final = 8
ENTRY_BYTES: Final = HASH_BYTES + 2
STATES: Final = ("valid", "inside", "outside", "cancelled", "passed_on")  # by their number in an entry
# The order of the group P-256 (SEC 2, 2.4.2)
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_NUMBER_BYTES: Final = 32
_SEED_BYTES: Final = 48  # more than the order, so that the remainder is even (FIPS 186-5, A.2.1)
_KEY_PURPOSE: Final = b"evently check-in list"


class ListedGate(msgspec.Struct, frozen=True):
    """A gate and the numbers of the ticket types that it admits; null: all of them."""

    name: str
    ticket_types: list[int] | None


class TicketList(msgspec.Struct, frozen=True):
    """The text that is signed. `tickets` are the entries in base64.

    `names` and `seats` are in the order of the entries; null: the organizer does not allow names there, or
    nobody has a seat. `answers`: what people at the door see of the answers to questions, a line for each;
    null: there is none, or the organizer does not allow names.
    """

    event_id: str
    made_at: datetime
    cancelled: bool
    reentry: bool
    opens_at: datetime | None
    closes_at: datetime | None
    ticket_types: list[str]
    gates: list[ListedGate]
    count: int
    tickets: str
    seats: list[str] | None
    names: list[str] | None
    answers: list[str] | None


class SignedList(msgspec.Struct, frozen=True):
    """A list with its signature, both as a device receives them.

    `signed` is JSON as text: the signature, in base64url, covers its bytes in UTF-8.
    """

    signed: str
    signature: str
    key_id: str


class ListSigner:
    """Signs lists with a key that is derived from the secret of the installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        seed = HKDF(hashes.SHA256(), _SEED_BYTES, None, _KEY_PURPOSE).derive(self._secret)
        return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())

    @cached_property
    def public_key(self) -> dict[str, str]:
        """The public key as a JSON Web Key (RFC 7517); its id is its thumbprint (RFC 7638)."""
        point = self._key.public_key().public_numbers()
        x, y = (_text(number.to_bytes(_NUMBER_BYTES, "big")) for number in (point.x, point.y))
        required = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        thumbprint = _text(hashlib.sha256(msgspec.json.encode(required)).digest())
        return required | {"alg": "ES256", "kid": thumbprint, "use": "sig"}

    def sign(self, content: TicketList) -> SignedList:
        """Return a list with its signature."""
        signed = msgspec.json.encode(content)
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_NUMBER_BYTES, "big") + s.to_bytes(_NUMBER_BYTES, "big")
        return SignedList(signed.decode(), _text(signature), self.public_key["kid"])


def digest_code(ticket_id: UUID, secret: bytes) -> bytes:
    """Return what the list has of a code."""
    return hashlib.sha256(ticket_id.bytes + secret).digest()[:HASH_BYTES]


async def read_list(database: Database, event_id: UUID, now: datetime) -> TicketList:
    """Return the list of an event: every ticket that admits, and those that a buyer may still hold up."""
    terms = (await find_settings(database, event_id)).terms
    types = await database.fetch(*sql.list_types(event_id=event_id))
    type_ids = [row["ticket_type_id"] for row in types]
    row = await database.fetch_row(
        *sql.read_list(event_id=event_id, type_ids=type_ids, with_names=terms.names_offline)
    )
    assert row is not None, "a sum is one row"
    return TicketList(
        show_id("evt", event_id),
        now,
        row["cancelled"],
        terms.reentry,
        terms.opens_at,
        terms.closes_at,
        [each["name"] for each in types],
        _gates(terms, type_ids),
        row["count"],
        base64.b64encode(row["entries"]).decode(),
        row["seats"],
        row["names"],
        row["answers"],
    )


def _gates(terms: CheckInTerms, type_ids: list[UUID]) -> list[ListedGate]:
    numbers = {type_id: number for number, type_id in enumerate(type_ids)}
    return [
        ListedGate(
            gate.name,
            None
            if gate.ticket_type_ids is None
            else [numbers[type_id] for type_id in gate.ticket_type_ids if type_id in numbers],
        )
        for gate in terms.gates
    ]


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
