"""Bodies: decoded once, strictly, into the Struct of the handler; if that fails, every error is reported.

Each error has a pointer: `/tickets/0/quantity` in the body (RFC 6901), `?limit` for a query parameter, the
bare name for a header.

Malformed (400): no JSON, no UTF-8, lone surrogates, NaN, nesting that is too deep to decode. Invalid (422):
every other error, including NUL characters (PostgreSQL's `text` cannot hold them) and instants that do not
exist in UTC. Of a repeated key the last one counts (RFC 8259, 4, leaves that open).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields as fields_of

from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import read_id
from evently.kit.pieces import LONG_BYTES, decode_long, load_long
from evently.web.edge.exchange import Exchange
from evently.web.edge.refusals import EdgeRefusal

# Objects and lists of a body: a pretix plan of 100,000 seats, each with its position, in 20,000 rows
NESTED_MAX: Final = 300_000
VALUES_MAX: Final = 1_500_000  # of a body: a dozen members for each of its seats
ERRORS_MAX: Final = 100  # a hostile body can hold a hundred thousand wrong fields

_MEDIA_TYPES: Final = {b"application/json", b"application/merge-patch+json"}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NAME_LENGTH_MAX: Final = 100
_TYPE: Final = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
_TYPE_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "an array",
    "datetime": "a time (RFC 3339)",
}


async def decode_body(shape: Any, exchange: Exchange, body: bytes) -> Any:
    """Return the body as `shape`; refuse with every error in it. A long body is decoded in a thread."""
    if len(body) <= LONG_BYTES:
        return decode_as(shape, exchange, body)
    return await asyncio.to_thread(decode_as, shape, exchange, body)


def decode_as(shape: Any, exchange: Exchange, body: bytes) -> Any:
    """Return the body as `shape`; refuse with every error in it."""
    if (media_type := exchange.headers.get(b"content-type")) not in _MEDIA_TYPES:
        _check_media_type(media_type)
    body = body.removeprefix(
        _BYTE_ORDER_MARK
    )  # editors on Windows write it, and it may be ignored (RFC 8259)
    if len(body) > LONG_BYTES:
        refuse_too_many_values(body)
    try:
        data = decode_long(shape, body)
    except msgspec.ValidationError as exc:
        raise Invalid(_all_errors(shape, body, exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise _malformed(exc) from exc
    if (b"\\u0000" in body or b'"9999-' in body or b'"0001-' in body) and (
        errors := list(_unstorable(data, ""))
    ):
        raise Invalid(errors[:ERRORS_MAX])
    return data


def refuse_too_many_values(body: bytes) -> None:
    """Refuse a body with more values than the longest map, before they take memory. 16 MB take 2 ms."""
    if body.count(b"{") + body.count(b"[") > NESTED_MAX or body.count(b",") > VALUES_MAX:
        raise Refused(EdgeRefusal.TOO_LARGE, "values_max", values_max=VALUES_MAX, nested_max=NESTED_MAX)


def _check_media_type(given: bytes | None) -> None:
    """Refuse a body that is not JSON. Parameters (`; charset=utf-8`) are ignored: JSON is UTF-8."""
    if given is None or given.split(b";")[0].strip().lower() not in _MEDIA_TYPES:
        raise Refused(EdgeRefusal.MEDIA_TYPE)


def _malformed(exc: Exception) -> Refused:
    if isinstance(exc, RecursionError):
        return Refused(EdgeRefusal.MALFORMED, "too_deep")
    if isinstance(exc, UnicodeDecodeError):
        return Refused(EdgeRefusal.MALFORMED, "not_utf8")
    return Refused(EdgeRefusal.MALFORMED, "not_json", why=str(exc))


def _all_errors(shape: Any, body: bytes, first: msgspec.ValidationError) -> list[FieldError]:
    try:
        value = load_long(body)
    except msgspec.ValidationError:  # a number that is out of range; nothing else can be checked then
        return [FieldError(_pointer_in(str(first)), "not-as-expected", {"message": sentence(str(first))})]
    except (ValueError, RecursionError) as exc:
        raise _malformed(exc) from exc
    errors: list[FieldError] = []
    for error in _errors(shape, value, ""):
        errors.append(error)
        if len(errors) == ERRORS_MAX:
            break
    return errors or [FieldError("", "not-as-expected", {"message": sentence(str(first))})]


def _errors(shape: Any, value: Any, pointer: str) -> Iterator[FieldError]:
    """Yield the errors in the parts of a value; if there are none, the error of the whole value."""
    found = False
    for error in _errors_inside(shape, value, pointer):
        found = True
        yield error
    if not found:
        try:
            msgspec.convert(value, shape, dec_hook=read_id)
        except msgspec.ValidationError as exc:
            yield FieldError(pointer, "not-as-expected", {"message": sentence(str(exc))})


def _errors_inside(shape: Any, value: Any, pointer: str) -> Iterator[FieldError]:
    inner = _plain(shape, value)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and isinstance(value, dict):
        yield from _errors_of_object(inner, value, pointer)
    elif get_origin(inner) in (list, tuple, set, frozenset) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _errors(get_args(inner)[0], item, f"{pointer}/{index}")
    elif get_origin(inner) is dict and isinstance(value, dict):
        for name, item in value.items():
            yield from _errors(get_args(inner)[1], item, _below(pointer, name))


def _errors_of_object(
    shape: type[msgspec.Struct], value: dict[str, Any], pointer: str
) -> Iterator[FieldError]:
    known = {shape.__struct_config__.tag_field}
    for field in fields_of(shape):
        known.add(field.encode_name)
        if field.encode_name in value:
            yield from _errors(field.type, value[field.encode_name], _below(pointer, field.encode_name))
        elif field.required:
            yield FieldError(_below(pointer, field.encode_name), "missing")
    if shape.__struct_config__.forbid_unknown_fields:
        for name in value.keys() - known:
            yield FieldError(_below(pointer, name), "unknown-field")


def _plain(shape: Any, value: Any) -> Any:
    """Return a shape without annotations; of a union, its member for the value (by the tag, if any)."""
    while get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    if get_origin(shape) not in (Union, UnionType):
        return shape
    members = [_plain(each, value) for each in get_args(shape) if each not in (NoneType, msgspec.UnsetType)]
    tagged = [
        each
        for each in members
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and _has_tag(each, value)
    ]
    return (tagged or members)[0] if len(members) == 1 or tagged else shape


def _has_tag(shape: type[msgspec.Struct], value: Any) -> bool:
    config = shape.__struct_config__
    return config.tag is not None and isinstance(value, dict) and value.get(config.tag_field) == config.tag


def _unstorable(value: Any, pointer: str) -> Iterator[FieldError]:
    """Yield an error for each well-formed value that the database cannot hold."""
    if isinstance(value, str):
        if "\x00" in value:
            yield FieldError(pointer, "nul-character")
    elif isinstance(value, datetime):
        try:
            value.astimezone(UTC)
        except OverflowError:
            yield FieldError(pointer, "outside-the-calendar")
    elif isinstance(value, msgspec.Struct):
        for field in fields_of(type(value)):
            yield from _unstorable(getattr(value, field.name), _below(pointer, field.encode_name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _unstorable(name, _below(pointer, name))
            yield from _unstorable(item, _below(pointer, name))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{index}")


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{name[:_NAME_LENGTH_MAX].replace('~', '~0').replace('/', '~1')}"


def _pointer_in(message: str) -> str:
    """Return the place in a message of msgspec, ``- at `$.lines[0].quantity```, as a pointer."""
    path = message.partition(" - at `$")[2].rstrip("`")
    return path.replace("[", ".").replace("]", "").replace(".", "/")


def sentence(message: str) -> str:
    """Return a message of msgspec without the place, as a sentence, with the types of JSON."""
    words = _TYPE.sub(_name_type, message.split(" - at `", maxsplit=1)[0])
    return words if words.endswith((".", "…")) else f"{words}."


def _name_type(found: re.Match[str]) -> str:
    names = [_TYPE_NAMES.get(name) for name in found[1].split(" | ")]
    return " or ".join(name for name in names if name) if all(names) else found[0]
