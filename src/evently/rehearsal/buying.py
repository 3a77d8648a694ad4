"""What a buyer does, request by request, and what the buyers were told: the journal that judges a rehearsal, kept outside the system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from evently.rehearsal.crowd import Buyer
from evently.rehearsal.driver import NO_ANSWER, HttpClient, Reply, Target, request_for
from evently.rehearsal.recording import LOST, Recording

PAUSE_SECONDS: Final = 0.1  # after a lost answer, doubled each time
PAUSE_SECONDS_MAX: Final = 2.0
GLANCE_SECONDS: Final = 0.3  # a server may show what was true a quarter of a second ago
EXPIRY_SECONDS: Final = 1.5  # after which a hold that has run out can be had again, and is shown as such
SEATS_TRIES_MAX: Final = 4  # seats that a buyer names before any will do
# Each sells what was returned; only a sale that never settles would need more
LAST_CALL_ROUNDS_MAX: Final = 200
_PAYING: Final = b"POST /payments HTTP"
_CREATED: Final = 201
_OK: Final = 200
_CONFLICT: Final = 409
_BUSY: Final = (429, 503)
_BAD_REQUEST: Final = 400
_SERVER_ERROR: Final = 500


class Seen(IntEnum):
    """What a request turned out to be, in a rehearsal's recording."""

    LOST = LOST
    LOOKED = 1
    BOOKED = 2
    REPLAYED = 3
    CANCELLED = 4
    SOLD_OUT = 5
    REFUSED = 6
    BUSY = 7
    FAILED = 8
    PAID = 9
    DECLINED = 10
    SEAT_TAKEN = 11
    UNPAID = 12


class TypeOnSale(msgspec.Struct, frozen=True):
    """A ticket type of the rehearsed event."""

    id: str
    name: str
    price_minor: int
    units_max: int  # in one booking, for one buyer
    pool_ids: list[str]  # a unit takes one unit of each


class Ticketing(msgspec.Struct, frozen=True):
    """The rehearsed event as the buyers know it, and who they are: ids and access tokens, by number."""

    event_id: str
    places: int
    ticket_types: list[TypeOnSale]
    buyer_ids: list[str]
    tokens: list[str]
    hold_seconds: int | None = None  # paid online within that; None: at the door
    seat_ids: list[str] = []  # those that buyers name, row by row; none: the server picks


class Told(msgspec.Struct):
    """A booking that was acknowledged to a buyer.

    `cancelled`: acknowledged too; None while nobody knows (the answer was lost).

    `owed`: it was held until it is paid. `paid`: acknowledged too; None while nobody knows.
    """

    booking_id: str
    buyer_id: str
    ticket_type_id: str
    units: int
    amount_minor: int
    cancelled: bool | None = False
    owed: bool = False
    paid: bool | None = False


class Unsettled(msgspec.Struct, frozen=True):
    """A request that went unanswered at least once, and never succeeded: a booking of this kind may exist, or not."""

    buyer_id: str
    ticket_type_id: str
    units: int


class ClientJournal(msgspec.Struct):
    """What the buyers were told."""

    bookings: dict[str, Told] = msgspec.field(default_factory=dict)  # by booking id
    unsettled: list[Unsettled] = msgspec.field(default_factory=list)
    contradictions: list[str] = msgspec.field(default_factory=list)  # one key, two answers
    strange: list[str] = msgspec.field(default_factory=list)  # answers that no documented case explains
    # Who went away without a ticket, because there was none
    left: list[Buyer] = msgspec.field(default_factory=list)
    gave_up: int = 0  # because of trouble
    sold_units: int = 0  # acknowledged and not known to be cancelled
    # Seconds after the opening: when all places were sold, as far as the buyers could tell
    sold_out_at: float | None = None
    # Seconds after the opening, units: + booked, - cancelled
    sales: list[tuple[float, int]] = msgspec.field(default_factory=list)
    sold_out_types: set[str] = msgspec.field(default_factory=set)
    arrived: int = 0
    abandoned: int = 0  # holds that were never paid
    last_expiry_at: float = 0.0  # of those

    def add(self, told: Told, at: float, places: int) -> None:
        """Write down an acknowledged booking."""
        self.bookings[told.booking_id] = told
        self.sold_units += told.units
        self.sales.append((at, told.units))
        if self.sold_out_at is None and self.sold_units >= places:
            self.sold_out_at = at

    def refuse_one(self, ticket_type_id: str, at: float, types: int) -> None:
        """Write down that not a single unit of a ticket type was left."""
        self.sold_out_types.add(ticket_type_id)
        if self.sold_out_at is None and len(self.sold_out_types) == types:
            self.sold_out_at = at

    def let_go(self, told: Told, at: float) -> None:
        """Write down that a hold will run out then, unpaid."""
        self.sold_units -= told.units
        self.abandoned += 1
        self.sales.append((at, -told.units))
        self.last_expiry_at = max(self.last_expiry_at, at)

    def take_back(self, told: Told, at: float) -> None:
        """Write down an acknowledged cancellation."""
        told.cancelled = True
        self.sold_units -= told.units
        self.sales.append((at, -told.units))


