"""The plans of all named statements in a large database: none may read a table that grows from end to end.

    find_growing(small, large)     the tables that are much larger in the large database
    find_scans(large, growing)     sequential scans of them in the plans of the statements

Plans are generic ones: PostgreSQL makes them for any values, as after five executions on one connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

import evently
from evently.db import Queries, Query

SOURCE: Final = Path(evently.__file__).parent
GROWS: Final = 5  # a table grows if it has so many times as many rows
ROWS_MIN: Final = 20_000  # smaller tables are read in a millisecond
# Statements that read whole tables on purpose: a file, or a file and a statement, with the reason
ALLOWED: Final[Mapping[str, str]] = {
    "audit/breaches.sql": "an audit reads everything",
    "audit/money.sql": "an audit reads everything",
}
_EXPLAINED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


class Scan(NamedTuple):
    """A sequential scan in the plan of a statement. `reason`: why it may be, empty if it may not."""

    file: str
    statement: str
    table: str
    reason: str


def find_growing(small_url: str, large_url: str) -> dict[str, int]:
    """Return the tables that grow, with their rows in the large database, as its statistics say."""
    small, large = _rows_of(small_url), _rows_of(large_url)
    return {
        name: rows
        for name, rows in large.items()
        if rows >= ROWS_MIN and rows >= GROWS * max(1, small.get(name, 0))
    }


def find_scans(url: str, growing: Mapping[str, int]) -> tuple[int, list[Scan]]:
    """Return how many statements were planned, and the sequential scans of growing tables."""
    scans: list[Scan] = []
    planned = 0
    with psycopg.connect(url, autocommit=True) as connection:
        for file, query in _statements():
            if not query.text.lstrip(" (").startswith(_EXPLAINED):
                continue
            planned += 1
            row = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {query.text}".encode()).fetchone()
            assert row is not None, "EXPLAIN has a row"
            scanned = {table for table in _scanned(row[0][0]["Plan"]) if table in growing}
            reason = ALLOWED.get(file) or ALLOWED.get(f"{file} {query.name}", "")
            scans += [Scan(file, query.name, table, reason) for table in sorted(scanned)]
    return planned, scans


def unused_allowances(scans: list[Scan]) -> list[str]:
    """Return the entries of ALLOWED that no scan needs."""
    needed = {scan.file for scan in scans} | {f"{scan.file} {scan.statement}" for scan in scans}
    return sorted(ALLOWED.keys() - needed)


def _statements() -> Iterator[tuple[str, Query]]:
    for path in sorted(SOURCE.rglob("*.sql")):
        if "migrations" in path.parts or path.name == "columns.sql":
            continue
        file = str(path.relative_to(SOURCE))
        shared = SOURCE / Path(file).parts[0] / "columns.sql"
        columns = Queries(shared.read_text(encoding="utf-8")).columns if shared.is_file() else None
        for query in Queries(path.read_text(encoding="utf-8"), columns):
            yield file, query


def _scanned(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _scanned(child)


def _rows_of(url: str) -> dict[str, int]:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT relname, reltuples::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    return {str(name): int(count) for name, count in rows}
