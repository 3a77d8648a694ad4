from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import jwt
import pytest

from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import TOKEN_CHARACTERS_MAX, Claims, TokenOptions, Tokens, derive_key
from evently.kit.errors import Refused
from evently.kit.ids import new_id, show_id
from tests.support.accounts import SECRET, MovableClock

KEY: Final = derive_key(SECRET, "access tokens")
PERSON: Final = new_id()
SESSION: Final = new_id()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def revoked() -> set[UUID]:
    return set()


@pytest.fixture
def tokens(clock: MovableClock, revoked: set[UUID]) -> Tokens:
    return Tokens(TokenOptions(SECRET), clock, revoked)


def refusal_of(tokens: Tokens, token: str) -> AccountsRefusal | None:
    try:
        tokens.verify_access(token)
    except Refused as exc:
        return AccountsRefusal(exc.refusal.value)
    return None


def test_what_is_issued_is_verified(tokens: Tokens, clock: MovableClock) -> None:
    token = tokens.issue_access(PERSON, "admin", SESSION)
    expected = Claims(PERSON, SESSION, "admin", clock() + timedelta(minutes=15))
    assert tokens.verify_access(token) == expected
    assert tokens.verify_access(token) == expected
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt"}
    assert len(token) < TOKEN_CHARACTERS_MAX / 2


def test_life_is_fifteen_minutes(tokens: Tokens, clock: MovableClock) -> None:
    token = tokens.issue_access(PERSON, "buyer", SESSION)
    unseen = tokens.issue_access(PERSON, "buyer", new_id())
    clock.move(seconds=899)
    assert refusal_of(tokens, token) is None
    clock.move(seconds=1)
    assert refusal_of(tokens, token) is AccountsRefusal.TOKEN_EXPIRED
    assert refusal_of(tokens, token) is AccountsRefusal.TOKEN_EXPIRED
    assert refusal_of(tokens, unseen) is AccountsRefusal.TOKEN_EXPIRED


def test_revocation_is_asked_every_time(tokens: Tokens, revoked: set[UUID]) -> None:
    token = tokens.issue_access(PERSON, "buyer", SESSION)
    assert refusal_of(tokens, token) is None
    revoked.add(SESSION)
    assert refusal_of(tokens, token) is AccountsRefusal.TOKEN_INVALID


def test_clocks_may_differ_by_a_minute(tokens: Tokens, clock: MovableClock) -> None:
    token = tokens.issue_access(PERSON, "buyer", SESSION)
    clock.move(seconds=-61)
    assert refusal_of(tokens, token) is AccountsRefusal.TOKEN_INVALID
    clock.move(seconds=1)
    assert refusal_of(tokens, token) is None


