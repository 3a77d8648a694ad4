"""A response whose body is known is written at once, and as strictly checked as uvicorn does."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from evently.web.edge.protocol import WHOLE, Cycle


class Wire:
    """A transport that keeps what is written, a list of parts for each write."""

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append([data])

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.writes.append(list(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def cycle_on(wire: Any, *, keep_alive: bool = True, method: str = "GET") -> Cycle:
    log = logging.getLogger("test")
    return Cycle(
        scope={"type": "http", "method": method},  # type: ignore[typeddict-item]
        transport=wire,
        flow=FlowControl(wire),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )


async def respond(cycle: Cycle, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await cycle.send({"type": "http.response.start", "status": status, "headers": headers, WHOLE: True})
    await cycle.send({"type": "http.response.body", "body": body, "more_body": False})


async def test_head_and_body_are_one_write() -> None:
    wire = Wire()
    cycle = cycle_on(wire)
    await respond(cycle, 200, [(b"content-length", b"5"), (b"x-a", b"b")], b"hello")
    (written,) = wire.writes
    assert b"".join(written) == (
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello"
    )
    assert cycle.response_started
    assert cycle.response_complete
    assert not wire.closed


@pytest.mark.parametrize(
    ("status", "length"), [(303, b"content-length: 0\r\n"), (204, b""), (304, b"")], ids=str
)
async def test_a_response_without_a_body_says_its_length_where_it_may(status: int, length: bytes) -> None:
    wire = Wire()
    await respond(cycle_on(wire), status, [], b"")
    (written,) = wire.writes
    assert b"".join(written).endswith(b"date: today\r\n" + length + b"\r\n")
    assert b"transfer-encoding" not in written[0]


async def test_the_last_response_of_a_connection_says_so() -> None:
    wire = Wire()
    await respond(cycle_on(wire, keep_alive=False), 200, [(b"content-length", b"1")], b"x")
    assert b"\r\nconnection: close\r\n\r\n" in wire.writes[0][0]
    assert wire.closed


async def test_a_response_that_closes_the_connection_closes_it() -> None:
    wire = Wire()
    await respond(cycle_on(wire), 413, [(b"content-length", b"1"), (b"connection", b"close")], b"x")
    assert b"connection: close" in wire.writes[0][0]
    assert wire.closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x=y", b"a\nb", b"a\rb", b"a\x00b", b"a\x7fb"], ids=repr)
async def test_no_header_can_begin_another_line(value: bytes) -> None:
    wire = Wire()
    with pytest.raises(RuntimeError, match="value of a header"):
        await respond(cycle_on(wire), 200, [(b"content-length", b"1"), (b"x-a", value)], b"x")
    assert wire.writes == []


@pytest.mark.parametrize("name", [b"x a", b"x\r\n", b"X-A", b"x:"], ids=repr)
async def test_names_of_headers_are_names(name: bytes) -> None:
    wire = Wire()
    with pytest.raises(RuntimeError, match="name of a header"):
        await respond(cycle_on(wire), 200, [(b"content-length", b"1"), (name, b"b")], b"x")
    assert wire.writes == []


@pytest.mark.parametrize("length", [b"4", b"6"], ids=str)
async def test_a_body_is_as_long_as_its_length_says(length: bytes) -> None:
    wire = Wire()
    with pytest.raises(RuntimeError, match="as long as"):
        await respond(cycle_on(wire), 200, [(b"content-length", length)], b"hello")
    assert wire.writes == []


async def test_a_client_that_is_gone_gets_nothing() -> None:
    wire = Wire()
    cycle = cycle_on(wire)
    cycle.disconnected = True
    await respond(cycle, 200, [(b"content-length", b"1")], b"x")
    assert wire.writes == []
