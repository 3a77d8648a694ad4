"""Files that are written before they are sent."""

from __future__ import annotations

import asyncio
import errno
import tempfile
from collections.abc import AsyncGenerator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from evently.kit.errors import Busy, Unavailable
from evently.web.edge import downloads as module
from evently.web.edge.context import Disconnected
from evently.web.edge.downloads import IN_MEMORY_BYTES_MAX, Download, Downloads, WrittenFile

PART = bytes(range(256)) * 40


class Listener:
    """A client that reads `parts` parts and disconnects."""

    def __init__(self, parts: int = 1_000_000) -> None:
        self.messages: list[Any] = []
        self._parts = parts
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if len(self.messages) > self._parts:
            self.gone.set()
        await asyncio.sleep(0)

    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def parts(count: int, ended: list[str] | None = None) -> AsyncGenerator[bytes, None]:
    try:
        for _ in range(count):
            yield PART
    finally:
        if ended is not None:
            ended.append("closed")


async def send(file: WrittenFile, listener: Listener) -> None:
    nobody: Any = {}
    download = Download(file, filename="x.csv", media_type="text/csv")
    await download(nobody, listener.receive, listener.send)


def temporary_files() -> int:
    """Return how many deleted files this process holds open."""
    return sum("(deleted)" in str(link.readlink()) for link in _links())


def _links() -> list[Path]:
    return [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


@pytest.mark.parametrize("count", [0, 1, 3, IN_MEMORY_BYTES_MAX // len(PART) + 1, 200])
async def test_a_file_is_sent_as_it_was_written(count: int) -> None:
    downloads, listener, ended = Downloads(), Listener(), list[str]()
    file = await downloads.write(parts(count, ended), "owner", listener.receive)
    assert file.size == downloads.bytes == count * len(PART)
    assert ended == ["closed"], "what the parts come from has ended before the answer"
    await send(file, listener)
    assert listener.body() == PART * count
    assert (b"content-length", str(file.size).encode()) in listener.messages[0]["headers"]
    assert listener.messages[-1]["more_body"] is False
    assert downloads.bytes == 0
    assert not downloads._files


async def test_a_small_file_stays_in_memory_and_a_large_one_has_no_name() -> None:
    downloads, listener = Downloads(), Listener()
    before = temporary_files()
    small = await downloads.write(parts(3), "owner", listener.receive)
    assert temporary_files() == before
    large = await downloads.write(parts(200), "owner", listener.receive)
    assert temporary_files() == before + 1
    small.close()
    large.close()
    large.close()
    assert temporary_files() == before
    assert downloads.bytes == 0


async def test_a_client_that_goes_ends_the_sending() -> None:
    downloads, listener = Downloads(), Listener(parts=3)
    await send(await downloads.write(parts(1000), "owner", listener.receive), listener)
    assert len(listener.messages) <= 6
    assert downloads.bytes == 0


async def test_a_client_that_goes_ends_the_writing() -> None:
    downloads, listener, ended = Downloads(), Listener(), list[str]()

    async def leave() -> AsyncGenerator[bytes, None]:
        async for part in parts(1000, ended):
            listener.gone.set()
            await asyncio.sleep(0)
            yield part

    with pytest.raises(Disconnected):
        await downloads.write(leave(), "owner", listener.receive)
    assert downloads.bytes == 0
    assert not downloads._files


async def test_trouble_while_it_is_written_is_trouble() -> None:
    async def away() -> AsyncGenerator[bytes, None]:
        yield PART
        raise Unavailable("unreachable")

    downloads = Downloads()
    with pytest.raises(Unavailable):
        await downloads.write(away(), "owner", Listener().receive)
    assert downloads.bytes == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
async def test_a_disk_without_space_is_told_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FileIO("/dev/full", "r+"))
    downloads, ended = Downloads(), list[str]()
    with pytest.raises(Busy, match="no_space") as caught:
        await downloads.write(parts(200, ended), "owner", Listener().receive)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert ended == ["closed"]
    assert downloads.bytes == 0


async def test_files_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    downloads = Downloads(file_bytes_max=50 * len(PART), bytes_max=60 * len(PART))
    with pytest.raises(Busy, match="file_too_large"):
        await downloads.write(parts(51), "a", listener.receive)
    kept = await downloads.write(parts(50), "a", listener.receive)
    with pytest.raises(Busy, match=r"^downloads"):
        await downloads.write(parts(11), "b", listener.receive)
    kept.close()
    files = [
        await downloads.write(parts(1), "a", listener.receive) for _ in range(module.FILES_PER_OWNER_MAX)
    ]
    ended: list[str] = []
    with pytest.raises(Busy, match="other_downloads"):
        await downloads.write(parts(1, ended), "a", listener.receive)
    assert ended == [], "its transaction was not even begun"
    (await downloads.write(parts(1), "b", listener.receive)).close()
    monkeypatch.setattr(module, "FILES_MAX", module.FILES_PER_OWNER_MAX)
    with pytest.raises(Busy, match="other_downloads"):
        await downloads.write(parts(1), "c", listener.receive)
    for file in files:
        file.close()
    assert downloads.bytes == 0


async def test_a_reader_that_drips_is_gone_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SECONDS_MIN", 0.05)
    monkeypatch.setattr(module, "READ_BYTES_PER_SECOND_MIN", 1024**3)
    downloads = Downloads()
    file = await downloads.write(parts(200), "owner", Listener().receive)
    taken: list[Any] = []

    async def never(message: Any) -> None:
        taken.append(message)
        await asyncio.Event().wait()

    nobody: Any = {}
    with pytest.raises(TimeoutError):
        await Download(file, filename="x.csv", media_type="text/csv")(nobody, Listener().receive, never)
    assert downloads.bytes == 0
