"""The desk: what the members of an organizer see and do, under `/organize`.

desk      the frame of every page: who reads it, with which role, and the pages that the role may open
find      a page, an event or a booking from one field; Ctrl K
home      choosing or making an organizer; its home: what is ahead, what was sold, what needs a person
events    an event at a glance, its checklist, publishing it
live      the evening of its on-sale, on the same page: its figures, and the stream of them
analytics  the figures in depth; the waitlist
creating  a new event in one form
editing   what people read about an event; moving it
tickets   ticket types and pools; codes: promo codes; terms: money back, names, the door
ending    cancelling, deleting a draft, using an event again
saving    errors at their fields, and both versions when two people edit
typed     what organizers type: times, prices, shares
money     money statements, the proof
bookings  finding bookings; one with its story, and what is done when a buyer calls
attendees the attendees by name, to be printed
dates     the dates of a series: add, publish, change, cancel
seats     zones, blocks and the state of every seat of an event
questions what buyers are asked
rehearse  rehearsals: started, followed, their reports
door      what happens at the door, conflicts, the phones that scan, what is allowed
people    members, roles, invitations
waiting_room a waiting room before the sale
keys      API keys
webhooks  webhooks, and what was sent to them
venues    venues; seat_maps: import, generate, edit

A page calls the verbs that the API calls, with the policy of the API's route. A page of an event is one line
in `desk.TABS`; the routes of each module are listed here.
"""

from typing import Final

from evently.web.pages.organize import (
    analytics,
    attendees,
    bookings,
    codes,
    creating,
    dates,
    door,
    editing,
    ending,
    events,
    find,
    home,
    keys,
    live,
    money,
    people,
    questions,
    rehearse,
    seat_maps,
    seats,
    terms,
    tickets,
    venues,
    waiting_room,
    webhooks,
)

__all__ = ["routes"]

routes: Final = [
    *home.routes,
    *find.routes,
    *creating.routes,
    *events.routes,
    *live.routes,
    *bookings.routes,
    *attendees.routes,
    *money.routes,
    *analytics.routes,
    *editing.routes,
    *dates.routes,
    *tickets.routes,
    *codes.routes,
    *terms.routes,
    *seats.routes,
    *waiting_room.routes,
    *questions.routes,
    *rehearse.routes,
    *door.routes,
    *people.routes,
    *keys.routes,
    *webhooks.routes,
    *ending.routes,
    *venues.routes,
    *seat_maps.routes,
]
