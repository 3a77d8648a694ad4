"""The words by which events are found: the same normalisation when an event is written and when somebody searches.

A word is a run of letters and digits, without case and accents: `Zürich` and `zurich` are one. Scripts that
write no spaces (Han, kana) give one word for each character. What is stored of an event, in one GIN index, is
its words, its title's words once more (`t=jazz`), and its facets (`city=zurich`): any combination of filters
is then one intersection inside one index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

import msgspec

WORDS_MAX: Final = 10  # of a search: people type three
# Of an unfinished word: one letter begins everything, and takes 50 ms (measured)
_BEGINNING_CHARACTERS_MIN: Final = 2
# Different ones of an event: a description has room for 3,000, and PostgreSQL for a megabyte
_EVENT_WORDS_MAX: Final = 4_000
_SLUG_CHARACTERS_MAX: Final = 200
# Of a word: the longest in a dictionary; more is no word, and its beginning finds it
_WORD_CHARACTERS_MAX: Final = 40
_UNSPACED: Final = r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Han and kana
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
# Letters that Unicode does not take apart, and how people type them without their keyboard.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_TITLE: Final = "t="


class Search(msgspec.Struct, frozen=True):
    """What somebody looks for.

    `words` come from what they typed, the last one perhaps unfinished; `facets` are exact, `(name, value)`.
    """

    words: tuple[str, ...] = ()
    facets: tuple[tuple[str, str], ...] = ()


def words_of(text: str) -> list[str]:
    """Return the words of a text in its order, each as often as it stands there."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(character for character in apart if not unicodedata.combining(character)).translate(
        _PLAIN
    )
    return [word[:_WORD_CHARACTERS_MAX] for word in _WORD.findall(plain)]


def slug_of(text: str) -> str:
    """Return a name as a facet's value: `Jazz & Soul` and `jazz soul` are one.

    Empty where it has neither letter nor digit.
    """
    return "-".join(words_of(text))[:_SLUG_CHARACTERS_MAX]


def lexemes_of(title: str, texts: Iterable[str], facets: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what is stored of an event: `texts` are what can be found besides the title."""
    in_title = dict.fromkeys(words_of(title))
    words = in_title | dict.fromkeys(word for text in texts for word in words_of(text))
    marked = [_TITLE + word for word in in_title] + [
        _facet(name, slug_of(value)) for name, values in facets.items() for value in values
    ]
    return [*islice(words, _EVENT_WORDS_MAX), *dict.fromkeys(marked)]


def search_for(typed: str, facets: Iterable[tuple[str, str]]) -> Search:
    """Return the search for what somebody typed and for facets given by their names."""
    return Search(tuple(words_of(typed)[:WORDS_MAX]), tuple((name, slug_of(value)) for name, value in facets))


def tsquery_of(search: Search) -> str | None:
    """Return the search as PostgreSQL's tsquery; None where it asks for nothing."""
    terms = [_quoted(_facet(*facet)) for facet in search.facets] + _terms(search.words)
    return " & ".join(terms) or None


def tsqueries_by_relevance(search: Search) -> list[str]:
    """Return three disjoint searches, the best first: every word stands in the title; at least one does; none does."""
    assert search.words, "relevance is about words"
    found, in_title = tsquery_of(search), _terms(search.words, _TITLE)
    every, some = " & ".join(in_title), " | ".join(in_title)
    return [f"{found} & ({every})", f"{found} & ({some}) & !({every})", f"{found} & !({some})"]


def _facet(name: str, slug: str) -> str:
    return f"{name}={slug}"


def _terms(words: tuple[str, ...], mark: str = "") -> list[str]:
    """Return the words as terms; the last one also finds what begins with it."""
    terms = [_quoted(mark + word) for word in words]
    if words and len(words[-1]) >= _BEGINNING_CHARACTERS_MIN:
        terms[-1] += ":*"
    return terms


def _quoted(lexeme: str) -> str:
    # Neither quote nor backslash can be in it: words hold letters and digits only, and the marks are ours.
    return f"'{lexeme}'"
