"""Venues, events with their pools, ticket types, conditions and seats, browsing, calendars."""

from evently.web.catalogue import browse, calendar, events, parts, selling, venues

__all__ = ["routes"]

routes = [*browse.routes, *events.routes, *calendar.routes, *parts.routes, *selling.routes, *venues.routes]
