"""Finds the organizer of the resource in a path, for the edge, which knows no domain but accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from evently import catalogue, organizing, seating
from evently.accounts.organizers import get_organizer
from evently.db import Database
from evently.kit.ids import parse_id
from evently.web.edge.access import Owner

EVENTS_MAX: Final = 50_000  # events whose organizer is remembered: 10 MB; then all are forgotten together


class Owners:
    """Finds owners. The organizer of a published event never changes, so it is remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_events: dict[UUID, Owner] = {}

    async def find(self, path_values: Mapping[str, str]) -> Owner:
        """Return the owner of what the parameters of a path name; refuse what is not there."""
        if (text := path_values.get("organizer_id")) is not None:
            organizer = await get_organizer(self._database, parse_id("org", text))
            return Owner(organizer.organizer_id, public=True)
        if (text := path_values.get("event_id")) is not None:
            return await self._of_event(parse_id("evt", text))
        if (text := path_values.get("seat_map_id")) is not None:
            return Owner(await seating.get_owner(self._database, parse_id("smp", text)), public=False)
        if (text := path_values.get("series_id")) is not None:
            return Owner(
                await organizing.get_series_owner(self._database, parse_id("ser", text)), public=False
            )
        venue = await catalogue.get_venue(self._database, parse_id("ven", path_values["venue_id"]))
        return Owner(venue.organizer_id, public=False)

    async def _of_event(self, event_id: UUID) -> Owner:
        owner = self._of_events.get(event_id)
        if owner is None:
            event = await catalogue.get_event(self._database, event_id)
            owner = Owner(event.organizer_id, event.state != "draft")
            if owner.public:  # a draft may still be deleted, or published
                if len(self._of_events) >= EVENTS_MAX:
                    self._of_events.clear()
                self._of_events[event_id] = owner
        return owner
