"""Named statements in `.sql` files: `-- name: expire_holds`, comments, then SQL with `:named` parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")  # not the second colon of a cast


class Query:
    """One statement. Calling it with its parameters gives what a driver's `fetch` takes: `fetch(*sql.list_venues(limit=20))`."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.parameters: tuple[str, ...] = tuple(dict.fromkeys(_PARAMETER.findall(_without_comments(text))))
        numbers = {parameter: f"${number}" for number, parameter in enumerate(self.parameters, start=1)}
        self.text = (
            _PARAMETER.sub(lambda match: numbers[match[1]], _without_comments(text)).strip().rstrip(";")
        )

    def __call__(self, **values: object) -> tuple[str, *tuple[object, ...]]:
        """Return the statement and its values in order, for `fetch(*query(...))`."""
        assert values.keys() == set(self.parameters), (
            f"{self.name} takes {self.parameters}, not {tuple(values)}"
        )
        return (self.text, *[values[parameter] for parameter in self.parameters])

    def __repr__(self) -> str:
        return f"<query {self.name}>"


class Queries:
    """The statements of one file, as attributes."""

    def __init__(self, source: str) -> None:
        parts = _NAME.split(source)
        self._queries = {name: Query(name, text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
        assert len(self._queries) == len(parts) // 2, "two statements of one name"

    def __getattr__(self, name: str) -> Query:
        try:
            return self.__dict__["_queries"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def load_queries(module: str, file: str | None = None) -> Queries:
    """Return the statements beside a module: `load_queries(__name__)` reads `venues.sql` beside `venues.py`."""
    package, _, name = module.rpartition(".")
    return Queries(files(package).joinpath(file or f"{name}.sql").read_text(encoding="utf-8"))


def _without_comments(text: str) -> str:
    return re.sub(r"--.*$", "", text, flags=re.MULTILINE)
