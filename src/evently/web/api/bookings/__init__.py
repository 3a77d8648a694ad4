"""Quote, book, look, extend, cancel, return; availability, the journal and the proof of an event.

bodies, views     what is sent, and what is shown
placing           the hot path; holds
ending            cancelling and what it pays back, returning
quoting           what something would cost
looking           one booking, lists
availability, proof
"""

from evently.web.api.bookings import availability, ending, looking, placing, proof, quoting
from evently.web.api.bookings.views import BookingView, answer_booking, show_booking

__all__ = ["BookingView", "answer_booking", "routes", "show_booking"]

routes = [
    *placing.routes,
    *ending.routes,
    *quoting.routes,
    *looking.routes,
    *availability.routes,
    *proof.routes,
]
