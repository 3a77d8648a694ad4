"""Which passwords are accepted. Pure.

NIST SP 800-63B-4, 3.1.1: at least 15 characters where the password is the only factor, at least 64 accepted,
no rules about its composition, and a comparison with common passwords. No password on the usual lists has 15
characters, so a comparison alone would find none. A long password is weak when it consists of few common
pieces ("passwordpassword1"). So the pieces are counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

from evently.kit.errors import FieldError

PASSWORD_CHARACTERS_MIN: Final = 15  # NIST SP 800-63B-4, 3.1.1.2
# Twice what NIST requires to accept; enough for every passphrase and every password manager
PASSWORD_CHARACTERS_MAX: Final = 128
# Three of the 3,000 most common words have 35 bits; four have 46, like the shortest accepted passphrase
PIECES_MIN: Final = 4
_CONTEXT: Final = ("evently", "ticket", "tickets")
_CONTEXT_CHARACTERS_MIN: Final = 3
_PIECE_CHARACTERS_MAX: Final = 32
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
)
_RUN_CHARACTERS_MIN: Final = 3
_SEPARATORS: Final = " -_."
_YEARS: Final = range(1900, 2100)
_SUBSTITUTIONS: Final = str.maketrans("@4301!|$57", "aaeoilisst")


def normalise_password(text: str) -> str:
    """Return the form of a password that is hashed: OpaqueString of RFC 8265.

    Composed letters and spaces from different keyboards become equal.
    """
    return unicodedata.normalize(
        "NFC", "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    )


def password_errors(password: str, context: Iterable[str], pointer: str) -> list[FieldError]:
    """Return what is wrong with a normalised password.

    `context` is what an attacker knows about its owner: e-mail, name.
    """
    if len(password) < PASSWORD_CHARACTERS_MIN:
        return [
            FieldError(
                pointer,
                "password-too-short",
                {"characters_min": PASSWORD_CHARACTERS_MIN},
            )
        ]
    if len(password) > PASSWORD_CHARACTERS_MAX:
        return [FieldError(pointer, "password-too-long", {"characters_max": PASSWORD_CHARACTERS_MAX})]
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        return [FieldError(pointer, "password-control-characters")]
    if count_pieces(password, context) < PIECES_MIN:
        return [
            FieldError(
                pointer,
                "password-easy-to-guess",
            )
        ]
    return []


def count_pieces(password: str, context: Iterable[str] = ()) -> int:
    """Return the smallest number of guessable pieces that a password consists of.

    A piece is a common password, a word of the context, a row of keys or a year. A character outside of all
    pieces counts as one piece, a separator as none. A repetition of the piece before it counts as none.
    Digits in place of letters change nothing.
    """
    text = password.casefold()
    common, words = _common_pieces(), _words_of(context)
    plain = text.translate(_SUBSTITUTIONS)
    fewest = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        fewest[end] = fewest[end - 1] + (text[end - 1] not in _SEPARATORS)
        for start in range(max(0, end - _PIECE_CHARACTERS_MAX), end - 1):
            if fewest[start] + 1 < fewest[end]:
                piece, reading = text[start:end], plain[start:end]
                if piece in common or reading in common or piece in words or reading in words:
                    fewest[end] = fewest[start] + 1
        _ignore_repetition(text, end, fewest)
    return fewest[-1]


def _ignore_repetition(text: str, end: int, fewest: list[int]) -> None:
    """Count nothing for a piece that repeats the piece before it."""
    for length in range(1, end // 2 + 1):
        if text[end - length : end] == text[end - 2 * length : end - length]:
            fewest[end] = min(fewest[end], fewest[end - length])


def _words_of(context: Iterable[str]) -> frozenset[str]:
    words = (
        word
        for text in (*_CONTEXT, *context)
        for word in (text.casefold(), *re.split(r"[\W_]+", text.casefold()))
    )
    return frozenset(word for word in words if len(word) >= _CONTEXT_CHARACTERS_MIN)


@cache
def _common_pieces() -> frozenset[str]:
    lines = (
        files("evently.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    )
    runs = {
        run[start:end]
        for row in _RUNS
        for run in (row, row[::-1])
        for start in range(len(run))
        for end in range(start + _RUN_CHARACTERS_MIN, len(run) + 1)
    }
    return (
        frozenset([line for line in lines if not line.startswith("#")])
        | runs
        | {str(year) for year in _YEARS}
    )
