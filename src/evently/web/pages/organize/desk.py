"""The frame of every page of the desk: the organizer, the role of the reader, and the pages that it opens.

TABS, PLACES             the pages of an event and those of an organizer, with the role that each needs
open_desk, open_event    what the frame shows; the policy of the route has let the reader in
render_desk              a page in the frame
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import catalogue
from evently.accounts import MemberRole, Organizer
from evently.accounts.organizers import get_organizer
from evently.catalogue import Event
from evently.kit.ids import show_id
from evently.web.edge.auth import organizer
from evently.web.edge.context import Response
from evently.web.pages.rendering import render
from evently.web.services import Request

# Who may open a page of the desk, as the API says it; a page of the desk has no other policies
MEMBERS: Final = organizer("door", "events:read")
MANAGERS: Final = organizer("manager", "events:write")
OWNERS: Final = organizer("owner")
FIGURES: Final = organizer("manager", "analytics:read")
_UTC: Final = ZoneInfo("UTC")
_ROLES: Final[tuple[MemberRole, ...]] = ("owner", "manager", "door")  # the highest first


class Tab(NamedTuple):
    """A page of an event or of an organizer. `path`: behind its address; `role`: what its policy asks for."""

    path: str
    name: str
    role: MemberRole = "manager"


class Group(NamedTuple):
    """Pages that belong together. Without a name: those that come first."""

    name: str
    tabs: tuple[Tab, ...]


# The pages of an event, in the order in which the desk shows them: a part adds its page here alone.
TABS: Final = (
    Group("", (Tab("", "Overview", "door"), Tab("door", "Door", "door"))),
    Group(
        "Sale",
        (
            Tab("bookings", "Bookings"),
            Tab("analytics", "Figures"),
            Tab("waitlist", "Waitlist"),
            Tab("money", "Money"),
            Tab("journal", "Proof"),
        ),
    ),
    Group(
        "Set up",
        (
            Tab("edit", "Details"),
            Tab("dates", "Dates"),
            Tab("tickets", "Tickets"),
            Tab("seats", "Seats", "door"),
            Tab("waiting-room", "Waiting room"),
            Tab("codes", "Promo codes"),
            Tab("terms", "Refunds and fees"),
            Tab("questions", "Questions"),
            Tab("rehearse", "Rehearse"),
            Tab("copy", "Copy this event"),
            Tab("cancel", "Cancel"),
        ),
    ),
)
# The pages of an organizer, likewise.
PLACES: Final = (
    Group(
        "",
        (
            Tab("", "Events", "door"),
            Tab("money", "Statements"),
            Tab("venues", "Venues", "door"),
            Tab("people", "People"),
            Tab("keys", "API keys", "owner"),
            Tab("webhooks", "Webhooks", "owner"),
        ),
    ),
)


class Link(NamedTuple):
    """A page that the reader may open."""

    name: str
    address: str
    current: bool


class Menu(NamedTuple):
    """A group of links."""

    name: str
    links: list[Link]


class Desk(NamedTuple):
    """What the frame of a page shows. `event`: on the pages of an event.

    `acts_as_admin`: the reader does not belong to the organizer; `opened_until`: and may change things.
    """

    organizer: Organizer
    role: MemberRole
    places: list[Menu]
    event: Event | None = None
    tabs: list[Menu] | None = None
    acts_as_admin: bool = False
    opened_until: datetime | None = None

    @property
    def address(self) -> str:
        """The home of the organizer."""
        return organizer_address(self.organizer.organizer_id)

    @property
    def event_address(self) -> str:
        """The event's address at the desk."""
        assert self.event is not None, "only pages of an event have one"
        return event_address(self.event.event_id)

    def opens(self, address: str) -> bool:
        """Return whether the menu leads to a page."""
        return any(link.address == address for menu in self.tabs or () for link in menu.links)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the event's venue."""
        assert self.event is not None, "only pages of an event have one"
        return self.event.place.zone

    @property
    def manages(self) -> bool:
        """Whether the reader may change what is sold, and see money and buyers."""
        return self.role != "door"


async def open_desk(request: Request, organizer_id: UUID) -> Desk:
    """Return the frame of a page about an organizer that the reader belongs to."""
    found = await get_organizer(request.context.database, organizer_id)
    role = await _role_of(request, organizer_id)
    access, actor = request.context.access, request.actor
    as_admin = await access.acts_as_admin(actor, organizer_id, "owner")
    until = await access.opened_until(actor, organizer_id) if as_admin else None
    places = _menus(PLACES, organizer_address(organizer_id), role, request)
    return Desk(found, role, places, acts_as_admin=as_admin, opened_until=until)


async def open_event(request: Request, event_id: UUID) -> Desk:
    """Return the frame of a page about an event whose organizer the reader belongs to."""
    event = await catalogue.get_event(request.context.database, event_id)
    desk = await open_desk(request, event.organizer_id)
    return desk._replace(event=event, tabs=_menus(TABS, event_address(event_id), desk.role, request))


def render_desk(
    request: Request, desk: Desk, template: str, *, status: int = 200, **values: Any
) -> Response[str]:
    """Return a page of the desk; its template extends `organize/desk.html`."""
    until = None if desk.opened_until is None else desk.opened_until.astimezone(_UTC)
    given = {"desk": desk, "event": desk.event, "opened_until": until} | values
    return render(request, f"organize/{template}", status=status, **given)


def organizer_address(organizer_id: UUID) -> str:
    """Return the address of an organizer's home."""
    return f"/organize/{show_id('org', organizer_id)}"


def event_address(event_id: UUID, tab: str = "") -> str:
    """Return the address of an event at the desk, or of one of its pages."""
    address = f"/organize/events/{show_id('evt', event_id)}"
    return f"{address}/{tab}" if tab else address


async def _role_of(request: Request, organizer_id: UUID) -> MemberRole:
    """Return the highest role for which the access check lets the reader pass."""
    access = request.context.access
    for role in _ROLES:
        if await access.is_member(request.actor, organizer_id, role, None, certainly=role == "door"):
            return role
    return "door"  # a role that was lost since the policy was checked opens nothing else


def _menus(groups: tuple[Group, ...], address: str, role: MemberRole, request: Request) -> list[Menu]:
    """Return the pages that a role may open; the one that is shown is marked, or the one above it."""
    here, allowed = request.scope["path"].rstrip("/"), _ROLES[_ROLES.index(role) :]
    menus = []
    for group in groups:
        links = []
        for tab in group.tabs:
            if tab.role in allowed:
                to = f"{address}/{tab.path}" if tab.path else address
                links.append(Link(tab.name, to, here == to or (tab.path != "" and here.startswith(f"{to}/"))))
        if links:
            menus.append(Menu(group.name, links))
    return menus
