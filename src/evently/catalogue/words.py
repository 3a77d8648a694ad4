"""Search words: events and searches are normalised in the same way.

A word is a run of letters, their marks and digits, without case and without accents that only decorate:
`Zürich` and `zurich` are one. Marks that are letters stay (`が`, `й`, the vowel signs of Hindi and Thai), and
digits of every script are those of ASCII.

Scripts that write no spaces between words (Han, kana, Thai, Khmer and others), and Hangul, which joins words,
give a *run*. A run is stored as its characters and its pairs of adjacent characters. A search for a run asks
for its pairs, so it is found in the middle of other text, but not where its characters stand apart. Pairs
need no positions, so the index alone answers, and its cost is that of the result.

One GIN index stores the words of an event, the words of its title a second time (`t=jazz`), and its facets
(`city=zurich`), so that any combination of filters is one intersection inside one index. `WORDS_VERSION`
says in which form; events of an older form are indexed again in the background (`remake_words`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Final

import msgspec

# Grows with every change of what is stored. 1: characters without marks, scripts without spaces unordered.
WORDS_VERSION: Final = 2
WORDS_MAX: Final = 10  # of a search: people usually type three
# Of a run in a search: a title has fewer, and each pair is one more look into the index
_RUN_PAIRS_MAX: Final = 30
# Of an unfinished word: a single letter matches almost every event, which takes 50 ms (measured)
_BEGINNING_CHARACTERS_MIN: Final = 2
# Distinct words of an event: a description has room for 3,000, and PostgreSQL stores up to a megabyte
_EVENT_WORDS_MAX: Final = 4_000
# Distinct characters and pairs: a text has 20,000 characters. 18 bytes each at most (decomposed Hangul)
_EVENT_PAIRS_MAX: Final = 20_000
_SLUG_CHARACTERS_MAX: Final = 200
# Longer words are cut: no dictionary has any, and their first characters are enough to find them
_WORD_CHARACTERS_MAX: Final = 40
_HANGUL: Final = r"\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
# Han, kana, Bopomofo, Yi, Hangul; then Thai, Lao, Myanmar, Khmer, Tai Le, New Tai Lue, Tai Tham, Balinese,
# Javanese and Tai Viet
_UNSPACED: Final = (
    r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u9fff\ua000-\ua4cf"
    r"\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
    rf"{_HANGUL}"
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff"
    r"\uaa60-\uaadf"
)
_WORD: Final = re.compile(rf"[{_UNSPACED}]+|[^ {_UNSPACED}]+")
_IS_RUN: Final = re.compile(rf"[{_UNSPACED}]").match
_IS_HANGUL: Final = re.compile(rf"[{_HANGUL}]").match
# Marks that decorate letters of the Latin, Greek, Cyrillic, Hebrew and Arabic scripts; variation selectors
_DECORATION: Final = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711"
    r"\u0730-\u074a\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
).match
# Cyrillic letters with a mark that are letters of their own: й, ў, ї, ѓ, ќ. An ё is typed as е.
_MARKED_LETTERS: Final = re.compile(r"[иуИУ]\u0306|[іІ]\u0308|[гкГК]\u0301")
# Letters that Unicode does not decompose, as people type them on other keyboards.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Marks of voiced kana that stand alone, which Unicode takes for a space and a mark
_KANA_MARKS: Final = str.maketrans({"\u309b": "\u3099", "\u309c": "\u309a"})
_STRETCH: Final = "\u0640"  # Arabic: makes a word longer, means nothing
_CHARACTERS_KNOWN_MAX: Final = 10_000  # 2 MB; a text may have any of a million
_SLUGS_KNOWN_MAX: Final = 1_000
_TITLE: Final = "t="


class Search(msgspec.Struct, frozen=True):
    """A search.

    `words` were typed, and the last one may be unfinished; `facets` are exact pairs of name and value.
    """

    words: tuple[str, ...] = ()
    facets: tuple[tuple[str, str], ...] = ()


def words_of(text: str) -> list[str]:
    """Return the words and runs of a text in order, repeated ones too."""
    apart = unicodedata.normalize("NFKD", text.translate(_KANA_MARKS))
    lettered = _MARKED_LETTERS.sub(lambda found: unicodedata.normalize("NFC", found[0]), apart)
    plain = unicodedata.normalize("NFC", lettered.translate(_PLAIN_FORMS))
    return [word if _IS_RUN(word) else word[:_WORD_CHARACTERS_MAX] for word in _WORD.findall(plain)]


@lru_cache(_SLUGS_KNOWN_MAX)  # each link to an event has that of its title
def slug_of(text: str) -> str:
    """Return a name as a facet's value: `Jazz & Soul` and `jazz soul` are one.

    Empty where it has neither letter nor digit.
    """
    return "-".join(words_of(text))[:_SLUG_CHARACTERS_MAX]


def lexemes_of(title: str, texts: Iterable[str], facets: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the lexemes that are stored for an event. `texts`: the searchable texts besides the title."""
    in_title = words_of(title)
    every = [*in_title, *chain.from_iterable(map(words_of, texts))]
    words = dict.fromkeys(word for word in every if not _IS_RUN(word))
    pairs = _pieces(filter(_IS_RUN, every))
    marked = [_TITLE + piece for piece in _pieces(in_title)] + [
        _facet(name, slug_of(value)) for name, values in facets.items() for value in values
    ]
    return [
        *islice(words, _EVENT_WORDS_MAX),
        *islice(pairs, _EVENT_PAIRS_MAX),
        *dict.fromkeys(marked),
    ]


