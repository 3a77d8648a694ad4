"""Access tokens are JWTs, verified without I/O. Refresh tokens are random. Neither passes for the other.

`verify_access` is on the hot path. A token that was verified before costs two dictionary lookups (1 us); a
new token costs 50 us. A verified token is remembered until it expires; its revocation is checked every time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

import jwt
import msgspec

from evently.accounts.refusals import AccountsRefusal
from evently.kit.clock import Clock
from evently.kit.errors import Refused
from evently.kit.ids import crockford, find_id, show_id

PlatformRole = Literal["buyer", "admin"]

TOKEN_CHARACTERS_MAX: Final = 1024  # access tokens have about 340
# Tokens, 1 KB each. When the memory is full, all are forgotten, and each costs 50 us once more
REMEMBERED_MAX: Final = 10_000
SKEW_SECONDS_MAX: Final = 60  # between the clocks of the installation's machines
REFRESH_PREFIX: Final = "evr_"
_BROWSER_PREFIX: Final = "evb_"
_ALGORITHM: Final = "HS256"
_HEADER: Final = {"typ": "at+jwt"}
_SECRET_BYTES: Final = 32
# Times are checked in this module, with its clock
_DECODING: Final[Any] = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "require": ["iss", "aud", "sub", "sid", "role", "iat", "exp"],
}


class TokenOptions(msgspec.Struct, frozen=True):
    """`secret` is the secret of the installation."""

    secret: bytes
    access_seconds_max: int = 900  # short, as RFC 9700 says; a revocation ends a session earlier
    refresh_days_max: int = 30  # NIST SP 800-63B-4, 2.1.3: a new login after thirty days
    grace_seconds: int = 10  # in which a refresh whose answer was lost can be repeated
    issuer: str = "evently"
    audience: str = "evently-api"


class Claims(msgspec.Struct, frozen=True):
    """The content of a valid access token."""

    person_id: UUID
    session_id: UUID
    role: PlatformRole
    expires_at: datetime


class _Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iss: str
    aud: str
    sub: str
    sid: str
    role: PlatformRole
    iat: int
    exp: int


class Tokens:
    """Issues and verifies tokens. `revoked` holds sessions that ended before their tokens expired.

    `checked_clock` is asked before a token is refused for its time. It raises `Trouble` where the time is not
    known: a person whose token is good must not be logged out by a machine whose clock is wrong.
    """

    def __init__(
        self,
        options: TokenOptions,
        clock: Clock,
        revoked: Container[UUID],
        checked_clock: Clock | None = None,
    ) -> None:
        self.options = options
        self._clock = clock
        self._checked_clock = checked_clock or clock
        self._revoked = revoked
        self._signing_key = derive_key(options.secret, "access tokens")
        self._refreshing_key = derive_key(options.secret, "refresh tokens")
        self._header = jwt.encode({}, self._signing_key, _ALGORITHM, _HEADER).partition(".")[0] + "."
        self._remembered: dict[str, Claims] = {}

    def issue_access(self, person_id: UUID, role: PlatformRole, session_id: UUID) -> str:
        """Return an access token."""
        now = int(self._clock().timestamp())
        subject, session = show_id("per", person_id), show_id("ses", session_id)
        payload = _Payload(
            iss=self.options.issuer,
            aud=self.options.audience,
            sub=subject,
            sid=session,
            role=role,
            iat=now,
            exp=now + self.options.access_seconds_max,
        )
        return jwt.encode(msgspec.to_builtins(payload), self._signing_key, _ALGORITHM, _HEADER)

    def verify_access(self, token: str) -> Claims:
        """Return the claims of an access token; refuses with `token-invalid` or `token-expired`."""
        claims = self._remembered.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[token] = claims
        if claims.expires_at <= self._clock():
            self._remembered.pop(token, None)
            self._checked_clock()
            raise Refused(AccountsRefusal.TOKEN_EXPIRED)
        if claims.session_id in self._revoked:
            raise Refused(AccountsRefusal.TOKEN_INVALID, "session_ended")
        return claims

    def new_refresh_token(self) -> str:
        """Return the first refresh token of a session."""
        return REFRESH_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower()

    def new_browser_secret(self) -> str:
        """Return the secret of a session in a browser."""
        return _BROWSER_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower()

    def child_of(self, refresh_token: str) -> str:
        """Return the child of a refresh token.

        It is computed from its parent with a secret key: a repeated refresh gets the same child, although
        only hashes are stored.
        """
        return (
            REFRESH_PREFIX
            + crockford(hmac.digest(self._refreshing_key, refresh_token.encode(), "sha256")).lower()
        )

    def _verify(self, token: str) -> Claims:
        """Check everything about a token that does not change with time.

        The header of our tokens is always the same, so a token with another header is not parsed (RFC 8725,
        3.1, 3.11).
        """
        if (
            len(token) > TOKEN_CHARACTERS_MAX
            or not token.startswith(self._header)
            or not _is_canonical(token)
        ):
            raise _invalid()
        try:
            decoded = jwt.decode(
                token,
                self._signing_key,
                [_ALGORITHM],
                _DECODING,
                audience=self.options.audience,
                issuer=self.options.issuer,
            )
            payload = msgspec.convert(decoded, _Payload)
        except (jwt.PyJWTError, msgspec.ValidationError, UnicodeEncodeError) as exc:
            raise _invalid() from exc
        person_id, session_id = find_id("per", payload.sub), find_id("ses", payload.sid)
        if (
            person_id is None
            or session_id is None
            or payload.exp - payload.iat > self.options.access_seconds_max
        ):
            raise _invalid()
        if payload.iat > self._clock().timestamp() + SKEW_SECONDS_MAX:
            self._checked_clock()
            raise _invalid()
        return Claims(person_id, session_id, payload.role, datetime.fromtimestamp(payload.exp, UTC))


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return the key for one purpose. A signature for one purpose proves nothing for another."""
    return hmac.digest(secret, f"evently: {purpose}".encode(), "sha256")


def hash_secret(text: str) -> bytes:
    """Return the stored hash of a secret. A secret has 256 random bits, so one SHA-256 is enough."""
    return hashlib.sha256(text.encode()).digest()


def _is_canonical(token: str) -> bool:
    """Return whether the signature has its canonical spelling.

    The last character holds two bits that decoders ignore; they must be zero.
    """
    signature = token.rpartition(".")[2]
    return len(signature) == _SIGNATURE_CHARACTERS and signature[-1] in _LAST_CHARACTERS


def _invalid() -> Refused:
    return Refused(AccountsRefusal.TOKEN_INVALID, "malformed")


_SIGNATURE_CHARACTERS: Final = 43  # 256 bits in base64url
_LAST_CHARACTERS: Final = frozenset("AEIMQUYcgkosw048")  # those whose last two bits are zero
