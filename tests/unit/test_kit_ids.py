"""Ids: their text, and the types that read it."""

from __future__ import annotations

import uuid

import msgspec
import pytest

from evently.kit import ids
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, PrefixedId, TicketTypeId, find_id, new_id, parse_id, read_id, show_id


class Named(msgspec.Struct):
    event_id: EventId
    ticket_type_ids: list[TicketTypeId] = []


TYPES = PrefixedId.__subclasses__()


def test_an_id_survives_its_text() -> None:
    for value in (new_id(), uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)):
        text = show_id("evt", value)
        assert (len(text), parse_id("evt", text)) == (30, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evt",
        "evt_",
        "evt_01m7y4ef72ev2sxmcnxfse27z",
        "evt_01m7y4ef72ev2sxmcnxfse27zpp",
        "evt_01M7Y4EF72EV2SXMCNXFSE27ZP",
        "evt_81m7y4ef72ev2sxmcnxfse27zp",  # above 128 bits
        "evt_0im7y4ef72ev2sxmcnxfse27zp",
        "evt_ 1m7y4ef72ev2sxmcnxfse27zp",
        "evt_é1m7y4ef72ev2sxmcnxfse27zp",
        "ven_01m7y4ef72ev2sxmcnxfse27zp",
        "01m7y4ef72ev2sxmcnxfse27zp",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    assert find_id("evt", text) is None
    with pytest.raises(Refused) as caught:
        parse_id("evt", text)
    assert caught.value.refusal is CommonRefusal.NOT_FOUND
    with pytest.raises(ValueError, match="Is not an id of the form evt_"):
        read_id(EventId, text)


def test_types_have_prefixes_of_their_own() -> None:
    prefixes = [each.prefix for each in TYPES]
    assert len(set(prefixes)) == len(prefixes) == len([each for each in vars(ids) if each.endswith("Id")]) - 1


def test_msgspec_reads_ids_and_says_where_one_is_wrong() -> None:
    event_id, type_id = new_id(), new_id()
    body = {"event_id": show_id("evt", event_id), "ticket_type_ids": [show_id("tty", type_id)]}
    named = msgspec.convert(body, Named, dec_hook=read_id)
    assert (named.event_id, named.ticket_type_ids) == (event_id, [type_id])
    assert type(named.event_id) is type(new_id()), "a value is the UUID in C"
    with pytest.raises(msgspec.ValidationError, match=r"form tty_… - at `\$.ticket_type_ids\[0\]`"):
        msgspec.convert(body | {"ticket_type_ids": [body["event_id"]]}, Named, dec_hook=read_id)
    for wrong, name in (
        (1, "int"),
        (1.5, "float"),
        (True, "bool"),
        (None, "null"),
        ([], "array"),
        ({}, "object"),
    ):
        with pytest.raises(msgspec.ValidationError, match=f"Expected `str`, got `{name}`"):
            msgspec.convert(body | {"event_id": wrong}, Named, dec_hook=read_id)
