"""The demo: believable, repeatable, and as sound as everything else."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from evently import catalogue, demo
from evently.accounts import Accounts, TokenOptions
from evently.accounts.organizers import list_memberships
from evently.analytics import details
from evently.audit import audit
from evently.catalogue import EventSearch
from evently.db import Database, DatabaseOptions
from evently.demo import ACCOUNTS, PASSWORD, describe_accounts, read_programme
from evently.kit.clock import utc_now
from evently.reactions import EFFECTS
from evently.reactions.relay import IDLE_SECONDS, Relay
from evently.sales.reads import find_sale, list_sale_summaries

TABLES = (
    "people",
    "organizers",
    "organizer_members",
    "venues",
    "events",
    "sales",
    "pools",
    "ticket_types",
    "bookings",
    "tickets",
    "journal",
)


@pytest.fixture(scope="module")
def filled_url(shared_database_url: str) -> str:
    assert asyncio.run(demo.fill(DatabaseOptions(url=shared_database_url)))
    return shared_database_url


@pytest.fixture
def filled(filled_url: str, shared_db: Database) -> Database:
    return shared_db


async def contents(db: Database) -> list[Any]:
    return [
        await db.fetch_value(f"SELECT md5(string_agg(row::text, '' ORDER BY row::text)) FROM {table} AS row")
        for table in TABLES
    ]


async def test_a_second_time_changes_nothing(filled: Database, filled_url: str) -> None:
    before = await contents(filled)
    again = await asyncio.gather(*[demo.fill(DatabaseOptions(url=filled_url)) for _ in range(2)])
    assert again == [False, False]
    assert await contents(filled) == before


async def test_two_at_once_fill_it_once(database_url: str, db: Database) -> None:
    done = await asyncio.gather(*[demo.fill(DatabaseOptions(url=database_url)) for _ in range(2)])
    assert sorted(done) == [False, True]
    assert await db.fetch_value("SELECT count(*) FROM organizers") == len(read_programme().organizers)


async def test_there_is_much_to_see(filled: Database) -> None:
    now = utc_now()
    page = await catalogue.browse(filled, list_sale_summaries, EventSearch(), now, 100)
    events = [card.event for card in page.data]
    assert len(events) >= 40
    assert all(event.starts_at > now for event in events)
    assert all(event.starts_at_local.hour >= 5 for event in events)
    assert all(len(event.description) > 100 and event.tags for event in events)
    assert len({event.category for event in events}) >= 12
    zones = {event.time_zone for event in events}
    assert {zone.partition("/")[0] for zone in zones} >= {"Europe", "America", "Asia", "Australia", "Pacific"}
    assert len({event.organizer_id for event in events}) >= 4
    assert len({event.venue_id for event in events}) >= 12
    assert {card.available for card in page.data} == {True, False}
    assert any(card.price_from_minor == 0 for card in page.data)


async def test_every_stage_of_selling_can_be_seen(filled: Database) -> None:
    rows = await filled.fetch(
        "SELECT sales.on_sale_at > now() AS coming, min(capacity - sold) AS left, max(sold) AS "
        "sold, count(*) AS pools, "
        "events.ends_at < now() AS past, events.state FROM events JOIN sales USING (event_id) "
        "JOIN pools USING (event_id) "
        "GROUP BY events.event_id, sales.event_id"
    )
    upcoming = [row for row in rows if not row["past"]]
    assert [row for row in upcoming if row["coming"]]
    assert [row for row in upcoming if row["left"] == 0]
    assert len([row for row in upcoming if 0 < row["left"] <= 4]) >= 4
    assert len([row for row in upcoming if row["pools"] >= 2]) >= 5
    assert len([row for row in rows if row["past"] and row["sold"] >= 50]) >= 6
    assert [row for row in rows if row["state"] == "cancelled"]


async def test_history_happened_when_it_could(filled: Database) -> None:
    impossible = await filled.fetch_value(
        "SELECT count(*) FROM bookings JOIN events USING (event_id) "
        "WHERE placed_at < published_at OR placed_at >= starts_at OR placed_at > now() OR "
        "ended_at > now() OR ended_at < placed_at"
    )
    assert impossible == 0
    assert await filled.fetch_value("SELECT count(DISTINCT placed_at::date) FROM bookings") > 60
    assert await filled.fetch_value("SELECT count(*) FROM bookings WHERE state = 'cancelled'") > 20
    assert await filled.fetch_value("SELECT count(*) FROM journal WHERE at > now()") == 0


async def test_everybody_can_log_in_and_is_what_they_say(filled: Database) -> None:
    accounts = Accounts(filled, utc_now, TokenOptions(bytes(32)))
    told = describe_accounts()
    for account in ACCOUNTS:
        grant = await accounts.login(account.email, PASSWORD, "192.0.2.1")
        assert (grant.person.name, grant.person.role) == (account.name, account.role)
        assert account.email in told
        memberships = (await list_memberships(filled, grant.person.person_id, 10, None)).data
        assert [each.role for each in memberships] == (
            [] if account.member_role is None else [account.member_role]
        )
    await accounts.stop()
    assert PASSWORD in told
    assert {account.member_role for account in ACCOUNTS} >= {"owner", "manager", "door"}


async def test_the_buyer_has_a_history(filled: Database) -> None:
    rows = await filled.fetch(
        "SELECT bookings.state, events.ends_at < now() AS past FROM bookings JOIN people ON "
        "person_id = buyer_id "
        "JOIN events USING (event_id) WHERE email = 'buyer@evently.example'"
    )
    assert {tuple(row) for row in rows} >= {("confirmed", True), ("confirmed", False)}
    assert "cancelled" in {row["state"] for row in rows}


async def test_the_audit_finds_nothing(filled: Database, filled_url: str) -> None:
    relay = Relay(filled, utc_now, EFFECTS)
    while await relay.run_once() != IDLE_SECONDS:
        pass
    await relay.retire()
    assert {
        finding.code: finding.count
        for finding in await audit(DatabaseOptions(url=filled_url), None)
        if finding.count
    } == {}


async def test_it_can_be_made_at_an_awkward_moment(db: Database) -> None:
    """The last second of a leap year's February, which is March already in half of the world."""
    now = datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)
    assert await demo.seed(db, now, "no hash")
    assert (
        await db.fetch_value("SELECT count(*) FROM events WHERE starts_at > $1", now)
        == len(read_programme().upcoming) + 3
    )


