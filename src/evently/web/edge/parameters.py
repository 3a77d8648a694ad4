"""Query parameters and headers: as msgspec sees them, for the description and for finding every error, unknown names included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter
from litestar.typing import FieldDefinition

from evently.kit.errors import FieldError
from evently.kit.ids import read_id
from evently.web.edge.exchange import Exchange
from evently.web.edge.validation import ERRORS_MAX, sentence

_LIMITS: Final = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern")
_NOT_PARAMETERS: Final = ("request", "data")
_NAME_LENGTH_MAX: Final = 100


class Parameter(NamedTuple):
    """One parameter of a handler.

    `place` is query, header or path; `many`: may be given more than once; `text`: is no number.
    """

    name: str
    place: str
    shape: Any
    required: bool
    many: bool
    text: bool
    field: FieldDefinition


_parameters: Final[dict[Callable[..., Any], tuple[Parameter, ...]]] = {}


def parameters_of(handler: BaseRouteHandler) -> tuple[Parameter, ...]:
    """Return what a handler is called with, but for the request and the body."""
    # Not by handler: Litestar gives guards a copy of it with each request
    known = _parameters.get(handler.fn)
    if known is None:
        found = handler.parsed_fn_signature.parameters
        known = tuple(_parameter(name, field) for name, field in found.items() if name not in _NOT_PARAMETERS)
        _parameters[handler.fn] = known
    return known


def parameter_errors(handler: BaseRouteHandler, exchange: Exchange) -> list[FieldError]:
    """Return everything that is wrong with the query and the headers of a request."""
    parameters = parameters_of(handler)
    query: bytes = exchange.scope["query_string"]
    if not parameters and not query:
        return []
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(value)
    known = {parameter.name for parameter in parameters if parameter.place == "query"}
    errors = [
        FieldError(f"?{name[:_NAME_LENGTH_MAX]}", "There is no such parameter.")
        for name in given
        if name not in known
    ]
    for parameter in parameters:
        errors += _errors_of(parameter, given, exchange)
    return errors[:ERRORS_MAX]


def constrained(field: FieldDefinition) -> Any:
    """Return a parameter's type as msgspec describes it: Litestar's constraints become msgspec's, and what is left out is not null."""
    shape: Any = field.raw
    metas: tuple[Any, ...] = ()
    if get_origin(shape) is Annotated:
        shape, *rest = get_args(shape)
        metas = tuple(each for each in rest if isinstance(each, msgspec.Meta))
    if get_origin(shape) in (Union, UnionType):
        members = [each for each in get_args(shape) if each is not NoneType]
        shape = members[0] if len(members) == 1 else shape
    kwarg = field.kwarg_definition
    limits = {} if kwarg is None else {name: getattr(kwarg, name, None) for name in _LIMITS}
    if given := {name: value for name, value in limits.items() if value is not None}:
        metas = (*metas, msgspec.Meta(**given))
    return Annotated.__class_getitem__((shape, *metas)) if metas else shape  # type: ignore[attr-defined]  # how 3.11 spells Annotated[shape, *metas]


def _parameter(name: str, field: FieldDefinition) -> Parameter:
    kwarg = field.kwarg_definition
    place = (
        "header"
        if isinstance(kwarg, HeaderParameter)
        else "path"
        if isinstance(kwarg, PathParameter)
        else "query"
    )
    shown = (kwarg.name if isinstance(kwarg, ParameterKwarg) else None) or name
    required = place == "path" or not (field.has_default or field.is_optional)
    shape = constrained(field)
    return Parameter(
        shown, place, shape, required, field.is_non_string_sequence, not _is_number(shape), field
    )


def _is_number(shape: Any) -> bool:
    info = msgspec.inspect.type_info(shape)
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    info = info.item_type if isinstance(info, msgspec.inspect.ListType) else info
    return isinstance(info, msgspec.inspect.IntType | msgspec.inspect.FloatType | msgspec.inspect.BoolType)


def _errors_of(parameter: Parameter, query: dict[str, list[str]], exchange: Exchange) -> Iterator[FieldError]:
    if parameter.place == "path":
        return
    if parameter.place == "query":
        pointer, values = f"?{parameter.name}", query.get(parameter.name, [])
    else:
        header = exchange.header(parameter.name.lower().encode())
        pointer, values = parameter.name, [] if header is None else [header]
    if not values:
        if parameter.required:
            yield FieldError(pointer, "Missing.")
        return
    if len(values) > 1 and not parameter.many:
        yield FieldError(pointer, "Given more than once.")
    if any("\x00" in value for value in values):
        yield FieldError(pointer, "NUL characters cannot be stored.")
        return
    try:
        given = values if parameter.many else values[-1]
        # Strictly, "2027" is no instant; but "20" must be a number, for everything in a query is text.
        msgspec.convert(given, parameter.shape, strict=parameter.text, dec_hook=read_id)
    except msgspec.ValidationError as exc:
        yield FieldError(pointer, sentence(str(exc)))
