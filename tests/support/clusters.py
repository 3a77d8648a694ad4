"""Stand-ins for a cluster: a plain database that says it is one, and records what it is told to distribute.

They show what is sent and in which order, and refuse what Citus refuses of a table; they distribute nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from evently.db import DatabaseOptions, placement
from evently.db.distributing import distribute
from evently.db.migrations import migrate

STAND_INS: Final = """
CREATE SCHEMA stand_ins;

CREATE FUNCTION stand_ins.citus_version() RETURNS text LANGUAGE sql AS $$ SELECT 'a stand-in' $$;

CREATE TABLE stand_ins.citus_tables (
    number integer GENERATED ALWAYS AS IDENTITY,
    table_name regclass PRIMARY KEY,
    distribution_column text NOT NULL,
    colocation_id integer NOT NULL
);

CREATE FUNCTION stand_ins.create_distributed_table(
    table_name regclass, distribution_column text, colocate_with text DEFAULT 'default'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    SELECT conname INTO found FROM pg_constraint
    WHERE conrelid = table_name AND contype = 'f' AND confrelid <> table_name
        AND confrelid NOT IN (SELECT done.table_name FROM stand_ins.citus_tables AS done);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'referenced table of % must be a distributed table', found;
    END IF;
    SELECT indexrelid::regclass INTO found FROM pg_index
    WHERE indrelid = table_name AND indisunique AND NOT (
        SELECT attnum FROM pg_attribute WHERE attrelid = table_name AND attname = distribution_column
    ) = ANY(indkey);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'cannot create constraint %', found;
    END IF;
    INSERT INTO stand_ins.citus_tables (table_name, distribution_column, colocation_id)
    SELECT create_distributed_table.table_name, create_distributed_table.distribution_column, CASE
        WHEN colocate_with = 'none' THEN (SELECT count(*) + 1 FROM stand_ins.citus_tables)
        ELSE (
            SELECT colocation_id FROM stand_ins.citus_tables AS others
            WHERE others.table_name = colocate_with::regclass
        )
    END;
END
$$;
"""


def add_stand_ins(url: str) -> None:
    """Make a database say that it is one of a cluster."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(STAND_INS)
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, stand_ins").format(name))


@contextmanager
def as_before() -> Iterator[None]:
    """Restore afterwards what the process knew of its database."""
    before = placement.is_spread
    try:
        yield
    finally:
        placement.is_spread = before


def prepare(url: str) -> None:
    """Migrate the database of a cluster that is there, and distribute its tables."""
    migrate(url)
    asyncio.run(distribute(DatabaseOptions(url=url)))


def empty(url: str) -> None:
    """Delete all rows of the database of a cluster, tables of events first; the revision stays."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        names = {row[0] for row in rows} - {"alembic_version"}
        spread = {row[0] for row in connection.execute("SELECT table_name::text FROM citus_tables")}
        for name in sorted(names, key=lambda name: (name not in spread, name)):
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(name)))
