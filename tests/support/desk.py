"""The desk in tests: a member of an organizer reads its pages, without a browser or in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from playwright.async_api import BrowserContext

from evently.catalogue import Event
from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice
from tests.support.visitor import Visitor


@dataclass
class Desk:
    """A member at the desk: `home` of the organizer, and an event there. `headers` are those of the API."""

    office: BoxOffice
    visitor: Visitor
    headers: dict[str, str]
    event: Event

    @property
    def home(self) -> str:
        return home_of(self.office)

    @property
    def address(self) -> str:
        return address_of(self.event)


async def open_desk(office: BoxOffice, role: str = "owner", **event: Any) -> Desk:
    """Sign in a new member of the organizer, with a published event that is made like `office.open_event`."""
    made = await office.open_event(**event)
    headers = await office.as_member(role)
    office.context.accounts.roles.forget(office.venue.organizer_id)
    return Desk(office, Visitor(office, headers), headers, made)


async def sign_in_member(
    office: BoxOffice,
    context: BrowserContext,
    url: str,
    role: str = "owner",
    organizer_id: UUID | None = None,
) -> dict[str, str]:
    """Put the session of a new member into a browser; return the headers with which it uses the API."""
    headers = await office.as_member(role, organizer_id)
    token = headers["Authorization"].removeprefix("Bearer ")
    await context.add_cookies([{"name": "evently", "value": f"evb_unknown.{token}", "url": url}])
    return headers


def home_of(office: BoxOffice) -> str:
    """Return the address of the organizer's home."""
    return f"/organize/{show_id('org', office.venue.organizer_id)}"


def address_of(event: Event) -> str:
    """Return the address of an event at the desk."""
    return f"/organize/events/{show_id('evt', event.event_id)}"
