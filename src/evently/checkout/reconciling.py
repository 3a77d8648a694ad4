"""Reconciliation: read back the notices that gateways sent about money that was paid back.

A webhook can be lost, or not set up; then nobody says that money has moved. The notices that were never
received are stored in the inbox like received ones, once for each id, and processed like them. Reading goes
on from page to page where the last run stopped, in any process.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog
from prometheus_client import Counter

from evently.checkout.store import sql
from evently.db import Connection, Database
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.payments import Gateway, inbox

FIRST_WINDOW: Final = timedelta(days=30)  # as far back as Stripe lists its events
# Read again each time: a gateway may list what happened a while later, and clocks differ
OVERLAP: Final = timedelta(hours=1)
PAGES_MAX: Final = 10  # of one gateway in one run: a thousand notices, and some seconds

_log: Final = structlog.get_logger(__name__)
_found = Counter("evently_notices_read_back", "Notices that a gateway had to be asked for.", ["gateway"])


class Place(NamedTuple):
    """Where to go on reading the notices of a gateway: from the page `after`, of those since an instant."""

    since: datetime
    began_at: datetime
    after: str | None


class Reconciliation:
    """Reads back the notices of all gateways."""

    def __init__(self, database: Database, gateways: Mapping[str, Gateway], clock: Clock) -> None:
        self._database = database
        self._gateways = gateways
        self._clock = clock

    async def run(self) -> bool:
        """Read some pages of each gateway; return whether there is more to read.

        A gateway that cannot be reached does not keep the others from being read.
        """
        more = False
        for name, gateway in self._gateways.items():
            try:
                more |= await self._read(name, gateway)
            except Trouble as trouble:
                _log.warning("reconciliation_waits", gateway=name, cause=repr(trouble.__cause__ or trouble))
        return more

    async def _read(self, name: str, gateway: Gateway) -> bool:
        place = await self._place(name)
        for _ in range(PAGES_MAX):
            page = await gateway.list_notices(place.since, place.after)
            async with self._database.transaction() as tx:
                new = await inbox.store_notices(tx, name, page.notices, b"", self._clock())
                await _store_place(tx, name, place, page.after)
            if new:
                _found.labels(name).inc(len(new))
                _log.info("notices_read_back", gateway=name, notices=len(new))
            if page.after is None:
                return False
            place = place._replace(after=page.after)
        return True

    async def _place(self, name: str) -> Place:
        now = self._clock()
        row = await self._database.fetch_row(*sql.find_reconciliation(gateway=name))
        if row is None:
            return Place(now - FIRST_WINDOW, now, None)
        return Place(row["since"], row["began_at"] or now, row["after"])


async def _store_place(tx: Connection, name: str, place: Place, after: str | None) -> None:
    """Store where to go on: after a page, or, when all were read, from when reading them began."""
    done = after is None
    await tx.execute(
        *sql.put_reconciliation(
            gateway=name,
            since=max(place.since, place.began_at - OVERLAP) if done else place.since,
            began_at=None if done else place.began_at,
            after=after,
        )
    )
