"""Organizers: their accounts and API keys, their members and invitations."""

from evently.web.api.organizers import members, organizers

__all__ = ["routes"]

routes = [*organizers.routes, *members.routes]
