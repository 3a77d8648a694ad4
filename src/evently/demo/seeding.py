"""Writes the demo into the database, through the functions that the API uses, at times in the past.

seed(database, now, password_hash)   everything but payments in one transaction, then the payments
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from evently import accounts, catalogue, organizing
from evently.accounts import Organizer, Person
from evently.catalogue import EventTerms, VenueTerms
from evently.db import Connection, Database, load_queries
from evently.demo.crowd import Crowd, PlannedBooking
from evently.demo.online import buy_online
from evently.demo.people import ACCOUNTS, BUYERS, DOMAIN
from evently.demo.programme import EventSpec, Programme, VenueSpec, read_programme
from evently.demo.showcase import VENUE, Scene, add_showcase
from evently.kit.errors import Refused
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.sales import carry_out
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.outcomes import Booked
from evently.sales.reads import read_sale

sql: Final = load_queries(__name__)

_NAMESPACE: Final = UUID("6f1b8f0e-2a4c-4a5e-9c39-0d4f7a1be570")
_FIRST_ID_MILLISECONDS: Final = 1_767_225_600_000  # 2026-01-01
_JOINED: Final = timedelta(days=400)  # the age of all accounts
_ANNOUNCED_PAST: Final = timedelta(days=60)  # before the start
_ANNOUNCED: Final = (21, 63)  # days ago, for upcoming events
_REGULAR: Final = 3  # the buyer who can log in books this many times as often as others
_CANCELLED_BEFORE: Final = timedelta(days=2)  # the start


async def seed(database: Database, now: datetime, password_hash: str) -> bool:
    """Fill the database with the demo; returns False and changes nothing if the demo is there already."""
    demo = _Demo(read_programme(), now, password_hash)
    async with database.transaction(seconds_max=None) as tx:
        await tx.execute(*sql.take_turns())
        if await demo.exists(tx):
            return False
        await demo.add_people(tx, database)
        await demo.add_organizers(tx)
        await demo.add_venues(tx)
        for spec in demo.programme.past:
            await demo.add_event(tx, spec, past=True)
        for spec in demo.programme.upcoming:
            await demo.add_event(tx, spec, past=False)
        scene = demo.scene()
        online = await add_showcase(tx, scene)
    await buy_online(database, online, scene.buyers, scene.now)
    return True


class _Demo:
    def __init__(self, programme: Programme, now: datetime, password_hash: str) -> None:
        self.programme = programme
        self._now = now.replace(microsecond=0)
        self._joined = self._now - _JOINED
        self._password_hash = password_hash
        self._numbers = count()
        self._people: dict[str, UUID] = {}
        self._organizers = {host.key: self._id("organizer", host.key) for host in programme.organizers}
        self._venues = {key: self._id("venue", key) for key in programme.venues}

    async def exists(self, tx: Connection) -> bool:
        """Return whether the first organizer of the demo exists."""
        try:
            await accounts.organizers.lock_organizer(tx, next(iter(self._organizers.values())))
        except Refused:
            return False
        return True

    async def add_people(self, tx: Connection, database: Database) -> None:
        """Add the accounts that can log in, and the buyers who cannot.

        An existing account with one of these addresses is used as it is.
        """
        for account in ACCOUNTS:
            person = Person(
                self._id("person", account.email),
                account.email,
                account.name,
                account.role,
                1,
                self._joined,
                None,
                self._joined,
            )
            await self._add_person(tx, database, account.user, person, self._password_hash)
        for name in BUYERS:
            email = f"{catalogue.slug_of(name).replace('-', '.')}@{DOMAIN}"
            person = Person(
                self._id("person", email), email, name, "buyer", 1, self._joined, None, self._joined
            )
            await self._add_person(tx, database, name, person, None)

    async def _add_person(
        self, tx: Connection, database: Database, key: str, person: Person, password_hash: str | None
    ) -> None:
        if await accounts.people.add_person(tx, person, password_hash):
            self._people[key] = person.person_id
        else:
            assert person.email is not None, "all people of the demo have an address"
            found = await accounts.people.find_by_email(database, person.email)
            assert found is not None, "the address was taken"
            self._people[key] = found[0].person_id

    async def add_organizers(self, tx: Connection) -> None:
        """Add the organizers, their owners and the members of the first."""
        owners = {account.organizer: account.user for account in ACCOUNTS if account.member_role == "owner"}
        for host in self.programme.organizers:
            made = Organizer(self._organizers[host.key], host.name, host.email, 1, self._joined)
            await accounts.organizers.create_organizer(tx, made, self._people[owners[host.key]])
        for account in ACCOUNTS:
            if account.organizer is not None and account.member_role not in (None, "owner"):
                organizer_id, person_id = self._organizers[account.organizer], self._people[account.user]
                await accounts.members.add_member(
                    tx, organizer_id, person_id, account.member_role, self._joined
                )

    async def add_venues(self, tx: Connection) -> None:
        """Add the venues."""
        for venue in self.programme.venues.values():
            terms = VenueTerms(venue.name, venue.address, venue.city, venue.country, venue.time_zone)
            await catalogue.create_venue(
                tx, self._organizers[venue.organizer], terms, self._joined, self._venues[venue.key]
            )

    async def add_event(self, tx: Connection, spec: EventSpec, *, past: bool) -> None:
        """Add an event at the time of its announcement, and its bookings until now or until its start."""
        venue = self.programme.venues[spec.venue]
        wall_time = spec.starts_at(self._now, ZoneInfo(venue.time_zone), past=past)
        starts_at = wall_time.replace(tzinfo=ZoneInfo(venue.time_zone)).astimezone(UTC)
        announced = starts_at - _ANNOUNCED_PAST if past else self._now - self._announced_ago(spec)
        terms = EventTerms(
            venue_id=self._venues[spec.venue],
            title=spec.title,
            description=spec.text.strip(),
            category=spec.category,
            tags=spec.tags,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=spec.hours),
        )
        organizer_id, event_id = (
            self._organizers[venue.organizer],
            self._id("event", f"{spec.title} {'past' if past else 'upcoming'}"),
        )
        sale = self._sale_terms(spec, venue, starts_at)
        await organizing.create_event(tx, organizer_id, terms, sale, announced, event_id=event_id)
        published = announced + timedelta(hours=4)
        await organizing.publish_event(tx, event_id, published)
        closed = starts_at - _CANCELLED_BEFORE if spec.cancelled else min(starts_at, self._now)
        booked = await self._sell(tx, spec, event_id, published, closed)
        if spec.cancelled:
            await _cancel_event(tx, organizer_id, event_id, booked, closed)

    def scene(self) -> Scene:
        """Return the setting of the showcase events."""
        venue = self.programme.venues[VENUE]
        buyers = [self._people[name] for name in BUYERS]
        organizer_id, venue_id = self._organizers[venue.organizer], self._venues[VENUE]
        return Scene(
            organizer_id,
            venue_id,
            venue.currency,
            self._now,
            buyers,
            lambda title: self._id("event", f"{title} upcoming"),
        )

    def _sale_terms(self, spec: EventSpec, venue: VenueSpec, starts_at: datetime) -> SaleTerms:
        return SaleTerms(
            currency=venue.currency,
            on_sale_at=None if spec.opens_days is None else self._now + timedelta(days=spec.opens_days),
            capacity=spec.capacity,
            pools=tuple(NewPool(name, capacity) for name, capacity in spec.pools.items()),
            ticket_types=tuple(
                NewTicketType(
                    name=each.name,
                    description=each.note,
                    price=Money(each.price, venue.currency),
                    off_sale_at=None
                    if each.until_days is None
                    else starts_at - timedelta(days=each.until_days),
                    per_booking_max=each.per_booking,
                    per_buyer_max=each.per_buyer,
                    pools=each.pools,
                )
                for each in spec.types
            ),
        )

    async def _sell(
        self, tx: Connection, spec: EventSpec, event_id: UUID, opened: datetime, closed: datetime
    ) -> list[UUID]:
        sale = await read_sale(tx, event_id)
        units = sum(pool.capacity for pool in sale.pools.values()) if spec.sold_out else spec.sold
        buyers = [self._people[name] for name in BUYERS] + [self._people["buyer"]] * _REGULAR
        return await _carry_out(tx, event_id, Crowd(spec, sale, buyers, opened, closed).plan(units))

    def _announced_ago(self, spec: EventSpec) -> timedelta:
        first, last = _ANNOUNCED
        return timedelta(
            days=first + sum(spec.title.encode()) % (last - first), minutes=sum(spec.text.encode()) % 600
        )

    def _id(self, kind: str, name: str) -> UUID:
        """Return an id that is the same in every demo; ids are in order of creation, like any UUIDv7."""
        milliseconds = _FIRST_ID_MILLISECONDS + next(self._numbers)
        tail = uuid5(_NAMESPACE, f"{kind} {name}").int
        return UUID(
            int=milliseconds << 80
            | 0x7 << 76
            | (tail >> 64 & 0xFFF) << 64
            | 0b10 << 62
            | tail & (1 << 62) - 1
        )


async def _carry_out(tx: Connection, event_id: UUID, planned: Sequence[PlannedBooking]) -> list[UUID]:
    """Carry out bookings and cancellations in the order of their times; returns the remaining bookings."""
    steps = [(booking.at, number, booking) for number, booking in enumerate(planned)]
    steps += [
        (booking.cancelled_at, number, booking)
        for number, booking in enumerate(planned)
        if booking.cancelled_at is not None
    ]
    placed: dict[int, UUID] = {}
    for at, number, booking in sorted(steps, key=lambda step: step[:2]):
        if number in placed:
            await carry_out(
                tx, CancelBooking(event_id, placed.pop(number), booking.buyer_id, booking.buyer_id), at
            )
        else:
            lines = (BookingLine(booking.ticket_type_id, booking.quantity),)
            booked, _ = await carry_out(tx, PlaceBooking(event_id, booking.buyer_id, lines), at)
            assert isinstance(booked, Booked), "carry_out raises refusals"
            placed[number] = booked.booking.booking_id
    return list(placed.values())


async def _cancel_event(
    tx: Connection, organizer_id: UUID, event_id: UUID, booking_ids: Sequence[UUID], at: datetime
) -> None:
    """Cancel an event and its bookings, as the job after this fact does."""
    await organizing.cancel_event(tx, event_id, at)
    for booking_id in booking_ids:
        await carry_out(
            tx, CancelBooking(event_id, booking_id, organizer_id, None), at + timedelta(minutes=1)
        )
