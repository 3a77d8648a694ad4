"""Organizers, venues and events for tests, at a fixed present."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from evently import catalogue, organizing
from evently.catalogue import Category, Event, EventTerms, Venue, VenueTerms
from evently.db import Database
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms

NOW: Final = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BERLIN: Final = VenueTerms("Tempodrom", "Möckernstraße 10\n10963 Berlin", "Berlin", "DE", "Europe/Berlin")


async def make_organizer(db: Database, name: str = "Klangwerk") -> UUID:
    organizer_id = new_id()
    async with db.transaction() as tx:
        await tx.execute(
            "INSERT INTO organizers (organizer_id, name, contact_email, version, created_at) "
            "VALUES ($1, $2, 'o@evently.example', 1, $3)",
            organizer_id,
            name,
            NOW,
        )
    return organizer_id


async def make_venue(db: Database, organizer_id: UUID, terms: VenueTerms = BERLIN) -> Venue:
    async with db.transaction() as tx:
        return await catalogue.create_venue(tx, organizer_id, terms, NOW)


def event_terms(venue_id: UUID, **changes: Any) -> EventTerms:
    said: dict[str, Any] = {
        "venue_id": venue_id,
        "title": "Jazz by night",
        "description": "A quartet, two sets.",
        "category": Category.MUSIC,
        "tags": ("jazz", "live"),
        "image_url": None,
        "starts_at": NOW + timedelta(days=30),
        "ends_at": NOW + timedelta(days=30, hours=3),
    }
    return EventTerms(**{**said, **changes})


def sale_terms(capacity: int = 100, **ticket_type: Any) -> SaleTerms:
    said: dict[str, Any] = {"name": "Regular", "price": Money(2500, "EUR")}
    return SaleTerms(
        currency="EUR", capacity=capacity, ticket_types=(NewTicketType(**{**said, **ticket_type}),)
    )


async def make_event(
    db: Database,
    venue: Venue,
    sale: SaleTerms | None = None,
    *,
    publish: bool = True,
    now: datetime = NOW,
    **changes: Any,
) -> Event:
    async with db.transaction() as tx:
        terms = event_terms(venue.venue_id, **changes)
        event, _ = await organizing.create_event(tx, venue.organizer_id, terms, sale or sale_terms(), now)
        return (await organizing.publish_event(tx, event.event_id, now)).event if publish else event


async def until_somebody_waits(db: Database) -> None:
    """Return once a statement in this database waits for a lock."""
    async with asyncio.timeout(60):
        while not await db.fetch_value(  # the other connection's wait announces itself to nobody
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
            "current_database()"
        ):
            await asyncio.sleep(0.005)
