"""Seat maps of venues, and the seats of events."""

from evently.web.api.seating import maps, seats

__all__ = ["routes"]

routes = [*maps.routes, *seats.routes]
