"""A letter: what one e-mail says, as plain values. One letter becomes the HTML and the text of a message.

Letter           subject, heading, paragraphs, a code, rows, links
to_html          Jinja and MJML, from templates/letter.mjml: it adapts to dark mode, and loads nothing
to_text          72 columns, every link written out
isolated, plain  names that people typed, made safe beside other words
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import chain
from typing import Final

import jinja2
import mrml
import msgspec
from msgspec.structs import replace

COLUMNS_MAX: Final = 72  # of the text, so that it can be quoted within 80
_ISOLATE: Final = ("\u2068", "\u2069")  # first strong isolate, pop directional isolate
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "RLE", "RLO", "RLI"})
_WIDE: Final = frozenset({"W", "F"})
_NO_COLUMN: Final = frozenset({"Mn", "Me", "Cf"})


class Link(msgspec.Struct, frozen=True):
    """A link with its words."""

    words: str
    url: str


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says. Texts are plain; a row is a name and a value, which may have several lines."""

    subject: str
    preview: str  # what a list of messages shows beside the subject
    heading: str
    paragraphs: tuple[str, ...] = ()
    code: str | None = None
    rows: tuple[tuple[str, str], ...] = ()
    action: Link | None = None
    notes: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    why: str  # why the reader gets it
    reply_to: Link | None = None  # the name and the address to which answers go, if not to the sender
    unsubscribe: Link | None = None


_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("evently.mail"), autoescape=True, undefined=jinja2.StrictUndefined
)
_options: Final = mrml.RenderOptions(disable_comments=False, fonts={})


def to_html(letter: Letter) -> str:
    """Return the letter as HTML."""
    source = _templates.get_template("letter.mjml").render(letter=_clean(letter))
    return mrml.to_html(source, render_options=_options).content


def to_text(letter: Letter) -> str:
    """Return the letter as text."""
    return "\n".join(_lines_of(_clean(letter))) + "\n"


def isolated(text: str) -> str:
    """Return a name so that its direction does not change the order of the words around it."""
    text = plain(text)
    if text.isascii():
        return text
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in text):
        return text.join(_ISOLATE)
    return text


def plain(text: str) -> str:
    """Return a text on one line, without control characters and surplus spaces."""
    if text.isprintable():
        return " ".join(text.split())
    return " ".join(
        "".join(
            " " if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") else character
            for character in text
        ).split()
    )


def _clean(letter: Letter) -> Letter:
    """Return a letter without the characters that MJML cannot have and readers cannot see."""
    return replace(
        letter,
        subject=plain(letter.subject),
        preview=plain(letter.preview),
        heading=plain(letter.heading),
        paragraphs=tuple(plain(each) for each in letter.paragraphs),
        rows=tuple(
            (plain(name), "\n".join(plain(line) for line in value.splitlines()))
            for name, value in letter.rows
        ),
        notes=tuple(plain(each) for each in letter.notes),
        why=plain(letter.why),
    )


def columns_of(text: str) -> int:
    """Return how many columns a text takes: two for the wide characters of East Asia."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(character) in _NO_COLUMN
        else 2
        if unicodedata.east_asian_width(character) in _WIDE
        else 1
        for character in text
    )


def wrap(text: str, first: str = "", rest: str | None = None) -> Iterator[str]:
    """Yield a text as lines of at most `COLUMNS_MAX` columns, which begin with `first`, then with `rest`.

    A link is never broken. A word that is too long for a line is, between two characters.
    """
    line, start, empty = first, first if rest is None else rest, True
    room = COLUMNS_MAX - columns_of(first)
    for word in chain.from_iterable(_pieces(each, room) for each in text.split()):
        if not empty and columns_of(line) + 1 + columns_of(word) > COLUMNS_MAX:
            yield line
            line, empty = start, True
        line += word if empty else f" {word}"
        empty = False
    if not empty:
        yield line


def _pieces(word: str, columns: int) -> Iterator[str]:
    """Yield a word in pieces that fit on a line; a link whole."""
    if "://" in word or columns_of(word) <= columns:
        yield word
        return
    piece = ""
    for character in word:
        if columns_of(piece + character) > columns:
            yield piece
            piece = ""
        piece += character
    yield piece


def _lines_of(letter: Letter) -> Iterator[str]:
    heading = list(wrap(letter.heading))
    yield from heading
    yield "=" * max((columns_of(line) for line in heading), default=1)
    for paragraph in letter.paragraphs:
        yield ""
        yield from wrap(paragraph)
    if letter.code is not None:
        yield from ("", f"    {letter.code}")
    if letter.rows:
        yield ""
        yield from _rows(letter.rows)
    if letter.action is not None:
        yield ""
        yield from _link(letter.action)
    for note in letter.notes:
        yield ""
        yield from wrap(note)
    for link in letter.links:
        yield ""
        yield from _link(link)
    yield from ("", "-- ", *wrap(letter.why))
    if letter.unsubscribe is not None:
        yield from _link(letter.unsubscribe)


def _rows(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    width = max(columns_of(name) for name, _ in rows) + 2
    for name, value in rows:
        first = f"{name}:".ljust(width)
        for line in value.splitlines() or [""]:
            yield from wrap(line, first, " " * width)
            first = " " * width


def _link(link: Link) -> Iterator[str]:
    yield from wrap(f"{link.words}:")
    yield link.url
