"""The code of a ticket is written and read back; anything else is not a code."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.kit.ids import new_id, show_id
from evently.sales.ticket_code import CODE_CHARACTERS, TicketCode, read_code, write_code

SECRETS = st.binary(min_size=10, max_size=10)


@given(st.uuids(), SECRETS)
def test_a_code_is_read_back(ticket_id: UUID, secret: bytes) -> None:
    code = write_code(show_id("tkt", ticket_id), secret)
    assert len(code) == CODE_CHARACTERS
    assert code == code.upper()
    for shown in (code, code.lower(), f" {code}\n", f"{code[:6]} {code[6:20]}\n{code[20:]}"):
        assert read_code(shown) == TicketCode(ticket_id, secret)


@pytest.mark.parametrize(
    "change", [lambda code: code[:-1], lambda code: code + "0", lambda code: "U" + code[1:]]
)
def test_other_text_is_not_a_code(change: object) -> None:
    code = write_code(show_id("tkt", new_id()), bytes(10))
    assert read_code(change(code)) is None  # type: ignore[operator]
    assert read_code(change(code[::-1])[::-1]) is None  # type: ignore[operator]


@given(st.text(min_size=CODE_CHARACTERS, max_size=CODE_CHARACTERS))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = read_code(text)
    assert found is None or read_code(write_code(show_id("tkt", found.ticket_id), found.secret)) == found
