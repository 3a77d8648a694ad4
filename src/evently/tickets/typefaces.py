"""Which typeface shows which characters, so that no ticket is printed with a box in the place of a letter.

    open_typefaces   the typefaces that the build fetched, those of a directory of the operator, and one that
                     is part of typst, for an installation without the others
    Typefaces.set    a text as it can be printed, with the families to print it in

A text is printed cluster by cluster: a letter with its marks. A cluster that no family has is replaced by
what Unicode holds to be equal to it, or else by `[?]`; `Setting.missing` names the characters, and the
ticket and the log say so.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec
import structlog
import typst

_log = structlog.get_logger(__name__)

FETCHED: Final = Path(__file__).parent / "vendor"  # hatch_build.py puts them there
MISSING: Final = "[?]"

# The families in order of preference. One that is not installed is left out.
_LETTERS: Final = ("Instrument Sans", "Noto Sans")
_SCRIPTS: Final = ("Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai")
_HAN: Final = {"ja": "Noto Sans Japanese", "zh": "Noto Sans S Chinese", "ko": "Noto Sans Korean"}
_SIGNS: Final = ("Noto Sans Symbols 2", "Noto Emoji")
_BUILT_IN: Final = "Libertinus Serif"

Ranges: TypeAlias = tuple[tuple[int, int], ...]  # of code points: first and last, ascending

# What the typeface in typst has of Latin, Greek, Cyrillic and Hebrew. It is in no file that could be read; a
# test prints all of it.
_BUILT_IN_RANGES: Final[Ranges] = (
    (0x20, 0x7E),
    (0xA0, 0xAC),
    (0xAE, 0x24F),
    (0x384, 0x38A),
    (0x38C, 0x38C),
    (0x38E, 0x3A1),
    (0x3A3, 0x3CE),
    (0x400, 0x45F),
    (0x5D0, 0x5EA),
    (0x1E00, 0x1EF9),
    (0x2010, 0x2027),
    (0x2030, 0x2037),
    (0x2039, 0x203E),
    (0x20AC, 0x20AC),
    (0x2116, 0x2116),
    (0x2122, 0x2122),
)
# What a good typeface of each script has, to say which scripts cannot be printed
_SAMPLES: Final = {
    "Latin": "Aßőễ",
    "Greek": "Ωώ",
    "Cyrillic": "Жї",
    "Arabic": "عچ",
    "Hebrew": "שם",
    "Devanagari": "कि",
    "Thai": "กำ",
    "Japanese": "ひ漢",
    "Korean": "한글",
    "Chinese": "汉漢",
}
_JOINER: Final = "\u200d"
# Shown as nothing by every renderer (Unicode: Default_Ignorable_Code_Point), as far as texts may contain them
_IGNORED: Final = frozenset("\u00ad\u034f\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
_VARIANTS: Final = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0xE0000, 0xE007F), (0x180B, 0x180F))
_SKIN_TONES: Final = (0x1F3FB, 0x1F3FF)
_MARKS: Final = frozenset({"Mn", "Mc", "Me"})
_BREAK: Final = "\u200b"
# A Latin, Greek or Cyrillic word of more than 24 characters gets a place for a line break after each ten.
# Thai, Chinese and Japanese have no spaces, and typst knows where their lines may break.
_OVERLONG: Final = re.compile(r"[!-\u058f\u1e00-\u1fff]{25,}")
_PIECES: Final = re.compile(r"(?:.[\u0300-\u036f]*){1,10}")


class Family(NamedTuple):
    """A family of typefaces, with the characters that all of its weights have."""

    name: str
    firsts: tuple[int, ...]
    lasts: tuple[int, ...]

    def has(self, character: str) -> bool:
        """Return whether the family has a character."""
        at = bisect_right(self.firsts, ord(character)) - 1
        return at >= 0 and ord(character) <= self.lasts[at]


class Setting(msgspec.Struct, frozen=True):
    """A text as it is printed: in which families, as which language, and whether from right to left."""

    text: str
    fonts: tuple[str, ...]
    lang: str
    rtl: bool
    missing: tuple[str, ...] = ()


class Typefaces:
    """The families that are there, in order of preference."""

    def __init__(self, fonts: typst.Fonts, families: Sequence[Family]) -> None:
        self.fonts = fonts
        self._families = {family.name: family for family in families}
        self._plain = tuple(self._order("", "en", "zh"))

    def cautious(self) -> Typefaces:
        """Return typefaces that print only what the typeface in typst is known to have."""
        return Typefaces(self.fonts, [_family(_BUILT_IN, _BUILT_IN_RANGES)])

    def missing_scripts(self) -> list[str]:
        """Return the scripts that cannot be printed, of those that the build fetches typefaces for."""
        return [script for script, sample in _SAMPLES.items() if self.set(sample, "zh").missing]

    def set(self, text: str, han: str) -> Setting:
        """Return a text as it can be printed.

        `han` is the language whose forms of Chinese characters are used where the text does not show its
        language: ja, ko or zh.
        """
        clean = _without_variants(unicodedata.normalize("NFC", " ".join(text.split())))
        if clean.isascii() and clean.isprintable():  # every typeface has these: no need to compare
            return Setting(_with_breaks(clean), self._plain, "en", rtl=False)
        lang, rtl = language_of(clean, han)
        families = [self._families[name] for name in self._order(clean, lang, han)]
        shown: list[str] = []
        missing: dict[str, None] = {}
        for cluster in clusters_of(clean):
            fitting = next((each for each in _equals(cluster) if _fits(each, families)), None)
            if fitting is not None:
                shown.append(fitting)
                continue
            missing |= dict.fromkeys(character for character in cluster if not _is_ignored(character))
            if not shown or shown[-1] != MISSING:
                shown.append(MISSING)
        names = tuple(family.name for family in families)
        return Setting(_with_breaks("".join(shown)), names, lang, rtl, tuple(missing))

    def _order(self, text: str, lang: str, han: str) -> Iterator[str]:
        letters: tuple[str, ...] = _LETTERS
        first = self._families.get(letters[0])
        if first is not None and not all(first.has(each) for each in text if _is_latin(each)):
            letters = letters[1:]  # one word in one typeface: Nguyễn in the one that has all of its letters
        favourite = lang if lang in _HAN else han
        han_names = sorted(_HAN, key=lambda each: each != favourite)
        known = (*letters, *_SCRIPTS, *(_HAN[each] for each in han_names), *_SIGNS)
        others = (name for name in self._families if name not in {*known, *_LETTERS, _BUILT_IN})
        return (name for name in (*known, *others, _BUILT_IN) if name in self._families)


def open_typefaces(more: Path | None = None, fetched: Path = FETCHED) -> Typefaces:
    """Return all typefaces: those of the build, and those in a directory of the operator."""
    directories = [str(each) for each in (fetched, more) if each is not None and each.is_dir()]
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=directories)
    by_family: dict[str, list[Ranges]] = {}
    for font in fonts.fonts():
        if font.path is not None and font.style == "normal":
            try:
                ranges = characters_of(Path(font.path).read_bytes(), font.index)
            except (OSError, ValueError, struct.error, IndexError) as exc:
                _log.warning("typeface_not_read", path=font.path, reason=str(exc))
                ranges = ()
            by_family.setdefault(font.family, []).append(ranges)
    by_family[_BUILT_IN] = [_BUILT_IN_RANGES]
    typefaces = Typefaces(fonts, [_family(name, reduce(_both, each)) for name, each in by_family.items()])
    if missing := typefaces.missing_scripts():
        _log.warning("tickets_without_scripts", scripts=missing, directory=str(fetched))
    return typefaces


def clusters_of(text: str) -> Iterator[str]:
    """Yield the clusters of a text: a character with the marks that follow it, or joined characters."""
    cluster = ""
    for character in text:
        joins = (
            unicodedata.category(character) in _MARKS
            or character in _IGNORED
            or _within(character, _SKIN_TONES)
            or cluster.endswith(_JOINER)
        )
        if cluster and not joins:
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def language_of(text: str, han: str) -> tuple[str, bool]:
    """Return the language that the script of a text suggests, and whether it runs from right to left."""
    scripts = {_script_of(character) for character in text}
    first = next((script for each in text if (script := _direction_of(each)) is not None), False)
    for lang, wanted in (
        ("ja", {"HIRAGANA", "KATAKANA"}),
        ("ko", {"HANGUL"}),
        (han, {"CJK"}),
        ("ar", {"ARABIC"}),
        ("he", {"HEBREW"}),
        ("hi", {"DEVANAGARI"}),
        ("th", {"THAI"}),
        ("el", {"GREEK"}),
        ("ru", {"CYRILLIC"}),
    ):
        if scripts & wanted:
            return lang, first
    return "en", first


# The characters of a font file (OpenType, table cmap) -------------------------------------------------------


def characters_of(content: bytes, index: int = 0) -> Ranges:
    """Return the characters that a font has a glyph for; raises ValueError for what is no font."""
    start = 0
    if content[:4] == b"ttcf":  # a collection: several fonts in one file
        (start,) = struct.unpack_from(">I", content, 12 + 4 * index)
    (tables,) = struct.unpack_from(">H", content, start + 4)
    for at in range(start + 12, start + 12 + 16 * tables, 16):
        if content[at : at + 4] == b"cmap":
            (offset,) = struct.unpack_from(">I", content, at + 8)
            return _characters_in(content, offset)
    raise ValueError("the font has no table of characters")


def _characters_in(content: bytes, cmap: int) -> Ranges:
    (count,) = struct.unpack_from(">H", content, cmap + 2)
    best: tuple[int, int] | None = (
        None  # the format and the offset: 12 has all characters, 4 the first 65,536
    )
    for at in range(cmap + 4, cmap + 4 + 8 * count, 8):
        platform, encoding, offset = struct.unpack_from(">HHI", content, at)
        (kind,) = struct.unpack_from(">H", content, cmap + offset)
        unicode = platform == 0 or (platform == 3 and encoding in {1, 10})  # noqa: PLR2004  # of the format
        if unicode and kind in {4, 12}:
            best = max(best or (0, 0), (kind, cmap + offset))
    if best is None:
        raise ValueError("the font has no table of Unicode characters")
    read = _groups if best[0] == 12 else _segments  # noqa: PLR2004
    return _merged(read(content, best[1]))


def _groups(content: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of format 12."""
    (count,) = struct.unpack_from(">I", content, at + 12)
    for first, last, glyph in struct.iter_unpack(">III", content[at + 16 : at + 16 + 12 * count]):
        yield (first + 1 if glyph == 0 else first), last


