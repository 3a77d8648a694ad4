"""The demo data: organizers, venues in several time zones, past and upcoming events, accounts of each role.

    fill(options)           fill a database; a second time changes nothing
    describe_accounts()     the accounts that can log in, as text

The demo uses the same functions as the API, at times in the past.
"""

from __future__ import annotations

from evently.accounts import HashingOptions
from evently.accounts.hashing import Hasher
from evently.db import Database, DatabaseOptions
from evently.demo.people import ACCOUNTS, PASSWORD
from evently.demo.programme import read_programme
from evently.demo.seeding import seed
from evently.kit.clock import utc_now

__all__ = ["ACCOUNTS", "PASSWORD", "describe_accounts", "fill", "read_programme", "seed"]


async def fill(options: DatabaseOptions) -> bool:
    """Fill a database with the demo; returns False and changes nothing if the demo is there already."""
    hasher = Hasher(HashingOptions())
    with hasher.permit():
        password_hash = await hasher.hash(PASSWORD)
    hasher.close()
    database = await Database.open(options)
    try:
        return await seed(database, utc_now(), password_hash)
    finally:
        await database.close()


def describe_accounts() -> str:
    """Return the accounts that can log in, as text for the terminal."""
    names = {host.key: host.name for host in read_programme().organizers}
    lines = [f"  Demo       password of all accounts: {PASSWORD}"]
    for account in ACCOUNTS:
        part = "administrator" if account.role == "admin" else "buyer"
        if account.organizer is not None:
            part = f"{account.member_role} of {names[account.organizer]}"
        lines.append(f"             {account.email:<28}{part}")
    return "\n".join(lines)
