"""The arguments of a handler, read from the path, the query and the headers. Every wrong one is reported.

What can be wrong with a query: an unknown name, a value given twice, a missing or wrong value, and NUL
characters, which PostgreSQL's `text` cannot hold. An id in the path that cannot exist is not found.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import PrefixedId, find_uuid, parse_id, read_id
from evently.web.edge.context import Request
from evently.web.edge.exchange import Exchange
from evently.web.edge.routing import (
    Argument,
    Body,
    HeaderParameter,
    PathParameter,
    QueryParameter,
    Route,
    annotated,
)
from evently.web.edge.validation import ERRORS_MAX, sentence

_LIMITS: Final = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern")
_NAME_LENGTH_MAX: Final = 100
_NO_QUERY: Final[dict[str, list[str]]] = {}


class Parameter:
    """One argument that comes from the path (`place` is path), the query or a header.

    `shape` is its type as msgspec describes it, without None: what is left out is not null.
    """

    def __init__(self, argument: Argument) -> None:
        marker = argument.marker
        assert isinstance(marker, PathParameter | QueryParameter | HeaderParameter), (
            f"where {argument.name} comes from is not declared"
        )
        limits = marker if isinstance(marker, QueryParameter | HeaderParameter) else None
        self.argument = argument.name
        self.default = argument.default
        self.place = {PathParameter: "path", QueryParameter: "query", HeaderParameter: "header"}[type(marker)]
        self.name = (limits.name if limits else None) or argument.name
        self.description = limits.description if limits else None
        self.shape, is_optional = _constrained(argument.shape, limits)
        self.required = not (argument.has_default or is_optional)
        self._header = self.name.lower().encode()
        self._many = get_origin(_bare(self.shape)) in (list, tuple, set, frozenset)
        # Strictly, "2027" is no instant; but "20" must be a number, for everything in a query is text.
        self._is_strict = not _is_number(self.shape)

    def read(self, exchange: Exchange, query: dict[str, list[str]], errors: list[FieldError]) -> Any:
        """Return the value in a request for the argument, or its default; add a wrong one to `errors`."""
        if self.place == "query":
            pointer, given = f"?{self.name}", query.get(self.name)
        else:
            header = exchange.header(self._header)
            pointer, given = self.name, None if header is None else [header]
        if given is None:
            if self.required:
                errors.append(FieldError(pointer, "missing"))
            return self.default
        if len(given) > 1 and not self._many:
            errors.append(FieldError(pointer, "given-twice"))
        if any("\x00" in value for value in given):
            errors.append(FieldError(pointer, "nul-character"))
            return None
        value = given if self._many else given[-1]
        try:
            return msgspec.convert(value, self.shape, strict=self._is_strict, dec_hook=read_id)
        except msgspec.ValidationError as exc:
            errors.append(FieldError(pointer, "not-as-expected", {"message": sentence(str(exc))}))
            return None


class Binding:
    """How the arguments of one route are read."""

    def __init__(self, route: Route) -> None:
        parameters = parameters_of(route)
        self._ids: list[tuple[str, str, str]] = []
        self._uuids: list[tuple[str, str]] = []
        self._texts: list[tuple[str, str]] = []
        for each in parameters:
            if each.place != "path":
                continue
            if each.shape is UUID:
                self._uuids.append((each.argument, each.name))
            elif isinstance(each.shape, type) and issubclass(each.shape, PrefixedId):
                self._ids.append((each.argument, each.name, each.shape.prefix))
            else:
                assert each.shape is str, f"{route.path}: {each.name} must be an id or text"
                self._texts.append((each.argument, each.name))
        # A link to a page may carry names of others: a campaign, a referrer
        self._is_page = route.is_page
        self._others = [each for each in parameters if each.place != "path"]
        self._query_names = {each.name for each in parameters if each.place == "query"}

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a request, but for the body; refuse with every wrong parameter."""
        exchange, path_values = request.exchange, request.path_values
        found: dict[str, Any] = {"request": request}
        for argument, name, prefix in self._ids:
            found[argument] = parse_id(prefix, path_values[name])
        for argument, name in self._uuids:
            if (value := find_uuid(path_values[name])) is None:
                raise Refused(CommonRefusal.NOT_FOUND)  # what cannot exist is not there
            found[argument] = value
        for argument, name in self._texts:
            found[argument] = path_values[name]
        errors: list[FieldError] = []
        query = _NO_QUERY
        if query_string := request.scope["query_string"]:
            query = _parse_query(query_string)
            errors += [
                FieldError(f"?{name[:_NAME_LENGTH_MAX]}", "unknown-parameter")
                for name in query
                if name not in self._query_names and not self._is_page
            ]
        for parameter in self._others:
            found[parameter.argument] = parameter.read(exchange, query, errors)
        if errors:
            raise Invalid(errors[:ERRORS_MAX])
        return found


def parameters_of(route: Route) -> list[Parameter]:
    """Return the arguments of a route's handler, but for the request and the body."""
    return [Parameter(argument) for argument in route.arguments if not isinstance(argument.marker, Body)]


def _parse_query(query_string: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


def _constrained(shape: Any, limits: QueryParameter | HeaderParameter | None) -> tuple[Any, bool]:
    """Return a type without None and with its limits as msgspec describes them; and whether it had None."""
    metas: tuple[Any, ...] = ()
    if get_origin(shape) is Annotated:
        shape, *metas_ = get_args(shape)
        metas = tuple(metas_)
    is_optional = False
    if get_origin(shape) in (Union, UnionType):
        members = [each for each in get_args(shape) if each is not NoneType]
        is_optional = len(members) < len(get_args(shape))
        shape = members[0] if len(members) == 1 else shape
    given = {name: getattr(limits, name) for name in _LIMITS if getattr(limits, name, None) is not None}
    if given:
        metas = (*metas, msgspec.Meta(**given))
    return annotated(shape, metas), is_optional


def _bare(shape: Any) -> Any:
    while get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    return shape


def _is_number(shape: Any) -> bool:
    info = msgspec.inspect.type_info(shape)
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    info = info.item_type if isinstance(info, msgspec.inspect.ListType) else info
    return isinstance(info, msgspec.inspect.IntType | msgspec.inspect.FloatType | msgspec.inspect.BoolType)
