"""Venues, events, browsing, calendars."""

from evently.web.api.catalogue import browse, calendar, events, pictures, series, venues

__all__ = ["routes"]

routes = [*browse.routes, *events.routes, *pictures.routes, *series.routes, *calendar.routes, *venues.routes]
