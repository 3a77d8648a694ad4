"""The load of a waiting room: many people poll their place, each with the token of an entry of its own."""

from __future__ import annotations

import itertools
import os
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from bench.load import OK, Measured, children_of, measured
from bench.stage import PLACES, Stage
from evently import accounts, catalogue, organizing
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.rehearsal.driver import HttpClient, request_for
from evently.rehearsal.loops import closed_loop
from evently.rehearsal.plan import run as run_in_loop
from evently.waitingroom import Entry, TokenSigner, WaitingRoomTerms, put_room
from evently.waitingroom.rooms import enter_room

PER_MINUTE: Final = 600  # the default: ten polls a second also write an admission
_OPENS: Final = timedelta(hours=1)  # the list was closed an hour after the room was put
_TOGETHER: Final = 5_000  # entries in one transaction
_PLACES_POLLED_MAX: Final = 20_000  # different ones, in turn
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Polled(msgspec.Struct, frozen=True):
    """A run, with the processor time of the server for each poll, in microseconds."""

    measured: Measured
    server_us: float


class Line:
    """A waiting room that has begun to admit people, with the requests of those who are in it."""

    def __init__(self, stage: Stage, people: int) -> None:
        event_id, tokens = run_in_loop(_fill(stage, people))
        path = f"/v1/events/{show_id('evt', event_id)}/waiting-room/place"
        self._requests = [
            request_for(
                "GET",
                path,
                stage.target,
                headers={
                    "place-token": token,
                    "x-forwarded-for": f"10.{number // 250 % 250}.{number % 250}.1",
                },
            )
            for number, token in enumerate(tokens)
        ]
        run_in_loop(_ask(stage, self._requests[:100]))  # the first one draws the order

    def poll(self, stage: Stage, clients: int, seconds: float) -> Polled:
        """Measure people who poll their places."""
        following = itertools.cycle(self._requests).__next__
        before = _processor_seconds(stage)
        found = measured(run_in_loop(closed_loop(stage.target, clients, following, seconds)), OK)
        spent = _processor_seconds(stage) - before
        return Polled(found, spent / max(1, found.answers) * 1e6)


async def _fill(stage: Stage, people: int) -> tuple[UUID, list[str]]:
    """Put a waiting room, fill it, and return the tokens of some of its places. All of it was an hour ago."""
    database = await Database.open(DatabaseOptions(stage.database_url))
    then = utc_now() - 2 * _OPENS
    try:
        signer = TokenSigner(await accounts.read_secret(database, utc_now()))
        async with database.transaction(seconds_max=None) as tx:
            sale = stage.prepared.hot[0]
            original = (await catalogue.find_events(tx, [sale.event_id]))[sale.event_id]
            event, _ = await organizing.make_for_rehearsal(
                tx,
                original.organizer_id,
                original.venue_id,
                PLACES,
                then,
                opens_in=_OPENS,
                sandbox=False,
            )
            await put_room(tx, event.event_id, WaitingRoomTerms(per_minute=PER_MINUTE), then)
        entries: list[Entry] = []
        for start in range(0, people, _TOGETHER):
            person_ids = [new_id() for _ in range(min(_TOGETHER, people - start))]
            async with database.transaction(seconds_max=None) as tx:
                entered = await enter_room(
                    tx, event.event_id, person_ids, lambda: then + _OPENS / 2, lambda *_: None
                )
            entries += entered.values()
    finally:
        await database.close()
    polled = entries[:: max(1, len(entries) // _PLACES_POLLED_MAX)]
    return event.event_id, [signer.sign_place(entry) for entry in polled]


async def _ask(stage: Stage, requests: list[bytes]) -> None:
    client = HttpClient(stage.target, 10)
    for request in requests:
        answer = await client.exchange(request)
        assert answer.status == OK, answer
    client.close()


def _processor_seconds(stage: Stage) -> float:
    """Return the processor time that the processes of the server have taken."""
    seconds = 0.0
    for process_id in (stage.server.process_id, *children_of(stage.server.process_id)):
        fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds
