"""Parts of the shapes that clients send. The limits of a field are part of its type.

    text, number, items       a limit, as the metadata of a type; the API documents it
    limit_errors              every field of a struct that is outside its limits
    Instant, WallTime         times with an offset, and without one
    fields_set, copy_fields   what a patch contains; a struct from the fields of another

Decoding does not enforce these limits. A struct that was decoded is then checked together with the rules of
its domain, so that one answer names every wrong field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import fields as fields_of

from evently.kit.errors import FieldError, Wrong
from evently.kit.visible import is_visible, misprints

Shape = TypeVar("Shape", bound=msgspec.Struct)

Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True, examples=["2027-05-20T18:00:00Z"])]
WallTime = Annotated[
    datetime,
    msgspec.Meta(
        tz=False,
        description=(
            "What the clocks at the venue show. A time that they skip when they go forward is refused; "
            "a time that they show twice means the first one (send the instant for the second)."
        ),
    ),
]

_LIMIT: Final = "limit"  # the key in the metadata


class _Text(NamedTuple):
    characters_max: int
    blank: bool
    lines: bool

    def errors(self, value: str) -> Iterator[Wrong]:
        if not self.blank and not is_visible(value):
            yield Wrong("blank")
        if len(value) > self.characters_max:
            yield Wrong("too-many-characters", {"characters_max": self.characters_max})
        yield from misprints(value, lines=self.lines)


class _Number(NamedTuple):
    smallest: int
    largest: int

    def errors(self, value: int) -> Iterator[Wrong]:
        if not self.smallest <= value <= self.largest:
            yield Wrong("out-of-range", {"smallest": self.smallest, "largest": self.largest})


class _Items(NamedTuple):
    items_max: int

    def errors(self, value: list[Any]) -> Iterator[Wrong]:
        if len(value) > self.items_max:
            yield Wrong("too-many-items", {"items_max": self.items_max})


def text(characters_max: int, example: str, *, blank: bool = False, lines: bool = False) -> Any:
    """Return the metadata of a text: its length, and whether it may be blank or have several lines."""
    shown = {"minLength": 0 if blank else 1, "maxLength": characters_max}
    return msgspec.Meta(
        examples=[example],
        extra_json_schema=shown,
        extra={_LIMIT: _Text(characters_max, blank, lines)},
    )


def number(smallest: int, largest: int, example: int, description: str | None = None) -> Any:
    """Return the metadata of a whole number. Both limits are included."""
    return msgspec.Meta(
        description=description,
        examples=[example],
        extra_json_schema={"minimum": smallest, "maximum": largest},
        extra={_LIMIT: _Number(smallest, largest)},
    )


def items(items_max: int, examples: list[Any] | None = None, description: str | None = None) -> Any:
    """Return the metadata of a list: its maximum number of items."""
    return msgspec.Meta(
        description=description,
        examples=examples,
        extra_json_schema={"maxItems": items_max},
        extra={_LIMIT: _Items(items_max)},
    )


def limit_errors(struct: msgspec.Struct, pointer: str = "") -> Iterator[FieldError]:
    """Yield the fields of a struct, and of the structs in it, that are outside the limits of their types."""
    for name, shape in _limited_fields(type(struct)).items():
        yield from _errors(shape, getattr(struct, name), f"{pointer}/{name}")


def fields_set(changes: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a patch that the client sent, by name."""
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}


def copy_fields(shape: type[Shape], source: object, **more: Any) -> Shape:
    """Return a struct with the values of equally named fields of another one, and with `more`.

    A field that `source` does not have keeps its default.
    """
    names = [name for name in shape.__struct_fields__ if name not in more and hasattr(source, name)]
    return shape(**{name: getattr(source, name) for name in names}, **more)


@cache
def _limited_fields(shape: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return the types of the fields that have limits, or contain types with limits."""
    return {field.name: field.type for field in fields_of(shape) if _is_limited(field.type)}


def _is_limited(shape: Any) -> bool:
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return bool(_limited_fields(shape))
    return bool(_limits_of(shape)) or any(_is_limited(each) for each in get_args(shape))


def _limits_of(shape: Any) -> list[Any]:
    if get_origin(shape) is not Annotated:
        return []
    metadata = [each for each in get_args(shape)[1:] if isinstance(each, msgspec.Meta)]
    return [each.extra[_LIMIT] for each in metadata if each.extra and _LIMIT in each.extra]


def _errors(shape: Any, value: Any, pointer: str) -> Iterator[FieldError]:
    if value is None or value is UNSET:
        return
    for limit in _limits_of(shape):
        for wrong in limit.errors(value):
            yield FieldError(pointer, *wrong)
    plain = get_args(shape)[0] if get_origin(shape) is Annotated else shape
    if isinstance(value, msgspec.Struct):
        yield from limit_errors(value, pointer)
    elif get_origin(plain) in (Union, UnionType):
        for member in get_args(plain):
            if member not in (NoneType, UnsetType):
                yield from _errors(member, value, pointer)
    elif isinstance(value, list | tuple) and _is_limited(member := get_args(plain)[0]):
        for index, item in enumerate(value):
            yield from _errors(member, item, f"{pointer}/{index}")
