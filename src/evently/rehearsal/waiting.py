"""The way of the simulated buyers through the waiting room of a sale, and what they were told there.

    Waiting        enters, polls as often as the server says, and returns when a buyer is admitted or leaves
    RoomJournal    the place of each buyer, kept outside the server; `checks` compares it

A buyer with many tabs enters and polls in each of them, and books once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from random import Random
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from evently.rehearsal.crowd import Buyer
from evently.rehearsal.driver import Reply

SPREAD_SECONDS: Final = 1.0  # as the page does, so that not all ask in the same moment
_BUSY: Final = (0, 429, 503)  # 0: no answer
_OK: Final = (200, 201)
Left: TypeAlias = Literal["admitted", "sold_out", "gave_up"]


class AdmissionShown(msgspec.Struct, frozen=True):
    """An admission, as the API shows it."""

    token: str


class PlaceShown(msgspec.Struct, frozen=True):
    """A place, as the API shows it; `id`, `token` and `late` only in the answer to entering."""

    state: str
    position: int | None
    turn_at: datetime | None
    admission: AdmissionShown | None
    sold_out: bool
    poll_after_seconds: int
    id: str = ""
    token: str = ""
    late: bool = False


class PlaceNoted(msgspec.Struct):
    """What a buyer was told of the place. `turn_at`: of a buyer who was admitted."""

    entry: str
    token: str
    late: bool
    position: int | None = None
    turn_at: datetime | None = None
    admission: str | None = None
    passed: bool = False


class RoomJournal(msgspec.Struct):
    """Everything that the server told the buyers in the waiting room."""

    places: dict[int, PlaceNoted] = msgspec.field(default_factory=dict)  # by the number of the buyer
    contradictions: list[str] = msgspec.field(default_factory=list)  # two places, or a place that moved
    sold_out: dict[int, float] = msgspec.field(default_factory=dict)  # seconds after the opening, by buyer
    tabs: int = 0
    many_tabs: int = 0  # accounts with several

    def note(self, buyer: Buyer, shown: PlaceShown) -> PlaceNoted:
        """Note an answer; two places of one buyer, and a place that moves, are contradictions."""
        told = self.places.get(buyer.number)
        if told is None or (told.passed and shown.id not in ("", told.entry)):
            told = self.places[buyer.number] = PlaceNoted(shown.id, shown.token, shown.late)
        elif shown.id not in ("", told.entry):
            self.contradictions.append(f"buyer {buyer.number}: {told.entry} and {shown.id}")
        if shown.state == "passed":
            told.passed = True
        elif shown.position is not None:
            if told.position not in (None, shown.position):
                self.contradictions.append(f"{told.entry}: number {told.position}, then {shown.position}")
            told.position = shown.position
        if shown.admission is not None:
            told.admission, told.turn_at = shown.admission.token, shown.turn_at
        return told


class MakeRequest(Protocol):
    """Returns the bytes of a request of a buyer."""

    def __call__(  # noqa: D102
        self, buyer: Buyer, method: str, path: str, *, headers: dict[str, str] | None = None
    ) -> bytes: ...


class Waiting:
    """The waiting room, as its buyers use it."""

    def __init__(
        self,
        event_path: str,
        request: MakeRequest,
        send: Callable[[bytes], Awaitable[Reply]],
        elapsed: Callable[[], float],
    ) -> None:
        self.journal = RoomJournal()
        self._path = f"{event_path}/waiting-room"
        self._request = request
        self._send = send
        self._elapsed = elapsed

    async def wait(self, buyer: Buyer) -> Left:
        """Return when a buyer is admitted, is told that nothing is left, or gets no answer any more."""
        self.journal.tabs += buyer.tabs
        self.journal.many_tabs += buyer.tabs > 1
        tabs = [asyncio.ensure_future(self._wait_in_tab(buyer, tab)) for tab in range(buyer.tabs)]
        try:
            for done in asyncio.as_completed(tabs):
                if (left := await done) != "gave_up":
                    return left
            return "gave_up"
        finally:
            for tab in tabs:
                tab.cancel()
            await asyncio.gather(*tabs, return_exceptions=True)

    def headers_of(self, buyer: Buyer) -> dict[str, str]:
        """Return the headers of a booking: the admission, if there is one."""
        told = self.journal.places.get(buyer.number)
        return {} if told is None or told.admission is None else {"admission-token": told.admission}

    def order_of(self, buyer: Buyer) -> tuple[bool, int]:
        """Return whose turn is sooner: of those who have an admission first, then by position."""
        told = self.journal.places.get(buyer.number)
        if told is None or told.position is None:
            return True, sys.maxsize
        return told.admission is None, told.position

    async def _wait_in_tab(self, buyer: Buyer, tab: int) -> Left:
        spread = Random(f"{buyer.number} {tab}")  # noqa: S311  # a simulation that can be repeated
        shown = await self._enter(buyer)
        while shown is not None:
            told = self.journal.note(buyer, shown)
            if shown.admission is not None:
                return "admitted"
            if shown.state == "passed":
                shown = await self._enter(buyer)
                continue
            if shown.state == "waiting" and shown.sold_out:
                self.journal.sold_out.setdefault(buyer.number, self._elapsed())
                return "sold_out"
            pause = shown.poll_after_seconds * buyer.poll_times + spread.random() * SPREAD_SECONDS
            await asyncio.sleep(pause)
            headers = {"place-token": told.token}
            shown = await self._ask(
                buyer, self._request(buyer, "GET", f"{self._path}/place", headers=headers)
            )
        return "gave_up"

    async def _enter(self, buyer: Buyer) -> PlaceShown | None:
        return await self._ask(buyer, self._request(buyer, "POST", f"{self._path}/entries"))

    async def _ask(self, buyer: Buyer, request: bytes) -> PlaceShown | None:
        """Send a request until it has an answer; None where it is refused, or the buyer gives up."""
        for _ in range(buyer.tries_max):
            answer = await self._send(request)
            if answer.status in _OK:
                return msgspec.json.decode(answer.body, type=PlaceShown)
            if answer.status not in _BUSY:
                return None
            await asyncio.sleep(answer.retry_after())
        return None