def search_for(typed: str, facets: Iterable[tuple[str, str]]) -> Search:
    """Return the search for a typed text and for facets with their names."""
    return Search(tuple(words_of(typed)[:WORDS_MAX]), tuple((name, slug_of(value)) for name, value in facets))


def tsquery_of(search: Search) -> str | None:
    """Return the search as PostgreSQL's tsquery; None where it asks for nothing."""
    terms = [_quoted(_facet(*facet)) for facet in search.facets] + _terms(search.words)
    return " & ".join(terms) or None


def tsqueries_by_relevance(search: Search) -> list[str]:
    """Return three disjoint searches, best first: every word is in the title, at least one is, none is."""
    assert search.words, "relevance is about words"
    found, in_title = tsquery_of(search), _terms(search.words, _TITLE)
    every, some = " & ".join(in_title), " | ".join(in_title)
    return [f"{found} & ({every})", f"{found} & ({some}) & !({every})", f"{found} & !({some})"]


def _facet(name: str, slug: str) -> str:
    return f"{name}={slug}"


def _terms(words: tuple[str, ...], mark: str = "") -> list[str]:
    """Return the words as terms; the last one also finds what begins with it."""
    terms = [_quoted(mark + piece) for word in words for piece in _asked(word)]
    if words and _may_continue(words[-1]):
        terms[-1] += ":*"
    return terms


def _may_continue(word: str) -> bool:
    """Return whether what is stored can be longer than the last piece of this word.

    Pairs have a fixed length, but a syllable of Hangul is typed letter by letter.
    """
    return len(word) >= _BEGINNING_CHARACTERS_MIN and (not _IS_RUN(word) or bool(_IS_HANGUL(word[-1])))


def _asked(word: str) -> Iterable[str]:
    """Return what an event must have to contain a word: the pairs of a run."""
    if len(word) == 1 or not _IS_RUN(word):
        return [_piece(word)]
    return map(_piece, islice(_pairs(word), _RUN_PAIRS_MAX))


def _pieces(words: Iterable[str]) -> Iterable[str]:
    """Return what is stored of words: themselves, or the characters and pairs of runs, each once."""
    pieces: dict[str, None] = {}
    for word in words:
        pieces |= dict.fromkeys(chain(word, _pairs(word)) if _IS_RUN(word) else (word,))
    return map(_piece, pieces)


def _pairs(run: str) -> Iterable[str]:
    return map(str.__add__, run, run[1:])


def _piece(text: str) -> str:
    """Return a piece as it is stored: Hangul as its letters, so that 서우 begins 서울."""
    return unicodedata.normalize("NFD", text) if "가" <= max(text) <= "힣" else text


class _PlainForms(dict[int, str]):
    """What each character is in a word: nothing, a space, or a plain form of it. For `str.translate`."""

    def __missing__(self, code: int) -> str:
        plain = _plain_form(chr(code))
        if len(self) < _CHARACTERS_KNOWN_MAX:
            self[code] = plain
        return plain


def _plain_form(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Cf", "Me") or character == _STRETCH or _DECORATION(character):
        return ""
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if kind[0] == "M" or character.isalnum():
        return character.casefold().translate(_PLAIN)
    return " "


_PLAIN_FORMS: Final = _PlainForms()


def _quoted(lexeme: str) -> str:
    # Neither quote nor backslash can be in it: words hold letters, marks and digits only, and `=` is ours.
    return f"'{lexeme}'"
