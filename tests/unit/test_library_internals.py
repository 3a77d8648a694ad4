"""The private parts of libraries that Evently overrides or uses still exist, and their versions are pinned.

When an upgrade fails here, read the named part in the new version, adapt the override, and change the pin.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server, ServerState
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process
from websockets.protocol import Protocol as WebSocketBase
from websockets.server import ServerProtocol

from evently.cli.serving import Parent
from evently.web.edge.protocol import Protocol
from evently.web.edge.websockets import WebSocketProtocol

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_uvicorn_is_pinned_to_the_installed_version() -> None:
    dependencies = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert f"uvicorn[standard]=={version('uvicorn')}" in dependencies, (
        "Evently overrides private parts of uvicorn: a new version needs the other tests of this file, "
        "then a new pin in pyproject.toml"
    )


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        # cli/serving.py: Parent
        (Multiprocess, "__init__", ["self", "config", "sockets"]),
        (Multiprocess, "run", ["self"]),
        (Multiprocess, "init_processes", ["self"]),
        (Multiprocess, "keep_subprocess_alive", ["self"]),
        (Multiprocess, "terminate_all", ["self"]),
        (Multiprocess, "join_all", ["self"]),
        (Process, "__init__", ["self", "config", "sockets"]),
        (Process, "wait_until_ready", ["self", "timeout", "should_exit"]),
        (Process, "always_pong", ["self"]),
        *[(Process, method, ["self"]) for method in ("start", "kill", "join")],
        # web/edge/protocol.py: Protocol
        (HttpToolsProtocol, "data_received", ["self", "data"]),
        (HttpToolsProtocol, "on_message_begin", ["self"]),
        (HttpToolsProtocol, "on_url", ["self", "url"]),
        (HttpToolsProtocol, "on_header", ["self", "name", "value"]),
        (HttpToolsProtocol, "connection_made", ["self", "transport"]),
        (HttpToolsProtocol, "connection_lost", ["self", "exc"]),
        (HttpToolsProtocol, "on_headers_complete", ["self"]),
        (HttpToolsProtocol, "on_body", ["self", "body"]),
        (HttpToolsProtocol, "shutdown", ["self"]),
        (HttpToolsProtocol, "on_message_complete", ["self"]),
        (HttpToolsProtocol, "send_400_response", ["self", "msg"]),
        *[
            (HttpToolsProtocol, method, ["self"])
            for method in ("handle_websocket_upgrade", "_should_upgrade", "_unset_keepalive_if_required")
        ],
        # web/edge/websockets.py: WebSocketProtocol
        (WebSocketsSansIOProtocol, "connection_made", ["self", "transport"]),
        (WebSocketsSansIOProtocol, "connection_lost", ["self", "exc"]),
        (WebSocketsSansIOProtocol, "data_received", ["self", "data"]),
        (WebSocketsSansIOProtocol, "handle_cont", ["self", "event"]),
        *[
            (WebSocketsSansIOProtocol, method, ["self"])
            for method in ("handle_ping", "handle_parser_exception", "shutdown")
        ],
    ],
)
def test_the_methods_of_uvicorn_that_are_overridden_or_called(
    owner: type, method: str, parameters: list[str]
) -> None:
    found = getattr(owner, method, None)
    assert found is not None, f"uvicorn's {owner.__name__} has no {method} any more"
    assert list(inspect.signature(found).parameters) == parameters, f"{owner.__name__}.{method} has changed"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Parent, Multiprocess),
        (Protocol, HttpToolsProtocol),
        (WebSocketProtocol, WebSocketsSansIOProtocol),
    ],
)
def test_every_override_of_uvicorn_overrides_something(ours: type, theirs: type) -> None:
    public = [name for name, value in vars(ours).items() if inspect.isfunction(value) and name[0] != "_"]
    public = [name for name in public if name not in {"overdue", "end"}]  # called by connections.py
    gone = [name for name in public if not hasattr(theirs, name)]
    assert gone == [], f"uvicorn's {theirs.__name__} would never call these methods of ours"


@pytest.mark.parametrize(
    ("function", "attributes"),
    [
        (Multiprocess.__init__, {"processes", "should_exit"}),
        (Process.__init__, {"parent_conn", "process"}),
        (HttpToolsProtocol.on_message_begin, {"url", "headers"}),
        (HttpToolsProtocol.connection_made, {"flow", "transport"}),
        (
            WebSocketsSansIOProtocol.__init__,
            {"close_timeout", "ping_interval", "ping_timeout", "conn", "writable", "handshake_initiated"}
            | {"frames", "close_sent"},
        ),
        (ServerProtocol.__init__, {"available_extensions"}),
        (WebSocketBase.__init__, {"max_message_size"}),
        (FlowControl.pause_reading, {"read_paused"}),
        (RequestResponseCycle.__init__, {"disconnected", "message_event", "response_complete"}),
        (RequestResponseCycle.send, {"response_started"}),
        (Server.startup, {"create_server", "servers"}),
        (Server.shutdown, {"servers", "close"}),
    ],
)
def test_the_attributes_of_uvicorn_that_are_used(function: Callable[..., Any], attributes: set[str]) -> None:
    gone = attributes - set(function.__code__.co_names)
    assert gone == set(), f"{function.__qualname__} does not set these attributes any more"


def test_the_other_parts_of_uvicorn_that_are_used() -> None:
    assert isinstance(STARTUP_FAILURE, int)
    assert isinstance(inspect.getattr_static(Process, "pid"), property)
    assert isinstance(inspect.getattr_static(Process, "exitcode"), property)
    called = HttpToolsProtocol.data_received.__code__.co_names
    assert "send_400_response" in called, "uvicorn answers malformed requests in another way"
    assert "_should_upgrade" in HttpToolsProtocol.on_headers_complete.__code__.co_names
    assert "set_dangerous_leniencies" in HttpToolsProtocol.__init__.__code__.co_names


async def test_a_connection_of_uvicorn_has_a_transport_and_a_loop() -> None:
    config = Config(app=lambda: None, lifespan="off", log_config=None)
    config.load()
    connection = Protocol(config, ServerState(), {})
    assert {"transport", "loop"} <= vars(connection).keys()
