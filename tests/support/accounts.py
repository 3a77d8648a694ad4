"""Helpers for tests of accounts: a clock, cheap hashing, people and organizers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from evently.accounts import Accounts, Grant, HashingOptions, Organizer, Person, TokenOptions
from evently.accounts.organizers import create_organizer
from evently.accounts.people import add_person
from evently.db import Database
from evently.kit.ids import new_id

SECRET: Final = bytes(range(32))
PASSWORD: Final = "nine lively herons wade"
ORIGIN: Final = "192.0.2.1"
CHEAP: Final = HashingOptions(memory_kib=64, passes=1)


class MovableClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2027, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@asynccontextmanager
async def open_accounts(
    database: Database, clock: MovableClock, hashing: HashingOptions = CHEAP
) -> AsyncIterator[Accounts]:
    """Return the accounts of a process, without its background tasks."""
    accounts = Accounts(database, clock, TokenOptions(SECRET), hashing)
    yield accounts
    await accounts.stop()


async def log_in(accounts: Accounts, email: str, name: str = "Robin Roe") -> Grant:
    """Register a person and log in."""
    await accounts.register(email, name, PASSWORD, ORIGIN)
    return await accounts.login(email, PASSWORD, ORIGIN)


async def make_person(database: Database, email: str, clock: MovableClock, role: str = "buyer") -> UUID:
    """Add a person who cannot log in."""
    person = Person(
        new_id(), email, email.partition("@")[0], "admin" if role == "admin" else "buyer", 1, clock(), None
    )
    async with database.transaction() as tx:
        assert await add_person(tx, person, None)
    return person.person_id


async def make_organizer(database: Database, owner_id: UUID, clock: MovableClock) -> UUID:
    """Add an organizer with its owner."""
    organizer = Organizer(new_id(), "Moor Sounds", "hello@moor.example", 1, clock())
    async with database.transaction() as tx:
        await create_organizer(tx, organizer, owner_id)
    return organizer.organizer_id
