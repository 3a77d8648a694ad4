"""What the SQL of the source reads and writes, and whose tables the migrations say they are.

The house style makes a small reader enough: keywords are upper case, identifiers lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

SOURCE: Final = Path(__file__).parent.parent.parent / "src" / "evently"
MIGRATIONS: Final = SOURCE / "db" / "migrations" / "versions"
_TOKEN: Final = re.compile(r"[a-z_][a-z_0-9]*|[A-Z][A-Z_]*|\S")
_SECTION: Final = re.compile(r"^-- (name|columns): ([a-z_]+)$", re.MULTILINE)
_FROM_IN_CALL: Final = {"extract", "substring", "overlay", "trim", "position"}  # extract(EPOCH FROM at)
_ENDS_FROM: Final = frozenset(
    "SELECT WHERE GROUP HAVING WINDOW ORDER LIMIT OFFSET FOR SET RETURNING VALUES UNION EXCEPT INTERSECT"
    .split()
)  # fmt: skip
_CTE: Final = re.compile(
    r"\b([a-z_]+)(?:\s*\([a-z_,\s]*\))?\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?"
    r"\(\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE|VALUES)\b"
)


class Tables(NamedTuple):
    """The tables and views that one statement reads and writes."""

    read: frozenset[str]
    written: frozenset[str]


class Relation(NamedTuple):
    """A table or a view of the migrated schema; a view has the tables that it reads."""

    name: str
    owner: str
    reads: frozenset[str] | None


def sql_files() -> list[Path]:
    """Return the files of statements, without the migrations."""
    return sorted(path for path in SOURCE.rglob("*.sql") if "migrations" not in path.parts)


def part_of(path: Path) -> str:
    """Return the part of the tree that a file belongs to: a name of the import layers."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".sql").removesuffix(".py")


def statements_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each statement of a file."""
    sections = _SECTION.split(path.read_text(encoding="utf-8"))
    for kind, name, text in zip(sections[1::3], sections[2::3], sections[3::3], strict=True):
        if kind == "name":
            yield name, text


def bare(text: str) -> str:
    """Return SQL without comments and without the content of literals."""
    return re.sub(r"'[^']*'|--.*", lambda found: "" if found[0].startswith("-") else "''", text)


def tables_of(text: str) -> Tables:
    """Return the tables that a statement names; those that it defines itself (WITH) are left out."""
    text = bare(text)
    own = frozenset(_CTE.findall(text))
    read: set[str] = set()
    written: set[str] = set()
    for kind, name in _named(_TOKEN.findall(text)):
        (written if kind == "write" else read).add(name)
    return Tables(frozenset(read) - own, frozenset(written) - own)


def _named(tokens: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each table that is named, and whether it is read or written."""
    calls: list[str] = []  # for each open parenthesis: the word before it
    in_from = [False]  # for each depth: whether a comma separates tables
    expected = ""
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if token == "(":
            calls.append(before)
            in_from.append(False)
            expected = ""
        elif token == ")":
            calls.pop()
            in_from.pop()
        elif expected and token.islower():
            if after != "(" or expected == "write":  # not a function
                yield expected, token
            expected = ""
        elif token in ("FROM", "JOIN", "USING", "INTO", "UPDATE", ","):
            expected = _expected(token, before, in_call=calls[-1] if calls else "", in_from=in_from[-1])
            in_from[-1] = in_from[-1] or expected == "read"
        elif token in _ENDS_FROM:
            in_from[-1] = False


def _expected(token: str, before: str, *, in_call: str, in_from: bool) -> str:
    """Return what the next identifier is: a table that is read or written, or nothing of the kind."""
    match token:
        case "FROM" if before == "DISTINCT" or in_call in _FROM_IN_CALL:
            return ""
        case "FROM" if before == "DELETE":
            return "write"
        case "INTO":
            return "write"
        case "UPDATE":
            return "" if before in ("FOR", "KEY", "DO") else "write"
        case ",":
            return "read" if in_from else ""
    return "read"


@cache
def relations() -> dict[str, Relation]:
    """Return the tables and views of the schema, each with the owner that its migration states.

    A line `-- owner: sales` holds for everything that is created below it in its file.
    """
    found: dict[str, Relation] = {}
    for path in sorted(MIGRATIONS.glob("*.sql")):
        sections = re.split(r"^-- owner: ([a-z]+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for owner, text in zip(["", *sections[1::2]], sections[0::2], strict=True):
            for statement in bare(text).split(";"):
                created = re.search(r"\bCREATE (?:OR REPLACE )?(TABLE|VIEW) ([a-z_]+)", statement)
                dropped = re.search(r"\bDROP (?:TABLE|VIEW) ([a-z_]+)", statement)
                if created:
                    reads = tables_of(statement).read if created[1] == "VIEW" else None
                    found[created[2]] = Relation(created[2], owner, reads)
                elif dropped:
                    del found[dropped[1]]
    return found
