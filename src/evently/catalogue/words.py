"""Search words: events and searches are normalised in the same way.

A word is a run of letters and digits, without case and accents: `Zürich` and `zurich` are the same word. In
scripts without spaces (Han, kana) each character is a word. One GIN index stores the words of an event,
the words of its title a second time (`t=jazz`), and its facets (`city=zurich`), so that any combination of
filters is one intersection inside one index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

import msgspec

WORDS_MAX: Final = 10  # of a search: people usually type three
# Of an unfinished word: a single letter matches almost every event, which takes 50 ms (measured)
_BEGINNING_CHARACTERS_MIN: Final = 2
# Distinct words of an event: a description has room for 3,000, and PostgreSQL stores up to a megabyte
_EVENT_WORDS_MAX: Final = 4_000
_SLUG_CHARACTERS_MAX: Final = 200
# Longer words are cut: dictionaries have none, and their beginning finds them
_WORD_CHARACTERS_MAX: Final = 40
_UNSPACED: Final = r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Han and kana
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
# Letters that Unicode does not decompose, as people type them on other keyboards.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_TITLE: Final = "t="


class Search(msgspec.Struct, frozen=True):
    """A search.

    `words` were typed, and the last one may be unfinished; `facets` are exact pairs of name and value.
    """

    words: tuple[str, ...] = ()
    facets: tuple[tuple[str, str], ...] = ()


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, repeated words too."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(character for character in apart if not unicodedata.combining(character)).translate(
        _PLAIN
    )
    return [word[:_WORD_CHARACTERS_MAX] for word in _WORD.findall(plain)]


def slug_of(text: str) -> str:
    """Return a name as the value of a facet: `Jazz & Soul` and `jazz soul` have the same value.

    Empty for a name without letters and digits.
    """
    return "-".join(words_of(text))[:_SLUG_CHARACTERS_MAX]


def lexemes_of(title: str, texts: Iterable[str], facets: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the lexemes that are stored for an event. `texts`: the searchable texts besides the title."""
    in_title = dict.fromkeys(words_of(title))
    words = in_title | dict.fromkeys(word for text in texts for word in words_of(text))
    marked = [_TITLE + word for word in in_title] + [
        _facet(name, slug_of(value)) for name, values in facets.items() for value in values
    ]
    return [*islice(words, _EVENT_WORDS_MAX), *dict.fromkeys(marked)]


def search_for(typed: str, facets: Iterable[tuple[str, str]]) -> Search:
    """Return the search for a typed text and for facets with their names."""
    return Search(tuple(words_of(typed)[:WORDS_MAX]), tuple((name, slug_of(value)) for name, value in facets))


def tsquery_of(search: Search) -> str | None:
    """Return the search as a tsquery of PostgreSQL; None for an empty search."""
    terms = [_quoted(_facet(*facet)) for facet in search.facets] + _terms(search.words)
    return " & ".join(terms) or None


def tsqueries_by_relevance(search: Search) -> list[str]:
    """Return three disjoint searches, best first: every word is in the title, at least one is, none is."""
    assert search.words, "relevance needs words"
    found, in_title = tsquery_of(search), _terms(search.words, _TITLE)
    every, some = " & ".join(in_title), " | ".join(in_title)
    return [f"{found} & ({every})", f"{found} & ({some}) & !({every})", f"{found} & !({some})"]


def _facet(name: str, slug: str) -> str:
    return f"{name}={slug}"


def _terms(words: tuple[str, ...], mark: str = "") -> list[str]:
    """Return the words as terms; the last one also matches words that begin with it."""
    terms = [_quoted(mark + word) for word in words]
    if words and len(words[-1]) >= _BEGINNING_CHARACTERS_MIN:
        terms[-1] += ":*"
    return terms


def _quoted(lexeme: str) -> str:
    # It contains no quote and no backslash: words consist of letters and digits, and the marks are ours.
    return f"'{lexeme}'"
