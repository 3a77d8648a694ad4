"""The evening page during a rehearsal: at each instant it says what the journal says, replayed without it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import httpx2
import msgspec
from rich.console import Console

from evently.accounts import Accounts, TokenOptions, read_secret
from evently.audit import audit
from evently.audit.figures import ReplayedFigures
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.rehearsal import RehearsalPlan, rehearse
from evently.rehearsal.plan import make_organizer, run
from evently.rehearsal.server import own_server
from evently.sales.facts import Fact, decode_facts
from evently.sales.replay import Replay
from tests.support.postgres import scratch_directory

PATIENCE_SECONDS: Final = 90.0
INSTANTS_MIN: Final = 5
BUYERS, PLACES = 500, 240
PROVE = (5_000, 2_000)


class Row(NamedTuple):
    """A journal row."""

    seq: int
    at: datetime
    facts: list[Fact]


class Truth:
    """What the figures must be, by the journal alone."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def pools(self, seq: int) -> tuple[int, int]:
        """Return the units that are sold and held as of a row."""
        replay = self._replay(seq)
        pools = replay.pools.values()
        return sum(pool.sold for pool in pools), sum(pool.held for pool in pools)

    def counted(self, seq: int) -> dict[str, int]:
        """Return what the relay must have counted up to a row."""
        totals, figures = self._replay(seq).totals, ReplayedFigures()
        for row in self.rows[:seq]:
            figures.add(row.at, row.facts)
        holds = dict(zip(("placed", "confirmed", "expired", "cancelled"), figures.conversions, strict=False))
        return {
            "bookings": totals.bookings,
            "tickets": totals.tickets,
            "cancelled_bookings": totals.cancelled_bookings,
            "cancelled_tickets": totals.cancelled_tickets,
            "minutes": figures.minutes.total(),
            **{name: holds.get(name, 0) for name in ("placed", "confirmed", "expired", "cancelled")},
        }

    def _replay(self, seq: int) -> Replay:
        replay = Replay()
        for row in self.rows[:seq]:
            replay.add(row.at, row.facts)
        return replay


def test_nothing_that_the_evening_says_is_untrue(database_url: str, *, prove: bool) -> None:
    buyers, places = PROVE if prove else (BUYERS, PLACES)
    with (
        scratch_directory() as directory,
        own_server(directory, {"database_url": database_url, "workers": "1"}) as server,
    ):
        organizer, key = run(make_organizer(database_url))
        plan = RehearsalPlan(
            buyers=buyers,
            places=places,
            url=server.url,
            organizer=organizer,
            token=key,
            hold_seconds=4,
            abandon=0.1,
            spread_seconds=4.0,
        )
        said, shown, rows = asyncio.run(watch(database_url, server.url, key, plan))
    truth = Truth(rows)
    check_messages(truth, said, places)
    check_pages(truth, shown, places)
    assert {each.code: each.count for each in run(audit(DatabaseOptions(database_url))) if each.count} == {}


def check_messages(truth: Truth, said: list[dict[str, Any]], places: int) -> None:
    """Compare five messages of the API's stream, from the first to the last, with the journal."""
    minutes: dict[str, int] = {}
    collected = []
    for message in said:
        minutes |= dict(message["minutes"])
        collected.append(sum(minutes.values()))
    assert len({message["seq"] for message in said}) >= INSTANTS_MIN, "the sale was watched while it went on"
    for number in instants(len(said)):
        message = said[number]
        sold, held = truth.pools(message["seq"])
        assert (message["capacity"], message["sold"], message["held"]) == (places, sold, held)
        assert message["left"] == places - sold
        assert message["available"] == places - sold - held
        holds = message["holds"]
        counted = {
            "minutes": collected[number],
            **{name: message[name] for name in ("bookings", "tickets")},
            **{name: message[name] for name in ("cancelled_bookings", "cancelled_tickets")},
            **{name: holds[name] for name in ("placed", "confirmed", "expired", "cancelled")},
        }
        assert counted == truth.counted(message["counted_seq"]), f"as of row {message['counted_seq']}"
        ended = holds["confirmed"] + holds["expired"] + holds["cancelled"]
        assert holds["held"] == holds["placed"] - ended
        assert message["engine"]["journal_rows_behind"] == max(0, message["seq"] - message["counted_seq"])
        forecast = message["forecast"]
        assert (forecast["outlook"] == "sold_out") == (sold == places)
        times = [forecast[name] for name in ("earliest_at", "middle_at", "latest_at") if forecast[name]]
        assert times == sorted(times)
        assert all(at >= message["at"] for at in times)


