"""The requests of a rehearsal's organizer: create the sandbox event, and read all its bookings afterwards."""

from __future__ import annotations

import asyncio
import time
from typing import Final, TypeVar

import msgspec

from evently.rehearsal.buying import BookingShown, MoneyShown, Ticketing, TypeOnSale
from evently.rehearsal.checks import DrawShown, ProofShown, ServerRecords
from evently.rehearsal.driver import HttpClient, Reply, request_for
from evently.rehearsal.recording import LOST
from evently.rehearsal.server import CannotRehearse

READY_SECONDS_MAX: Final = 5.0
TRIES_MAX: Final = 5
PREPARE_SECONDS_MAX: Final = 60.0  # for creating twenty thousand buyers and their tokens
_PAGE: Final = 100
_API_KEY: Final = "evk_"
_MAY_SELL: Final = ("owner", "manager")
_OK: Final = (200, 201)
_BUSY: Final = (LOST, 429, 503)
Shape = TypeVar("Shape")


class SandboxBuyer(msgspec.Struct, frozen=True):
    """A simulated buyer."""

    id: str
    access_token: str


class SandboxTicketType(msgspec.Struct, frozen=True):
    """A ticket type of the sandbox event."""

    id: str
    name: str
    price: MoneyShown
    per_booking_max: int
    per_buyer_max: int | None
    pool_ids: list[str]


class SandboxEvent(msgspec.Struct, frozen=True):
    """The answer of `POST .../sandboxes`: the sandbox event and its buyers."""

    event_id: str
    title: str
    places: int
    ticket_types: list[SandboxTicketType]
    buyers: list[SandboxBuyer]
    hold_seconds: int | None = None
    seat_ids: list[str] = []
    opens_in_seconds: float | None = None  # from the answer

    def ticketing(self, seats: str | None) -> Ticketing:
        """Return what the buyers need to know; they choose `random` seats or take the `best` ones."""
        types = [
            TypeOnSale(
                kind.id,
                kind.name,
                kind.price.amount,
                min(kind.per_booking_max, kind.per_buyer_max or kind.per_booking_max),
                kind.pool_ids,
            )
            for kind in self.ticket_types
        ]
        ids, tokens = [buyer.id for buyer in self.buyers], [buyer.access_token for buyer in self.buyers]
        named = self.seat_ids if seats == "random" else []
        return Ticketing(
            self.event_id,
            self.places,
            types,
            ids,
            tokens,
            self.hold_seconds,
            named,
            None if self.opens_in_seconds is None else time.perf_counter() + self.opens_in_seconds,
        )


class OrganizerShown(msgspec.Struct, frozen=True):
    """An organizer in which the caller is a member."""

    id: str


class MembershipShown(msgspec.Struct, frozen=True):
    """A membership of the caller."""

    organizer: OrganizerShown
    role: str


class MembershipPage(msgspec.Struct, frozen=True):
    """A page of memberships."""

    data: list[MembershipShown]


class BookingPage(msgspec.Struct, frozen=True):
    """A page of an event's bookings."""

    data: list[BookingShown]
    next_cursor: str | None


class TypeLeft(msgspec.Struct, frozen=True):
    """The available units of a ticket type."""

    available: int


class AvailabilityShown(msgspec.Struct, frozen=True):
    """The availability of an event."""

    ticket_types: list[TypeLeft]


class OrganizerApi:
    """The requests of the organizer. Each raises CannotRehearse with the server's answer if it fails."""

    def __init__(self, client: HttpClient, token: str) -> None:
        self._client = client
        self._token = token

    async def wait_until_ready(self) -> None:
        """Return when the server is ready."""
        until = time.monotonic() + READY_SECONDS_MAX
        while (
            answer := await self._client.exchange(request_for("GET", "/readyz", self._client.target))
        ).status not in _OK:
            if time.monotonic() > until:
                raise CannotRehearse(f"the server is not ready: {_show_reply(answer)}")
            await asyncio.sleep(0.05)

    async def prepare(
        self, event: str | None, organizer: str | None, body: dict[str, object]
    ) -> SandboxEvent:
        """Create a sandbox event, as a copy of `event` or a new one, and its buyers."""
        path = (
            f"/v1/events/{event}/sandboxes"
            if event
            else f"/v1/organizers/{organizer or await self._only_organizer()}/sandboxes"
        )
        return await self._ask("POST", path, SandboxEvent, body)

    async def read_records(self, event_id: str) -> ServerRecords:
        """Return all bookings of an event, its proof and its availability."""
        bookings: list[BookingShown] = []
        path: str | None = f"/v1/events/{event_id}/bookings?limit={_PAGE}"
        while path is not None:
            page = await self._ask("GET", path, BookingPage)
            bookings += page.data
            path = (
                page.next_cursor and f"/v1/events/{event_id}/bookings?limit={_PAGE}&after={page.next_cursor}"
            )
        proof = await self._ask("GET", f"/v1/events/{event_id}/proof", ProofShown)
        availability = await self._ask("GET", f"/v1/events/{event_id}/availability", AvailabilityShown)
        return ServerRecords(bookings, proof, sum(kind.available for kind in availability.ticket_types))

    async def read_draw(self, event_id: str) -> DrawShown:
        """Return the draw of the waiting room of an event, with all entries on its list."""
        path = f"/v1/events/{event_id}/waiting-room/draw"
        draw = await self._ask("GET", path, DrawShown)
        while draw.next_cursor is not None:
            page = await self._ask("GET", f"{path}?after={draw.next_cursor}", DrawShown)
            draw.data += page.data
            draw.next_cursor = page.next_cursor
        return draw

    async def _only_organizer(self) -> str:
        """Return the only organizer of which the caller is an owner or manager."""
        if self._token.startswith(_API_KEY):
            raise CannotRehearse(
                "an API key does not tell its organizer: name --organizer, or an --event to copy"
            )
        memberships = (await self._ask("GET", "/v1/organizers", MembershipPage)).data
        found = [membership.organizer.id for membership in memberships if membership.role in _MAY_SELL]
        if len(found) != 1:
            raise CannotRehearse(
                f"the token belongs to {len(found)} organizers: name --organizer, or an --event to copy"
            )
        return found[0]

    async def _ask(self, method: str, path: str, shape: type[Shape], body: object = None) -> Shape:
        content = None if body is None else msgspec.json.encode(body)
        request = request_for(method, path, self._client.target, token=self._token, body=content)
        for _ in range(TRIES_MAX):
            answer = await self._client.exchange(request, seconds_max=PREPARE_SECONDS_MAX)
            if answer.status not in _BUSY or method != "GET":
                break
            await asyncio.sleep(answer.retry_after())
        if answer.status not in _OK:
            raise CannotRehearse(f"{method} {path}: {_show_reply(answer)}")
        return msgspec.json.decode(answer.body, type=shape)


def _show_reply(answer: Reply) -> str:
    return (
        "no answer"
        if answer.status == LOST
        else f"{answer.status} {answer.body[:500].decode('utf-8', 'replace')}"
    )
