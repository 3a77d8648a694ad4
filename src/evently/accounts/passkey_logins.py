"""Adding passkeys and logging in with them (WebAuthn, level 3).

A browser asks a device to sign a challenge, and binds the signature to the origin of the page. So a passkey
proves nothing to another site, and there is nothing to type or to read out.

    start_login, open     a challenge for a browser, and the session that its signature opens
    start_adding, add     a challenge for a session, and the passkey that is added in it
    rename, remove        of the person's own passkeys

**A challenge** has its end inside and is signed by the installation, so a challenge that is not used is
stored nowhere, and requests for challenges cannot fill a table. It is bound to a secret of the browser (the
receipt), or to the session. The first success writes it down, and it works no second time.

**A log-in says one no.** An unknown key, a wrong signature and a key that may not be used have one refusal,
after the same work: for an unknown key, the signature is checked against a key that nobody has.

**A key that counts its uses and counts backwards** has a copy. Neither logs in any more; the person is told.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticationCredential,
    RegistrationCredential,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from evently.accounts import passkeys, people, sessions
from evently.accounts.attempts import Attempts
from evently.accounts.passkeys import Passkey, StoredKey
from evently.accounts.people import Person, StoreNotice, store_no_notice
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.revocations import Revocations
from evently.accounts.site import Site
from evently.accounts.tokens import Tokens, derive_key, hash_secret
from evently.db import Connection, Database
from evently.kit.clock import Clock
from evently.kit.errors import Refused
from evently.kit.ids import crockford, new_id

CHALLENGE_FOR: Final = timedelta(minutes=10)  # a security key must be found and plugged in
# What every device has, in the order of preference (WebAuthn 3, 5.4): ECDSA with P-256, Ed25519, RSA
ALGORITHMS: Final = (
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
CREDENTIAL_ID_BYTES_MAX: Final = 1023  # WebAuthn 3, 7.1
PUBLIC_KEY_BYTES_MAX: Final = 600  # RSA with 4,096 bits: checked in 0.2 ms
_TRANSPORTS_MAX: Final = 10  # there are seven
_RECEIPT_PREFIX: Final = "evp_"
_SECRET_BYTES: Final = 32
_END_BYTES: Final = 8
_NONCE_BYTES: Final = 16
_MAC_BYTES: Final = 32
_HEAD_BYTES: Final = _END_BYTES + _NONCE_BYTES
# What reading hostile bytes raises, in the library and in what it uses
_UNREADABLE: Final = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)
# We ask for no attestation; some devices attest with the key itself nevertheless
_FORMATS: Final = (AttestationFormat.NONE, AttestationFormat.PACKED)

# Stores a message about a copied key, in the transaction that writes it down
NoticeOf: TypeAlias = Callable[[Passkey], StoreNotice]
Credential: TypeAlias = Mapping[str, Any]  # as `PublicKeyCredential.toJSON()` makes it

_log: Final = structlog.get_logger(__name__)


class LoginChallenge(msgspec.Struct, frozen=True):
    """A challenge for a browser, and the receipt that it must return with the signature."""

    site: Site
    challenge: bytes
    receipt: str


class AddingChallenge(msgspec.Struct, frozen=True):
    """A challenge for a session. `passkeys`: those that the person has; their devices add no second one."""

    site: Site
    challenge: bytes
    person: Person
    passkeys: list[Passkey]


class _Checked(NamedTuple):
    """A signature that is right."""

    key: StoredKey
    challenge_hash: bytes
    expires_at: datetime
    verified: VerifiedAuthentication


class PasskeyLogins:
    """Passkeys of one process. `open` of a login becomes a grant in `Accounts`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tokens: Tokens,
        attempts: Attempts,
        revocations: Revocations,
        site: Site | None,
    ) -> None:
        self.site = site
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._attempts = attempts
        self._revocations = revocations
        self._key = derive_key(tokens.options.secret, "challenges of passkeys")
        # Checked when there is no such key, so that the time of the answer does not show it
        self._unused_key = _encode(ec.generate_private_key(ec.SECP256R1()).public_key())

    def start_login(self, receipt: str | None) -> LoginChallenge:
        """Return a challenge for a browser, which keeps the receipt that it has, if it has one.

        Refuses with `no-passkeys`. Does no I/O and stores nothing.
        """
        site, receipt = self._require_site(), receipt or new_receipt()
        return LoginChallenge(site, self._challenge(_for_login(receipt)), receipt)

    async def open(
        self,
        receipt: str,
        credential: Credential,
        origin: str | None,
        notice_of: NoticeOf | None = None,
        *,
        in_browser: bool = False,
    ) -> sessions.OpenedSession:
        """Open a session with a passkey; refuses with `wrong-passkey` or `passkey-expired`."""
        site, now = self._require_site(), self._clock()
        checked = await self._check(site, receipt, credential, now)
        refused: AccountsRefusal | None = None
        async with self._database.transaction() as tx:
            person = await people.find_unerased(tx, checked.key.person_id)
            key = await passkeys.lock_key(tx, checked.key.passkey_id)
            if key is None or person is None or key.copied_at is not None:
                refused = AccountsRefusal.WRONG_PASSKEY
            elif not await passkeys.use_challenge(tx, checked.challenge_hash, checked.expires_at):
                refused = AccountsRefusal.PASSKEY_EXPIRED
            elif _counts_backwards(key.sign_count, checked.verified.new_sign_count):
                refused = AccountsRefusal.WRONG_PASSKEY
                await self._record_copy(tx, person, key, now, notice_of)
            else:
                opened = await self._use(tx, person, checked, origin, now, in_browser=in_browser)
        if refused is not None:  # raised after the commit: a copy is written down
            _log.warning("passkey refused", refusal=refused.value, origin=origin)
            raise Refused(refused)
        self._revocations.add(opened.ended)
        _log.info(
            "logged in with a passkey",
            person_id=str(person.person_id) if person is not None else None,
            session_id=str(opened.session_id),
            origin=origin,
        )
        return opened

    async def start_adding(self, person_id: UUID, session_id: UUID) -> AddingChallenge:
        """Return a challenge for a session that is recent; refuses with `no-passkeys` or `login-too-old`."""
        site, now = self._require_site(), self._clock()
        async with self._database.transaction() as tx:
            await sessions.check_login_age(tx, session_id, now)
            person = await people.lock_person_shared(tx, person_id)
            known = await passkeys.list_passkeys(tx, person_id)
        return AddingChallenge(site, self._challenge(_for_adding(person_id, session_id)), person, known)

    async def add(
        self,
        person_id: UUID,
        session_id: UUID,
        name: str,
        credential: Credential,
        notice_of: NoticeOf | None = None,
    ) -> Passkey:
        """Add a passkey that was made in a session.

        Refuses with `invalid`, `passkey-not-added`, `passkey-expired`, `login-too-old` or `limit-reached`.
        """
        site, now, chosen = self._require_site(), self._clock(), passkeys.check_name(name)
        try:
            read = parse_registration_credential_json(dict(credential))
            challenge = _challenge_of(read)
        except _UNREADABLE as exc:
            raise Refused(AccountsRefusal.PASSKEY_NOT_ADDED) from exc
        expires_at = self._end_of(challenge, _for_adding(person_id, session_id), now)
        verified = _verify_new(site, read, challenge)
        passkey = Passkey(
            passkey_id=new_id(),
            person_id=person_id,
            credential_id=verified.credential_id,
            name=chosen,
            transports=sorted({each.value for each in read.response.transports or ()})[:_TRANSPORTS_MAX],
            synced=verified.credential_backed_up,
            created_at=now,
            last_used_at=None,
            copied_at=None,
        )
        async with self._database.transaction() as tx:
            person = await people.lock_person(tx, person_id)
            await sessions.check_login_age(tx, session_id, now)
            if not await passkeys.use_challenge(tx, hashlib.sha256(challenge).digest(), expires_at):
                raise Refused(AccountsRefusal.PASSKEY_EXPIRED)
            if not await passkeys.add_passkey(
                tx, passkey, verified.credential_public_key, verified.sign_count
            ):
                raise Refused(AccountsRefusal.PASSKEY_NOT_ADDED)
            await _notice(notice_of, passkey)(tx, person)
        _log.info("passkey added", person_id=str(person_id), passkey_id=str(passkey.passkey_id))
        return passkey

    async def rename(self, person_id: UUID, passkey_id: UUID, name: str) -> Passkey:
        """Change the name of a passkey; refuses with `not-found` or `invalid`."""
        async with self._database.transaction() as tx:
            return await passkeys.rename_passkey(tx, person_id, passkey_id, name)

    async def remove(
        self, person_id: UUID, passkey_id: UUID, notice_of: Callable[[str], StoreNotice] | None = None
    ) -> None:
        """Remove a passkey; refuses with `not-found`. Sessions that it opened stay."""
        async with self._database.transaction() as tx:
            person = await people.lock_person(tx, person_id)
            name = await passkeys.remove_passkey(tx, person_id, passkey_id)
            await (store_no_notice if notice_of is None else notice_of(name))(tx, person)
        _log.info("passkey removed", person_id=str(person_id), passkey_id=str(passkey_id))

    async def _check(self, site: Site, receipt: str, credential: Credential, now: datetime) -> _Checked:
        """Return what a right signature proves; what is wrong has one refusal, after the same work."""
        try:
            read = parse_authentication_credential_json(dict(credential))
            challenge = _challenge_of(read)
        except _UNREADABLE as exc:
            raise Refused(AccountsRefusal.WRONG_PASSKEY) from exc
        expires_at = self._end_of(challenge, _for_login(receipt), now)
        key = await passkeys.find_key(self._database, read.raw_id[: CREDENTIAL_ID_BYTES_MAX + 1])
        verified = _verify_login(site, read, challenge, key.public_key if key else self._unused_key)
        if key is None or verified is None or read.response.user_handle != key.person_id.bytes:
            _log.warning("passkey refused", known=key is not None)
            raise Refused(AccountsRefusal.WRONG_PASSKEY)
        return _Checked(key, hashlib.sha256(challenge).digest(), expires_at, verified)

    async def _use(
        self,
        tx: Connection,
        person: Person,
        checked: _Checked,
        origin: str | None,
        now: datetime,
        *,
        in_browser: bool,
    ) -> sessions.OpenedSession:
        verified = checked.verified
        await passkeys.record_use(
            tx,
            checked.key.passkey_id,
            verified.new_sign_count,
            synced=verified.credential_backed_up,
            now=now,
        )
        opened = await sessions.open_session(tx, self._tokens, person.person_id, now, in_browser=in_browser)
        await self._attempts.record_success(tx, person.email or "", origin, now)
        return opened

    async def _record_copy(
        self, tx: Connection, person: Person, key: StoredKey, now: datetime, notice_of: NoticeOf | None
    ) -> None:
        await passkeys.record_copy(tx, key.passkey_id, now)
        known = await passkeys.list_passkeys(tx, key.person_id)
        copied = next(each for each in known if each.passkey_id == key.passkey_id)
        await _notice(notice_of, copied)(tx, person)
        _log.warning("copy of a passkey", person_id=str(key.person_id), passkey_id=str(key.passkey_id))

    def _challenge(self, bound_to: bytes) -> bytes:
        end = round((self._clock() + CHALLENGE_FOR).timestamp())
        head = end.to_bytes(_END_BYTES, "big") + secrets.token_bytes(_NONCE_BYTES)
        return head + self._mac(head, bound_to)

    def _end_of(self, challenge: bytes, bound_to: bytes, now: datetime) -> datetime:
        """Return the end of a challenge; refuses with `passkey-expired` one that is over, or another's."""
        head, mac = challenge[:_HEAD_BYTES], challenge[_HEAD_BYTES:]
        if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, self._mac(head, bound_to)):
            raise Refused(AccountsRefusal.PASSKEY_EXPIRED)
        expires_at = datetime.fromtimestamp(int.from_bytes(head[:_END_BYTES], "big"), UTC)
        if expires_at <= now:
            raise Refused(AccountsRefusal.PASSKEY_EXPIRED)
        return expires_at

    def _mac(self, head: bytes, bound_to: bytes) -> bytes:
        return hmac.digest(self._key, head + bound_to, "sha256")

    def _require_site(self) -> Site:
        if self.site is None:
            raise Refused(AccountsRefusal.NO_PASSKEYS)
        return self.site


