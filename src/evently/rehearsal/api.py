"""What the organizer of a rehearsal asks of the server: make it, and afterwards say everything that was sold."""

from __future__ import annotations

import asyncio
import time
from typing import Final, TypeVar

import msgspec

from evently.rehearsal.buying import BookingShown, MoneyShown, Ticketing, TypeOnSale
from evently.rehearsal.driver import HttpClient, Reply, request_for
from evently.rehearsal.judgement import Ledger, ProofShown
from evently.rehearsal.recording import LOST
from evently.rehearsal.server import CannotRehearse

READY_SECONDS_MAX: Final = 5.0
TRIES_MAX: Final = 5
PREPARE_SECONDS_MAX: Final = 60.0  # twenty thousand people and their tokens
_PAGE: Final = 100
_API_KEY: Final = "evk_"
_MAY_SELL: Final = ("owner", "manager")
_OK: Final = (200, 201)
_BUSY: Final = (LOST, 429, 503)
Shape = TypeVar("Shape")


class BuyerMade(msgspec.Struct, frozen=True):
    """A simulated buyer."""

    id: str
    access_token: str


class TypeMade(msgspec.Struct, frozen=True):
    """A ticket type of the sandbox event."""

    id: str
    name: str
    price: MoneyShown
    per_booking_max: int
    per_buyer_max: int | None
    pool_ids: list[str]


class Prepared(msgspec.Struct, frozen=True):
    """What `POST .../rehearsals` answers."""

    event_id: str
    title: str
    places: int
    ticket_types: list[TypeMade]
    buyers: list[BuyerMade]
    hold_seconds: int | None = None
    seat_ids: list[str] = []

    def ticketing(self, seats: str | None) -> Ticketing:
        """Return it as the buyers need it, who take `random` seats or the `best` ones."""
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
        return Ticketing(self.event_id, self.places, types, ids, tokens, self.hold_seconds, named)


class OrganizerShown(msgspec.Struct, frozen=True):
    """An organizer of the caller."""

    id: str


class MembershipShown(msgspec.Struct, frozen=True):
    """What the caller is there."""

    organizer: OrganizerShown
    role: str


class MembershipPage(msgspec.Struct, frozen=True):
    """A page of them."""

    data: list[MembershipShown]


class BookingPage(msgspec.Struct, frozen=True):
    """A page of an event's bookings."""

    data: list[BookingShown]
    next_cursor: str | None


class TypeLeft(msgspec.Struct, frozen=True):
    """How many tickets of a type are left."""

    available: int


class AvailabilityShown(msgspec.Struct, frozen=True):
    """What an event has left."""

    ticket_types: list[TypeLeft]


class Api:
    """The organizer's side of the API. Raises CannotRehearse with what the server said."""

    def __init__(self, client: HttpClient, token: str) -> None:
        self._client = client
        self._token = token

    async def wait_until_ready(self) -> None:
        """Return when the server says that it is ready; one that runs already should be soon."""
        until = time.monotonic() + READY_SECONDS_MAX
        while (
            answer := await self._client.exchange(request_for("GET", "/readyz", self._client.target))
        ).status not in _OK:
            if time.monotonic() > until:
                raise CannotRehearse(f"the server is not ready: {_said(answer)}")
            await asyncio.sleep(0.05)

    async def prepare(self, event: str | None, organizer: str | None, body: dict[str, object]) -> Prepared:
        """Make a sandbox event, a copy of `event` or a fresh one, and its buyers."""
        path = (
            f"/v1/events/{event}/rehearsals"
            if event
            else f"/v1/organizers/{organizer or await self._only_organizer()}/rehearsals"
        )
        return await self._ask("POST", path, Prepared, body)

    async def read_ledger(self, event_id: str) -> Ledger:
        """Return everything that the server sold of an event."""
        bookings: list[BookingShown] = []
        path: str | None = f"/v1/events/{event_id}/bookings?limit={_PAGE}"
        while path is not None:
            page = await self._ask("GET", path, BookingPage)
            bookings += page.data
            path = (
                page.next_cursor and f"/v1/events/{event_id}/bookings?limit={_PAGE}&after={page.next_cursor}"
            )
        proof = await self._ask("GET", f"/v1/events/{event_id}/proof", ProofShown)
        left = await self._ask("GET", f"/v1/events/{event_id}/availability", AvailabilityShown)
        return Ledger(bookings, proof, sum(kind.available for kind in left.ticket_types))

    async def _only_organizer(self) -> str:
        """Return the one organizer for which the caller may sell."""
        if self._token.startswith(_API_KEY):
            raise CannotRehearse(
                "an API key does not say whose it is: name --organizer, or an --event to copy"
            )
        memberships = (await self._ask("GET", "/v1/organizers", MembershipPage)).data
        found = [membership.organizer.id for membership in memberships if membership.role in _MAY_SELL]
        if len(found) != 1:
            raise CannotRehearse(
                f"the token is of {len(found)} organizers: name one with --organizer, or an --event to copy"
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
            raise CannotRehearse(f"{method} {path}: {_said(answer)}")
        return msgspec.json.decode(answer.body, type=shape)


def _said(answer: Reply) -> str:
    return (
        "no answer"
        if answer.status == LOST
        else f"{answer.status} {answer.body[:500].decode('utf-8', 'replace')}"
    )
