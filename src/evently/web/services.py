"""What the handlers of `api` and `pages` get beyond the edge's own: the domains, as `app.py` built them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from evently.attendees import NameReader
from evently.checkout import Checkout
from evently.db import Probe
from evently.mail import Mail
from evently.realtime import Hub
from evently.sales import Engine
from evently.sales.reads import Bookings, SeatBoards, WaitlistPositions
from evently.tickets import TicketPrinter, Wallets
from evently.web.booked_events import BookedEvents
from evently.web.edge import context
from evently.web.edge.downloads import Downloads


@dataclass(frozen=True, kw_only=True)
class Services(context.Context):
    """The context of every request."""

    probe: Probe
    engine: Engine
    bookings: Bookings
    booked_events: BookedEvents
    names: NameReader
    boards: SeatBoards
    hub: Hub
    waitlist_positions: WaitlistPositions
    checkout: Checkout
    printer: TicketPrinter
    mail: Mail
    wallets: Wallets
    downloads: Downloads = field(default_factory=Downloads)


class Request(context.Request):
    """A request whose context has the domains."""

    __slots__ = ()
    context: ClassVar[Services]
