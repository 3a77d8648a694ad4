"""What a reader holds, said on every page until it is paid, given back or over.

The browser keeps the id of the booking in a cookie, from when the page of the booking shows a hold until it
shows something else. Without the cookie nothing is read. With it, each page reads the booking once, so the
bar says what is true when the page is made. The page of the booking and the list of bookings say it
themselves. Pages that the service worker keeps (offline.py) never say it: they are shown when it is over.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final, NamedTuple

from evently import catalogue, sales
from evently.kit.errors import Refused, Trouble
from evently.kit.ids import find_id, show_id
from evently.kit.money import Money
from evently.sales.nouns import Booking
from evently.web.edge.cookies import read_cookie, set_cookie
from evently.web.services import Request

_COOKIE: Final = "evently-hold"
_PLACE: Final = "evently.hold"  # in the scope of a request
_WITHOUT: Final = ("/me/tickets", "/tickets/", "/offline")


class Hold(NamedTuple):
    """A hold of the reader. `seconds`: what is left of it; `expires`: at the venue."""

    address: str
    tickets: int
    total: Money
    expires: datetime
    city: str
    seconds: int
    longer_minutes: int | None  # for which it can be held once more; None: it cannot


async def read_hold(request: Request) -> None:
    """Read what the reader holds, if the cookie says so; `hold_of` then returns it."""
    value = read_cookie(request, _COOKIE)
    if value is None or request.actor.kind == "anonymous":
        return
    booking_id = find_id("bkg", value)
    if booking_id is None:
        forget_hold(request)
        return
    address = f"/bookings/{value}"
    if request.scope["path"].startswith((address, *_WITHOUT)):
        return
    try:
        booking = await sales.reads.get_booking(request.context.database, booking_id)
        event = await catalogue.get_event(request.context.database, booking.event_id)
    except Refused:
        forget_hold(request)
        return
    except Trouble:  # the page itself may not need the database
        return
    now = request.context.clock()
    if booking.buyer_id != request.actor.id or booking.state != "held" or booking.expires_at is None:
        forget_hold(request)
    elif booking.expires_at > now:
        request.scope[_PLACE] = Hold(
            address,
            len([ticket for ticket in booking.tickets if ticket.state != "void"]),
            Money(booking.total_minor(), booking.currency),
            booking.expires_at.astimezone(event.place.zone),
            event.city,
            math.ceil((booking.expires_at - now).total_seconds()),
            await find_longer_minutes(request, booking),
        )


async def find_longer_minutes(request: Request, booking: Booking) -> int | None:
    """Return for how many minutes a hold can be kept once more; None where the rules refuse it.

    They refuse a second time, and an offer that is not accepted yet. The terms of a booking never change, so
    pages share their reading.
    """
    database = request.context.database
    if booking.state != "held" or booking.extended:
        return None
    if booking.entry_id is not None:
        entry = await sales.reads.get_entry(database, booking.entry_id)
        if entry.state == "offered":
            return None
    version = booking.event_id, booking.conditions_version

    async def read() -> int:
        return (await sales.reads.find_conditions(database, [version]))[version].hold_seconds

    seconds: int = await request.context.recent.get(("hold_seconds", *version), read)
    return max(1, round(seconds / 60))


def hold_of(request: Request) -> Hold | None:
    """Return what the reader holds, to be said on this page."""
    found: Hold | None = request.scope.get(_PLACE)
    return found


def keep_hold(request: Request, booking: Booking, seconds: int) -> None:
    """Make the browser remember a hold, for as long as it lasts."""
    value = show_id("bkg", booking.booking_id)
    if read_cookie(request, _COOKIE) != value or booking.extended:
        set_cookie(request, _COOKIE, value, seconds=max(1, seconds), secret=True)


def forget_hold(request: Request, booking: Booking | None = None) -> None:
    """Make the browser forget the hold; if a booking is given, only when it is that one."""
    value = read_cookie(request, _COOKIE)
    if value is not None and (booking is None or value == show_id("bkg", booking.booking_id)):
        set_cookie(request, _COOKIE, "", seconds=0, secret=True)
