"""Makes many towns of one: copies of all its rows with other ids, and journals that are chained anew.

    mark_town(url)                   give every id of a town the mark of the first town
    copy_towns(url, count, say)      add copies of the marked town, until there are `count` towns
    hurried(connection)              turns off what protects a server from a crash

An id is a UUIDv7. The fourth group of each id of the first town becomes `8000`, in columns, in the JSON of
journals and in stored answers alike; of the second town it is `8001`, and so on. So a copy is one `replace`,
and events, people and organizers of a copy belong together as in the first town. Everything else is the same:
times, names, prices. The hash of each journal row is computed again, in SQL, from the row before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from bench.town import MARK

TOWNS_MAX: Final = 0x4000  # the first two bits of the group are those of every UUID
_FIRST: Final = 0x8000
_WORKERS: Final = 2
# What an installation has once, and no town
_ONCE: Final = frozenset(
    {"installation", "leases", "alembic_version", "admin_acts", "audit_runs", "push_keys"}
)
_LOADING: Final = ("fsync", "full_page_writes", "autovacuum")  # off while databases are made
_IDS: Final = "-7([0-9a-f]{3})-[89ab][0-9a-f]{3}-"
_IDS_IN_HEX: Final = "2d37((?:3[0-9]|6[1-6]){3})2d(?:38|39|61|62)(?:3[0-9]|6[1-6]){3}2d"
_MARK_IN_HEX: Final = MARK.encode().hex()
_TEXTS: Final = ("uuid", "text", "uuid[]", "text[]", "tsvector", "jsonb")
_CHAIN: Final[LiteralString] = """
CREATE FUNCTION pg_temp.chain_row(before bytea, facts bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE AS 'SELECT sha256($1 || $2)';
CREATE AGGREGATE pg_temp.chain(bytea) (
    sfunc = pg_temp.chain_row, stype = bytea,
    initcond = '\\x0000000000000000000000000000000000000000000000000000000000000000'
);
"""
_CHAIN_AGAIN: Final[LiteralString] = """
UPDATE journal SET hash = chained.hash
FROM (
    SELECT event_id, seq, pg_temp.chain(facts) OVER (PARTITION BY event_id ORDER BY seq) AS hash FROM journal
) AS chained
WHERE journal.event_id = chained.event_id AND journal.seq = chained.seq;
UPDATE sales SET head_hash = journal.hash
FROM journal WHERE journal.event_id = sales.event_id AND journal.seq = sales.seq;
"""
_COLUMNS: Final[LiteralString] = """
SELECT relname, attname, format_type(atttypid, atttypmod)
FROM pg_attribute INNER JOIN pg_class ON pg_class.oid = attrelid
WHERE
    relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    AND attgenerated = '' AND relname NOT LIKE 'procrastinate%' AND relname NOT LIKE 'demo%'
ORDER BY relname, attnum
"""
# A journal before its sale, which has the hash of its last row
_ORDER: Final = {"journal": 0, "sales": 1}


class Table(NamedTuple):
    """A table with the types of its columns."""

    name: str
    columns: dict[str, str]


def mark_town(url: str) -> None:
    """Give every id of a town the mark of the first town."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign key is checked meanwhile
        for table in _tables(connection):
            changes = [
                sql.SQL("{} = {}").format(sql.Identifier(name), _marked(name, kind))
                for name, kind in table.columns.items()
                if kind == "bytea" or kind in _TEXTS
            ]
            if changes:
                connection.execute(
                    sql.SQL("UPDATE {} SET {}").format(
                        sql.Identifier(table.name), sql.SQL(", ").join(changes)
                    )
                )
        connection.execute(_CHAIN)
        connection.execute(_CHAIN_AGAIN)
        connection.execute("VACUUM (FULL, ANALYZE)")
        connection.execute("VACUUM ANALYZE")  # the map of what all transactions see


def copy_towns(url: str, count: int, say: Callable[[str], None]) -> None:
    """Add copies of the marked town, until there are `count` towns."""
    assert count <= TOWNS_MAX, f"there are marks for {TOWNS_MAX:,} towns"
    with psycopg.connect(url, autocommit=True) as connection:
        with hurried(connection), _without_indexes(connection, say):
            connection.execute("CREATE SCHEMA town")
            tables = [table for table in _tables(connection) if _is_of_towns(connection, table)]
            for table in tables:
                name = sql.Identifier(table.name)
                connection.execute(sql.SQL("CREATE TABLE town.{0} AS TABLE public.{0}").format(name))
            with ThreadPoolExecutor(_WORKERS) as workers:
                done = [
                    workers.submit(_copy, url, tables, range(first, count, _WORKERS), say)
                    for first in range(1, _WORKERS + 1)
                ]
                for each in done:
                    each.result()
            connection.execute("DROP SCHEMA town CASCADE")
        began = time.monotonic()
        connection.execute("VACUUM (ANALYZE, PARALLEL 2)")
        connection.execute("CHECKPOINT")
        say(f"vacuumed in {time.monotonic() - began:,.0f} s")


@contextmanager
def hurried(connection: psycopg.Connection) -> Iterator[None]:
    """Turn off what protects from a crash: a database that is lost here is made again."""
    try:
        for name in _LOADING:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")
        yield
    finally:
        for name in _LOADING:
            connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")


def _copy(url: str, tables: Sequence[Table], numbers: range, say: Callable[[str], None]) -> None:
    """Add the copies with these numbers."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        connection.execute(_CHAIN)
        connection.commit()
        for place, number in enumerate(numbers, start=1):
            for table in tables:
                connection.execute(_insertion(table, f"-{_FIRST + number:04x}-"))
            connection.commit()
            if place % 5 == 0:
                say(f"{place} of {len(numbers)} copies")


def _tables(connection: psycopg.Connection) -> list[Table]:
    found: dict[str, Table] = {}
    for table, column, kind in connection.execute(_COLUMNS):
        if table not in _ONCE:
            found.setdefault(table, Table(table, {})).columns[column] = kind
    return sorted(found.values(), key=lambda table: (_ORDER.get(table.name, -1), table.name))


def _is_of_towns(connection: psycopg.Connection, table: Table) -> bool:
    """Return whether the table has rows whose ids have the mark."""
    ids = [
        sql.SQL("{}::text").format(sql.Identifier(name))
        for name, kind in table.columns.items()
        if kind == "uuid"
    ]
    if not ids:
        return False
    text = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE concat({}) LIKE {})").format(
        sql.Identifier(table.name), sql.SQL(", ").join(ids), sql.Literal(f"%{MARK}%")
    )
    row = connection.execute(text).fetchone()
    assert row is not None, "EXISTS has a row"
    return bool(row[0])


def _insertion(table: Table, mark: str) -> sql.Composed:
    """Return the statement that copies the rows of a table for another town."""
    values = {
        name: _moved(sql.Identifier(table.name, name), kind, mark) for name, kind in table.columns.items()
    }
    source = sql.SQL("town.{0} AS {0}").format(sql.Identifier(table.name))
    if table.name == "journal":
        values["hash"] = sql.SQL("pg_temp.chain({}) OVER (PARTITION BY event_id ORDER BY seq)").format(
            values["facts"]
        )
    if table.name == "sales":
        values["head_hash"] = sql.SQL(
            "(SELECT head.hash FROM public.journal AS head WHERE head.event_id = {} AND head.seq = sales.seq)"
        ).format(values["event_id"])
    return sql.SQL("INSERT INTO public.{} ({}) SELECT {} FROM {}").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(values.values()),
        source,
    )


def _marked(name: str, kind: str) -> sql.Composed:
    """Return the expression that gives the ids in a column the mark."""
    if kind == "bytea":
        text = "decode(regexp_replace(encode({0}, 'hex'), {1}, {2}, 'g'), 'hex')"
        return sql.SQL(text).format(
            sql.Identifier(name), sql.Literal(_IDS_IN_HEX), sql.Literal(rf"2d37\1{_MARK_IN_HEX}")
        )
    return sql.SQL("regexp_replace({}::text, {}, {}, 'g')::{}").format(
        sql.Identifier(name), sql.Literal(_IDS), sql.Literal(rf"-7\1{MARK}"), sql.SQL(_known(kind))
    )


def _moved(column: sql.Identifier, kind: str, mark: str) -> sql.Composable:
    """Return the expression of a column whose ids have another mark."""
    if kind == "bytea":
        return sql.SQL("decode(replace(encode({}, 'hex'), {}, {}), 'hex')").format(
            column, sql.Literal(_MARK_IN_HEX), sql.Literal(mark.encode().hex())
        )
    if kind in _TEXTS:
        return sql.SQL("replace({}::text, {}, {})::{}").format(
            column, sql.Literal(MARK), sql.Literal(mark), sql.SQL(_known(kind))
        )
    return column


def _known(kind: str) -> LiteralString:
    """Return the name of a type as a literal."""
    kinds: dict[str, LiteralString] = {
        "uuid": "uuid", "text": "text", "uuid[]": "uuid[]", "text[]": "text[]", "tsvector": "tsvector",
        "jsonb": "jsonb",
    }  # fmt: skip
    return kinds[kind]


@contextmanager
def _without_indexes(connection: psycopg.Connection, say: Callable[[str], None]) -> Iterator[None]:
    """Drop the indexes that are no keys, and make them again at the end, each in one go."""
    indexes = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " INNER JOIN pg_class ON pg_class.oid = indrelid"
        " WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'procrastinate%'"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    began = time.monotonic()
    connection.execute("SET maintenance_work_mem = '512MB'")
    connection.execute("SET max_parallel_maintenance_workers = 2")
    for _, definition in indexes:
        connection.execute(definition.encode())
    say(f"{len(indexes)} indexes were made again in {time.monotonic() - began:,.0f} s")
