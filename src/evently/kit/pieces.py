"""Long JSON, decoded piece by piece in a thread, so that the event loop never waits for all of it.

The decoder keeps Python's lock while it works: a body of 16 MB would stop all requests of the process, in a
thread or not. A piece is a value of at most `PIECE_BYTES_MAX`; of a longer one, the parts are first found and
then decoded one by one. Between two pieces, other threads run.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields as fields_of

from evently.kit.ids import read_id

LONG_BYTES: Final = 64 * 1024  # decoded within a millisecond; a longer body is decoded in a thread
PIECE_BYTES_MAX: Final = 256 * 1024  # decoded within 5 ms


def decode_long(shape: Any, body: bytes | msgspec.Raw) -> Any:
    """Return JSON as `shape`. Raises what the decoder raises; the path in its text begins at the piece."""
    if len(memoryview(body)) <= PIECE_BYTES_MAX:
        return decoder_of(shape).decode(body)
    inner = _only_shape(shape)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        found = decoder_of(_outline_of(inner)).decode(body)
        given = {
            field.name: decode_long(field.type, value) if isinstance(value, msgspec.Raw) else value
            for field in fields_of(inner)
            if (value := getattr(found, field.name)) is not msgspec.UNSET
        }
        try:
            return inner(**given)
        except ValueError as exc:  # what the struct checks itself
            raise msgspec.ValidationError(str(exc)) from exc
    if get_origin(inner) in (tuple, list):
        parts = decoder_of(list[msgspec.Raw]).decode(body)
        return get_origin(inner)([decode_long(get_args(inner)[0], part) for part in parts])
    return decoder_of(shape).decode(body)


def load_long(body: bytes | msgspec.Raw) -> Any:
    """Return JSON as plain values."""
    view = memoryview(body)
    if len(view) > PIECE_BYTES_MAX:
        start = bytes(view[:PIECE_BYTES_MAX]).lstrip()[:1]
        if start == b"{":
            members = decoder_of(dict[str, msgspec.Raw]).decode(body)
            return {name: load_long(value) for name, value in members.items()}
        if start == b"[":
            return [load_long(value) for value in decoder_of(list[msgspec.Raw]).decode(body)]
    return msgspec.json.decode(body)


@cache
def decoder_of(shape: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a shape, which is made once."""
    return msgspec.json.Decoder(shape, dec_hook=read_id)


@cache
def _outline_of(shape: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return a struct with the same members, in which parts that may be long are found but not decoded."""
    members: list[Any] = []
    for field in fields_of(shape):
        kind: Any = msgspec.Raw if _may_be_long(field.type) else field.type
        members.append(
            (field.name, kind, msgspec.field(name=field.encode_name))
            if field.required
            else (
                field.name,
                kind | msgspec.UnsetType,
                msgspec.field(default=msgspec.UNSET, name=field.encode_name),
            )
        )
    forbids = shape.__struct_config__.forbid_unknown_fields
    return msgspec.defstruct(f"{shape.__name__}Outline", members, kw_only=True, forbid_unknown_fields=forbids)


def _may_be_long(shape: Any) -> bool:
    inner = _only_shape(shape)
    if get_origin(inner) in (tuple, list):
        inner = _only_shape(get_args(inner)[0])
    return isinstance(inner, type) and issubclass(inner, msgspec.Struct)


def _only_shape(shape: Any) -> Any:
    """Return the shape of a value that is given; a shape with limits of its own stays whole."""
    if get_origin(shape) in (Union, UnionType):
        members = [each for each in get_args(shape) if each not in (NoneType, msgspec.UnsetType)]
        return _only_shape(members[0]) if len(members) == 1 else shape
    return shape
