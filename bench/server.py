"""The product's server with the engine of a baseline.

`python -m bench.server TECHNIQUE CONNECTIONS` serves, and prints its URL.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from msgspec.structs import replace

from bench.baselines import TECHNIQUES
from bench.serving import listen, serve
from evently.app import running
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
    serve(BaselineApplication(config, technique, connections), listen())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
