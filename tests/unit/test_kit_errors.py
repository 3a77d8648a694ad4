"""What is wrong with a field: each code has its sentence, each sentence a place in the source."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from typing import Final, NamedTuple

import pytest

import evently
from evently.kit.errors import FieldError, Wrong, read_sentences

SOURCE: Final = Path(evently.__file__).parent
CODE_AT: Final = {"Wrong": 0, "FieldError": 1, "about": 1}  # the place of the code among the arguments


class Use(NamedTuple):
    """A place in the source that says what is wrong with a field."""

    place: str
    code: str
    data: frozenset[str]


def uses_of_codes() -> list[Use]:
    """Return the calls of `FieldError`, `Wrong` and `about` that name a code.

    They are `FieldError(pointer, "code", {...})`, `Wrong("code", {...})`, `about(pointer, "code", x=1)`.
    One that passes the code of another one on is none of them.
    """
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if not isinstance(node, ast.Call) or name not in CODE_AT or len(node.args) <= CODE_AT[name]:
                continue
            place, code = f"{path.relative_to(SOURCE)}:{node.lineno}", node.args[CODE_AT[name]]
            if _is_passed_on(code):
                continue
            assert isinstance(code, ast.Constant), f"{place}: a code is written out"
            found.append(Use(place, str(code.value), _data_of(node, CODE_AT[name] + 1, place)))
    return found


def _is_passed_on(code: ast.expr) -> bool:
    """Return whether a code comes from another error: `error.code`, `code` of an argument, `*wrong`."""
    passed = isinstance(code, ast.Name) and code.id == "code"
    return (
        passed or isinstance(code, ast.Starred) or (isinstance(code, ast.Attribute) and code.attr == "code")
    )


def _data_of(node: ast.Call, place_of_data: int, place: str) -> frozenset[str]:
    names = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
    assert len(names) == len(node.keywords), f"{place}: name the data"
    for data in node.args[place_of_data:]:
        assert isinstance(data, ast.Dict), f"{place}: the data is a dictionary, written out"
        names |= {str(key.value) for key in data.keys if isinstance(key, ast.Constant)}
    return frozenset(names)


def placeholders_of(sentence: str) -> frozenset[str]:
    return frozenset([name for _, name, _, _ in string.Formatter().parse(sentence) if name])


def test_every_code_has_its_sentence_and_every_sentence_a_place() -> None:
    assert {use.code for use in uses_of_codes()} == read_sentences().keys()


def test_the_data_fills_the_sentence_and_is_all_shown() -> None:
    for use in uses_of_codes():
        assert use.data == placeholders_of(read_sentences()[use.code]), use


def test_codes_and_sentences_can_be_read() -> None:
    sentences = read_sentences()
    assert len(set(sentences.values())) == len(sentences), "two codes of one sentence"
    assert list(sentences) == sorted(sentences)
    for code, sentence in sentences.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert sentence.endswith((".", "}")), code
        assert sentence[0].isupper() or sentence == "{message}", code


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (Wrong("blank"), "Must not be blank."),
        (Wrong("too-many-seats", {"seats_max": 100_000}), "A map has at most 100,000 seats."),
        (
            Wrong(
                "ticket-not-payable",
                {
                    "ticket_type": "Child",
                    "amount": "0.10 EUR",
                    "why": Wrong("gateway-takes-more", {"limit": "0.50 EUR"}),
                },
            ),
            "A ticket “Child” would cost 0.10 EUR. The payment gateway takes at least 0.50 EUR.",
        ),
    ],
)
def test_a_sentence_is_filled_with_its_data(wrong: Wrong, detail: str) -> None:
    assert wrong.detail == FieldError("/x", *wrong).detail == detail
