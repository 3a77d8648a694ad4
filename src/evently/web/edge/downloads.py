"""Files to download: written completely before they are sent, so that a slow reader holds nothing else.

    file = await context.downloads.write(parts, owner, request.receive)
    exchange.release_slot()
    return Download(file, filename=..., media_type=...)

`parts` come from a transaction, which ends with the last of them. A small file stays in memory, a larger one
is a temporary file without a name, which the kernel deletes even when the process is killed. Everything has a
limit: the bytes of a file, of a process, the files of one owner, and the time of a reader.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import FileIO
from typing import Any, Final

from evently.kit.errors import Busy
from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.context import Disconnected, Response

FILE_BYTES_MAX: Final = 1024**3  # five million bookings
BYTES_MAX: Final = 2 * 1024**3  # of all files of a process
FILES_MAX: Final = 256  # of a process: each may take a descriptor
FILES_PER_OWNER_MAX: Final = 4  # so that nobody takes the room of all others
IN_MEMORY_BYTES_MAX: Final = 256 * 1024  # 1,500 bookings; with FILES_MAX 64 MB
SENT_BYTES: Final = 64 * 1024  # at a time: what a connection holds before its reader must take it
# A reader that takes some bytes now and then keeps its file no longer than a slow line would
READ_BYTES_PER_SECOND_MIN: Final = 64 * 1024
READ_SECONDS_MIN: Final = 60.0


class Downloads:
    """The files of this process that are being written or sent."""

    def __init__(self, file_bytes_max: int = FILE_BYTES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.file_bytes_max = file_bytes_max
        self.bytes = 0
        self._bytes_max = bytes_max
        self._files: Counter[object] = Counter()

    async def write(self, parts: AsyncGenerator[bytes, None], owner: object, receive: Receive) -> WrittenFile:
        """Write a file of these parts; close it when done.

        Raises Busy if there is no room for it, and Disconnected if the client goes meanwhile.
        """
        async with aclosing(parts):
            file = self._open(owner)
            gone = asyncio.ensure_future(_wait_for_disconnect(receive))
            try:
                async for part in parts:
                    if gone.done():
                        raise Disconnected
                    self.bytes += len(part)
                    await file.add(part)
                    if self.bytes > self._bytes_max:
                        raise Busy("downloads")
                await file.complete()
            except BaseException:
                file.close()
                raise
            finally:
                gone.cancel()
        return file

    def _open(self, owner: object) -> WrittenFile:
        if self._files[owner] >= FILES_PER_OWNER_MAX or self._files.total() >= FILES_MAX:
            raise Busy("other_downloads")
        self._files[owner] += 1
        return WrittenFile(self, owner)

    def forget(self, file: WrittenFile) -> None:
        """Give the room of a file back."""
        self.bytes -= file.size
        self._files[file.owner] -= 1
        if not self._files[file.owner]:
            del self._files[file.owner]


class WrittenFile:
    """A file that is written once, read once, and gone when it is closed."""

    def __init__(self, downloads: Downloads, owner: object) -> None:
        self.owner = owner
        self.size = 0
        self._downloads = downloads
        self._pending: list[bytes] = []  # what is not on disk
        self._pending_bytes = 0
        self._sent = 0  # of a file in memory
        self._disk: FileIO | None = None
        self._closed = False

    async def add(self, part: bytes) -> None:
        """Append a part; raises Busy if the disk has no space."""
        self.size += len(part)
        if self.size > self._downloads.file_bytes_max:
            raise Busy("file_too_large")
        self._pending.append(part)
        self._pending_bytes += len(part)
        if self._pending_bytes > IN_MEMORY_BYTES_MAX:
            await asyncio.to_thread(self._write)

    async def complete(self) -> None:
        """Write what is not on disk yet; from now on the file is read."""
        if self._disk is not None:
            await asyncio.to_thread(self._write)
            self._disk.seek(0)
        else:
            self._pending = [b"".join(self._pending)]

    async def read(self) -> bytes:
        """Return the next part of a complete file; nothing at its end."""
        if self._disk is not None:
            return await asyncio.to_thread(self._disk.read, SENT_BYTES)
        part = self._pending[0][self._sent : self._sent + SENT_BYTES]
        self._sent += len(part)
        return part

    def close(self) -> None:
        """Delete it."""
        if self._closed:
            return
        self._closed = True
        self._downloads.forget(self)
        self._pending.clear()
        if self._disk is not None:
            self._disk.close()

    def _write(self) -> None:
        left = memoryview(b"".join(self._pending))
        self._pending.clear()
        self._pending_bytes = 0
        try:
            if self._disk is None:
                self._disk = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # see close
            while left:
                left = left[self._disk.write(left) :]
        except OSError as exc:
            raise Busy("no_space") from exc


class Download(Response[bytes]):
    """The response that sends a file, and closes it."""

    def __init__(self, file: WrittenFile, *, filename: str, media_type: str) -> None:
        headers = {
            "content-disposition": f'attachment; filename="{filename}"',
            "cache-control": "no-store",
            "content-type": media_type,
            "content-length": str(file.size),
        }
        super().__init__(b"", status_code=200, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI, by name
        """Send the file; stop when the client disconnects or takes too long."""
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            async with asyncio.timeout(READ_SECONDS_MIN + self._file.size / READ_BYTES_PER_SECOND_MIN):
                await self._send(gone, send)
        finally:
            gone.cancel()
            self._file.close()

    async def _send(self, gone: asyncio.Future[None], send: Send) -> None:
        start: Any = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()],
        }
        await send(start)
        while not gone.done() and (part := await self._file.read()):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