def test_a_memory_that_is_full_is_forgotten(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evently.accounts.tokens.REMEMBERED_MAX", 3)
    issued = [tokens.issue_access(PERSON, "buyer", new_id()) for _ in range(10)]
    assert [refusal_of(tokens, token) for token in issued + issued] == [None] * 20
    assert len(tokens._remembered) <= 3


def test_the_child_of_a_refresh_token_is_one_and_nobody_elses(tokens: Tokens, clock: MovableClock) -> None:
    first, second = tokens.new_refresh_token(), tokens.new_refresh_token()
    assert first != second
    assert tokens.child_of(first) == tokens.child_of(first)
    assert len({first, second, tokens.child_of(first), tokens.child_of(second)}) == 4
    assert Tokens(TokenOptions(b"x" * 32), clock, set()).child_of(first) != tokens.child_of(first)


def test_a_seen_token_costs_microseconds(tokens: Tokens) -> None:
    token = tokens.issue_access(PERSON, "buyer", SESSION)
    tokens.verify_access(token)
    best = min(_seconds_of(lambda: tokens.verify_access(token)) for _ in range(20))
    assert best < 10e-6  # 0.6 us on an idle machine; this one may be busy


def _seconds_of(work: Callable[[], object]) -> float:
    started = time.thread_time()
    for _ in range(500):
        work()
    return (time.thread_time() - started) / 500


# Crafted tokens ---------------------------------------------------------------------------------------------


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(header: Any, payload: Any, key: bytes = KEY, digest: str = "sha256") -> str:
    """Return a token that is made by hand with a key."""
    text = f"{segment(header)}.{segment(payload)}"
    return f"{text}.{segment(hmac.digest(key, text.encode(), digest))}"


GOOD_HEADER: Final = {"alg": "HS256", "typ": "at+jwt"}


def payload_of(clock: MovableClock, **changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token, with changes; None removes a claim."""
    now = int(clock().timestamp())
    good = {
        "iss": "evently",
        "aud": "evently-api",
        "sub": show_id("per", PERSON),
        "sid": show_id("ses", SESSION),
        "role": "buyer",
        "iat": now,
        "exp": now + 900,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def header_attacks() -> dict[str, Any]:
    """Yield wrong headers, each with a valid signature: none of them may pass."""
    return {
        "alg none": {"alg": "none", "typ": "at+jwt"},
        "alg None": {"alg": "None", "typ": "at+jwt"},
        "alg nOnE": {"alg": "nOnE", "typ": "at+jwt"},
        "alg empty": {"alg": "", "typ": "at+jwt"},
        "no alg": {"typ": "at+jwt"},
        "alg HS384": {"alg": "HS384", "typ": "at+jwt"},
        "alg HS512": {"alg": "HS512", "typ": "at+jwt"},
        "alg RS256": {"alg": "RS256", "typ": "at+jwt"},
        "alg ES256": {"alg": "ES256", "typ": "at+jwt"},
        "alg EdDSA": {"alg": "EdDSA", "typ": "at+jwt"},
        "alg hs256": {"alg": "hs256", "typ": "at+jwt"},
        "alg list": {"alg": ["HS256"], "typ": "at+jwt"},
        "alg null": {"alg": None, "typ": "at+jwt"},
        "typ JWT": {"alg": "HS256", "typ": "JWT"},
        "typ missing": {"alg": "HS256"},
        "typ refresh": {"alg": "HS256", "typ": "rt+jwt"},
        "typ with parameter": {"alg": "HS256", "typ": "application/at+jwt"},
        "typ of a webhook": {"alg": "HS256", "typ": "secevent+jwt"},
        "jwk": {**GOOD_HEADER, "jwk": {"kty": "oct", "k": "AAAA"}},
        "jku": {**GOOD_HEADER, "jku": "http://127.0.0.1/keys"},
        "x5u": {**GOOD_HEADER, "x5u": "http://127.0.0.1/cert"},
        "x5c": {**GOOD_HEADER, "x5c": ["MIIB"]},
        "kid path": {**GOOD_HEADER, "kid": "../../../dev/null"},
        "kid sql": {**GOOD_HEADER, "kid": "x' UNION SELECT 'key'--"},
        "crit": {**GOOD_HEADER, "crit": ["exp"]},
        "b64 false": {**GOOD_HEADER, "b64": False, "crit": ["b64"]},
        "cty nested": {**GOOD_HEADER, "cty": "JWT"},
        "zip": {**GOOD_HEADER, "zip": "DEF"},
        "10 KB": {**GOOD_HEADER, "kid": "x" * 10_000},
        "other order": {"typ": "at+jwt", "alg": "HS256"},
        "duplicate alg": b'{"alg":"HS256","alg":"none","typ":"at+jwt"}',
        "spaces": b'{"alg": "HS256", "typ": "at+jwt"}',
        "no object": [],
        "no JSON": b"at+jwt",
    }


PAYLOAD_ATTACKS: Final[dict[str, dict[str, Any]]] = {
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "no iss": {"iss": None},
    "no aud": {"aud": None},
    "no sub": {"sub": None},
    "no sid": {"sid": None},
    "no role": {"role": None},
    "other iss": {"iss": "https://evil.example"},
    "other aud": {"aud": "evently-admission"},
    "aud list": {"aud": ["evently-api", "other"]},
    "role root": {"role": "root"},
    "role list": {"role": ["admin"]},
    "sub of a booking": {"sub": show_id("bkg", PERSON)},
    "sub uuid": {"sub": str(PERSON)},
    "sub number": {"sub": 1},
    "sid of a person": {"sid": show_id("per", PERSON)},
    "sub upper case": {"sub": show_id("per", PERSON).upper()},
    "exp text": {"exp": "99999999999"},
    "exp float": {"exp": 99999999999.5},
    "exp infinite": {"exp": 10**30},
    "exp true": {"exp": True},
    "life of a year": {"exp": 1_830_000_000},
    "nbf future": {"nbf": 99999999999},
    "extra claim": {"scope": "admin"},
    "iat future": {"iat": 1_830_000_000, "exp": 1_830_000_900},
}


@pytest.mark.parametrize("name", header_attacks())
def test_no_other_header_passes(name: str, tokens: Tokens, clock: MovableClock) -> None:
    header = header_attacks()[name]
    assert refusal_of(tokens, sign(header, payload_of(clock))) is AccountsRefusal.TOKEN_INVALID
    unsigned = f"{segment(header)}.{segment(payload_of(clock))}."
    assert refusal_of(tokens, unsigned) is AccountsRefusal.TOKEN_INVALID


@pytest.mark.parametrize("name", PAYLOAD_ATTACKS)
def test_no_other_claims_pass(name: str, tokens: Tokens, clock: MovableClock) -> None:
    assert (
        refusal_of(tokens, sign(GOOD_HEADER, payload_of(clock, **PAYLOAD_ATTACKS[name])))
        is AccountsRefusal.TOKEN_INVALID
    )


def test_the_forger_of_these_tests_can_make_a_good_one(tokens: Tokens, clock: MovableClock) -> None:
    assert refusal_of(tokens, sign(GOOD_HEADER, payload_of(clock))) is None
    assert (
        refusal_of(tokens, sign(GOOD_HEADER, payload_of(clock, exp=1, iat=0)))
        is AccountsRefusal.TOKEN_EXPIRED
    )


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"secret",
        SECRET,
        b"\x00" * 32,
        derive_key(SECRET, "refresh tokens"),
        derive_key(SECRET, "log-in attempts"),
        hashlib.sha256(KEY).digest(),
    ],
)
def test_no_other_key_passes(key: bytes, tokens: Tokens, clock: MovableClock) -> None:
    assert refusal_of(tokens, sign(GOOD_HEADER, payload_of(clock), key)) is AccountsRefusal.TOKEN_INVALID


def test_kinds_are_exclusive(tokens: Tokens) -> None:
    for other in (
        tokens.new_refresh_token(),
        "evk_" + "0" * 60,
        "evi_" + "0" * 32,
        "",
        ".",
        "..",
        "a.b.c",
        "bearer",
        "é",
        "\udcff",
        "x" * 100_000,
    ):
        assert refusal_of(tokens, other) is AccountsRefusal.TOKEN_INVALID


def test_no_character_can_be_changed(tokens: Tokens) -> None:
    token = tokens.issue_access(PERSON, "buyer", SESSION)
    for index, character in enumerate(token):
        for other in ("A", "B", "_", "=", ".", " "):
            if other != character:
                changed = token[:index] + other + token[index + 1 :]
                assert refusal_of(tokens, changed) is AccountsRefusal.TOKEN_INVALID, index
    for changed in (
        token + "=",
        token + "A",
        token[:-1],
        token + ".",
        "." + token,
        token + "\n",
        " " + token,
    ):
        assert refusal_of(tokens, changed) is AccountsRefusal.TOKEN_INVALID


def test_nothing_refused_is_remembered(tokens: Tokens, clock: MovableClock) -> None:
    for name in PAYLOAD_ATTACKS:
        refusal_of(tokens, sign(GOOD_HEADER, payload_of(clock, **PAYLOAD_ATTACKS[name])))
    assert tokens._remembered == {}
