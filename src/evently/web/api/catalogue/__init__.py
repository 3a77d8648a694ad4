"""Venues, events, browsing, calendars."""

from evently.web.api.catalogue import browse, calendar, events, series, venues

__all__ = ["routes"]

routes = [*browse.routes, *events.routes, *series.routes, *calendar.routes, *venues.routes]
