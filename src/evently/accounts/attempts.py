"""Login attempts: they bound the guessing of passwords, and nobody can lock another person out.

An origin is an IPv4 address or an IPv6 /64. Each origin has `ATTEMPTS_MAX` wrong attempts at an account. All
unknown origins of an account together have `UNKNOWN_ATTEMPTS_MAX`. An origin becomes known by a successful
login and stays known for `TRUST`: attempts from unknown origins never block the owner there.

An attempt is counted *before* the password is verified, so a thousand concurrent attempts count as a
thousand. A success resets the counts. Attempts at accounts that do not exist are counted too: a difference
would show which accounts exist.
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

ATTEMPTS_MAX: Final = 10  # more than anybody mistypes
ATTEMPTS_PERIOD: Final = timedelta(minutes=15)
UNKNOWN_ATTEMPTS_MAX: Final = 100  # NIST SP 800-63B-4, 3.2.2: no more than a hundred in a row
UNKNOWN_PERIOD: Final = timedelta(hours=1)
TRUST: Final = timedelta(days=90)
_UNKNOWN_ORIGINS: Final = b""  # one row counts for all of them
_IPV6_NETWORK_BITS: Final = 64


class Attempts:
    """Counts attempts. Only keyed hashes are stored, so the table does not show who tried to log in."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "log-in attempts")

    async def count(
        self,
        tx: Connection,
        email: str,
        origin: str | None,
        now: datetime,
        *,
        unknown_max: int = UNKNOWN_ATTEMPTS_MAX,
        of_codes: bool = False,
    ) -> None:
        """Count an attempt before the password is verified; refuses with `too-many-attempts`.

        `origin`: the address of the client; None: nobody knows it, so it counts with the unknown origins
        alone. Commit at once: concurrent attempts wait for the row. `of_codes`: requests for codes are
        counted, and refused with `too-many-codes`.
        """
        account, trusted = self._hash(email), False
        if origin is not None:
            here = self._hash(network_of(origin))
            row = await tx.fetchrow(
                *sql.count_attempt(account=account, origin=here, now=now, expired=now - ATTEMPTS_PERIOD)
            )
            assert row is not None, "an upsert returns its row"
            if row["tries"] > ATTEMPTS_MAX:
                raise _too_many(row["since"] + ATTEMPTS_PERIOD - now, of_codes=of_codes)
            trusted = row["trusted_until"] is not None and row["trusted_until"] > now
        if not trusted:
            row = await tx.fetchrow(
                *sql.count_attempt(
                    account=account, origin=_UNKNOWN_ORIGINS, now=now, expired=now - UNKNOWN_PERIOD
                )
            )
            assert row is not None, "an upsert returns its row"
            if row["tries"] > unknown_max:
                raise _too_many(row["since"] + UNKNOWN_PERIOD - now, of_codes=of_codes)

    async def record_success(self, tx: Connection, email: str, origin: str | None, now: datetime) -> None:
        """Reset the counts of this origin and of the unknown ones; this origin is known from now on."""
        here = _UNKNOWN_ORIGINS if origin is None else self._hash(network_of(origin))
        await tx.execute(
            *sql.record_success(
                account=self._hash(email),
                origin=here,
                unknown=_UNKNOWN_ORIGINS,
                trusted_until=None if origin is None else now + TRUST,
            )
        )

    async def delete(self, tx: Connection, email: str) -> None:
        """Delete all counts of an account."""
        await tx.execute(*sql.delete_account(account=self._hash(email)))

    def _hash(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")


def network_of(origin: str) -> str:
    """Return what counts as one origin: an IPv4 address, or the IPv6 /64 that one subscriber has."""
    try:
        address = ip_address(origin)
    except ValueError:
        return origin
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, _IPV6_NETWORK_BITS), strict=False))
    return str(address)


def _too_many(wait: timedelta, *, of_codes: bool) -> Refused:
    seconds = max(1, round(wait.total_seconds()))
    if of_codes:
        return Refused(AccountsRefusal.TOO_MANY_CODES, "wait", retry_after=seconds)
    return Refused(AccountsRefusal.TOO_MANY_ATTEMPTS, "wait", retry_after=seconds)
