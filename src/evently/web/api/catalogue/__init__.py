"""Venues, events, browsing, calendars."""

from evently.web.api.catalogue import browse, calendar, events, venues

__all__ = ["routes"]

routes = [*browse.routes, *events.routes, *calendar.routes, *venues.routes]
