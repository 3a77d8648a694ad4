"""Limits in the types of fields, patches, and structs made from others."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from evently.kit.complaints import Complaints
from evently.kit.errors import Invalid
from evently.kit.ids import NO_ID, PoolReference, read_id, show_id
from evently.kit.shapes import copy_fields, fields_set, items, limit_errors, number, text

Name = Annotated[str, text(5, "Anna")]


class Child(msgspec.Struct, frozen=True):
    name: Name
    age: Annotated[int, number(0, 17, 3)] | None = None


class Family(msgspec.Struct, frozen=True, kw_only=True):
    name: Name = "Smith"
    story: Annotated[str, text(20, "Once.", blank=True, lines=True)] = ""
    children: Annotated[tuple[Child, ...], items(2)] = ()
    eldest: Child | None = None
    nicknames: tuple[Name, ...] = ()
    homes: tuple[str, ...] = ()


class FamilyChanges(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[Name | UnsetType, msgspec.Meta(description="The surname.")] = UNSET
    eldest: Child | UnsetType | None = UNSET


def pointers(struct: msgspec.Struct) -> list[str]:
    return [error.pointer for error in limit_errors(struct, "/family")]


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (Family(), []),
        (Family(name=" "), ["/family/name"]),
        (Family(name="Smiths"), ["/family/name"]),
        (Family(name="a\tb"), ["/family/name"]),
        (Family(story="a\tb\r\nc"), []),
        (Family(story="\x07"), ["/family/story"]),
        (Family(children=(Child("A", 17), Child("B", 18))), ["/family/children/1/age"]),
        (Family(children=(Child("A"),) * 3), ["/family/children"]),
        (Family(eldest=Child("A", -1)), ["/family/eldest/age"]),
        (Family(nicknames=("A", "Anthony")), ["/family/nicknames/1"]),
        (Family(homes=("",)), []),
    ],
)
def test_every_field_outside_its_limits_is_found(family: Family, expected: list[str]) -> None:
    assert pointers(family) == expected


def test_what_a_patch_does_not_contain_has_no_limits() -> None:
    assert pointers(FamilyChanges()) == []
    assert pointers(FamilyChanges(eldest=None)) == []
    assert pointers(FamilyChanges(name="", eldest=Child("A", 18))) == ["/family/name", "/family/eldest/age"]
    assert fields_set(FamilyChanges(eldest=None)) == {"eldest": None}


def test_limits_are_documented_and_not_enforced_by_the_decoder() -> None:
    schema = msgspec.json.schema(Child)["$defs"]["Child"]["properties"]
    assert schema["name"] == {"type": "string", "examples": ["Anna"], "minLength": 1, "maxLength": 5}
    assert msgspec.json.decode(b'{"name":"much too long"}', type=Child).name == "much too long"


def test_complaints_are_collected() -> None:
    complaints = Complaints()
    complaints.check("", Family(name=""))
    complaints.about("/x", "Is wrong.")
    with pytest.raises(Invalid) as refused:
        complaints.refuse_if_any()
    assert [error.pointer for error in refused.value.errors] == ["/name", "/x"]


def test_fields_are_copied_by_their_names() -> None:
    class Row(msgspec.Struct):
        name: str
        age: int
        city: str = "Berlin"

    assert copy_fields(Row, Child("A", 3)) == Row("A", 3, "Berlin")
    assert copy_fields(Row, Child("A", 3), age=4, city="Rome") == Row("A", 4, "Rome")


def test_a_reference_reads_text_that_is_no_id_as_an_id_that_nothing_has() -> None:
    shape: Any = PoolReference
    pool_id = UUID(int=7)
    assert read_id(shape, show_id("pol", pool_id)) == pool_id
    assert read_id(shape, "pol_x") == NO_ID
    assert read_id(shape, show_id("evt", pool_id)) == NO_ID
