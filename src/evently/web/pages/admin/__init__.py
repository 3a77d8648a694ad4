"""Administration in pages, under `/admin`: people, organizers, events, figures, health, jobs, audits, acts.

frame      the frame of every page, and the form that asks why
people     who has an account: found, locked, logged out, made an administrator
platform   organizers, events, figures; health, failed jobs, audits; what administrators did

A page calls the verbs that the API calls, with the policy of the API's route.
"""

from typing import Final

from evently.web.pages.admin import people, platform

__all__ = ["routes"]

routes: Final = [*platform.routes, *people.routes]
