"""`evently migrate --distribute`: the plan, against the schema of a plain server; and what is sent.

Stand-ins record the calls, and refuse what Citus refuses of a table (tests/support/clusters.py). No table was
distributed in these tests: there is no cluster here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evently.cli.upkeep import distribute_tables
from evently.config import Config, ConfigError
from evently.db import Database, DatabaseOptions
from evently.db.distributing import FIRST, DistributionPlan, Refused, arranged, distribute
from evently.db.migrations import migrate
from tests.support.clusters import add_stand_ins, as_before
from tests.support.sql import relations

# Tables with an event_id that are not distributed, each with its reason: there is none
NOT_SPREAD: dict[str, str] = {}


@pytest.fixture
def spread_url(database_url: str) -> Any:
    """Yield the address of a database with stand-ins."""
    add_stand_ins(database_url)
    with as_before():
        yield database_url


def run(url: str, *, dry_run: bool = False) -> DistributionPlan:
    return asyncio.run(distribute(DatabaseOptions(url=url), dry_run=dry_run))


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        done = connection.execute(statement)
        return done.fetchall() if done.description else []


def calls(url: str) -> list[tuple[Any, ...]]:
    """Return what was distributed, in order: table, column, and the group of tables it was placed in."""
    return execute(
        url,
        "SELECT table_name::text, distribution_column, colocation_id FROM stand_ins.citus_tables"
        " ORDER BY number",
    )


async def test_every_table_of_events_is_in_the_plan_after_its_parents(
    db: Database, database_url: str
) -> None:
    plan = await distribute(DatabaseOptions(url=database_url), dry_run=True)
    order = [step.table for step in plan.steps]
    rows = await db.fetch(
        "SELECT table_name::text FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'event_id'"
    )
    assert {row[0] for row in rows} == {*order, *NOT_SPREAD}
    assert len(order) == len(set(order)) > 40
    assert order[0] == FIRST
    keys = await db.fetch(
        "SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid <> confrelid AND connamespace = 'public'::regnamespace"
    )
    for child, parent in keys:
        assert (child in order) == (parent in order), "no foreign key leads from one plane to the other"
        if child in order:
            assert order.index(parent) < order.index(child), f"{child} comes after {parent}"
    staying = {name for name in plan.staying if not name.startswith(("procrastinate_", "alembic_"))}
    assert staying == {each.name for each in relations().values() if each.reads is None} - set(order)
    assert "people" in staying
    assert not plan.is_cluster


def test_the_order_respects_each_key_and_a_circle_is_an_error() -> None:
    parents = {"events": [], "sales": ["events"], "a": ["b"], "b": ["sales"], "c": []}
    assert arranged(parents, parents) == ["events", "c", "sales", "b", "a"]
    with pytest.raises(ValueError, match="cycle"):
        arranged(["events", "a", "b"], {"events": [], "a": ["b"], "b": ["a"]})


def test_what_is_sent(spread_url: str) -> None:
    plan = run(spread_url)
    assert plan.is_cluster
    sent = calls(spread_url)
    assert [table for table, _, _ in sent] == [step.table for step in plan.steps]
    assert {column for _, column, _ in sent} == {"event_id"}
    assert len({group for _, _, group in sent}) == 1, "all are placed beside the first"


def test_a_second_run_changes_nothing_and_an_interrupted_one_is_continued(spread_url: str) -> None:
    first = run(spread_url)
    sent = calls(spread_url)
    again = run(spread_url)
    assert [step.is_done for step in again.steps] == [True] * len(first.steps)
    assert calls(spread_url) == sent
    last = first.steps[-1].table
    execute(spread_url, f"DELETE FROM stand_ins.citus_tables WHERE table_name = '{last}'::regclass")
    assert [step.table for step in run(spread_url).steps if not step.is_done] == [last]
    assert [call[:2] for call in calls(spread_url)] == [call[:2] for call in sent]


def test_tables_of_a_later_migration_are_distributed_by_the_next_run(spread_url: str) -> None:
    run(spread_url)
    execute(
        spread_url,
        "CREATE TABLE later (event_id uuid PRIMARY KEY REFERENCES sales (event_id), x integer)",
    )
    assert [step.table for step in run(spread_url).steps if not step.is_done] == ["later"]


def test_a_migrated_database_of_a_cluster_is_migrated_again(spread_url: str) -> None:
    migrate(spread_url)  # with the setting that a cluster needs; there is nothing to be done
    assert execute(spread_url, "SELECT count(*) FROM alembic_version") == [(1,)]


def test_without_the_extension_it_says_so(database_url: str) -> None:
    assert not run(database_url, dry_run=True).is_cluster
    with pytest.raises(Refused, match="does not have the extension citus"):
        run(database_url)


def test_an_empty_database_is_refused(database_url: str) -> None:
    execute(database_url, "DROP SCHEMA public CASCADE")
    execute(database_url, "CREATE SCHEMA public")
    with pytest.raises(Refused, match="evently migrate first"):
        run(database_url)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("CREATE UNIQUE INDEX mine ON bookings (booking_id)", "must contain event_id: mine do not"),
        (
            "ALTER TABLE webhooks ADD COLUMN e uuid REFERENCES events (event_id)",
            "leads from webhooks to events",
        ),
        (
            """
                INSERT INTO stand_ins.citus_tables (table_name, distribution_column, colocation_id)
                VALUES ('bookings', 'booking_id', 1)
            """,
            "bookings is distributed by booking_id, not by event_id",
        ),
        (
            """
                INSERT INTO stand_ins.citus_tables (table_name, distribution_column, colocation_id)
                VALUES ('events', 'event_id', 1), ('sales', 'event_id', 2)
            """,
            "sales is distributed, but not beside events",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_done(
    spread_url: str, statement: str, sentence: str
) -> None:
    execute(spread_url, statement)
    before = calls(spread_url)
    with pytest.raises(Refused, match=sentence):
        run(spread_url)
    assert calls(spread_url) == before


# The command ------------------------------------------------------------------------------------------------


def test_the_plan_is_printed_and_nothing_is_changed(
    spread_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    distribute_tables(Config(database_url=spread_url), dry_run=True)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "events: by event_id"
    assert "payment_refunds: by event_id beside events" in said
    assert said[-1].startswith("On the coordinator stay: ")
    assert calls(spread_url) == []


def test_the_command_says_what_was_done(spread_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    distribute_tables(Config(database_url=spread_url), dry_run=False)
    said = capsys.readouterr().out
    assert "tables are distributed by event_id, 0 of them already before" in said
    distribute_tables(Config(database_url=spread_url), dry_run=True)
    assert "sales: by event_id beside events, done already" in capsys.readouterr().out


def test_the_embedded_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one server"):
        distribute_tables(Config(data=tmp_path), dry_run=True)
