"""Passwords tried lately: guessing is bounded, and nobody can lock somebody else out.

Each origin (an address; of IPv6 a /64) has `TRIES_MAX` wrong tries at an account, all origins that the account does not know have
`STRANGERS_TRIES_MAX` together. An origin where a log-in succeeded lately is known, and is not counted among the strangers: whatever they
do, the owner can try from there. A try is counted *before* the password is looked at, so a thousand at once are a thousand; a success
forgets what was counted. Accounts that do not exist are counted like others, for a difference would tell.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import derive_key
from evently.db import Connection, load_queries
from evently.kit.errors import Refused

sql: Final = load_queries(__name__)

TRIES_MAX: Final = 10  # more than anybody mistypes
TRIES_PERIOD: Final = timedelta(minutes=15)
STRANGERS_TRIES_MAX: Final = 100  # NIST SP 800-63B-4, 3.2.2: no more than a hundred in a row
STRANGERS_PERIOD: Final = timedelta(hours=1)
TRUST: Final = timedelta(days=90)
_STRANGERS: Final = b""
_IPV6_NETWORK_BITS: Final = 64


class Attempts:
    """Counts. What is stored are keyed hashes, which tell nobody who tried what."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "log-in attempts")

    async def count(self, tx: Connection, email: str, origin: str, now: datetime) -> None:
        """Count a try, before the password is looked at; refuses with `too-many-attempts`.

        Commit at once: others wait.
        """
        account, here = self._hash(email), self._hash(network_of(origin))
        row = await tx.fetchrow(
            *sql.count_try(account=account, origin=here, now=now, expired=now - TRIES_PERIOD)
        )
        assert row is not None, "an upsert returns its row"
        if row["tries"] > TRIES_MAX:
            raise _too_many(row["since"] + TRIES_PERIOD - now)
        if row["trusted_until"] is None or row["trusted_until"] <= now:
            row = await tx.fetchrow(
                *sql.count_try(account=account, origin=_STRANGERS, now=now, expired=now - STRANGERS_PERIOD)
            )
            assert row is not None, "an upsert returns its row"
            if row["tries"] > STRANGERS_TRIES_MAX:
                raise _too_many(row["since"] + STRANGERS_PERIOD - now)

    async def succeed(self, tx: Connection, email: str, origin: str, now: datetime) -> None:
        """Forget what was counted here and among strangers, and know this origin from now on."""
        here = self._hash(network_of(origin))
        await tx.execute(
            *sql.succeed(
                account=self._hash(email), origin=here, strangers=_STRANGERS, trusted_until=now + TRUST
            )
        )

    async def forget(self, tx: Connection, email: str) -> None:
        """Forget an account altogether."""
        await tx.execute(*sql.forget_account(account=self._hash(email)))

    def _hash(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")


def network_of(origin: str) -> str:
    """Return what counts as one origin: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ip_address(origin)
    except ValueError:
        return origin
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, _IPV6_NETWORK_BITS), strict=False))
    return str(address)


def _too_many(wait: timedelta) -> Refused:
    seconds = max(1, round(wait.total_seconds()))
    return Refused(AccountsRefusal.TOO_MANY_ATTEMPTS, "wait", retry_after=seconds)
