"""Sections of docs/benchmarks.md that commands of their own write, and that `make bench` keeps."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import fill
from typing import Final

SIZE: Final = "A large database"
ENDLESS: Final = "One event with a million bookings"
PROFILE: Final = "Where the time of the server goes"
_LINE: Final = 110
_KEPT: Final = (SIZE, ENDLESS, PROFILE)


def put_section(path: Path, title: str, text: str) -> None:
    """Replace a section of a document, or add it at the end.

    `text` is without the heading; its paragraphs are filled, its tables stay as they are.
    """
    document = path.read_text(encoding="utf-8")
    paragraphs = [
        part if part.startswith("|") else fill(part, _LINE, break_long_words=False, break_on_hyphens=False)
        for part in text.strip().split("\n\n")
    ]
    section = "\n\n".join([f"## {title}", *paragraphs]) + "\n"
    found = _section(document, title)
    if found is None:
        changed = f"{document.rstrip()}\n\n{section}"
    else:
        changed = f"{document[: found.start()]}{section}\n{document[found.end() :]}"
    path.write_text(changed.rstrip() + "\n", encoding="utf-8")


def kept_sections(document: str) -> str:
    """Return the sections of a document that other commands have written, as Markdown."""
    found = [_section(document, title) for title in _KEPT]
    return "\n".join(each[0].strip() + "\n" for each in found if each is not None)


def _section(document: str, title: str) -> re.Match[str] | None:
    return re.search(rf"^## {re.escape(title)}\n(?:(?!## ).*\n)*", document, re.MULTILINE)
