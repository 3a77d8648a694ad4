"""Venues, events with their pools and ticket types, browsing, calendars."""

from evently.web.catalogue import browse, calendar, events, parts, venues

__all__ = ["routes"]

routes = [*browse.routes, *events.routes, *calendar.routes, *parts.routes, *venues.routes]
