"""The requests of the simulated buyers, and the client journal: what the server acknowledged to them.

Rush            runs the buyers of a crowd
ClientJournal   acknowledged bookings and cancellations, kept outside the server; `checks` compares it
classify()      the meaning of an answer
"""

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
from evently.rehearsal.waiting import Waiting

PAUSE_SECONDS: Final = 0.1  # after a lost answer, doubled each time
PAUSE_SECONDS_MAX: Final = 2.0
STALE_SECONDS_MAX: Final = 0.3  # availability may be a quarter of a second old
EXPIRY_SECONDS: Final = 1.5  # after the expiry of a hold its units are available again
SEATS_TRIES_MAX: Final = 4  # choices of seats, before the buyer takes any seats
# Each round sells the returned tickets; only a sale that never settles would need more rounds.
RETURNED_ROUNDS_MAX: Final = 200
_PAYING: Final = b"POST /payments HTTP"
_CREATED: Final = 201
_OK: Final = 200
_CONFLICT: Final = 409
_BUSY: Final = (429, 503)
_UNKNOWN: Final = (b"outcome-unknown", b"commits-wait")  # of a 503: the change may have been made
_BAD_REQUEST: Final = 400
_SERVER_ERROR: Final = 500
_HEAD_BYTES: Final = 100  # of a request: its method and its path
_IN_WAITING_ROOM: Final = b"/waiting-room/"


class RequestOutcome(IntEnum):
    """The outcome of a buyer's request, as a rehearsal records it."""

    LOST = LOST
    READ = 1
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
    ENTERED = 13  # a waiting room
    POLLED = 14


class TypeOnSale(msgspec.Struct, frozen=True):
    """A ticket type of the rehearsed event."""

    id: str
    name: str
    price_minor: int
    units_max: int  # in one booking, for one buyer
    pool_ids: list[str]  # a unit takes one unit of each


class Ticketing(msgspec.Struct, frozen=True):
    """The rehearsed event as the buyers know it, and the buyers' ids and access tokens by number.

    `opens_at`: when its sale begins, as `time.perf_counter` counts; None: at once, without a waiting room.
    """

    event_id: str
    places: int
    ticket_types: list[TypeOnSale]
    buyer_ids: list[str]
    tokens: list[str]
    hold_seconds: int | None = None  # time to pay online; None: tickets are paid on site
    seat_ids: list[str] = []  # seats that buyers choose from, row by row; empty: the server picks
    opens_at: float | None = None


class AcknowledgedBooking(msgspec.Struct):
    """A booking that the server acknowledged to a buyer.

    `amount_minor`: the prices of its tickets; `total_minor`: with fees and taxes, where the server said so.

    `owed`: the booking was held, to be paid. `cancelled` and `paid` are true when the server acknowledged
    that, and None when the answer was lost.
    """

    booking_id: str
    buyer_id: str
    ticket_type_id: str
    units: int
    amount_minor: int
    cancelled: bool | None = False
    owed: bool = False
    paid: bool | None = False
    total_minor: int | None = None


class Unsettled(msgspec.Struct, frozen=True):
    """A request that never succeeded and had no answer at least once: such a booking may exist or not."""

    buyer_id: str
    ticket_type_id: str
    units: int


