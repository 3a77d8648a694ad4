"""Bookings: quote, place, extend, get, list, cancel, return; availability, journal and proof of an event.

bodies         what requests send
views          what responses show
placing        place a booking (the hot path), extend a hold
ending         cancel bookings, quote a cancellation, return tickets to the waitlist
paying         refuse bookings that nothing can pay
finding        find bookings by what a caller says
mending        give tickets other seats, send them again
quoting        quote a booking
reading        get one booking, list bookings
availability   how many tickets of each type can be booked
proof          the journal of an event, and its proof
"""

from evently.web.api.bookings import availability, ending, finding, mending, placing, proof, quoting, reading
from evently.web.api.bookings.bodies import WITHOUT_CODE, AcceptBody, PromoCode
from evently.web.api.bookings.views import BookingView, answer_booking, show_booking
from evently.web.paying import refuse_unpayable

__all__ = [
    "WITHOUT_CODE",
    "AcceptBody",
    "BookingView",
    "PromoCode",
    "answer_booking",
    "refuse_unpayable",
    "routes",
    "show_booking",
]

routes = [
    *placing.routes,
    *ending.routes,
    *finding.routes,
    *mending.routes,
    *quoting.routes,
    *reading.routes,
    *availability.routes,
    *proof.routes,
]
