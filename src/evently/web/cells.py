"""Cells and rows of CSV files (RFC 4180) that no spreadsheet runs as formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from evently.kit.visible import is_visible

CSV: Final = "text/csv; charset=utf-8; header=present"
# By this, spreadsheets recognise UTF-8; without it, Excel reads `ZoÃ«` for `Zoë`
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Spreadsheets run a cell that begins with one of these characters as a formula (OWASP, CSV injection); some
# do so for the full-width and small forms too.
_FORMULA: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_IS_FORMULA: Final = re.compile(f"[{_FORMULA}]").match
# Between two cells: what depends on the spreadsheet's language, and line breaks
_SEPARATORS: Final = frozenset(",;|\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
# Any other text is harmless: in names and e-mails, these characters follow a letter
_SUSPECT: Final = re.compile(f"(?:^|[^0-9A-Za-z.])[{_FORMULA}]")


def cell(text: str | None) -> str:
    """Return the text of a cell, escaped so that no spreadsheet runs it, or a part of it, as a formula.

    A cell begins at the start and after every separator. Spreadsheets skip quotes, spaces and characters that
    cannot be seen before it.
    """
    if not text or not _SUSPECT.search(text):
        return text or ""
    escaped, begins = "", True
    for character in text:
        escaped += f"'{character}" if begins and _IS_FORMULA(character) else character
        begins = character in _SEPARATORS or (begins and (character == '"' or not is_visible(character)))
    return escaped


def encode_rows(rows: Iterable[Sequence[str | int]]) -> bytes:
    """Return rows as lines of CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()
