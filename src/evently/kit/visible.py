"""Names can be seen, and do not change the text around them. Pure.

    misprints     what is wrong with the characters of a name or a text that a person typed
    is_visible    whether a reader sees anything of it
    fold_name     the form in which two names are compared

Every name that people type is checked here: of people, organizers, keys, venues, events, tags, pools, ticket
types, zones, seat maps. A joiner, a soft hyphen or a mark of direction inside a name is fine. An override of
the direction is not: it reverses the text that follows, in lists, e-mails and tables too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from evently.kit.errors import Wrong

# Control characters. A text of several lines may contain three: tabulator, line feed, carriage return.
# PostgreSQL stores no NUL.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SEPARATOR: Final = re.compile(r"[\u2028\u2029]")
# Embeddings, overrides and isolates (Unicode, annex 9, 2.1 to 2.5)
_DIRECTION: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
# Letters and symbols without a form: fillers of Hangul, the empty Braille pattern, vowels of Khmer, a joiner
_BLANK: Final = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"})


def misprints(text: str, *, lines: bool = False) -> Iterator[Wrong]:
    """Yield what is wrong with the characters of a text. `lines`: it may have several lines."""
    if (_CONTROL_IN_LINES if lines else _CONTROL).search(text):
        yield Wrong("control-characters")
    if text.isascii():
        return
    if not lines and _SEPARATOR.search(text):
        yield Wrong("line-separators")
    if _DIRECTION.search(text):
        yield Wrong("direction-characters")


def is_visible(text: str) -> bool:
    """Return whether a text has a character that can be seen."""
    return any(
        unicodedata.category(character) not in _UNSEEN and not _BLANK.match(character) for character in text
    )


def fold_name(name: str) -> str:
    """Return the form in which names are compared: without case, surplus spaces and what cannot be seen."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    return " ".join(seen.split())
