"""The documents are true.

The data model equals the schema; links have targets; files, settings, routes, metrics and problems that are
named exist; commands can be run.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from evently.cli import app
from evently.config import Config
from evently.db import Database
from evently.web.edge.problems import PROBLEMS
from tests.browser import diagrams as pictures

ROOT: Final = Path(__file__).parent.parent
DATA_MODEL: Final = ROOT / "docs" / "data-model.md"
DOCUMENTS: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
NOT_SETTINGS: Final = {"EVENTLY_TOKEN"}  # read by the rehearsal
# Tables of libraries are not documented.
OURS: Final = "table_name NOT LIKE 'procrastinate%' AND table_name <> 'alembic_version'"


class Column(NamedTuple):
    """A column, as a diagram shows it."""

    kind: str
    keys: frozenset[str]
    nullable: bool


class Line(NamedTuple):
    """A line of a diagram. `at_most_one`: a parent has at most one child."""

    parent: str
    child: str
    is_key: bool
    at_most_one: bool
    label: str


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


# The data model ---------------------------------------------------------------------------------------------


@cache
def diagrams() -> list[str]:
    found = re.findall(r"```mermaid\nerDiagram\n(.*?)```", read(DATA_MODEL), re.DOTALL)
    assert found
    return found


@cache
def drawn_tables() -> dict[str, dict[str, Column]]:
    tables: dict[str, dict[str, Column]] = {}
    for table, body in re.findall(
        r"^    (\w+) \{\n(.*?)^    \}$", "\n".join(diagrams()), re.MULTILINE | re.DOTALL
    ):
        assert table not in tables, f"{table} is drawn twice"
        tables[table] = {}
        for line in body.splitlines():
            match = re.fullmatch(r"        (\S+) (\w+)((?:,? [PFU]K)*)(?: \"([^\"]*)\")?", line)
            assert match, f"{table}: {line!r}"
            kind, name, keys, comment = match.groups()
            assert name not in tables[table], f"{table}.{name} is drawn twice"
            tables[table][name] = Column(
                kind, frozenset(re.findall("[PFU]K", keys)), (comment or "").startswith("nullable")
            )
    return tables


@cache
def drawn_lines() -> list[Line]:
    found = re.findall(
        r"^    (\w+) \|\|(--|\.\.)(o\{|o\|) (\w+) : \"([^\"]+)\"$", "\n".join(diagrams()), re.MULTILINE
    )
    return [
        Line(parent, child, line == "--", end == "o|", label) for parent, line, end, child, label in found
    ]


def test_every_line_of_a_diagram_is_understood() -> None:
    """The other tests compare only lines that these patterns match."""
    for line in "".join(diagrams()).splitlines():
        assert re.match(r"        \S| {4}(?:\w+ \{|\}|\w+ \|\|(?:--|\.\.)o[{|] \w+ : \")", line), line


async def test_diagrams_show_every_table_and_column(shared_db: Database) -> None:
    rows = await shared_db.fetch(f"""
        WITH keys AS (
            SELECT
                conrelid AS relation, unnest(conkey) AS column_number,
                CASE contype WHEN 'p' THEN 'PK' ELSE 'FK' END AS flag
            FROM pg_constraint WHERE contype IN ('p', 'f')
            UNION ALL
            SELECT indrelid, unnest(indkey::smallint[]), 'UK'
            FROM pg_index WHERE indisunique AND NOT indisprimary
        )
        SELECT
            table_name, column_name, udt_name::regtype::text AS kind, is_nullable = 'YES' AS nullable,
            ARRAY(
                SELECT flag FROM keys
                WHERE
                    relation = format('%I.%I', table_schema, table_name)::regclass
                    AND column_number = ordinal_position
            ) AS flags
        FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND {OURS}
    """)
    there: dict[str, dict[str, Column]] = {}
    for table, column, kind, nullable, flags in rows:
        shown = kind.replace("timestamp with time zone", "timestamptz")
        there.setdefault(table, {})[column] = Column(shown, frozenset(flags), nullable)
    assert drawn_tables() == there


async def test_diagrams_show_every_foreign_key(shared_db: Database) -> None:
    rows = await shared_db.fetch("""
        SELECT
            confrelid::regclass::text AS parent, conrelid::regclass::text AS child,
            EXISTS (
                SELECT FROM pg_index
                WHERE indrelid = conrelid AND indisunique AND indpred IS NULL AND indkey::smallint[] <@ conkey
            ) AS at_most_one
        FROM pg_constraint
        WHERE
            contype = 'f' AND connamespace = 'public'::regnamespace
            AND conrelid::regclass::text NOT LIKE 'procrastinate%'
    """)
    drawn = sorted((line.parent, line.child, line.at_most_one) for line in drawn_lines() if line.is_key)
    assert drawn == sorted((parent, child, at_most_one) for parent, child, at_most_one in rows)


def test_dotted_lines_name_a_column_that_is_no_foreign_key() -> None:
    tables = drawn_tables()
    for line in drawn_lines():
        if not line.is_key:
            assert line.parent in tables
            assert line.label in tables[line.child], line
            flags = tables[line.child][line.label].keys
            assert "FK" not in flags, line


async def test_every_index_is_listed(shared_db: Database) -> None:
    rows = await shared_db.fetch("""
        SELECT index.relname FROM pg_index
        JOIN pg_class AS index ON index.oid = indexrelid
        JOIN pg_class AS relation ON relation.oid = indrelid
        WHERE
            index.relnamespace = 'public'::regnamespace AND NOT indisprimary
            AND relation.relname NOT LIKE 'procrastinate%'
    """)
    listed = re.findall(r"^\| `(\w+)` \|", read(DATA_MODEL), re.MULTILINE)
    assert sorted(listed) == sorted(row["relname"] for row in rows)


async def test_constraints_and_indexes_that_are_named_exist(shared_db: Database) -> None:
    rows = await shared_db.fetch("SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class")
    there = {row[0] for row in rows}
    for path in DOCUMENTS:
        for name in re.findall(r"`(\w+_(?:pk|ck|fk|uq|ix))`", read(path)):
            assert name in there, f"{path.relative_to(ROOT)}: {name}"


# Links and names --------------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def links(path: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(read(path))):
        if not re.match(r"[a-z]+:", link):
            yield link


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", read(path), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_links_have_targets(path: Path) -> None:
    broken = []
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in links(index)}
    assert [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if path not in listed | {index}
    ] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:src|tests|bench|docs|scripts)/[\w./-]+)`", read(path))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_settings_that_are_named_exist(path: Path) -> None:
    settings = {f"EVENTLY_{field.upper()}" for field in Config.__struct_fields__} | NOT_SETTINGS
    assert set(re.findall(r"\bEVENTLY_[A-Z_]+[A-Z]\b", read(path))) <= settings


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_routes_that_are_named_exist(path: Path) -> None:
    paths = json.loads(read(ROOT / "docs" / "openapi.json"))["paths"]
    there = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", route)) for route, item in paths.items() for method in item
    }
    named = re.findall(r"`(GET|POST|PATCH|PUT|DELETE) (/[^`?\s]*)", read(path))
    assert [
        f"{method} {route}"
        for method, route in named
        if (method, re.sub(r"\{\w+\}", "{}", route)) not in there
    ] == []


def test_metrics_that_are_named_exist_and_all_are_named() -> None:
    text = read(ROOT / "docs" / "operations.md")
    sources = "".join(read(path) for path in (ROOT / "src" / "evently").rglob("*.py"))
    there = re.findall(r"(?:Counter|Gauge|Histogram)\(\s*\"(evently_\w+)\"", sources)
    named = {name.removesuffix("_total") for name in re.findall(r"`(evently_\w+)`", text)}
    assert named == set(there)


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_problems_that_are_named_have_their_status(path: Path) -> None:
    for status, codes in re.findall(r"\b([45]\d\d)((?: `[a-z-]+`,?)+)", read(path)):
        for code in re.findall(r"`([a-z-]+)`", codes):
            assert code in PROBLEMS, code
            assert PROBLEMS[code].status == int(status), code


# Commands ---------------------------------------------------------------------------------------------------


def commands(path: Path) -> Iterator[str]:
    """Yield the commands of a document: lines of shell blocks, and inline code of `make` and `evently`."""
    text = read(path)
    for block in re.findall(r"```(?:sh|bash)[^\n]*\n(.*?)```", text, re.DOTALL):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    yield from re.findall(r"`((?:make|evently) [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def words_after(program: str, command: str) -> list[str] | None:
    """Return the words after a program's name; None if the command runs another program.

    Settings may precede the name, and a comment may follow.
    """
    match = re.match(
        rf"(?:[A-Z_]+=(?:'[^']*'|\"[^\"]*\"|\S*) )*(?:\S*/)?{program}(?: (.*))?$", command.strip()
    )
    return None if match is None else shlex.split(match[1] or "", comments=True)


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_make_targets_that_are_named_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE))
    for command in commands(path):
        for word in words_after("make", command) or []:
            assert "=" in word or set(word.split("|")) - {""} <= targets, command


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_evently_commands_can_be_run_as_they_are_written(path: Path) -> None:
    for command in commands(path):
        words = words_after("evently", command)
        if words is not None and not any(sign in word for word in words for sign in "[|<…"):
            app.parse_args(words, print_error=False, exit_on_error=False)


# Pictures of diagrams ---------------------------------------------------------------------------------------


def test_pictures_of_diagrams_are_of_their_present_text() -> None:
    drawn = {picture.stem: pictures.digest_in(picture) for picture in pictures.PICTURES.glob("*.svg")}
    assert drawn == {each.name: each.digest for each in pictures.all_diagrams()}, "make diagrams"