def new_receipt() -> str:
    """Return a secret for a browser that logs in with a passkey."""
    return _RECEIPT_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower()


def _for_login(receipt: str) -> bytes:
    return b"log in\0" + hash_secret(receipt)


def _for_adding(person_id: UUID, session_id: UUID) -> bytes:
    return b"add\0" + person_id.bytes + session_id.bytes


def _challenge_of(read: AuthenticationCredential | RegistrationCredential) -> bytes:
    """Return the challenge that was signed; refuses what a frame on another site has signed."""
    client_data = parse_client_data_json(read.response.client_data_json)
    if client_data.cross_origin:
        raise ValueError("signed in a frame of another site")
    return client_data.challenge


def _verify_login(
    site: Site, read: AuthenticationCredential, challenge: bytes, public_key: bytes
) -> VerifiedAuthentication | None:
    """Return what a signature proves, or None. Its count is compared later, under the lock of the key."""
    try:
        return verify_authentication_response(
            credential=read,
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
        )
    except _UNREADABLE:
        return None


def _verify_new(site: Site, read: RegistrationCredential, challenge: bytes) -> VerifiedRegistration:
    """Return a new key; refuses with `passkey-not-added` one that cannot be checked later."""
    try:
        if parse_attestation_object(read.response.attestation_object).fmt not in _FORMATS:
            raise ValueError("an attestation that nobody asked for")
        verified = verify_registration_response(
            credential=read,
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            supported_pub_key_algs=list(ALGORITHMS),
        )
        if (
            len(verified.credential_id) > CREDENTIAL_ID_BYTES_MAX
            or verified.credential_id != read.raw_id
            or len(verified.credential_public_key) > PUBLIC_KEY_BYTES_MAX
        ):
            raise ValueError("too long, or two ids")
        # A point that is not on its curve is refused here, not at the first log-in
        decoded_public_key_to_cryptography(decode_credential_public_key(verified.credential_public_key))
    except _UNREADABLE as exc:
        raise Refused(AccountsRefusal.PASSKEY_NOT_ADDED) from exc
    return verified


def _counts_backwards(stored: int, given: int) -> bool:
    """Return whether a use has a count that was used before. Keys that are synced count nothing: always 0."""
    return (stored > 0 or given > 0) and given <= stored


def _notice(notice_of: NoticeOf | None, passkey: Passkey) -> StoreNotice:
    return store_no_notice if notice_of is None else notice_of(passkey)


def _encode(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a key of P-256 as COSE (RFC 9053, 7.1.1)."""
    numbers = key.public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    return bytes.fromhex("a5010203262001215820") + x + bytes.fromhex("225820") + y
