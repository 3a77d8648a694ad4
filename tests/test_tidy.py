"""docs/style.md, made executable where that is cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from evently.db import Database, load_queries

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "evently"
FUNCTION_LINES_MAX: Final = 70
OWNERS: Final = {  # table -> the part of the tree that may write it
    "accounts": (
        "installation",
        "people",
        "sessions",
        "refresh_tokens",
        "revocations",
        "login_attempts",
        "organizers",
        "organizer_members",
        "organizer_invitations",
        "api_keys",
    ),
    "catalogue": ("venues", "events"),
    "seating": ("seat_maps",),
    "sales": ("sales", "pools", "ticket_types", "bookings", "tickets", "idempotency_keys", "journal"),
    "checkout": ("payments", "payment_refunds"),
    "payments": ("demo_charges", "demo_effects", "payment_notices"),
    "analytics": ("event_totals", "event_quarters"),
    "notifications": ("notifications",),
    "db": ("leases",),
}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def sql_files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.sql") if "migrations" not in path.parts)


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_only_config_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(SOURCE))
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    # The embedded server hands its own environment on to PostgreSQL, and `serve` tells its workers where the
    # metrics are.
    assert readers <= {"config.py", "cli.py", "db/embedded/server.py", "db/embedded/processes.py"}


def test_nobody_writes_anothers_tables() -> None:
    owner_of = {table: owner for owner, tables in OWNERS.items() for table in tables}
    wrong = [
        f"{path.relative_to(ROOT)} writes {table}, which is {owner_of[table]}'s"
        for path in sql_files()
        for table in re.findall(
            r"(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)", path.read_text(encoding="utf-8")
        )
        if owner_of.get(table) not in (None, path.relative_to(SOURCE).parts[0].removesuffix(".sql"))
    ]
    assert wrong == []


def test_statements_have_a_sentence() -> None:
    silent = [
        f"{path.name}: {name}"
        for path in sql_files()
        for name, after in re.findall(
            r"^-- name: ([a-z_]+)\n(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        if not after.startswith("-- ")
    ]
    assert silent == []


def test_the_booking_path_has_no_trigger_notification_or_volatile_write() -> None:
    for path in (
        SOURCE / "sales" / "store.sql",
        SOURCE / "db" / "migrations" / "versions" / "0001_box_office.sql",
    ):
        text = re.sub(r"--.*", "", path.read_text(encoding="utf-8")).lower()
        assert not re.search(
            r"\b(trigger|notify|nextval|serial|identity|now\(\)|clock_timestamp|random\(\)|gen_random_uuid)\b",
            text,
        ), path


def test_constraints_have_short_names() -> None:
    schema = (SOURCE / "db" / "migrations" / "versions" / "0001_box_office.sql").read_text(encoding="utf-8")
    names = re.findall(r"CONSTRAINT ([a-z_]+)", schema) + re.findall(r"INDEX ([a-z_]+)", schema)
    assert names
    assert [name for name in names if len(name) > 48] == []
    assert not re.search(r"^\s+(PRIMARY KEY|UNIQUE|CHECK|FOREIGN KEY)", schema, re.MULTILINE), (
        "a constraint without a name"
    )


async def test_event_tables_lead_with_event_id(shared_db: Database) -> None:
    """Each key of an event-plane table begins with event_id, so that an event lives on one server of many."""
    rows = await shared_db.fetch("""
        SELECT t.relname AS "table", c.conname AS name
        FROM pg_constraint AS c
        JOIN pg_class AS t ON t.oid = c.conrelid
        JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = 'event_id'
        WHERE c.contype IN ('p', 'u', 'f') AND t.relnamespace = 'public'::regnamespace AND c.conkey[1] <> a.attnum
    """)
    assert [tuple(row) for row in rows] == []


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: str(path.relative_to(SOURCE)))
async def test_every_statement_fits_the_schema(path: Path, shared_db: Database) -> None:
    module = ".".join(("evently", *path.relative_to(SOURCE).with_suffix("").parts))
    async with shared_db.snapshot() as snapshot:
        for query in load_queries(module):
            await snapshot.prepare(query.text)


def test_the_command_line_starts_without_the_server() -> None:
    """`--help` is quick because nothing heavy is imported for it."""
    code = "import sys, evently.cli; print([m for m in ('litestar', 'sqlalchemy', 'asyncpg', 'procrastinate') if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        == "[]"
    )
