"""Named statements in `.sql` files: `-- name: expire_holds`, comments, then SQL with `:named` parameters.

A list of columns that several statements use is written once and has a name:

    -- columns: ticket
    ticket_id, ticket_type_id, price_minor;

A statement includes it as `{ticket}`, with a table's alias as `{tickets.ticket}`, or as parameters of the
same names as `{:ticket}`. A file may use its own lists, and those in `columns.sql` of its domain
(`evently/sales/columns.sql`). A test compares each list with the fields of the struct that its rows become
(tests/unit/test_db_queries.py).

What only a cluster needs stands in a comment that begins with `routed`, and has no parameters of its own:

    WHERE tickets.ticket_id = new.ticket_id /* routed: AND tickets.event_id = ANY(:event_ids) */;
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

_HEADING: Final = re.compile(r"^-- (name|columns): ([a-z_]+)$", re.MULTILINE)
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")  # not the second colon of a cast
_INCLUDED: Final = re.compile(r"\{([a-z_]+\.|:)?([a-z_]+)\}")
_ROUTED: Final = re.compile(r"/\* routed: (.*?) \*/", re.DOTALL)


class Placement:
    """Whether the rows of events are spread over a cluster.

    One for a process, which works on one database; `find_placement` finds it out (clusters.py).
    """

    is_spread = False


placement: Final = Placement()


class Query:
    """One statement. Call it with its parameters: `fetch(*sql.list_venues(limit=20))`."""

    def __init__(self, name: str, text: str, columns: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.name = name
        text = _include(_without_comments(text), columns or {})
        plain, routed = _ROUTED.sub("", text), _ROUTED.sub(r"\1", text)
        self.parameters: tuple[str, ...] = tuple(dict.fromkeys(_PARAMETER.findall(plain)))
        numbers = {parameter: f"${number}" for number, parameter in enumerate(self.parameters, start=1)}
        self.text, self.routed = [
            _PARAMETER.sub(lambda match: numbers[match[1]], each).strip().rstrip(";").rstrip()
            for each in (plain, routed)
        ]

    def __call__(self, **values: object) -> tuple[str, *tuple[object, ...]]:
        """Return the statement and its values in order, for `fetch(*query(...))`."""
        assert values.keys() == set(self.parameters), (
            f"{self.name} takes {self.parameters}, not {tuple(values)}"
        )
        text = self.routed if placement.is_spread else self.text
        return (text, *[values[parameter] for parameter in self.parameters])

    def __repr__(self) -> str:
        return f"<query {self.name}>"


class Queries:
    """The statements of one file, as attributes; `columns` are its named lists of columns."""

    def __init__(self, source: str, shared: Mapping[str, tuple[str, ...]] | None = None) -> None:
        parts = _HEADING.split(source)[1:]
        sections = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
        assert len({section[:2] for section in sections}) == len(sections), "a name is used twice"
        own = {name: _read_columns(text) for kind, name, text in sections if kind == "columns"}
        self.columns = {**(shared or {}), **own}
        self._queries = {
            name: Query(name, text, self.columns) for kind, name, text in sections if kind == "name"
        }

    def __getattr__(self, name: str) -> Query:
        try:
            return self.__dict__["_queries"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def load_queries(module: str) -> Queries:
    """Return the statements beside a module: in `venues.py`, `load_queries(__name__)` reads `venues.sql`."""
    package, _, name = module.rpartition(".")
    domain = files(".".join(package.split(".")[:2]))
    shared = domain.joinpath("columns.sql")
    columns = Queries(shared.read_text(encoding="utf-8")).columns if shared.is_file() else None
    source = files(package).joinpath(f"{name}.sql")
    return Queries(source.read_text(encoding="utf-8"), columns)


def _read_columns(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z_]+", _without_comments(text)))


def _include(text: str, columns: Mapping[str, tuple[str, ...]]) -> str:
    """Replace `{list}`, `{alias.list}` and `{:list}` by the columns of that list."""

    def columns_of(match: re.Match[str]) -> str:
        return ", ".join([(match[1] or "") + column for column in columns[match[2]]])

    return _INCLUDED.sub(columns_of, text)


def _without_comments(text: str) -> str:
    return re.sub(r"--.*$", "", text, flags=re.MULTILINE)