class MoneyShown(msgspec.Struct, frozen=True):
    """An amount, as the API shows it."""

    amount: int
    currency: str


class TicketShown(msgspec.Struct, frozen=True):
    """A ticket, as the API shows it."""

    ticket_type_id: str
    price: MoneyShown
    state: str


class BookingShown(msgspec.Struct, frozen=True):
    """A booking, as the API shows it: what the judge looks at."""

    id: str
    buyer_id: str
    state: str
    total: MoneyShown
    tickets: list[TicketShown]


class Rush:
    """The buyers at work: `run` lets all of them come, `last_call` sells what was returned after everybody had left."""

    def __init__(self, client: HttpClient, ticketing: Ticketing, key_prefix: str) -> None:
        self.journal = ClientJournal()
        self.recording = Recording()
        self.began = 0.0
        self._client = client
        self._target: Target = client.target
        self._ticketing = ticketing
        self._key_prefix = key_prefix
        self._event_path = f"/v1/events/{ticketing.event_id}"

    async def run(self, crowd: Sequence[Buyer]) -> None:
        """Let the buyers come when they come; returns when the last has left."""
        self.began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for buyer in crowd:
                if (wait := self.began + buyer.arrives_at - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                self.journal.arrived += 1
                group.create_task(self._visit(buyer))

    async def last_call(self) -> None:
        """Offer returned tickets to those who left without, until there are none of either.

        Nobody cancels any more.
        """
        if (wait := self.journal.last_expiry_at + EXPIRY_SECONDS - self.elapsed()) > 0:
            await asyncio.sleep(wait)  # what was held and never paid falls free
        empty_looks = 0
        for round_number in range(LAST_CALL_ROUNDS_MAX):
            if not self.journal.left:
                return
            available = await self._look_at_availability(self.journal.left[0])
            offers = [
                (kind, available[kind.id])
                for kind in self._ticketing.ticket_types
                if available.get(kind.id, 0) > 0
            ]
            empty_looks = 0 if offers else empty_looks + 1
            if empty_looks > 1:
                return
            for kind, units in offers:
                await self._offer(kind, units, f"last-{round_number}")
            await asyncio.sleep(GLANCE_SECONDS)

    def elapsed(self) -> float:
        """Return the seconds since the opening."""
        return time.perf_counter() - self.began

    async def _offer(self, kind: TypeOnSale, units: int, attempt: str) -> None:
        takers: list[tuple[Buyer, int]] = []
        while units > 0 and self.journal.left:
            buyer = self.journal.left.pop(0)
            takers.append((buyer, min(buyer.units, units, kind.units_max)))
            units -= takers[-1][1]
        outcomes = await asyncio.gather(
            *[self._book(buyer, kind, wanted, attempt) for buyer, wanted in takers]
        )
        await asyncio.gather(
            *[
                self._pay(buyer, told)
                for (buyer, _), told in zip(takers, outcomes, strict=True)
                if isinstance(told, Told)
            ]
        )
        self.journal.left += [
            buyer for (buyer, _), outcome in zip(takers, outcomes, strict=True) if outcome is Seen.SOLD_OUT
        ]

    # One buyer ----------------------------------------------------------------------------------------------

    async def _visit(self, buyer: Buyer) -> None:
        if buyer.looks:
            await self._send(self._request(buyer, "GET", self._event_path))
            await asyncio.sleep(buyer.thinks_seconds)
        told = await self._try_to_book(buyer)
        if told is not None and told.owed and buyer.abandons:
            self.journal.let_go(told, self.elapsed() + (self._ticketing.hold_seconds or 0))
            return
        if told is not None:
            await self._pay(buyer, told)
        if told is not None and buyer.cancels_after is not None:
            await asyncio.sleep(buyer.cancels_after)
            await self._cancel(buyer, told)

    async def _try_to_book(self, buyer: Buyer) -> Told | None:
        """Book what the buyer wants, or less, or later; None when the buyer leaves without."""
        kind = self._ticketing.ticket_types[int(buyer.taste * len(self._ticketing.ticket_types))]
        units = min(buyer.units, kind.units_max)
        for attempt in range(buyer.returns_max + 2):
            outcome = await self._book(buyer, kind, units, str(attempt))
            if isinstance(outcome, Told):
                return outcome
            if outcome is not Seen.SOLD_OUT:
                return None
            if attempt == 0 and buyer.settles and units > 1:
                units = 1
            elif available := await self._wait_for_returned(buyer, kind, buyer.returns_max - attempt):
                units = min(units, available)
            else:
                break
        self.journal.left.append(buyer)
        return None

    async def _wait_for_returned(self, buyer: Buyer, kind: TypeOnSale, looks_max: int) -> int:
        """Look now and then whether there is something again; returns how much."""
        for _ in range(looks_max):
            await asyncio.sleep(buyer.return_seconds)
            if available := (await self._look_at_availability(buyer)).get(kind.id, 0):
                return available
        return 0

    async def _look_at_availability(self, buyer: Buyer) -> dict[str, int]:
        answer = await self._send(self._request(buyer, "GET", f"{self._event_path}/availability"))
        if answer.status != _OK:
            return {}
        return {
            line["ticket_type_id"]: line["available"]
            for line in msgspec.json.decode(answer.body)["ticket_types"]
        }

    async def _book(self, buyer: Buyer, kind: TypeOnSale, units: int, attempt: str) -> Told | Seen:
        """Ask until there is an answer, always with the same key; returns the booking, or what was seen instead of one."""
        for place in range(SEATS_TRIES_MAX):
            outcome = await self._book_once(
                buyer, kind, units, f"{attempt}-{place}" if place else attempt, place
            )
            if outcome is not Seen.SEAT_TAKEN:
                return outcome
        return await self._book_once(buyer, kind, units, f"{attempt}-any", None)

    def _line(self, buyer: Buyer, kind: TypeOnSale, units: int, place: int | None) -> dict[str, object]:
        """Return what is asked for: these seats beside each other, or any."""
        seats = self._ticketing.seat_ids
        if not seats or place is None:
            return {"ticket_type_id": kind.id, "quantity": units}
        first = (buyer.dice + 7919 * place) % max(1, len(seats) - units + 1)
        return {"ticket_type_id": kind.id, "seats": seats[first : first + units]}

    async def _book_once(
        self, buyer: Buyer, kind: TypeOnSale, units: int, attempt: str, place: int | None
    ) -> Told | Seen:
        body = msgspec.json.encode({"lines": [self._line(buyer, kind, units, place)]})
        request = self._request(
            buyer, "POST", f"{self._event_path}/bookings", f"{buyer.number}-{attempt}", body
        )
        twin = asyncio.ensure_future(self._send(request)) if buyer.clicks_twice else None
        answer, unsure = await self._insist(buyer, request)
        if twin is not None:
            second = await twin
            answer, unsure = self._compare(request, answer, second), unsure or second.status == LOST
        seen = see(request, answer)
        if seen in (Seen.BOOKED, Seen.REPLAYED):
            return self._told(buyer, kind, answer)
        if seen in (Seen.LOST, Seen.BUSY, Seen.FAILED):
            self.journal.gave_up += 1
        elif seen is Seen.SOLD_OUT and units == 1:
            self.journal.refuse_one(kind.id, self.elapsed(), len(self._ticketing.ticket_types))
        if unsure or seen is Seen.FAILED:
            self.journal.unsettled.append(Unsettled(self._ticketing.buyer_ids[buyer.number], kind.id, units))
        return seen

    async def _pay(self, buyer: Buyer, told: Told) -> None:
        """Pay what is held, with a second card when the first is declined."""
        if not told.owed:
            return
        told.paid = None
        path = f"/v1/bookings/{told.booking_id}/payments"
        for number, card in enumerate(("declined", "succeeds") if buyer.declined_first else ("succeeds",)):
            body = msgspec.json.encode({"method": card})
            answer, _ = await self._insist(
                buyer, self._request(buyer, "POST", path, f"{buyer.number}-pay-{number}", body)
            )
            if see(_PAYING, answer) is Seen.PAID:
                told.paid = True

    async def _cancel(self, buyer: Buyer, told: Told) -> None:
        request = self._request(
            buyer, "POST", f"/v1/bookings/{told.booking_id}/cancel", f"{buyer.number}-cancel", b"{}"
        )
        answer, unsure = await self._insist(buyer, request)
        seen = see(request, answer)
        if seen is Seen.CANCELLED:
            self.journal.take_back(told, self.elapsed())
        elif unsure or seen is Seen.FAILED:
            told.cancelled = None

    async def _insist(self, buyer: Buyer, request: bytes) -> tuple[Reply, bool]:
        """Send a request until it is answered or the buyer gives up; returns the last answer, and whether it may have been done unseen.

        A refusal settles nothing when an earlier try went unanswered: that one may still be on its way, and
        arrive after tickets came back.
        """
        unsure = False
        answer = NO_ANSWER
        for tries in range(buyer.tries_max):
            answer = await self._send(request, hang_up=buyer.hangs_up and tries == 0)
            if see(request, answer) not in (Seen.LOST, Seen.BUSY):
                return answer, unsure
            unsure = unsure or answer.status == LOST or b"outcome-unknown" in answer.body
            pause = min(PAUSE_SECONDS * 2**tries, PAUSE_SECONDS_MAX)
            await asyncio.sleep(
                buyer.return_seconds * (pause if answer.status == LOST else answer.retry_after())
            )
        return answer, unsure

    async def _send(self, request: bytes, *, hang_up: bool = False) -> Reply:
        due = time.perf_counter()
        answer = await self._client.exchange(request, hang_up=hang_up)
        seen = see(request, answer)
        self.recording.add(due - self.began, time.perf_counter() - due, seen)
        if seen is Seen.FAILED:
            self.journal.strange.append(f"{request.split(b' HTTP', 1)[0].decode()}: {answer.status}")
        return answer

    def _request(
        self, buyer: Buyer, method: str, path: str, key: str | None = None, body: bytes | None = None
    ) -> bytes:
        whole_key = None if key is None else f"{self._key_prefix}-{key}"
        return request_for(
            method, path, self._target, token=self._ticketing.tokens[buyer.number], key=whole_key, body=body
        )

    def _compare(self, request: bytes, first: Reply, second: Reply) -> Reply:
        """Return the better of two answers to one key; two bookings for it are a contradiction."""
        if first.status == second.status == _CREATED:
            bookings = {msgspec.json.decode(answer.body)["id"] for answer in (first, second)}
            if len(bookings) > 1:
                self.journal.contradictions.append(
                    f"{request.split(b' HTTP', 1)[0].decode()}: {sorted(bookings)}"
                )
        return second if second.status == _CREATED else first

    def _told(self, buyer: Buyer, kind: TypeOnSale, answer: Reply) -> Told:
        booking = msgspec.json.decode(answer.body, type=BookingShown)
        told = Told(
            booking.id,
            self._ticketing.buyer_ids[buyer.number],
            kind.id,
            len(booking.tickets),
            booking.total.amount,
        )
        told.owed = booking.state == "held"
        self.journal.add(told, self.elapsed(), self._ticketing.places)
        return told


def see(request: bytes, answer: Reply) -> Seen:
    """Return what the answer to a buyer's request means."""
    status = answer.status
    if status == LOST:
        return Seen.LOST
    if status in (_OK, _CREATED) and b"/payments HTTP" in request:
        return _see_payment(msgspec.json.decode(answer.body)["state"])
    if status == _CREATED:
        return Seen.REPLAYED if answer.header("idempotent-replayed") else Seen.BOOKED
    if status == _OK:
        return Seen.LOOKED if request.startswith(b"GET ") else Seen.CANCELLED
    if status in _BUSY:
        return Seen.BUSY
    if status == _CONFLICT and b"sold-out" in answer.body:
        return Seen.SOLD_OUT
    if status == _CONFLICT and b"seat-taken" in answer.body:
        return Seen.SEAT_TAKEN
    return Seen.REFUSED if _BAD_REQUEST <= status < _SERVER_ERROR else Seen.FAILED


def _see_payment(state: str) -> Seen:
    if state in ("confirmed", "captured"):
        return Seen.PAID
    return Seen.DECLINED if state == "declined" else Seen.UNPAID
