"""Links that save a ticket to Google Wallet: a signed token (JWT) with the event and the ticket.

Google makes the class of the event and the ticket from the token when a person follows the link; nothing is
sent before that.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from evently.kit.ids import show_id
from evently.tickets.nouns import IssuedTicket, IssuedTickets, WalletError
from evently.tickets.wording import address_of

LINK: Final = "https://pay.google.com/gp/v/save/"


class ServiceAccount(msgspec.Struct, frozen=True):
    """The part of the key file of a Google service account that signing needs."""

    client_email: str
    private_key: str
    private_key_id: str


class GooglePasses:
    """Makes links with a service account that may issue passes."""

    def __init__(self, account: Path, issuer: str) -> None:
        """Read the key file of the account; raises WalletError where it is none."""
        try:
            self._account = msgspec.json.decode(account.read_bytes(), type=ServiceAccount)
            found = serialization.load_pem_private_key(self._account.private_key.encode(), None)
        except (OSError, ValueError, TypeError, msgspec.DecodeError) as exc:
            raise WalletError(f"Google Wallet: {account}: {exc}") from exc
        if not isinstance(found, RSAPrivateKey):
            raise WalletError(f"Google Wallet: the key in {account} is not an RSA key.")
        self._key = found
        self._issuer = issuer

    def url_for(self, issued: IssuedTickets, ticket: IssuedTicket, now: datetime) -> str:
        """Return the link that saves a ticket which has a code."""
        assert ticket.code is not None, "only tickets with a code are saved"
        class_id = f"{self._issuer}.{show_id('evt', issued.event.event_id)}"
        claims = {
            "iss": self._account.client_email,
            "aud": "google",
            "typ": "savetowallet",
            "iat": int(now.timestamp()),
            "payload": {
                "eventTicketClasses": [_class_of(issued, class_id)],
                "eventTicketObjects": [self._object_of(issued, ticket, class_id)],
            },
        }
        headers = {"kid": self._account.private_key_id}
        return LINK + jwt.encode(claims, self._key, algorithm="RS256", headers=headers)

    def _object_of(self, issued: IssuedTickets, ticket: IssuedTicket, class_id: str) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": f"{self._issuer}.{show_id('tkt', ticket.ticket_id)}",
            "classId": class_id,
            "state": "ACTIVE" if ticket.state == "valid" else "COMPLETED",
            "ticketNumber": f"{ticket.number} of {len(issued.tickets)}",
            "ticketType": _text(ticket.type_name),
            "reservationInfo": {"confirmationCode": issued.reference},
            "barcode": {"type": "QR_CODE", "value": ticket.code, "alternateText": issued.reference},
        }
        if (holder := ticket.attendee_name or issued.buyer_name) is not None:
            said["ticketHolderName"] = holder
        if ticket.seat_label is not None:
            said["seatInfo"] = {"seat": _text(ticket.seat_label)}
        return said


def _class_of(issued: IssuedTickets, class_id: str) -> dict[str, Any]:
    event, venue = issued.event, issued.venue
    zone = event.place.zone
    return {
        "id": class_id,
        "reviewStatus": "UNDER_REVIEW",
        "issuerName": issued.organizer_name,
        "eventName": _text(event.title),
        "venue": {"name": _text(venue.name), "address": _text("\n".join([venue.name, *address_of(venue)]))},
        "dateTime": {
            "start": event.starts_at.astimezone(zone).isoformat(timespec="seconds"),
            "end": event.ends_at.astimezone(zone).isoformat(timespec="seconds"),
        },
    }


def _text(value: str) -> dict[str, Any]:
    return {"defaultValue": {"language": "en", "value": value}}
