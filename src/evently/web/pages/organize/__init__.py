"""The desk: what the members of an organizer see and do, under `/organize`.

desk      the frame of every page: who reads it, with which role, and the pages that the role may open
home      choosing or making an organizer; its home: what is ahead, what was sold, what needs a person
events    an event at a glance

A page calls the verbs that the API calls, with the policy of the API's route. A page of an event is one line
in `desk.TABS`; the routes of each module are listed here.
"""

from typing import Final

from evently.web.pages.organize import events, home

__all__ = ["routes"]

routes: Final = [*home.routes, *events.routes]
