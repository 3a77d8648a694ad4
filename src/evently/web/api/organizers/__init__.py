"""Organizers: their API keys, members and invitations."""

from evently.web.api.organizers import members, organizers

__all__ = ["routes"]

routes = [*organizers.routes, *members.routes]
