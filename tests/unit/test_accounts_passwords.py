from __future__ import annotations

from importlib.resources import files

import pytest

from evently.accounts.passwords import (
    PASSWORD_CHARACTERS_MAX,
    count_pieces,
    normalise_password,
    password_errors,
)

CONTEXT = ["ada.lovelace@analytical.example", "Ada Lovelace"]


def errors(password: str) -> list[str]:
    return [error.detail for error in password_errors(normalise_password(password), CONTEXT, "/password")]


@pytest.mark.parametrize(
    "password",
    [
        "nine lively herons wade",
        "correct horse battery staple",
        "dragon monkey shadow master",  # four of the most common words still have 46 bits
        "Tr0ub4dor&3-and-more",
        "зелёный чай и сахар",
        "静かな海に雨が降る朝のひかりと風",
        "🦊🦉🐢🦄🐙🦋🐌🐞🐜🦂🦀🐡🐠🐟🐬",
        "k7#Vp2!wQz9@xB4",
        "x" * 3 + "fjgkdlsiwoeru" * 4 + "zmqp",
        "0123456789 is no piece of mine, nor abc",
    ],
)
def test_good_passwords(password: str) -> None:
    assert errors(password) == []


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "password1234567",
        "Password123456789!",
        "p@ssw0rdp@ssw0rd",
        "aaaaaaaaaaaaaaa",
        "111111111111111",
        "abcdefghijklmnopqrstuvwxyz",
        "zyxwvutsrqponmlkjihgfedcba",
        "123456789012345",
        "098765432109876",
        "qwertyuiopasdfghjkl",
        "qwertyqwertyqwerty",
        "letmeinletmein123",
        "iloveyou iloveyou",
        "ada.lovelace@analytical.example",
        "AdaLovelaceAdaLovelace",
        "ada lovelace 2027",
        "evently-tickets-2027",
        "EventlyEventlyEvently1",
        "1qaz2wsx3edc4rfv",
        "abcabcabcabcabcabc",
        "password password",
    ],
)
def test_passwords_that_everybody_tries(password: str) -> None:
    assert len(errors(password)) == 1


def test_every_common_password_is_refused_alone_repeated_and_padded() -> None:
    lines = (
        files("evently.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    )
    common = [line for line in lines if not line.startswith("#")]
    assert len(common) > 3000
    accepted = [
        candidate
        for word in common
        for candidate in (
            word,
            word.title(),
            word * (15 // len(word) + 1),
            f"{word}1234567890123",
            f"123456789{word}2027",
        )
        if not errors(candidate)
    ]
    assert accepted == []


def test_length_counts_characters() -> None:
    assert errors("k7#Vp2!wQz9@xB")
    assert not errors("k7#Vp2!wQz9@xBé")
    assert not errors("é" * 7 + "k7#Vp2!wQz9@xB")
    longest = ("k7#Vp2!wQz9@xB4" * 9)[:PASSWORD_CHARACTERS_MAX]
    assert "made of" not in errors(longest + "k")[0]
    assert not errors("".join(chr(0x4E00 + 7 * index) for index in range(PASSWORD_CHARACTERS_MAX)))


def test_control_characters_are_refused() -> None:
    assert errors("nine lively\x00herons")
    assert errors("nine lively\nherons wade")


def test_another_keyboard_types_the_same_password() -> None:
    assert normalise_password("cafe\u0301 con\u00a0leche") == "caf\u00e9 con leche"
    assert normalise_password("\u3000") == " "
    assert normalise_password("ﬁ") == "ﬁ"  # compatibility forms do not change (RFC 8265, 4.2.2)


def test_counting_is_quick_for_hostile_input() -> None:
    assert count_pieces("ab" * 64) == 2
    assert count_pieces("qwertyuiop" * 12) == 1
    assert count_pieces("İ" * 100) <= 3
