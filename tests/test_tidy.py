"""docs/style.md, made executable where that is cheap.

Each list here is derived from the source or checked in both directions: an entry that matches nothing fails.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from evently.db import Database, load_queries
from tests.support.sql import (
    MIGRATIONS,
    SOURCE,
    Tables,
    bare,
    part_of,
    relations,
    sql_files,
    statements_of,
    tables_of,
)

ROOT: Final = SOURCE.parent.parent
FUNCTION_LINES_MAX: Final = 70
LINE_LENGTH_MAX: Final = 110
NAME_LENGTH_MAX: Final = 48  # PostgreSQL cuts names at 63 bytes; a message with two of them fits on a line

# Tables of libraries: (part, table).
FOREIGN_TABLES: Final = {
    ("db", "alembic_version"),
    ("jobs", "procrastinate_events"),
    ("jobs", "procrastinate_jobs"),
    # PostgreSQL's own, from which the distribution of tables is planned
    ("db", "pg_attribute"),
    ("db", "pg_class"),
    ("db", "pg_constraint"),
    ("db", "pg_index"),
}
# Words that hide who acts, and motion that stands for a state.
DIALECT: Final = re.compile(
    r"(?i)\b(whoever|whomever|somebody|falls? free|fell free|lets? go|let .{1,30} go\b|goes on|comes? to be"
    r"|unless told|makes? way|those who (?:wait|ask|come)|sets? off|the till)\b"
)
LISTS_THE_WORDS: Final = {"glossary.md", "test_tidy.py"}
# SQL in Python: (file, the first words). All run where no statement can be loaded from a file.
SQL_IN_PYTHON: Final = {
    ("db/embedded/server.py", "SELECT current_setting("),  # before the schema exists
    ("db/embedded/server.py", "CREATE DATABASE "),
    ("db/distributing.py", "SELECT table_name::text AS name, distribution_column, colocation_id"),  # of Citus
    ("db/distributing.py", "SELECT create_distributed_table("),
    ("db/migrations/runner.py", "SELECT to_regprocedure("),
    ("db/migrations/runner.py", "SET LOCAL citus.multi_shard_modify_mode = "),
    ("db/migrations/runner.py", "SELECT relname FROM pg_class"),
    ("db/migrations/runner.py", "SELECT pg_advisory_xact_lock("),  # on Alembic's own connection
    ("db/migrations/runner.py", "SET LOCAL lock_timeout = "),
}
# Modules that take a tenth of a second or more to import.
HEAVY: Final = ("asyncpg", "procrastinate", "sqlalchemy", "uvicorn")


@cache
def modules() -> list[tuple[Path, ast.Module]]:
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(SOURCE.rglob("*.py"))
        if "static" not in path.parts
    ]


def statements() -> Iterator[tuple[Path, str, Tables]]:
    for path in sql_files():
        for name, text in statements_of(path):
            yield path, name, tables_of(text)


def migrations() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.sql"))


@cache
def floors() -> dict[str, int]:
    """Return the floor of each part, 0 at the top: the first contract of the import map."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    return {part.strip(): floor for floor, layer in enumerate(layers) for part in layer.split("|")}


def may_read(part: str, owner: str) -> bool:
    return part == owner or floors()[part] < floors()[owner]


# Python -----------------------------------------------------------------------------------------------------


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
        path.relative_to(SOURCE).as_posix()
        for path, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    }
    assert readers == {"config.py"}


def test_the_command_line_starts_without_the_server() -> None:
    """`--help` is quick because nothing heavy is imported for it."""
    assert [name for name in HEAVY if importlib.util.find_spec(name) is None] == []
    code = f"import sys, evently.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        == "[]"
    )


