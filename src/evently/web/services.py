"""What the handlers of `api` and `pages` get beyond the edge's own: the domains, as `app.py` built them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from evently.analytics import Evenings
from evently.attendees import NameReader
from evently.checkin import DoorReader, ListSigner
from evently.checkout import Checkout
from evently.db import Probe
from evently.kit.memory import Memory
from evently.mail import Mail, TicketMailReader
from evently.push import Push
from evently.questions import QuestionReader
from evently.realtime import Hub
from evently.sales import Engine
from evently.sales.reads import Bookings, SeatBoards, WaitlistPositions
from evently.tickets import TicketPrinter, Wallets
from evently.waitingroom import WaitingRooms
from evently.web.booked_events import BookedEvents
from evently.web.edge import context
from evently.web.edge.downloads import Downloads
from evently.web.edge.memory import KEPT_SECONDS
from evently.webhooks import Webhooks

_ALIKE_MAX: Final = 500  # pages of bookings that are alike; 10 KB each
_PICTURES_MAX: Final = 500  # kept in memory, of uploaded ones: one is 20 to 300 KB
_PICTURE_BYTES_MAX: Final = 16 * 1024 * 1024
_PICTURE_SECONDS: Final = 3_600.0
_RECENT_MAX: Final = 100  # events that pages have read; one with a hall of 20,000 seats takes 200 KB


@dataclass(frozen=True, kw_only=True)
class Services(context.Context):
    """The context of every request. `recent`: what pages that are made for one reader read for everybody.

    `alike`: pages of bookings that differ by ids alone, cut where these stand. `pictures`: by their names.
    """

    probe: Probe
    engine: Engine
    bookings: Bookings
    booked_events: BookedEvents
    names: NameReader
    questions: QuestionReader
    boards: SeatBoards
    hub: Hub
    evenings: Evenings
    waitlist_positions: WaitlistPositions
    checkout: Checkout
    printer: TicketPrinter
    mail: Mail
    ticket_mail: TicketMailReader
    push: Push
    webhooks: Webhooks
    wallets: Wallets
    list_signer: ListSigner
    door: DoorReader
    waiting_rooms: WaitingRooms
    downloads: Downloads = field(default_factory=Downloads)
    recent: Memory[Hashable, Any] = field(default_factory=lambda: Memory(KEPT_SECONDS, _RECENT_MAX))
    pictures: Memory[str, bytes] = field(
        default_factory=lambda: Memory(
            _PICTURE_SECONDS, _PICTURES_MAX, bytes_max=_PICTURE_BYTES_MAX, size_of=len
        )
    )
    alike: Memory[Hashable, list[str]] = field(default_factory=lambda: Memory(KEPT_SECONDS, _ALIKE_MAX))


class Request(context.Request):
    """A request whose context has the domains."""

    __slots__ = ()
    context: ClassVar[Services]
