"""Which statements a pool of connections sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from evently.db import Database


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Collect the statements that a database sends meanwhile, over all the connections that it has now."""
    sent: list[str] = []
    connections = _connections_of(database)
    assert connections, "the database has been used before"
    with ExitStack() as stack:
        for connection in connections:
            stack.enter_context(connection.query_logger(lambda record: sent.append(record.query)))
        yield sent
        assert _connections_of(database) == connections, (
            "no connection was opened meanwhile: it would not have been listened to"
        )


def _connections_of(database: Database) -> list[Any]:
    pool: Any = database._pool
    return [holder._con for holder in pool._holders if holder._con is not None]
