"""An empty handler behind uvicorn: it answers each request with the same bytes.

`python -m bench.echo FILE PROCESSES` serves the answer in FILE (`EchoedAnswer` as JSON) and prints its URL.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.serving import listen, serve
from evently.web.edge.asgi import ASGIApp, Receive, Scope, Send

_END_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


class EchoedAnswer(msgspec.Struct, frozen=True):
    """An answer as a server gave it, without the headers that every server adds by itself."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def application(answer: EchoedAnswer) -> ASGIApp:
    """Return an application that reads each request to its end, and answers it."""
    start: Any = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
    body: Any = {"type": "http.response.body", "body": answer.body}

    async def answer_it(scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        await send(start)
        await send(body)

    return answer_it


def main(file: Path, processes: int) -> None:
    """Serve on a free port until a signal stops the process; the other processes end with this one."""
    answer = msgspec.json.decode(file.read_bytes(), type=EchoedAnswer)
    listening = listen()
    for _ in range(processes - 1):
        if os.fork() == 0:
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGTERM, 0, 0, 0)
            break
    serve(application(answer), listening)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