def test_days_are_never_today_and_always_the_right_ones() -> None:
    programme = read_programme()
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    for number in range(14):
        today = date(2027, 2, 20) + timedelta(days=number)
        for specs, past in ((programme.upcoming, False), (programme.past, True)):
            for spec in specs:
                day = spec.starts_on(today, past=past)
                assert names[day.weekday()] == spec.day
                away = (today - day if past else day - today).days
                assert 1 + 7 * spec.week <= away <= 7 + 7 * spec.week


async def test_it_shows_seats_prices_and_a_waitlist(filled: Database) -> None:
    titles = ("Winter Night at the Theatre", "Brass on the Floor", "Stories by the Stove")
    ids = {
        row["title"]: row["event_id"]
        for row in await filled.fetch("SELECT title, event_id FROM events WHERE title = ANY($1)", titles)
    }
    theatre, mixed, sold_out = [await find_sale(filled, ids[title]) for title in titles]
    assert theatre.hall is not None
    states = theatre.hall.states()
    assert states.count(1) > 100
    assert states.count(2) > 10
    assert theatre.conditions_now()[1].payment == "online"
    assert theatre.hall.zones == ("Stalls", "Circle", "Boxes")
    assert [promo.terms.code for promo in theatre.promos.values()] == ["EARLY10", "FAMILY"]
    assert {terms.zone for terms in mixed.ticket_types.values()} == {None, "Circle"}
    assert any(terms.hidden for terms in mixed.ticket_types.values())
    (terms,) = sold_out.ticket_types.values()
    assert sold_out.available(terms) == 0
    entries = await filled.fetch("SELECT state FROM waitlist_entries ORDER BY joined_seq")
    assert [entry["state"] for entry in entries] == ["offered", "waiting", "waiting", "waiting", "waiting"]


async def test_it_shows_what_was_paid_and_paid_back(filled: Database) -> None:
    states = {
        row["state"]: row["n"]
        for row in await filled.fetch("SELECT state, count(*) AS n FROM payments GROUP BY state")
    }
    assert (states["captured"] > 20, states["declined"], set(states)) == (True, 3, {"captured", "declined"})
    online = "bookings JOIN sales USING (event_id) WHERE conditions_version = 2"
    held = {
        row["state"]: row["n"]
        for row in await filled.fetch(f"SELECT bookings.state, count(*) AS n FROM {online} GROUP BY 1")
    }
    assert held == {"confirmed": 28, "cancelled": 1, "expired": 3}
    assert await filled.fetch_value(f"SELECT count(*) FROM {online} AND promo_id IS NOT NULL") >= 12
    refunds = await filled.fetch("SELECT amount_minor, settled_at < now() AS settled FROM refunds")
    assert len(refunds) == 2
    assert all(refund["settled"] and refund["amount_minor"] > 0 for refund in refunds)
    theatre = await filled.fetch_value("SELECT event_id FROM payments LIMIT 1")
    (money,) = await details.read_money(filled, theatre)
    assert 0 not in (
        money.refunded_minor,
        money.tax_minor,
        money.fees_minor,
        money.captured_minor,
        money.at_door_minor,
        money.discount_minor,
    )
    assert (money.settled_minor, money.uncaptured_minor) == (money.refunded_minor, 0)
