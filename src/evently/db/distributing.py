"""Spreads the tables of events over a cluster (Citus): `evently migrate --distribute`.

Every table with a column `event_id` is distributed by it, and placed beside `events`, so that all rows of an
event are on one node; parents first, because a foreign key may only lead to a table that is there already.
All other tables stay on the coordinator. Each table is a transaction of its own: what was interrupted is
continued, and what is done is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any, Final, NamedTuple

import asyncpg

from evently.db.clusters import sql as clusters
from evently.db.pool import Connection, Database, DatabaseOptions
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)

FIRST: Final = "events"  # the others are placed beside it
_BY: Final = "event_id"
# No statement of a file: plain PostgreSQL knows neither, and a test prepares what stands in files
_LIST_SPREAD: Final = """SELECT table_name::text AS name, distribution_column, colocation_id
    FROM citus_tables
    WHERE distribution_column <> '<none>'
"""
_SPREAD: Final = "SELECT create_distributed_table($1::text::regclass, $2, colocate_with => $3)"


class Refused(Exception):
    """The tables are not distributed; the message tells the operator why."""


class Step(NamedTuple):
    """A table to be distributed, in its turn."""

    table: str
    is_done: bool


class DistributionPlan(NamedTuple):
    """What is distributed, in order, and what stays on the coordinator."""

    steps: list[Step]
    staying: list[str]
    is_cluster: bool


async def distribute(
    options: DatabaseOptions, *, dry_run: bool = False, show: Callable[[str], None] = lambda _: None
) -> DistributionPlan:
    """Distribute the tables of events that are not distributed yet, or only plan it; return the plan.

    `show` gets the name of each table before it is distributed, which takes as long as copying its rows.
    """
    database = await Database.open(options)
    connection = await database.connect()
    try:
        plan = await plan_distribution(connection)
        if dry_run:
            return plan
        if not plan.is_cluster:
            raise Refused(
                "The database does not have the extension citus. Create it on the coordinator and on each "
                "worker, add the workers, and name the coordinator with EVENTLY_DATABASE_URL."
            )
        for step in plan.steps:
            if not step.is_done:
                show(step.table)
                await _distribute(connection, step.table)
        return plan
    finally:
        await connection.close()
        await database.close()


async def plan_distribution(connection: asyncpg.Connection[Any]) -> DistributionPlan:
    """Return which tables are distributed, in which order; raise Refused if they cannot be."""
    rows = await connection.fetch(*sql.list_tables())
    parents = {row["name"]: frozenset(row["parents"]) for row in rows}
    of_events = {row["name"] for row in rows if row["of_events"]}
    if FIRST not in of_events:
        raise Refused("The database has no tables of Evently: run evently migrate first.")
    for name, others in parents.items():
        for other in others:
            if (name in of_events) != (other in of_events):
                raise Refused(
                    f"A foreign key leads from {name} to {other}: one is spread over the cluster, and the "
                    "other is not."
                )
    if unfit := [row["name"] for row in await connection.fetch(*sql.list_unfit_indexes())]:
        raise Refused(f"Unique indexes of tables of events must contain {_BY}: {', '.join(unfit)} do not.")
    is_cluster = await connection.fetchval(*clusters.find_cluster())
    done = await _list_done(connection, of_events) if is_cluster else set[str]()
    steps = [Step(name, name in done) for name in arranged(of_events, parents)]
    return DistributionPlan(steps, sorted(parents.keys() - of_events), is_cluster)


def arranged(tables: Iterable[str], parents: Mapping[str, Iterable[str]]) -> list[str]:
    """Return tables so that each comes after those that its foreign keys lead to; `events` is the first."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(tables):
        sorter.add(name, *parents[name], *([] if name == FIRST else [FIRST]))
    ordered: list[str] = []
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return ordered


async def _list_done(connection: asyncpg.Connection[Any], of_events: set[str]) -> set[str]:
    """Return the tables that are distributed already; refuse what was distributed in another way."""
    rows = {row["name"]: row for row in await connection.fetch(_LIST_SPREAD)}
    done = rows.keys() & of_events
    for name in sorted(done):
        if rows[name]["distribution_column"] != _BY:
            raise Refused(
                f"{name} is distributed by {rows[name]['distribution_column']}, not by {_BY}: "
                "undistribute it."
            )
        if FIRST not in done or rows[name]["colocation_id"] != rows[FIRST]["colocation_id"]:
            raise Refused(f"{name} is distributed, but not beside {FIRST}: undistribute it.")
    return done


async def _distribute(connection: Connection, table: str) -> None:
    async with connection.transaction():
        await connection.execute(*sql.take_turns())
        done = {row["name"] for row in await connection.fetch(_LIST_SPREAD)}
        if table not in done:
            beside = "none" if table == FIRST else FIRST
            await connection.execute(_SPREAD, table, _BY, beside)
