"""Every statement and every key fits a cluster; what is sent to all shards is listed, each with its reason.

tests/support/cluster_rules.py says which rules there are; each of them is shown here to catch a statement.
They are what a trial of an earlier version saw refused; none of this one was run on a cluster.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from pglast import ast as syntax
from pglast import parse_sql, split

from evently.db import Database, Query, load_queries
from tests.support.cluster_rules import IMMUTABLE, Statement, groups, read_schema, schema, wrong_keys
from tests.support.sql import MIGRATIONS, SOURCE, sql_files

FIRST_SPREAD: Final = "0049"  # this migration and later ones may find their tables distributed

# Statements that name no event: every shard looks along an index, or reads all it has
FANS_OUT: Final = groups(
    {
        "an address, a message or a gateway names it by its id alone": """
            sales/reads/bookings:read_bookings sales/reads/bookings:locate_booking
            sales/reads/transfers:list_stories sales/reads/transfers:list_tickets
            sales/reads/waitlist:find_entry checkout/store:find_due_bookings checkout/store:find_payment
            checkout/store:find_payment_by_reference checkout/store:list_latest_payments
            checkout/store:list_payments finding:describe_bookings mail/outbox:list_ticket_offers
            webhooks/storing:list_passed_on checkin/scanners:find_enrolment
            checkin/scanners:find_organizer_of checkin/scanners:find_scanner
        """,
        "a person reads, exports or erases what is theirs: an index of each shard begins with the person": """
            sales/reads/bookings:list_of_buyer sales/reads/bookings:list_upcoming_with_tickets
            sales/reads/transfers:list_of_person sales/reads/transfers:find_held
            sales/reads/transfers:list_received sales/reads/transfers:list_received_upcoming
            sales/reads/transfers:list_open_of_giver sales/reads/transfers:count_transfers
            sales/reads/waitlist:list_entries_of_buyer notifications/notifications:list_of_person
            notifications/notifications:mark_read notifications/notifications:forget_person
            attendees:list_names_of attendees:forget_person questions/answering:list_answers_of
            questions/answering:forget_person checkout/store:list_cards checkout/store:forget_cards
            sales/leaving:forget_addresses_of_person
        """,
        "it looks for events: by words, date, organizer, venue, series or seat map": """
            catalogue/browse:list_soonest catalogue/browse:list_latest catalogue/browse:list_newest
            catalogue/browse:list_of_organizer catalogue/browse:list_ahead_of_organizer
            catalogue/browse:list_currencies catalogue/browse:list_currencies_spread
            catalogue/events:find_titled catalogue/events:list_dates
            catalogue/events:list_events_ahead catalogue/events:list_events_of_venue
            analytics/statements:list_events finding:list_events finding:find_named
            sales/reads/seats:list_events_with_map
        """,
        "one process at a time looks for what is due, of any event, along a partial index": """
            sales/reads/bookings:list_events_to_release sales/reads/waitlist:list_events_to_serve
            checkout/store:list_due_payments checkout/store:list_due_refunds
            checkout/store:begin_forgotten_refunds catalogue/events:list_words_to_remake
            catalogue/events:list_to_remind catalogue/events:list_shown
            notifications/notifications:list_ending_offers
            notifications/notifications:forget_old analytics/counting:forget_minutes
            sales/leaving:forget_addresses organizing/rehearsing:count_open
            organizing/rehearsing:list_waiting organizing/rehearsing:fail_lost
            organizing/rehearsing:list_due_sandboxes organizing/rehearsing:forget_copy
            sales/outbox:list_undelivered sales/outbox:oldest_undelivered sales/archiving:list_archivable
        """,
        "figures of an organizer or of the platform": """
            analytics/reading:count_tickets_from analytics/reading:sum_totals analytics/reading:sum_capacity
            analytics/reading:sum_slots analytics/reading:rank_by_totals analytics/reading:rank_by_quarters
            checkout/store:count_failed_refunds checkout/store:find_latest_gateway
        """,
        "the audit is about one event, or about all": """
            audit/breaches:find_oversold_pools audit/breaches:find_miscounted_pools
            audit/breaches:find_wrong_tickets audit/breaches:find_wrong_codes audit/breaches:find_wrong_seats
            audit/breaches:find_wrong_events audit/breaches:find_wrong_answers
            audit/breaches:find_stale_holds audit/breaches:find_wrong_check_ins
            audit/money:find_wrong_payments audit/money:find_wrong_refunds audit/money:find_wrong_postings
            audit/money:find_miscounted_money audit/comparison:list_sales
            audit/waiting_rooms:find_wrong_admissions sales/reads/journal:count_files
        """,
    }
)
# Statements that a cluster would refuse, and that only one server gets
ONE_SERVER: Final = groups(
    {
        "a look into an index for each currency; a cluster gets the next statement": """
            catalogue/browse:list_currencies
        """
    }
)
# Statements that join rows of events with tables of the coordinator, which are sent to the nodes
JOINS_LOCAL: Final = groups(
    {
        "an export, a list or a search that shows the names of people": """
            analytics/export:export_bookings attendees:list_attendees checkin/lists:read_list
            checkin/scans:find_holders checkin/scans:find_tickets finding:walk_bookings
            finding:describe_bookings questions/answering:list_answers_to
            sales/reads/transfers:list_stories mail/outbox:list_ticket_offers
        """,
        "the keys of a few devices, the webhooks of a few organizers": """
            checkin/scanners:list_scanners checkin/scanners:get_scanner webhooks/storing:list_for_events
        """,
    }
)


@cache
def statements() -> dict[str, tuple[Query, Statement]]:
    """Return each named statement, as a cluster gets it."""
    found = {}
    for path in sql_files():
        relative = path.relative_to(SOURCE).with_suffix("")
        for query in load_queries(".".join(("evently", *relative.parts))):
            found[f"{relative.as_posix()}:{query.name}"] = query, Statement(query.routed, schema())
    return found


def test_no_statement_has_what_a_cluster_refuses() -> None:
    wrong = {name: each.problems for name, (_, each) in statements().items() if each.problems}
    assert wrong.keys() == ONE_SERVER.keys(), wrong


def test_what_goes_to_all_shards_is_listed_with_its_reason() -> None:
    assert {name for name, (_, each) in statements().items() if each.fans_out} == FANS_OUT.keys()


def test_what_joins_tables_of_the_coordinator_is_listed_with_its_reason() -> None:
    assert {name for name, (_, each) in statements().items() if each.joins_local} == JOINS_LOCAL.keys()


def test_joins_with_arrays_name_their_events() -> None:
    wrong = {
        name: each.unnamed
        for name, (_, each) in statements().items()
        if each.unnamed and name not in FANS_OUT
    }
    assert wrong == {}


def test_what_locks_rows_of_several_events_locks_them_event_by_event() -> None:
    """Such a statement is given to `lock_by_event`, and to nothing else."""
    python = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")]
    lines = [line for text in python for line in text.splitlines() if "sql." in line]
    several = {name for name, (_, each) in statements().items() if "any" in each.locks}
    assert len(several) > 5
    for name in several:
        query = name.partition(":")[2]
        called = [line for line in lines if re.search(rf"\bsql\.{query}\b", line)]
        assert called, name
        for line in called:
            assert re.search(rf"sql\.{query}\b(?!\()", line), f"{name} is called without lock_by_event"
        assert any(
            "lock_by_event(" in text
            and re.search(rf"lock_by_event\(\s*[\w.]+, (?:store\.)?sql\.{query}\b", text)
            for text in python
        ), name


def test_a_cluster_gets_the_same_statement_but_for_the_names_of_events() -> None:
    for name, (query, _) in statements().items():
        added = query.routed.replace(query.text, "")
        if query.routed != query.text:
            assert "= ANY(" in added, name


async def test_functions_in_changes_are_immutable(shared_db: Database) -> None:
    rows = await shared_db.fetch(
        "SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY($1) AND provolatile <> 'i'",
        sorted(IMMUTABLE),
    )
    assert [row["proname"] for row in rows] == []
    rows = await shared_db.fetch(
        "SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY($1)", sorted(IMMUTABLE)
    )
    assert {row["proname"] for row in rows} == IMMUTABLE, "each of them exists"


# Keys and migrations ----------------------------------------------------------------------------------------


def test_every_key_of_a_spread_table_contains_the_event() -> None:
    assert wrong_keys(schema()) == []


async def test_the_schema_was_read_as_it_is(shared_db: Database) -> None:
    rows = await shared_db.fetch(
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'event_id'"
    )
    assert {row["table_name"] for row in rows} == {name for name, each in schema().items() if each.is_spread}
    rows = await shared_db.fetch(
        """
        SELECT tables.relname AS "table", indexes.relname AS name FROM pg_index
        JOIN pg_class AS tables ON tables.oid = indrelid
        JOIN pg_class AS indexes ON indexes.oid = indexrelid
        WHERE indisunique AND indexes.relnamespace = 'public'::regnamespace
        """
    )
    there = {(row["table"], row["name"]) for row in rows if row["table"] in schema()}
    assert there == {(name, unique) for name, each in schema().items() for unique in each.unique}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(MIGRATIONS.glob("*.sql")) if path.name >= FIRST_SPREAD],
    ids=lambda path: path.name,
)
def test_changes_of_rows_in_later_migrations_fit_a_cluster(path: Path) -> None:
    for one in split(path.read_text(encoding="utf-8")):
        if isinstance(parse_sql(one)[0].stmt, syntax.InsertStmt | syntax.UpdateStmt | syntax.DeleteStmt):
            assert Statement(one, schema()).problems == [], path.name


# Each rule catches a statement ------------------------------------------------------------------------------


def problems_of(text: str) -> list[str]:
    query = Query("bad", text)
    found = Statement(query.routed, schema())
    return [*found.problems, *(f"{name} does not name its events" for name in found.unnamed)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT FROM sales WHERE event_id = :event_id", "SELECT without a column"),
        (
            """
                SELECT 1 AS x FROM sales WHERE event_id = :event_id AND EXISTS (SELECT FROM pools
                WHERE pools.event_id = sales.event_id)
            """,
            "SELECT without a column",
        ),
        (
            """
                SELECT due.booking_id FROM unnest(:event_ids::uuid[]) AS named (event_id) CROSS JOIN
                LATERAL (SELECT booking_id FROM bookings WHERE bookings.event_id = named.event_id
                LIMIT 3) AS due
            """,
            "LATERAL over a table function",
        ),
        (
            """
                SELECT named.event_id, (SELECT count(*) FROM bookings WHERE bookings.event_id =
                named.event_id) AS n FROM unnest(:event_ids::uuid[]) AS named (event_id)
            """,
            "a subquery over a table function",
        ),
        (
            "SELECT seq FROM sales WHERE currency = :currency FOR UPDATE",
            "locks rows of several shards",
        ),
        (
            "SELECT seq FROM sales ORDER BY event_id FOR NO KEY UPDATE SKIP LOCKED",
            "locks rows of several shards",
        ),
        (
            """
                SELECT sales.seq FROM sales INNER JOIN events ON events.event_id = sales.event_id
                WHERE sales.event_id = :event_id FOR UPDATE OF sales
            """,
            "locks rows of a join or a subquery",
        ),
        (
            """
                WITH due AS (SELECT event_id FROM payments WHERE resume_at <= :now FOR UPDATE)
                UPDATE payments SET tries = 1 FROM due WHERE payments.event_id = due.event_id
            """,
            "locks rows of several shards",
        ),
        (
            """
                SELECT 1 AS x FROM bookings INNER JOIN tickets ON tickets.booking_id =
                bookings.booking_id WHERE bookings.event_id = :event_id
            """,
            "joins that are not on event_id: bookings, tickets",
        ),
        (
            """
                SELECT 1 AS x FROM bookings, (SELECT ticket_id FROM tickets) AS t WHERE
                bookings.event_id = :event_id
            """,
            "joins that are not on event_id: bookings, tickets",
        ),
        (
            """
                SELECT 1 AS x FROM bookings WHERE event_id = :event_id AND EXISTS (SELECT 1 FROM
                tickets WHERE tickets.booking_id = bookings.booking_id)
            """,
            "joins that are not on event_id: bookings, tickets",
        ),
        (
            """
                SELECT 1 AS x FROM bookings INNER JOIN tickets USING (booking_id) WHERE
                bookings.event_id = :event_id
            """,
            "joins that are not on event_id: bookings, tickets",
        ),
        (
            """
                SELECT bookings.state FROM unnest(:event_ids::uuid[], :ids::uuid[]) AS named
                (event_id, id) INNER JOIN bookings ON bookings.event_id = named.event_id AND
                bookings.booking_id = named.id
            """,
            "bookings does not name its events",
        ),
        (
            """
                UPDATE pools SET sold = new.sold FROM unnest(:event_ids::uuid[], :solds::int[]) AS
                new (event_id, sold) WHERE pools.event_id = new.event_id
            """,
            "pools does not name its events",
        ),
        (
            """
                DELETE FROM pools USING unnest(:event_ids::uuid[]) AS gone (event_id) WHERE
                pools.event_id = gone.event_id
            """,
            "pools does not name its events",
        ),
        (
            "UPDATE payments SET resume_at = resume_at + :pause::interval WHERE event_id = :event_id",
            "an instant is computed in a change of spread rows",
        ),
        (
            "UPDATE bookings SET ended_at = now() WHERE event_id = :event_id",
            "now() in a change of spread rows",
        ),
        (
            "UPDATE bookings SET entry_id = gen_random_uuid() WHERE event_id = :event_id",
            "gen_random_uuid() in a change of spread rows",
        ),
        (
            """
                INSERT INTO pools (event_id, name) VALUES (:event_id, :name) ON CONFLICT (event_id,
                pool_id) DO UPDATE SET name = to_char(now(), 'YYYY')
            """,
            "to_char() in a change of spread rows",
        ),
        ("INSERT INTO pools (pool_id) VALUES (:pool_id)", "inserts rows without event_id"),
    ],
)
def test_a_bad_statement_is_refused(text: str, problem: str) -> None:
    assert problem in problems_of(text)


@pytest.mark.parametrize(
    ("text", "fans_out", "joins_local"),
    [
        ("SELECT seq FROM sales WHERE event_id = :event_id", False, False),
        ("SELECT seq FROM sales WHERE event_id = ANY(:event_ids::uuid[])", False, False),
        ("SELECT seq FROM sales WHERE :event_id::uuid IS NULL OR event_id = :event_id", True, False),
        ("SELECT booking_id FROM bookings WHERE booking_id = :booking_id", True, False),
        ("SELECT name FROM people WHERE person_id = :person_id FOR UPDATE", False, False),
        (
            """
                SELECT people.name FROM bookings INNER JOIN people ON people.person_id =
                bookings.buyer_id WHERE bookings.event_id = :event_id
            """,
            False,
            True,
        ),
        (
            """
                WITH told AS MATERIALIZED (SELECT buyer_id FROM bookings WHERE event_id = :event_id)
                SELECT people.name FROM told INNER JOIN people ON people.person_id = told.buyer_id
            """,
            False,
            False,
        ),
        (
            """
                SELECT tickets.state FROM bookings INNER JOIN tickets ON tickets.event_id =
                bookings.event_id WHERE bookings.event_id = :event_id
            """,
            False,
            False,
        ),
    ],
)
def test_a_good_statement_is_not(text: str, fans_out: bool, joins_local: bool) -> None:  # noqa: FBT001
    assert problems_of(text) == []
    found = Statement(Query("good", text).routed, schema())
    assert (found.fans_out, found.joins_local) == (fans_out, joins_local)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("PRIMARY KEY (id)", "bad: bad_pk is unique without event_id"),
        ("UNIQUE (id)", "bad: bad_pk is unique without event_id"),
        ("EXCLUDE USING gist (id WITH =)", "bad: bad_pk is unique without event_id"),
        ("FOREIGN KEY (id) REFERENCES people (person_id)", "bad: bad_pk leads from one plane to the other"),
        (
            "FOREIGN KEY (id) REFERENCES bookings (booking_id)",
            "bad: bad_pk does not contain event_id",
        ),
    ],
)
def test_a_bad_key_is_refused(key: str, problem: str) -> None:
    text = f"CREATE TABLE bad (event_id uuid, id uuid, CONSTRAINT bad_pk {key})"
    made = read_schema([parse_sql(text)[0].stmt])
    assert wrong_keys(schema() | made) == [problem]


def test_a_bad_index_and_a_key_into_events_are_refused() -> None:
    made = read_schema(
        raw.stmt
        for raw in parse_sql(
            "CREATE TABLE bad (event_id uuid, id uuid, CONSTRAINT bad_pk PRIMARY KEY (event_id, id));"
            "CREATE UNIQUE INDEX bad_uq ON bad (id);"
            "CREATE TABLE worse (id uuid CONSTRAINT worse_fk REFERENCES events (event_id));"
            "ALTER TABLE worse ADD COLUMN more uuid CONSTRAINT more_fk REFERENCES sales (event_id);"
        )
    )
    assert wrong_keys(schema() | made) == [
        "bad: bad_uq is unique without event_id",
        "worse: worse_fk leads from one plane to the other",
        "worse: more_fk leads from one plane to the other",
    ]


def test_a_key_that_is_replaced_counts_no_more() -> None:
    made = read_schema(
        raw.stmt
        for raw in parse_sql(
            "CREATE TABLE once (event_id uuid, id uuid, CONSTRAINT once_pk PRIMARY KEY (id));"
            "CREATE UNIQUE INDEX once_uq ON once (id);"
            "ALTER TABLE once DROP CONSTRAINT once_pk;"
            "DROP INDEX once_uq;"
        )
    )
    assert wrong_keys(made) == []
