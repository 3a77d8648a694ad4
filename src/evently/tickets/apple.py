"""Passes for Apple Wallet: a ticket as a signed archive (`.pkpass`).

An archive has `pass.json`, pictures, a manifest with the SHA-1 of each file, and a detached PKCS #7 signature
of the manifest. The certificate names the pass type (UID) and the team (OU). Passes do not update by
themselves: that needs a web service which is not built.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from evently.kit.ids import show_id
from evently.tickets.icon import icon_png
from evently.tickets.nouns import IssuedTicket, IssuedTickets, WalletError
from evently.tickets.wording import DOOR, address_of, price_label_of, price_of

MEDIA_TYPE: Final = "application/vnd.apple.pkpass"
_ICONS: Final = {"icon.png": 29, "icon@2x.png": 58, "icon@3x.png": 87}  # points at 1, 2 and 3 pixels
_STILL_SHOWN: Final = timedelta(days=1)  # after the end of the event, before a wallet puts the pass away
_FIRST_DATE: Final = (1980, 1, 1, 0, 0, 0)  # of the ZIP format: equal passes have equal archives
_encode: Final = msgspec.json.Encoder(order="sorted").encode


class ApplePasses:
    """Makes passes with a certificate of Apple's Developer Program."""

    def __init__(self, certificate: Path, key: Path, authority: Path) -> None:
        """Read the certificate, its private key, and the certificate of its issuer (WWDR), all in PEM.

        Raises WalletError where they do not belong together.
        """
        try:
            self._certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
            self._authority = x509.load_pem_x509_certificate(authority.read_bytes())
            found = serialization.load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError) as exc:
            raise WalletError(f"Apple Wallet: {exc}") from exc
        if not isinstance(found, RSAPrivateKey) or found.public_key() != self._certificate.public_key():
            raise WalletError(f"Apple Wallet: {key} is not the key of {certificate}.")
        try:
            self._certificate.verify_directly_issued_by(self._authority)
        except (ValueError, TypeError, InvalidSignature) as exc:
            raise WalletError(f"Apple Wallet: {authority} is not the issuer of {certificate}.") from exc
        self._key = found
        self._pass_type = self._name(NameOID.USER_ID, certificate)
        self._team = self._name(NameOID.ORGANIZATIONAL_UNIT_NAME, certificate)
        self._icons = {name: icon_png(side) for name, side in _ICONS.items()}

    def signs_at(self, now: datetime) -> bool:
        """Return whether the certificate is valid now: a wallet refuses what was signed with another."""
        return self._certificate.not_valid_before_utc <= now < self._certificate.not_valid_after_utc

    def pass_of(self, issued: IssuedTickets, ticket: IssuedTicket) -> bytes:
        """Return the pass of a ticket that has a code."""
        said = _encode(self._describe(issued, ticket))
        files = {"pass.json": said, **self._icons}
        manifest = _encode({name: hashlib.sha1(content).hexdigest() for name, content in files.items()})  # noqa: S324  # of the format
        signature = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(manifest)
            .add_signer(self._certificate, self._key, hashes.SHA256())
            .add_certificate(self._authority)
            .sign(
                serialization.Encoding.DER,
                [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary],
            )
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**files, "manifest.json": manifest, "signature": signature}.items():
                archive.writestr(zipfile.ZipInfo(name, _FIRST_DATE), content)
        return packed.getvalue()

    def _describe(self, issued: IssuedTickets, ticket: IssuedTicket) -> dict[str, Any]:
        assert ticket.code is not None, "only tickets with a code have a pass"
        event = issued.event
        starts_at = event.starts_at.astimezone(event.place.zone).isoformat(timespec="seconds")
        expires_at = (event.ends_at + _STILL_SHOWN).astimezone(UTC).isoformat(timespec="seconds")
        return {
            "formatVersion": 1,
            "passTypeIdentifier": self._pass_type,
            "teamIdentifier": self._team,
            "serialNumber": show_id("tkt", ticket.ticket_id),
            "organizationName": issued.organizer_name,
            "description": f"Ticket: {event.title}",
            "logoText": issued.organizer_name,
            "backgroundColor": "rgb(250, 249, 247)",
            "foregroundColor": "rgb(27, 25, 23)",
            "labelColor": "rgb(93, 87, 79)",
            "relevantDate": starts_at,
            "expirationDate": expires_at,
            "voided": ticket.state != "valid",
            "groupingIdentifier": show_id("bkg", issued.booking.booking_id),
            "barcodes": [
                {
                    "format": "PKBarcodeFormatQR",
                    "message": ticket.code,
                    "messageEncoding": "iso-8859-1",
                    "altText": f"{issued.reference}, {ticket.number} of {len(issued.tickets)}",
                }
            ],
            "eventTicket": _fields(issued, ticket, starts_at),
        }

    def _name(self, kind: x509.ObjectIdentifier, certificate: Path) -> str:
        found = self._certificate.subject.get_attributes_for_oid(kind)
        if not found:
            raise WalletError(f"Apple Wallet: {certificate} is not the certificate of a pass type.")
        return str(found[0].value)


def _fields(issued: IssuedTickets, ticket: IssuedTicket, starts_at: str) -> dict[str, Any]:
    event, venue = issued.event, issued.venue
    seat = [] if ticket.seat_label is None else [_field("seat", "Seat", ticket.seat_label)]
    name = [] if ticket.attendee_name is None else [_field("name", "Name", ticket.attendee_name)]
    buyer = [] if issued.buyer_name is None else [_field("buyer", "Booked by", issued.buyer_name)]
    date: dict[str, Any] = {
        "dateStyle": "PKDateStyleMedium",
        "timeStyle": "PKDateStyleShort",
        "ignoresTimeZone": True,  # the clocks at the venue, wherever the phone is
    }
    return {
        "primaryFields": [_field("event", "", event.title)],
        "secondaryFields": [
            _field("starts", "Starts", starts_at) | date,
            _field("venue", "Venue", venue.name),
        ],
        "auxiliaryFields": [*seat, _field("type", "Ticket", ticket.type_name), *name],
        "backFields": [
            _field("address", "Address", "\n".join([venue.name, *address_of(venue)])),
            *buyer,
            _field("price", price_label_of(issued, ticket), price_of(issued, ticket)),
            _field("booking", "Booking", issued.reference),
            _field("number", "Ticket", f"{ticket.number} of {len(issued.tickets)}"),
            _field("organizer", "Organizer", issued.organizer_name),
            _field("door", "At the door", "\n".join(DOOR)),
        ],
    }


def _field(key: str, label: str, value: str) -> dict[str, Any]:
    return {"key": key, "label": label, "value": value} if label else {"key": key, "value": value}