# SQL --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        ("SELECT a FROM tickets AS t, unnest(:ids) AS u, pools WHERE t.a IN (1, 2)", "tickets pools", ""),
        ("SELECT extract(EPOCH FROM at) FROM journal WHERE a IS DISTINCT FROM b", "journal", ""),
        ("WITH due AS (SELECT 1 FROM pools) SELECT 1 FROM due JOIN sales USING (id)", "pools sales", ""),
        ("INSERT INTO pools (a) SELECT a FROM sales ON CONFLICT (a) DO UPDATE SET a = 1", "sales", "pools"),
        ("UPDATE sales SET a = (SELECT 1 FROM pools), b = 2 FROM events", "pools events", "sales"),
        ("DELETE FROM sales USING events WHERE a = 1 -- FROM people", "events", "sales"),
        ("SELECT 'FROM people' FROM sales ORDER BY a, b FOR NO KEY UPDATE", "sales", ""),
    ],
)  # fmt: skip
def test_tables_of_a_statement(text: str, read: str, written: str) -> None:
    assert tables_of(text) == Tables(frozenset(read.split()), frozenset(written.split()))


def test_every_table_has_an_owner_that_writes_it() -> None:
    unknown = {relation.name for relation in relations().values() if relation.owner not in floors()}
    assert unknown == set(), "a line `-- owner: part` stands above CREATE TABLE"
    written = {(part_of(path), table) for path, _, tables in statements() for table in tables.written}
    owned = {(relation.owner, relation.name) for relation in relations().values() if relation.reads is None}
    assert owned - written == set()


def test_only_the_owner_writes_a_table() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}: {name} writes {table}"
        for path, name, tables in statements()
        for table in tables.written
        if table not in relations() or relations()[table].owner != part_of(path)
    ]
    assert wrong == []


def test_only_parts_above_the_owner_read_a_table() -> None:
    found = {(part_of(path), table) for path, _, tables in statements() for table in tables.read}
    found |= {(relation.owner, table) for relation in relations().values() for table in relation.reads or ()}
    wrong = {
        (part, table)
        for part, table in found
        if table not in relations() or not may_read(part, relations()[table].owner)
    }
    assert wrong == FOREIGN_TABLES


def test_sql_stands_in_sql_files() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), match[0])
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (
            match := re.match(
                r"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|SET)\s[^('\n]*\(?", node.value
            )
        )
    }
    assert {(file, words.rstrip("'")) for file, words in found} == SQL_IN_PYTHON


def test_statements_have_a_sentence() -> None:
    silent = [
        f"{path.name}: {name}"
        for path in sql_files()
        for name, text in statements_of(path)
        if not text.startswith("\n-- ")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "path",
    [*migrations(), *(path for path in sql_files() if part_of(path) == "sales")],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_the_booking_path_has_no_trigger_notification_or_volatile_function(path: Path) -> None:
    text = re.sub(
        r"ALTER TABLE procrastinate_\w+ DISABLE TRIGGER \w+", "", bare(path.read_text(encoding="utf-8"))
    )
    assert re.findall(
        r"(?i)\b(trigger|notify|listen|sequence|nextval|(?:small|big)?serial|generated|identity|now\(\)"
        r"|current_timestamp|clock_timestamp|random\(\)|gen_random_uuid|uuidv7)\b",
        text,
    ) == []  # fmt: skip


async def test_constraints_and_indexes_have_short_names_that_we_chose(shared_db: Database) -> None:
    rows = await shared_db.fetch(
        """
        SELECT conname AS name, conrelid::regclass::text AS "table" FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f', 'c') AND conrelid <> 0
        UNION
        SELECT index.relname, indrelid::regclass::text FROM pg_index
        JOIN pg_class AS index ON index.oid = indexrelid
        WHERE index.relnamespace = 'public'::regnamespace
        """
    )
    ours = [row["name"] for row in rows if row["table"] in relations()]
    assert len(ours) > len(relations())
    assert [name for name in ours if len(name) > NAME_LENGTH_MAX] == []
    assert [name for name in ours if not re.search(r"_(pk|uq|ck|fk|ix)$", name)] == []


async def test_the_migrations_were_read_completely(shared_db: Database) -> None:
    rows = await shared_db.fetch(
        """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
        """
    )
    there = {row["relname"] for row in rows if not row["relname"].startswith("procrastinate_")}
    foreign = {table for _, table in FOREIGN_TABLES if not table.startswith(("procrastinate_", "pg_"))}
    assert there == relations().keys() | foreign


async def test_event_tables_lead_with_event_id(shared_db: Database) -> None:
    """Each key of an event-plane table begins with event_id, so that an event lives on one server of many."""
    rows = await shared_db.fetch(
        """
        SELECT t.relname AS "table", c.conname AS name
        FROM pg_constraint AS c
        JOIN pg_class AS t ON t.oid = c.conrelid
        JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = 'event_id'
        WHERE
            c.contype IN ('p', 'u', 'f') AND t.relnamespace = 'public'::regnamespace
            AND c.conkey[1] <> a.attnum
        """
    )
    assert [tuple(row) for row in rows] == []


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: str(path.relative_to(SOURCE)))
async def test_every_statement_fits_the_schema(path: Path, shared_db: Database) -> None:
    """PostgreSQL prepares each statement, and plans it with no more tables than were read from its text."""
    module = ".".join(("evently", *path.relative_to(SOURCE).with_suffix("").parts))
    async with shared_db.snapshot() as snapshot:
        await snapshot.execute("SET LOCAL plan_cache_mode = force_generic_plan")  # NULL would be planned away
        for query in load_queries(module):
            await snapshot.execute(f"PREPARE planned AS {query.text}")
            nulls = f"({', '.join('NULL' for _ in query.parameters)})" if query.parameters else ""
            rows = await snapshot.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE planned{nulls}")
            await snapshot.execute("DEALLOCATE planned")
            planned = set(re.findall(r'"Relation Name": "(\w+)"', str(rows)))
            tables = tables_of(query.text)
            named = tables.read | tables.written
            assert planned <= named.union(
                *(relations()[table].reads or () for table in named & relations().keys())
            )


