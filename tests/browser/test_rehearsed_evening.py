"""The evening page in a browser during a rehearsal: what stands on it is what the journal says, replayed.

.venv/bin/python -m pytest tests/browser/test_rehearsed_evening.py --prove     with 5,000 buyers
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final
from uuid import UUID

import pytest
from playwright.async_api import Browser

from evently.audit import inspect
from evently.kit.ids import parse_id, show_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms
from evently.sales.facts import decode_facts
from evently.sales.terms import Conditions
from tests.browser.test_buying import DESKTOP, opened
from tests.load.test_evening import INSTANTS_MIN, Row, Truth, check_pages
from tests.support.box_office import BoxOffice
from tests.support.desk import sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


PROVE: Final = (5_000, 2_000, 30)
PATIENCE_SECONDS: Final = 600.0
# What stands on the page after each message that the page has taken. One that tells another state makes the
# page load itself again, and changes nothing before.
_WATCH: Final = """
const Stream = window.EventSource;
window.EventSource = class extends Stream {
  constructor(address) {
    super(address);
    setTimeout(() => this.addEventListener("evening", (event) => {
      const message = JSON.parse(event.data);
      if (message.state !== document.querySelector("[data-stream]").dataset.state) return;
      const texts = {};
      for (const each of document.querySelectorAll("[data-evening]")) {
        texts[each.dataset.evening] = each.textContent;
      }
      const { seq, counted_seq, tickets, state } = message;
      const sold_percent = Number(document.querySelector("[data-sold]").getAttribute("width"));
      window.keep(JSON.stringify({ seq, counted_seq, tickets, state, sold_percent, texts }));
    }), 0);
  }
};
"""


async def test_the_page_says_nothing_untrue(
    office: BoxOffice, server: Serving, browser: Browser, *, prove: bool
) -> None:
    if not prove:
        pytest.skip("with --prove; tests/load/test_evening.py compares the same figures without a browser")
    buyers, places, seconds = PROVE
    terms = SaleTerms(
        currency="EUR",
        capacity=places,
        ticket_types=(NewTicketType(name="Regular", price=Money(2_900, "EUR")),),
        conditions=Conditions(payment="online"),
    )
    event, manager = await office.open_event(terms=terms), await office.as_member("manager")
    address = f"/v1/events/{show_id('evt', event.event_id)}/rehearsals"
    plan = {"buyers": buyers, "seconds": seconds, "abandon_percent": 10}
    started = (await office.client.post(address, json=plan, headers=manager)).json()
    where = f"{address}/{started['id']}"
    copy = await when(office, where, manager, "copy_id")
    shown: list[dict[str, Any]] = []
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.expose_function("keep", lambda text: shown.append(json.loads(text)))
        await page.add_init_script(_WATCH)
        await page.goto(f"/organize/events/{copy}")
        ended = await when(office, where, manager, "finished_at", whole=True)
        assert (ended["state"], ended["clean"]) == ("done", True), ended
        copy_id = parse_id("evt", copy)
        rows = await journal_of(office, copy_id)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not shown or shown[-1]["counted_seq"] < rows[-1].seq:
            assert time.monotonic() < deadline, "the page comes to the end of the journal"
            await asyncio.sleep(0.2)
    assert len({each["seq"] for each in shown}) >= INSTANTS_MIN, "the sale was watched while it went on"
    check_pages(Truth(rows), shown, places)
    assert shown[-1]["texts"]["sold"] == f"{ended['report']['sold']:,}"
    database = office.context.database
    assert {each.code: each.count for each in await inspect(database, copy_id) if each.count} == {}
    sold, seen = ended["report"]["sold"], len({each["seq"] for each in shown})
    print(f"{buyers:,} buyers, {len(shown)} messages over {seen} rows of the journal, {sold:,} sold")


async def when(
    office: BoxOffice, where: str, manager: dict[str, str], name: str, *, whole: bool = False
) -> Any:
    """Wait until a rehearsal has a value, and return it, or the whole rehearsal."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = (await office.client.get(where, headers=manager)).json()
        if found[name] is not None:
            return found if whole else found[name]
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def journal_of(office: BoxOffice, event_id: UUID) -> list[Row]:
    """Return the journal of an event."""
    found = await office.context.database.fetch(
        "SELECT seq, at, facts FROM journal WHERE event_id = $1 ORDER BY seq", event_id
    )
    return [Row(row["seq"], row["at"], decode_facts(row["facts"])) for row in found]
