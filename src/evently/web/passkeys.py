"""Passkeys, for the API and the pages: what a browser is given and what it sends, as JSON (WebAuthn 3, 5.1).

The names of the members are those of the browsers, so that a page passes them on as they are.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Annotated, Any, Final, Literal

import msgspec

from evently import mail
from evently.accounts.passkey_logins import (
    ALGORITHMS,
    CHALLENGE_FOR,
    AddingChallenge,
    Credential,
    LoginChallenge,
)
from evently.accounts.passkeys import Passkey
from evently.accounts.people import StoreNotice
from evently.web.codes import notice
from evently.web.services import Request

CREDENTIAL_CHARACTERS_MAX: Final = 16_384  # of one member; a key with an attestation has 2,000
_SITE_NAME: Final = "Evently"
_TIMEOUT_MS: Final = round(CHALLENGE_FOR.total_seconds() * 1000)
_CHALLENGE: Final = "AAAAAGnGdYtm1s3nT0dYc2VjcmV0LW9mLW9uZS11c2UtYW5kLWl0cy1lbmQ"
_CREDENTIAL_ID: Final = "5mJ1c3QtYW4tZXhhbXBsZS1pZA"
_SHORT: Final = "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ"
Text = Annotated[str, msgspec.Meta(max_length=CREDENTIAL_CHARACTERS_MAX)]


class CredentialName(msgspec.Struct, frozen=True):
    """A passkey by the id that its device knows. `transports`: how a browser reaches the device."""

    id: Annotated[str, msgspec.Meta(examples=[_CREDENTIAL_ID])]
    transports: Annotated[list[str], msgspec.Meta(examples=[["internal"]])]
    type: Literal["public-key"] = "public-key"


class LoginOptions(msgspec.Struct, frozen=True, rename="camel"):
    """What `navigator.credentials.get` takes as `publicKey`. It names no passkey: the device has its own."""

    challenge: Annotated[str, msgspec.Meta(examples=[_CHALLENGE])]
    rp_id: Annotated[str, msgspec.Meta(examples=["tickets.example"])]
    allow_credentials: Annotated[list[CredentialName], msgspec.Meta(examples=[[]])]
    user_verification: Literal["preferred"] = "preferred"
    timeout: Annotated[int, msgspec.Meta(examples=[_TIMEOUT_MS])] = _TIMEOUT_MS


class RelyingParty(msgspec.Struct, frozen=True):
    """The site, as devices show it."""

    id: Annotated[str, msgspec.Meta(examples=["tickets.example"])]
    name: Annotated[str, msgspec.Meta(examples=[_SITE_NAME])]


class PasskeyOwner(msgspec.Struct, frozen=True, rename="camel"):
    """The person, as devices show them."""

    id: Annotated[str, msgspec.Meta(examples=["AZ5iLkwAcACAAAAAAAAAAA"])]
    name: Annotated[str, msgspec.Meta(examples=["ada@example.org"])]
    display_name: Annotated[str, msgspec.Meta(examples=["Ada Lovelace"])]


class KeyKind(msgspec.Struct, frozen=True):
    """A kind of key that can be checked (the number is COSE's)."""

    alg: Annotated[int, msgspec.Meta(examples=[-7])]
    type: Literal["public-key"] = "public-key"


class Selection(msgspec.Struct, frozen=True, rename="camel"):
    """What the device must be able to do: to keep the passkey, so that no e-mail need be typed."""

    resident_key: Literal["required"] = "required"
    require_resident_key: Literal[True] = True
    user_verification: Literal["preferred"] = "preferred"


class AddingOptions(msgspec.Struct, frozen=True, rename="camel"):
    """What `navigator.credentials.create` takes as `publicKey`."""

    rp: RelyingParty
    user: PasskeyOwner
    challenge: Annotated[str, msgspec.Meta(examples=[_CHALLENGE])]
    pub_key_cred_params: list[KeyKind]
    exclude_credentials: Annotated[list[CredentialName], msgspec.Meta(examples=[[]])]
    authenticator_selection: Selection
    attestation: Literal["none"] = "none"
    timeout: Annotated[int, msgspec.Meta(examples=[_TIMEOUT_MS])] = _TIMEOUT_MS


class LoginAnswer(msgspec.Struct):
    """The signature of a passkey."""

    client_data_json: Annotated[Text, msgspec.Meta(examples=["eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"])] = (
        msgspec.field(name="clientDataJSON")
    )
    authenticator_data: Annotated[Text, msgspec.Meta(examples=[_SHORT])] = msgspec.field(
        name="authenticatorData"
    )
    signature: Annotated[Text, msgspec.Meta(examples=["MEUCIQDxample"])]
    user_handle: Annotated[Text | None, msgspec.Meta(examples=["AZ5iLkwAcACAAAAAAAAAAA"])] = msgspec.field(
        name="userHandle", default=None
    )


class LoginCredential(msgspec.Struct):
    """What `navigator.credentials.get` returned, as `toJSON()` makes it; further members are ignored."""

    id: Annotated[Text, msgspec.Meta(examples=[_CREDENTIAL_ID])]
    raw_id: Annotated[Text, msgspec.Meta(examples=[_CREDENTIAL_ID])] = msgspec.field(name="rawId")
    response: LoginAnswer
    type: Literal["public-key"] = "public-key"


class AddingAnswer(msgspec.Struct):
    """A new public key."""

    client_data_json: Annotated[Text, msgspec.Meta(examples=["eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0"])] = (
        msgspec.field(name="clientDataJSON")
    )
    attestation_object: Annotated[Text, msgspec.Meta(examples=["o2NmbXRkbm9uZQ"])] = msgspec.field(
        name="attestationObject"
    )
    transports: Annotated[list[Text], msgspec.Meta(max_length=20, examples=[["internal"]])] = []


class AddingCredential(msgspec.Struct):
    """What `navigator.credentials.create` returned, as `toJSON()` makes it; further members are ignored."""

    id: Annotated[Text, msgspec.Meta(examples=[_CREDENTIAL_ID])]
    raw_id: Annotated[Text, msgspec.Meta(examples=[_CREDENTIAL_ID])] = msgspec.field(name="rawId")
    response: AddingAnswer
    type: Literal["public-key"] = "public-key"


def login_options(given: LoginChallenge) -> LoginOptions:
    """Return what a browser needs for a log-in."""
    return LoginOptions(base64url(given.challenge), given.site.domain, [])


def adding_options(given: AddingChallenge) -> AddingOptions:
    """Return what a browser needs to make a passkey."""
    person = given.person
    return AddingOptions(
        rp=RelyingParty(given.site.domain, _SITE_NAME),
        user=PasskeyOwner(base64url(person.person_id.bytes), person.email or person.name, person.name),
        challenge=base64url(given.challenge),
        pub_key_cred_params=[KeyKind(algorithm.value) for algorithm in ALGORITHMS],
        exclude_credentials=[
            CredentialName(base64url(each.credential_id), each.transports) for each in given.passkeys
        ],
        authenticator_selection=Selection(),
    )


def as_credential(body: LoginCredential | AddingCredential) -> Credential:
    """Return what a browser sent, as the library reads it."""
    found: dict[str, Any] = msgspec.to_builtins(body)
    return found


def added_notice(request: Request, passkey: Passkey) -> StoreNotice:
    """Return what stores the message about a new passkey."""
    return notice(request, mail.PasskeyAdded(passkey.name))


def copied_notice(request: Request, passkey: Passkey) -> StoreNotice:
    """Return what stores the message about a passkey that exists twice."""
    return notice(request, mail.PasskeyCopied(passkey.name))


def removed_notice(request: Request, name: str) -> StoreNotice:
    """Return what stores the message about a passkey that is gone."""
    return notice(request, mail.PasskeyRemoved(name))


def base64url(data: bytes) -> str:
    """Return bytes as browsers write them in JSON (RFC 4648, 5, without padding)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
