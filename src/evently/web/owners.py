"""Finds the organizer of the resource in a path, for the edge, which knows no domain but accounts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Final

from evently import catalogue, organizing, seating
from evently.accounts.organizers import get_organizer
from evently.accounts.rehearsals import session_of
from evently.db import Database
from evently.kit.ids import parse_id
from evently.kit.memory import Memory
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.access import Hidden, Owner

EVENTS_MAX: Final = 50_000  # events whose organizer is remembered: 20 MB


class Owners:
    """Finds owners. The organizer of a published event never changes, so it is remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A draft may still be deleted, or published. Requests for the same event share one read: when a sale
        # opens, thousands come at once
        self._of_events: Memory[str, Owner] = Memory(_seconds, EVENTS_MAX)

    async def find(self, path_values: Mapping[str, str]) -> Owner:
        """Return the owner of what the parameters of a path name; refuse what is not there."""
        if (text := path_values.get("organizer_id")) is not None:
            organizer = await get_organizer(self._database, parse_id("org", text))
            return Owner(organizer.organizer_id, public=True)
        if (text := path_values.get("event_id")) is not None:
            return await self._of_events.get(text, partial(self._read_event, text))
        if (text := path_values.get("seat_map_id")) is not None:
            return Owner(await seating.get_owner(self._database, parse_id("smp", text)), public=False)
        if (text := path_values.get("series_id")) is not None:
            return Owner(
                await organizing.get_series_owner(self._database, parse_id("ser", text)), public=False
            )
        venue = await catalogue.get_venue(self._database, parse_id("ven", path_values["venue_id"]))
        return Owner(venue.organizer_id, public=False)

    async def _read_event(self, text: str) -> Owner:
        event = await catalogue.get_event(self._database, parse_id("evt", text))
        if event.sandbox:
            hidden = Hidden(session_of(event.event_id), SalesRefusal.EVENT_NOT_FOUND)
            return Owner(event.organizer_id, public=False, hidden=hidden)
        return Owner(event.organizer_id, event.state != "draft")


def _seconds(owner: Owner) -> float:
    return math.inf if owner.public or owner.hidden is not None else 0
