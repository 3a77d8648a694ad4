"""The product's server with the engine of a baseline.

`python -m bench.server TECHNIQUE CONNECTIONS` serves, and prints its URL.
"""

from __future__ import annotations

import dataclasses
import socket
import sys
from typing import Any

import uvicorn
from msgspec.structs import replace

from bench.baselines import TECHNIQUES
from evently.app import running
from evently.cli.serving import ACCEPTED_AT_ONCE, BACKLOG, GRACE_SECONDS
from evently.config import Config, read_config
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.logs import configure_logs
from evently.web.application import create_asgi
from evently.web.edge.asgi import ASGIApp, Receive, Scope, Send


class BaselineApplication:
    """The product's application of one process, but with the engine of a baseline and a pool for it."""

    def __init__(self, config: Config, technique: str, connections: int) -> None:
        self._config = config
        self._technique = technique
        self._connections = connections
        self._asgi: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run the lifespan."""
        if str(scope["type"]) == "lifespan":
            await self._live(receive, send)
        else:
            assert self._asgi is not None, "the server sends requests only after the start"
            await self._asgi(scope, receive, send)

    async def _live(self, receive: Receive, send: Any) -> None:
        await receive()
        options = replace(self._config.database_options(), pool_connections_max=self._connections)
        async with running(self._config) as context:
            database = await Database.open(options)
            engine = TECHNIQUES[self._technique](database, utc_now)
            await engine.start()
            self._asgi = create_asgi(dataclasses.replace(context, engine=engine))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await engine.stop()
            await database.close()
        await send({"type": "lifespan.shutdown.complete"})


def main(technique: str, connections: int) -> None:
    """Serve on a free port until a signal stops the process."""
    config = read_config()
    configure_logs(config.log_options())
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print(f"answers at http://127.0.0.1:{listening.getsockname()[1]} ", flush=True)
    settings = uvicorn.Config(
        BaselineApplication(config, technique, connections),
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
    )
    uvicorn.Server(settings).run(sockets=[listening, *[listening.dup() for _ in range(ACCEPTED_AT_ONCE - 1)]])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