class ClientJournal(msgspec.Struct):
    """Everything that the server acknowledged to the buyers."""

    bookings: dict[str, AcknowledgedBooking] = msgspec.field(default_factory=dict)  # by booking id
    unsettled: list[Unsettled] = msgspec.field(default_factory=list)
    contradictions: list[str] = msgspec.field(default_factory=list)  # keys with two different answers
    undocumented: list[str] = msgspec.field(default_factory=list)  # answers that the API does not document
    # Buyers who left without tickets because the event was sold out.
    without_tickets: list[Buyer] = msgspec.field(default_factory=list)
    gave_up: int = 0  # buyers who left after failed requests
    sold_units: int = 0  # acknowledged, and not known to be cancelled
    # Seconds after the opening until all places were sold, as far as the buyers know.
    sold_out_at: float | None = None
    # Seconds after the opening, and units: positive when booked, negative when cancelled.
    sales: list[tuple[float, int]] = msgspec.field(default_factory=list)
    sold_out_types: set[str] = msgspec.field(default_factory=set)
    arrived: int = 0
    abandoned: int = 0  # holds that were never paid
    last_expiry_at: float = 0.0  # of the abandoned holds

    def record_booking(self, acknowledged: AcknowledgedBooking, at: float, places: int) -> None:
        """Record an acknowledged booking."""
        self.bookings[acknowledged.booking_id] = acknowledged
        self.sold_units += acknowledged.units
        self.sales.append((at, acknowledged.units))
        if self.sold_out_at is None and self.sold_units >= places:
            self.sold_out_at = at

    def record_sold_out(self, ticket_type_id: str, at: float, types: int) -> None:
        """Record that a buyer was refused even a single unit of a ticket type."""
        self.sold_out_types.add(ticket_type_id)
        if self.sold_out_at is None and len(self.sold_out_types) == types:
            self.sold_out_at = at

    def record_abandoned(self, acknowledged: AcknowledgedBooking, at: float) -> None:
        """Record that a hold will expire unpaid at this time."""
        self.sold_units -= acknowledged.units
        self.abandoned += 1
        self.sales.append((at, -acknowledged.units))
        self.last_expiry_at = max(self.last_expiry_at, at)

    def record_cancellation(self, acknowledged: AcknowledgedBooking, at: float) -> None:
        """Record an acknowledged cancellation."""
        acknowledged.cancelled = True
        self.sold_units -= acknowledged.units
        self.sales.append((at, -acknowledged.units))


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
    """A booking, as the API shows it: the fields that are checked."""

    id: str
    buyer_id: str
    state: str
    total: MoneyShown
    tickets: list[TicketShown]


