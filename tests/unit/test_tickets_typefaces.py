"""Which characters are printed, and that none becomes a box."""

from __future__ import annotations

import random
import sys
import unicodedata
from functools import cache
from pathlib import Path

import pytest
import typst

from evently.tickets.typefaces import (
    _BUILT_IN_RANGES,
    FETCHED,
    MISSING,
    Typefaces,
    clusters_of,
    language_of,
    open_typefaces,
)

FULL = pytest.mark.skipif(
    not (FETCHED / "versions.json").exists(), reason="the build could not fetch the typefaces (no npm)"
)
TEMPLATE = """
#let it = json(bytes(sys.inputs.data))
#set document(title: "x", date: none)
#set text(font: it.fonts, fallback: false, lang: "en", dir: if it.rtl { rtl } else { ltr })
#it.text
"""
SCRIPTS = {
    "Latin": "Żółć Nguyễn ß ő",
    "Greek": "Βραδιά τζαζ, Ὀδυσσεύς",
    "Cyrillic": "Вечер джаза: Їжак, Ђорђе",
    "Japanese": "春の夜のジャズ、東京「特別」公演",
    "Korean": "한여름 밤의 재즈",
    "Chinese": "爵士之夜：上海大剧院，臺北國家音樂廳",
    "Arabic": "ليلة الجاز، پروفسور گلچهره",
    "Hebrew": "לילה של ג׳אז, שָׁלוֹם",
    "Devanagari": "जैज़ की रात: क्षत्रिय, श्री",
    "Thai": "ค่ำคืนแห่งดนตรีแจ๊สที่น้ำ",
    "signs": "Jazz ★ ♪ → ∞ 🎷 👨‍👩‍👧 ❤️ € ₹ ₩ ₪ ฿ №",
}


@cache
def everything() -> Typefaces:
    return open_typefaces()


@cache
def built_in() -> Typefaces:
    return open_typefaces(fetched=Path("/nonexistent"))


class Prover:
    """Prints texts under PDF/UA-1, which typst refuses for a text with a box in it."""

    def __init__(self, typefaces: Typefaces, directory: Path) -> None:
        template = directory / "text.typ"
        template.write_text(TEMPLATE, encoding="utf-8")
        self._typefaces = typefaces
        self._compiler = typst.Compiler(str(template), font_paths=typefaces.fonts)

    def prints(self, text: str, han: str = "zh") -> tuple[str, ...]:
        """Print a text, and return the characters that are missing."""
        import msgspec  # noqa: PLC0415

        setting = self._typefaces.set(text, han)
        self._compiler.compile(
            sys_inputs={"data": msgspec.json.encode(setting).decode()}, format="pdf", pdf_standards=["ua-1"]
        )
        return setting.missing


@FULL
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_promised_script_is_printed(script: str, tmp_path: Path) -> None:
    assert Prover(everything(), tmp_path).prints(SCRIPTS[script]) == ()
    assert everything().missing_scripts() == []


def test_the_guard_refuses_a_box(tmp_path: Path) -> None:
    """Without this, the other tests could not fail."""
    prover = Prover(built_in(), tmp_path)
    with pytest.raises(typst.TypstError, match="could not be displayed"):
        prover._compiler.compile(
            sys_inputs={"data": '{"fonts": ["Libertinus Serif"], "rtl": false, "text": "日"}'},
            format="pdf",
            pdf_standards=["ua-1"],
        )


def test_without_fetched_typefaces_four_scripts_are_left(tmp_path: Path) -> None:
    assert built_in().missing_scripts() == ["Arabic", "Devanagari", "Thai", "Japanese", "Korean", "Chinese"]
    prover = Prover(built_in(), tmp_path)
    for first, last in _BUILT_IN_RANGES:
        characters = "".join(map(chr, range(first, last + 1)))
        # Not in one word: marks and joins are no question here
        assert prover.prints(" ".join(characters)) == (), (first, last)
    assert prover.prints("ليلة") == tuple(dict.fromkeys("ليلة"))