def check_pages(truth: Truth, shown: list[dict[str, Any]], places: int) -> None:
    """Compare five messages of the page's stream: the words that stand on the page."""
    for number in instants(len(shown)):
        message = shown[number]
        texts = message["texts"]
        sold, held = truth.pools(message["seq"])
        counted = truth.counted(message["counted_seq"])
        assert texts["sold"] == f"{sold:,}"
        assert texts["sold-of"] == f"of {places:,} sold"
        assert texts["left"] == f"{places - sold:,}"
        assert texts["left-note"] == (f"{held:,} of them held, not paid yet" if held else "none of them held")
        assert message["tickets"] == counted["tickets"]
        assert message["sold_percent"] == round(100 * sold / places, 2)
        ended = counted["confirmed"] + counted["expired"] + counted["cancelled"]
        if ended:
            assert texts["paid"] == f"{round(counted['confirmed'] / ended, 6):.0%}"
        if message["state"] == "sold_out":
            assert sold + held == places
            assert texts["until"] in ("Sold out", "All taken")


def instants(count: int) -> list[int]:
    """Return five places in a list, from the first to the last; all of it when it is short."""
    return sorted({round(step * (count - 1) / (INSTANTS_MIN - 1)) for step in range(INSTANTS_MIN)})


async def watch(
    database_url: str, url: str, key: str, plan: RehearsalPlan
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Row]]:
    """Rehearse, and follow the evening meanwhile; return what both streams said, and the journal."""
    database = await Database.open(DatabaseOptions(database_url))
    rehearsing = asyncio.ensure_future(asyncio.to_thread(rehearse, plan, Console(quiet=True)))
    try:
        event_id = await first_sandbox(database)
        said: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []
        public = show_id("evt", event_id)
        cookie = f"evently=evb_unknown.{await owners_token(database)}"
        streams = [
            asyncio.ensure_future(
                follow(
                    f"{url}/v1/events/{public}/analytics/evening/stream",
                    {"authorization": f"Bearer {key}"},
                    said,
                )
            ),
            asyncio.ensure_future(
                follow(f"{url}/organize/events/{public}/evening", {"cookie": cookie}, shown)
            ),
        ]
        assert await rehearsing, "the rehearsal itself found nothing wrong"
        last: int = await database.fetch_value("SELECT seq FROM sales WHERE event_id = $1", event_id)
        await until_both_say(last, said, shown, streams)
        for stream in streams:
            stream.cancel()
            with suppress(asyncio.CancelledError):
                await stream
        found = await database.fetch(
            "SELECT seq, at, facts FROM journal WHERE event_id = $1 ORDER BY seq", event_id
        )
        return said, shown, [Row(row["seq"], row["at"], decode_facts(row["facts"])) for row in found]
    finally:
        await database.close()


async def first_sandbox(database: Database) -> UUID:
    """Wait until the rehearsal has its event."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found: UUID | None = await database.fetch_value(
                "SELECT event_id FROM events WHERE sandbox LIMIT 1"
            )
            if found is not None:
                return found
            await asyncio.sleep(0.02)


async def owners_token(database: Database) -> str:
    """Return an access token of the owner of the organizer."""
    tokens = Accounts(database, utc_now, TokenOptions(await read_secret(database, utc_now()))).tokens
    owner = await database.fetch_value("SELECT person_id FROM organizer_members WHERE role = 'owner'")
    return tokens.issue_access(owner, "buyer", new_id())


async def follow(address: str, headers: dict[str, str], messages: list[dict[str, Any]]) -> None:
    """Keep the messages of a stream until it is cancelled."""
    async with (
        httpx2.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", address, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.status_code
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                messages.append(msgspec.json.decode(value))


async def until_both_say(
    seq: int,
    said: list[dict[str, Any]],
    shown: list[dict[str, Any]],
    streams: Sequence[asyncio.Future[None]],
) -> None:
    """Wait until both streams have come to the end of the journal, and the relay with them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(
            messages and messages[-1]["seq"] >= seq and messages[-1]["counted_seq"] >= seq
            for messages in (said, shown)
        ):
            for stream in streams:
                if stream.done():
                    stream.result()
            await asyncio.sleep(0.05)