def _segments(content: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of format 4."""
    (twice,) = struct.unpack_from(">H", content, at + 6)
    count = twice // 2
    lasts = struct.unpack_from(f">{count}H", content, at + 14)
    firsts = struct.unpack_from(f">{count}H", content, at + 16 + twice)
    deltas = struct.unpack_from(f">{count}H", content, at + 16 + 2 * twice)
    offsets_at = at + 16 + 3 * twice
    offsets = struct.unpack_from(f">{count}H", content, offsets_at)
    for number, (first, last, delta, offset) in enumerate(zip(firsts, lasts, deltas, offsets, strict=True)):
        for character in range(first, min(last, 0xFFFE) + 1):
            glyph = character
            if offset:
                place = offsets_at + 2 * number + offset + 2 * (character - first)
                (glyph,) = struct.unpack_from(">H", content, place)
                if glyph == 0:
                    continue
            if (glyph + delta) % 0x10000:
                yield character, character


def _merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        elif first <= last:
            merged.append((first, last))
    return tuple(merged)


def _both(one: Ranges, other: Ranges) -> Ranges:
    """Return what two lists of ranges share."""
    shared, ours, theirs = [], 0, 0
    while ours < len(one) and theirs < len(other):
        first = max(one[ours][0], other[theirs][0])
        last = min(one[ours][1], other[theirs][1])
        if first <= last:
            shared.append((first, last))
        if one[ours][1] < other[theirs][1]:
            ours += 1
        else:
            theirs += 1
    return tuple(shared)


# Leaves -----------------------------------------------------------------------------------------------------


def _family(name: str, ranges: Ranges) -> Family:
    return Family(name, tuple(first for first, _ in ranges), tuple(last for _, last in ranges))


def _equals(cluster: str) -> Iterator[str]:
    """Yield a cluster, and what Unicode holds to be equal to it: `ﬁ` and `fi`, a full-width A and an A."""
    yield cluster
    yield unicodedata.normalize("NFD", cluster)
    yield unicodedata.normalize("NFKC", cluster)


def _fits(cluster: str, families: Sequence[Family]) -> bool:
    """Return whether one family has all of each cluster: marks are not taken from another typeface."""
    return all(
        any(all(family.has(each) or _is_ignored(each) for each in part) for family in families)
        for part in clusters_of(cluster)
    )


def _is_ignored(character: str) -> bool:
    return character in _IGNORED


def _without_variants(text: str) -> str:
    """Return a text without selectors of variants: no typeface of ours has variants."""
    if text.isascii():
        return text
    return "".join(each for each in text if not any(_within(each, bounds) for bounds in _VARIANTS))


def _within(character: str, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= ord(character) <= bounds[1]


def _is_latin(character: str) -> bool:
    return _script_of(character) == "LATIN"


def _script_of(character: str) -> str:
    """Return the first word of a character's name, which names the script of a letter."""
    return unicodedata.name(character, "").partition(" ")[0].partition("-")[0]


def _direction_of(character: str) -> bool | None:
    """Return whether a character runs from right to left; None where it has no direction of its own."""
    return {"R": True, "AL": True, "L": False}.get(unicodedata.bidirectional(character))


def _with_breaks(text: str) -> str:
    """Return a text with places for a line break inside overlong words."""
    return _OVERLONG.sub(lambda word: _BREAK.join(_PIECES.findall(word[0])), text)