@pytest.mark.parametrize("typefaces", [pytest.param(everything, marks=FULL), built_in])
def test_random_texts_have_no_box(typefaces: object, tmp_path: Path) -> None:
    assert callable(typefaces)
    prover = Prover(typefaces(), tmp_path)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    assigned = [
        each
        for each in map(chr, range(32, sys.maxunicode))
        if unicodedata.category(each) not in {"Cc", "Cs", "Cn", "Co"}
    ]
    blocks = [0x20, 0x300, 0x600, 0x900, 0xE00, 0x1F300, 0x2000, 0x3000, 0x4E00, 0xAC00]
    for _ in range(60):
        start = source.choice(blocks)
        near = [each for each in assigned if start <= ord(each) < start + 0x200]
        text = "".join(source.choice(near if source.random() < 0.7 else assigned) for _ in range(60))
        prover.prints(text)


def test_what_is_missing_is_named_and_replaced_once() -> None:
    setting = built_in().set("Jazz in தமிழ் இசை tonight", "zh")
    assert setting.text == f"Jazz in {MISSING} {MISSING} tonight"
    assert setting.missing == tuple(dict.fromkeys("தமிழ்இசை"))


def test_equal_characters_are_printed_in_their_place() -> None:
    assert built_in().set("ﬁne ＡＢＣ", "zh").text.replace("ﬁ", "fi") == "fine ABC"


def test_a_mark_is_not_taken_from_another_typeface() -> None:
    assert list(clusters_of("ế e\u0301\u0302x 👨‍👩‍👧!")) == [
        "ế",
        " ",
        "e\u0301\u0302",
        "x",
        " ",
        "👨‍👩‍👧",
        "!",
    ]


@FULL
def test_a_word_is_printed_in_one_typeface() -> None:
    assert everything().set("Ada", "zh").fonts[0] == "Instrument Sans"
    assert everything().set("Nguyễn", "zh").fonts[0] == "Noto Sans"


@FULL
@pytest.mark.parametrize(
    ("text", "han", "family"),
    [
        ("東京の夜", "zh", "Noto Sans Japanese"),
        ("東京", "ja", "Noto Sans Japanese"),
        ("東京", "zh", "Noto Sans S Chinese"),
        ("서울 大學", "zh", "Noto Sans Korean"),
    ],
)
def test_chinese_characters_have_the_forms_of_their_language(text: str, han: str, family: str) -> None:
    fonts = everything().set(text, han).fonts
    east_asian = [name for name in fonts if name.endswith(("Japanese", "Korean", "Chinese"))]
    assert east_asian[0] == family


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Jazz", ("en", False)),
        ("2027 ليلة", ("ar", True)),
        ("Jazz ליל", ("he", False)),
        ("ジャズ", ("ja", False)),
        ("재즈", ("ko", False)),
        ("爵士", ("zh", False)),
        ("", ("en", False)),
    ],
)
def test_a_script_suggests_its_language(text: str, found: tuple[str, bool]) -> None:
    assert language_of(text, "zh") == found


def test_an_overlong_word_may_be_broken() -> None:
    setting = built_in().set("W" * 60, "zh")
    assert max(map(len, setting.text.split("\u200b"))) == 10
    assert setting.text.replace("\u200b", "") == "W" * 60


@FULL
def test_a_directory_of_the_operator_adds_typefaces(tmp_path: Path) -> None:
    thai = next((FETCHED / "noto-sans-thai").glob("*Regular.ttf"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "thai.ttf").write_bytes(thai.read_bytes())
    (tmp_path / "more" / "damaged.ttf").write_bytes(thai.read_bytes()[:200])
    found = open_typefaces(tmp_path / "more", fetched=Path("/nonexistent"))
    assert "Thai" not in found.missing_scripts()
    assert "Korean" in found.missing_scripts()
