"""Runs an application of the benchmark behind uvicorn, on a free port."""

from __future__ import annotations

import socket

import uvicorn

from evently.cli.serving import ACCEPTED_AT_ONCE, BACKLOG, GRACE_SECONDS
from evently.web.edge.asgi import ASGIApp


def listen() -> socket.socket:
    """Listen on a free port, and print the URL, for which `own_server` waits."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print(f"answers at http://127.0.0.1:{listening.getsockname()[1]} ", flush=True)
    return listening


def serve(application: ASGIApp, listening: socket.socket) -> None:
    """Serve until a signal stops the process."""
    settings = uvicorn.Config(
        application,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
    )
    uvicorn.Server(settings).run(sockets=[listening, *[listening.dup() for _ in range(ACCEPTED_AT_ONCE - 1)]])
