"""The glossary is complete, and names use its words.

`docs/glossary.md` defines one meaning for each domain word; its last column lists the words that are not
used. Two rules follow. No name of the source contains an avoided word. Every word that three public names
share is defined in the glossary, or is a general word of English or of programming
(`tests/general_words.txt`).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "evently"
SHARED_BY: Final = 3  # a word of one or two names explains itself where it stands
IRREGULAR: Final = {"found": "find", "kept": "keep", "made": "make", "paid": "pay", "shown": "show"}
NOT_WORDS: Final = 2  # letters: `d` and `of` in a name mean nothing by themselves

# Names that contain an avoided word because a foreign interface has it. (file, name): reason
FOREIGN: Final = {
    ("db/embedded/server.py", "_free_port"): "a TCP port that no program uses",
    ("sales/replay/bookings.py", "freed"): "a field of facts in journals that are stored",
}

ENDINGS: Final = (
    *(("s", ""), ("es", ""), ("ies", "y")),
    *(("ed", ""), ("d", ""), ("ied", "y")),
    *(("ing", ""), ("ing", "e"), ("est", "")),
)


class Name(NamedTuple):
    """A name of the source, and where it is defined."""

    text: str
    file: str
    public: bool

    @property
    def words(self) -> list[str]:
        return split(self.text)


def split(name: str) -> list[str]:
    """Return the words of a name: `OfferMade` and `offer_made` give `offer`, `made`."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", name)]


def names_of_python(path: Path) -> Iterator[Name]:
    file = path.relative_to(SOURCE).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    public = {id(node) for body in (tree.body, *(cls.body for cls in classes)) for node in body}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield Name(node.name, file, id(node) in public and not node.name.startswith("_"))
        if isinstance(node, ast.arg):
            yield Name(node.arg, file, public=False)


def names_of_sql(path: Path) -> Iterator[Name]:
    file = path.relative_to(SOURCE).as_posix()
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"^-- name: (\w+)", text, re.MULTILINE):
        yield Name(name, file, public=True)
    text = re.sub(r"--.*|'[^']*'", "", text)
    for name in re.findall(r"\bCREATE (?:TABLE|VIEW) (\w+)", text):
        yield Name(name, file, public=True)
    if "migrations" not in path.parts:  # a parameter, an alias, a common table expression
        for name in re.findall(
            r"(?<![:\w]):([a-z_]+)|\bAS ([a-z_]+)|\b([a-z_]+) AS (?:MATERIALIZED )?\(", text
        ):
            yield Name("".join(name), file, public=False)


@cache
def names() -> list[Name]:
    found = [
        Name(part, path.relative_to(SOURCE).as_posix(), public=True)
        for path in sorted(SOURCE.rglob("*.py"))
        if "versions" not in path.parts and "static" not in path.parts
        for part in path.relative_to(SOURCE).with_suffix("").parts[-2:]
        if not part.startswith("__")
    ]
    for path in sorted(SOURCE.rglob("*.py")):
        if "static" not in path.parts:
            found += names_of_python(path)
    for path in sorted(SOURCE.rglob("*.sql")):
        found += names_of_sql(path)
    return found


@cache
def rows() -> list[tuple[str, str, str]]:
    """Return the rows of the glossary's tables: terms, definition, avoided words."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    found = [
        tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(("| term", "| use "))
    ]
    assert all(len(row) == 3 for row in found), [row for row in found if len(row) != 3]
    return [(row[0], row[1], row[2]) for row in found]


@cache
def defined() -> frozenset[str]:
    """Return the words that the glossary defines: those in bold."""
    return frozenset(
        word
        for terms, definition, _ in rows()
        for bold in [*re.findall(r"\*\*(.+?)\*\*", f"{terms} {definition}"), *re.findall(r"\((.+?)\)", terms)]
        for word in split(bold)
    )


@cache
def avoided() -> frozenset[str]:
    """Return the words of the last column that never occur in a name: those without parentheses."""
    return frozenset(
        word
        for _, _, cell in rows()
        for part in cell.split(",")
        if (word := part.strip().lower()) and not word.startswith("(")
    )


@cache
def general() -> frozenset[str]:
    text = (Path(__file__).parent / "general_words.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def forms(word: str) -> set[str]:
    """Return a word and what it may be a form of: `entries` of `entry`, `claimed` of `claim`."""
    found = {word, IRREGULAR.get(word, word)}
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= NOT_WORDS:
            stem = word.removesuffix(ending) + instead
            found |= {stem, stem[:-1]} if stem[-2:-1] == stem[-1:] else {stem}
    return found


def avoided_in(name: Name) -> str | None:
    """Return the avoided word that a name contains."""
    text = f"_{'_'.join(name.words)}_"
    return next((word for word in sorted(avoided()) if f"_{word}_" in text or f"_{word}s_" in text), None)


def test_no_name_contains_an_avoided_word() -> None:
    found = {
        f"{name.file}: {name.text} ({word})"
        for name in names()
        if (name.file, name.text) not in FOREIGN and (word := avoided_in(name))
    }
    assert found == set()


def test_every_exception_is_needed() -> None:
    there = {(name.file, name.text) for name in names() if avoided_in(name)}
    assert set(FOREIGN) - there == set()


def test_every_word_that_public_names_share_is_defined_or_general() -> None:
    using: dict[str, set[str]] = defaultdict(set)
    for name in names():
        if name.public:
            for word in name.words:
                using[word].add(name.text)
    known = defined() | general() | avoided()
    assert {
        word: sorted(shared)[:4]
        for word, shared in using.items()
        if len(shared) >= SHARED_BY and len(word) > NOT_WORDS and not forms(word) & known
    } == {}


def test_general_words_are_used_and_not_defined() -> None:
    words = {form for name in names() for word in name.words for form in forms(word)}
    assert general() - words == set()
    assert general() & defined() == set()


def test_no_word_is_both_defined_and_avoided() -> None:
    assert avoided() & defined() == set()


def test_no_term_has_two_rows() -> None:
    terms = [term for row in rows() for term in re.findall(r"\*\*(.+?)\*\*", row[0])]
    assert sorted({term for term in terms if terms.count(term) > 1}) == []