class Rush:
    """Runs the buyers of a crowd, and then sells the tickets that were returned after the buyers had left."""

    def __init__(self, client: HttpClient, ticketing: Ticketing, key_prefix: str) -> None:
        self.journal = ClientJournal()
        self.recording = Recording()
        self.before = Recording()  # the requests before the sale began
        self.began = 0.0  # when the sale began
        self._client = client
        self._target: Target = client.target
        self._ticketing = ticketing
        self._key_prefix = key_prefix
        self._event_path = f"/v1/events/{ticketing.event_id}"
        self.waiting: Waiting | None = None
        if ticketing.opens_at is not None:
            self.waiting = Waiting(self._event_path, self._request, self._send, self.elapsed)

    async def run(self, crowd: Sequence[Buyer]) -> None:
        """Run each buyer from its arrival on; returns when all buyers have finished."""
        opens_at = self._ticketing.opens_at
        self.began = time.perf_counter() if opens_at is None else opens_at
        async with asyncio.TaskGroup() as group:
            for buyer in crowd:
                if (wait := self.began + buyer.arrives_at - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                self.journal.arrived += 1
                group.create_task(self._visit(buyer))

    async def sell_returned_tickets(self) -> None:
        """Book returned tickets for the buyers without tickets, until no tickets or no such buyers remain.

        These bookings are not cancelled.
        """
        if (wait := self.journal.last_expiry_at + EXPIRY_SECONDS - self.elapsed()) > 0:
            await asyncio.sleep(wait)  # until the units of abandoned holds are released
        empty_reads = 0
        for round_number in range(RETURNED_ROUNDS_MAX):
            if not self.journal.without_tickets:
                return
            available = await self._read_availability(self.journal.without_tickets[0])
            offers = [
                (kind, available[kind.id])
                for kind in self._ticketing.ticket_types
                if available.get(kind.id, 0) > 0
            ]
            empty_reads = 0 if offers else empty_reads + 1
            if empty_reads > 1:
                return
            if self.waiting is not None:
                self.journal.without_tickets.sort(key=self.waiting.order_of)
            for kind, units in offers:
                await self._book_returned(kind, units, f"last-{round_number}")
            await asyncio.sleep(STALE_SECONDS_MAX)

    def elapsed(self) -> float:
        """Return the seconds since the opening; before it, less than 0."""
        return time.perf_counter() - self.began

    async def _book_returned(self, kind: TypeOnSale, units: int, attempt: str) -> None:
        takers: list[tuple[Buyer, int]] = []
        while units > 0 and self.journal.without_tickets:
            buyer = self.journal.without_tickets.pop(0)
            takers.append((buyer, min(buyer.units, units, kind.units_max)))
            units -= takers[-1][1]
        outcomes = await asyncio.gather(
            *[self._book_admitted(buyer, kind, wanted, attempt) for buyer, wanted in takers]
        )
        await asyncio.gather(
            *[
                self._pay(buyer, acknowledged)
                for (buyer, _), acknowledged in zip(takers, outcomes, strict=True)
                if isinstance(acknowledged, AcknowledgedBooking)
            ]
        )
        self.journal.without_tickets += [
            buyer
            for (buyer, _), outcome in zip(takers, outcomes, strict=True)
            if outcome is RequestOutcome.SOLD_OUT
        ]

    async def _book_admitted(
        self, buyer: Buyer, kind: TypeOnSale, units: int, attempt: str
    ) -> AcknowledgedBooking | RequestOutcome:
        """Book units, as soon as the buyer may."""
        waiting = self.waiting
        if waiting is not None and not waiting.headers_of(buyer) and await waiting.wait(buyer) != "admitted":
            return RequestOutcome.SOLD_OUT
        return await self._book(buyer, kind, units, attempt)

    # One buyer ----------------------------------------------------------------------------------------------

    async def _visit(self, buyer: Buyer) -> None:
        if buyer.reads_event:
            await self._send(self._request(buyer, "GET", self._event_path))
            await asyncio.sleep(buyer.thinks_seconds)
        if self.waiting is not None and (left := await self.waiting.wait(buyer)) != "admitted":
            if left == "sold_out":
                self.journal.without_tickets.append(buyer)
            else:
                self.journal.gave_up += 1
            return
        acknowledged = await self._try_to_book(buyer)
        if acknowledged is not None and acknowledged.owed and buyer.abandons:
            self.journal.record_abandoned(acknowledged, self.elapsed() + (self._ticketing.hold_seconds or 0))
            return
        if acknowledged is not None:
            await self._pay(buyer, acknowledged)
        if acknowledged is not None and buyer.cancels_after is not None:
            await asyncio.sleep(buyer.cancels_after)
            await self._cancel(buyer, acknowledged)

    async def _try_to_book(self, buyer: Buyer) -> AcknowledgedBooking | None:
        """Book the wanted tickets, or fewer, or later; None when the buyer leaves without tickets."""
        kind = self._ticketing.ticket_types[int(buyer.type_draw * len(self._ticketing.ticket_types))]
        units = min(buyer.units, kind.units_max)
        for attempt in range(buyer.returns_max + 2):
            outcome = await self._book(buyer, kind, units, str(attempt))
            if isinstance(outcome, AcknowledgedBooking):
                return outcome
            if outcome is not RequestOutcome.SOLD_OUT:
                return None
            if attempt == 0 and buyer.takes_fewer and units > 1:
                units = 1
            elif available := await self._wait_for_returned(buyer, kind, buyer.returns_max - attempt):
                units = min(units, available)
            else:
                break
        self.journal.without_tickets.append(buyer)
        return None

    async def _wait_for_returned(self, buyer: Buyer, kind: TypeOnSale, reads_max: int) -> int:
        """Read the availability now and then until units were returned; returns how many."""
        for _ in range(reads_max):
            await asyncio.sleep(buyer.return_seconds)
            if available := (await self._read_availability(buyer)).get(kind.id, 0):
                return available
        return 0

    async def _read_availability(self, buyer: Buyer) -> dict[str, int]:
        answer = await self._send(self._request(buyer, "GET", f"{self._event_path}/availability"))
        if answer.status != _OK:
            return {}
        return {
            line["ticket_type_id"]: line["available"]
            for line in msgspec.json.decode(answer.body)["ticket_types"]
        }

    async def _book(
        self, buyer: Buyer, kind: TypeOnSale, units: int, attempt: str
    ) -> AcknowledgedBooking | RequestOutcome:
        """Book units with one key for all retries; returns the booking, or the outcome if there is none."""
        for place in range(SEATS_TRIES_MAX):
            outcome = await self._book_once(
                buyer, kind, units, f"{attempt}-{place}" if place else attempt, place
            )
            if outcome is not RequestOutcome.SEAT_TAKEN:
                return outcome
        return await self._book_once(buyer, kind, units, f"{attempt}-any", None)

    def _line(self, buyer: Buyer, kind: TypeOnSale, units: int, place: int | None) -> dict[str, object]:
        """Return a booking line: chosen seats beside each other, or a quantity."""
        seats = self._ticketing.seat_ids
        if not seats or place is None:
            return {"ticket_type_id": kind.id, "quantity": units}
        first = (buyer.seat_draw + 7919 * place) % max(1, len(seats) - units + 1)
        return {"ticket_type_id": kind.id, "seats": seats[first : first + units]}

    async def _book_once(
        self, buyer: Buyer, kind: TypeOnSale, units: int, attempt: str, place: int | None
    ) -> AcknowledgedBooking | RequestOutcome:
        body = msgspec.json.encode({"lines": [self._line(buyer, kind, units, place)]})
        request = self._request(
            buyer,
            "POST",
            f"{self._event_path}/bookings",
            f"{buyer.number}-{attempt}",
            body,
            headers=None if self.waiting is None else self.waiting.headers_of(buyer),
        )
        twin = asyncio.ensure_future(self._send(request)) if buyer.clicks_twice else None
        answer, unsure = await self._send_until_answered(buyer, request)
        if twin is not None:
            second = await twin
            answer, unsure = self._compare(request, answer, second), unsure or second.status == LOST
        outcome = classify(request, answer)
        if outcome in (RequestOutcome.BOOKED, RequestOutcome.REPLAYED):
            return self._record_booking(buyer, kind, answer)
        if outcome in (RequestOutcome.LOST, RequestOutcome.BUSY, RequestOutcome.FAILED):
            self.journal.gave_up += 1
        elif outcome is RequestOutcome.SOLD_OUT and units == 1:
            self.journal.record_sold_out(kind.id, self.elapsed(), len(self._ticketing.ticket_types))
        if unsure or outcome is RequestOutcome.FAILED:
            self.journal.unsettled.append(Unsettled(self._ticketing.buyer_ids[buyer.number], kind.id, units))
        return outcome

    async def _pay(self, buyer: Buyer, acknowledged: AcknowledgedBooking) -> None:
        """Pay for a hold, with a second card if the first one is declined."""
        if not acknowledged.owed:
            return
        acknowledged.paid = None
        path = f"/v1/bookings/{acknowledged.booking_id}/payments"
        for number, card in enumerate(("declined", "succeeds") if buyer.declined_first else ("succeeds",)):
            body = msgspec.json.encode({"method": card})
            answer, _ = await self._send_until_answered(
                buyer, self._request(buyer, "POST", path, f"{buyer.number}-pay-{number}", body)
            )
            if classify(_PAYING, answer) is RequestOutcome.PAID:
                acknowledged.paid = True

    async def _cancel(self, buyer: Buyer, acknowledged: AcknowledgedBooking) -> None:
        request = self._request(
            buyer, "POST", f"/v1/bookings/{acknowledged.booking_id}/cancel", f"{buyer.number}-cancel", b"{}"
        )
        answer, unsure = await self._send_until_answered(buyer, request)
        outcome = classify(request, answer)
        if outcome is RequestOutcome.CANCELLED:
            self.journal.record_cancellation(acknowledged, self.elapsed())
        elif unsure or outcome is RequestOutcome.FAILED:
            acknowledged.cancelled = None

    async def _send_until_answered(self, buyer: Buyer, request: bytes) -> tuple[Reply, bool]:
        """Send a request until it has an answer or the buyer gives up.

        Returns the last answer, and whether an earlier try may have been carried out without an answer. In
        that case a refusal is not final: the earlier try may still arrive, after tickets were returned.
        """
        unsure = False
        answer = NO_ANSWER
        for tries in range(buyer.tries_max):
            answer = await self._send(request, disconnect=buyer.disconnects and tries == 0)
            if classify(request, answer) not in (RequestOutcome.LOST, RequestOutcome.BUSY):
                return answer, unsure
            unsure = unsure or answer.status == LOST or any(code in answer.body for code in _UNKNOWN)
            pause = min(PAUSE_SECONDS * 2**tries, PAUSE_SECONDS_MAX)
            await asyncio.sleep(
                buyer.return_seconds * (pause if answer.status == LOST else answer.retry_after())
            )
        return answer, unsure

    async def _send(self, request: bytes, *, disconnect: bool = False) -> Reply:
        due = time.perf_counter()
        answer = await self._client.exchange(request, disconnect=disconnect)
        outcome = classify(request, answer)
        recording = self.recording if due >= self.began else self.before
        recording.add(due - self.began, time.perf_counter() - due, outcome)
        if outcome is RequestOutcome.FAILED:
            self.journal.undocumented.append(f"{request.split(b' HTTP', 1)[0].decode()}: {answer.status}")
        return answer

    def _request(
        self,
        buyer: Buyer,
        method: str,
        path: str,
        key: str | None = None,
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        return request_for(
            method,
            path,
            self._target,
            token=self._ticketing.tokens[buyer.number],
            key=None if key is None else f"{self._key_prefix}-{key}",
            body=body,
            headers=headers,
        )

    def _compare(self, request: bytes, first: Reply, second: Reply) -> Reply:
        """Return the successful one of two answers to one key; two different bookings are a contradiction."""
        if first.status == second.status == _CREATED:
            bookings = {msgspec.json.decode(answer.body)["id"] for answer in (first, second)}
            if len(bookings) > 1:
                self.journal.contradictions.append(
                    f"{request.split(b' HTTP', 1)[0].decode()}: {sorted(bookings)}"
                )
        return second if second.status == _CREATED else first

    def _record_booking(self, buyer: Buyer, kind: TypeOnSale, answer: Reply) -> AcknowledgedBooking:
        booking = msgspec.json.decode(answer.body, type=BookingShown)
        acknowledged = AcknowledgedBooking(
            booking.id,
            self._ticketing.buyer_ids[buyer.number],
            kind.id,
            len(booking.tickets),
            sum(ticket.price.amount for ticket in booking.tickets),
            total_minor=booking.total.amount,
        )
        acknowledged.owed = booking.state == "held"
        self.journal.record_booking(acknowledged, self.elapsed(), self._ticketing.places)
        return acknowledged


def classify(request: bytes, answer: Reply) -> RequestOutcome:
    """Return the outcome of a buyer's request."""
    status = answer.status
    if status == LOST:
        return RequestOutcome.LOST
    if status in (_OK, _CREATED) and b"/payments HTTP" in request:
        return _classify_payment(msgspec.json.decode(answer.body)["state"])
    if status in (_OK, _CREATED) and _IN_WAITING_ROOM in request[:_HEAD_BYTES]:
        return RequestOutcome.ENTERED if status == _CREATED else RequestOutcome.POLLED
    if status == _CREATED:
        return RequestOutcome.REPLAYED if answer.header("idempotent-replayed") else RequestOutcome.BOOKED
    if status == _OK:
        return RequestOutcome.READ if request.startswith(b"GET ") else RequestOutcome.CANCELLED
    if status in _BUSY:
        return RequestOutcome.BUSY
    if status == _CONFLICT and b"sold-out" in answer.body:
        return RequestOutcome.SOLD_OUT
    if status == _CONFLICT and b"seat-taken" in answer.body:
        return RequestOutcome.SEAT_TAKEN
    return RequestOutcome.REFUSED if _BAD_REQUEST <= status < _SERVER_ERROR else RequestOutcome.FAILED


def _classify_payment(state: str) -> RequestOutcome:
    if state in ("confirmed", "captured"):
        return RequestOutcome.PAID
    return RequestOutcome.DECLINED if state == "declined" else RequestOutcome.UNPAID
