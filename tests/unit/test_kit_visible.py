from __future__ import annotations

import pytest

from evently.kit.errors import Wrong
from evently.kit.visible import fold_name, is_visible, misprints


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Ada",
            "Zoë Müller-Łukasz",
            "東京　太郎",
            "می‌خواهم",
            "क्‍ष",
            "👩‍👩‍👧",
            "🏴\U000e0067\U000e007f",
            "©",
            "1",
        ),
        *("Ver\u00adanstaltung", "אב\u200fג", "Jazz\u00a0Night", "\U0001fae8", "\U0001fadf"),
    ],
)
def test_names_of_every_script_are_names(name: str) -> None:
    assert is_visible(name)
    assert list(misprints(name)) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\u00a0\u3000",
        "\u200b",
        "\u00ad\ufeff",
        "\u3164",
        "\u115f\u1160",
        "\u2800",
        "\u0301",
        "\ufe0f",
    ],
)
def test_a_name_has_something_that_can_be_seen(name: str) -> None:
    assert not is_visible(name)


@pytest.mark.parametrize("character", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"])
def test_a_name_does_not_change_the_direction_of_text(character: str) -> None:
    for lines in (False, True):
        assert list(misprints(f"Jazz{character}gnp", lines=lines)) == [Wrong("direction-characters")]


@pytest.mark.parametrize("character", ["\u2028", "\u2029"])
def test_a_name_is_one_line(character: str) -> None:
    assert list(misprints(f"a{character}b")) == [Wrong("line-separators")]
    assert list(misprints(f"a{character}b", lines=True)) == []
    for control in "\n\r\t\x00\x7f\x85":
        assert list(misprints(f"a{control}b")) == [Wrong("control-characters")]
    assert list(misprints("a\r\n\tb", lines=True)) == []


def test_names_that_look_alike_are_one() -> None:
    assert len(set(map(fold_name, ["Café", "CAFE\u0301", " café ", "Ca\u00adfé", "Café\u200b"]))) == 1
    assert fold_name("Regular A") != fold_name("Regular B")