# Lines ------------------------------------------------------------------------------------------------------


def wide_lines(path: Path) -> Iterator[int]:
    """Yield the numbers of lines that are too long. Tables, code blocks and links cannot be wrapped."""
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        in_code ^= line.startswith("```")
        unwrappable = path.suffix == ".md" and (
            in_code or line.startswith("|") or " " not in line.strip(" -*")
        )
        if len(line) > LINE_LENGTH_MAX and not unwrappable:
            yield number


def test_lines_of_sql_and_markdown_are_short() -> None:
    """Ruff does the same for Python."""
    paths = [*SOURCE.rglob("*.sql"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    long = {path.relative_to(ROOT).as_posix() for path in paths if any(wide_lines(path))}
    assert long == set()


# Prose ------------------------------------------------------------------------------------------------------


def prose_of(path: Path) -> str:
    """Return the text of a file; of a test, only comments and docstrings: stories keep their language."""
    text = path.read_text(encoding="utf-8")
    if path.is_relative_to(SOURCE) or path.suffix != ".py":
        return text
    docstrings = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*docstrings, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def test_docstrings_begin_with_a_verb_that_says_something() -> None:
    """`Let a hold be paid` is `Pay a hold`."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("src", "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.lstrip().startswith('"""Let ')
    ]
    assert found == []


def test_prose_is_plain() -> None:
    """Comments, docstrings, messages and documents name their actors and use the field's verbs."""
    paths = [
        *(path for ending in ("py", "sql", "html") for path in SOURCE.rglob(f"*.{ending}")),
        *(SOURCE / "web").rglob("*.toml"),
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "bench").rglob("*.py"),
    ]
    found = {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.name not in LISTS_THE_WORDS and DIALECT.search(prose_of(path))
    }
    assert sorted(found) == []


def test_no_file_has_the_marks_of_a_conflict() -> None:
    """A template with them is served as it is: no linter reads it."""
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "tests", "bench", "docs")
        for ending in ("py", "sql", "html", "css", "js", "toml", "md", "typ", "sh")
        for path in (ROOT / folder).rglob(f"*.{ending}")
        if "vendor" not in path.parts
        and any(line.startswith(marks) for line in path.read_text(encoding="utf-8").splitlines())
    ]
    assert found == []
