"""Files with the facts of journals of events that ended long ago, each row exactly as it was hashed.

    JournalWriter(directory, name, heading)   writes a file, whole or not at all
    FilesOfJournal(directory, files)          reads the facts of rows in their order
    read_rows(directory, file)                all rows of a file

A file is compressed text (gzip). Its first line is JSON: the event, the first and the last row, and the hash
of the row before the first. Every other line is one row of the journal: number, instant, hash and facts,
separated by tabs, which facts never contain. `sha256(hash of the row before || facts)` must be the hash of
the row, so a file proves itself; and the database has its digest, and the hash of each row.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.db import Record
from evently.kit.disk import flush_directory
from evently.kit.errors import Unavailable
from evently.sales.facts import chain

FORMAT: Final = 1
_LEVEL: Final = 6  # of the compression; higher ones take twice the time for a fiftieth of the space
_READ_AT_ONCE: Final = 200  # rows: a few megabytes at most
_DIGESTED_AT_ONCE: Final = 1_048_576  # bytes
_UNFINISHED: Final = ".unfinished"


class JournalFileBroken(Unavailable):
    """A file is missing, cannot be read, or is not the file that was written."""


class JournalFile(msgspec.Struct, frozen=True):
    """What the database knows of a file: the rows `first_seq` to `last_seq` of an event have no facts there.

    `digest`: SHA-256 of the file.
    """

    event_id: UUID
    first_seq: int
    last_seq: int
    name: str
    size: int
    digest: bytes
    archived_at: datetime


class Heading(msgspec.Struct, frozen=True, tag_field="kind", tag="evently-journal"):
    """The first line of a file."""

    format: int
    event: str
    first_seq: int
    last_seq: int
    hash_before: str


class FileRow(NamedTuple):
    """A row of a journal, as a file has it."""

    seq: int
    at: datetime
    hash: bytes
    facts: bytes


class JournalWriter:
    """Writes a file. It gets its name when it is complete and flushed to the disk.

    The same rows always make the same bytes, so it may be written again.
    """

    def __init__(self, directory: str, name: str, heading: Heading) -> None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        self._path = Path(directory) / name
        self._unfinished = self._path.with_name(name + _UNFINISHED)
        self._raw = self._unfinished.open("wb")
        try:
            self._file = gzip.GzipFile("", "wb", _LEVEL, self._raw, mtime=0)
            self._file.write(msgspec.json.encode(heading) + b"\n")
        except BaseException:
            self._raw.close()
            raise
        self._hash = bytes.fromhex(heading.hash_before)

    def add(self, rows: Iterable[FileRow]) -> None:
        """Add rows; the chain must be right."""
        for row in rows:
            assert row.hash == chain(self._hash, row.facts), f"the chain breaks at row {row.seq}"
            self._hash = row.hash
            self._file.write(
                b"%d\t%b\t%b\t%b\n" % (row.seq, _show(row.at), row.hash.hex().encode(), row.facts)
            )

    def finish(self) -> tuple[int, bytes]:
        """Flush the file to the disk and give it its name; return its size and its digest."""
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        size, digest = _measure(self._unfinished)
        self._unfinished.replace(self._path)
        flush_directory(self._path.parent)
        return size, digest

    def close(self) -> None:
        """Close a file that is not finished; the next attempt writes it again."""
        self._file.close()
        self._raw.close()


def read_rows(directory: str | None, file: JournalFile) -> Iterator[FileRow]:
    """Yield the rows of a file that is what was written. Raises JournalFileBroken."""
    if directory is None:
        raise _broken(f"the directory of archived journals is not set: {file.name} cannot be read")
    path = Path(directory) / file.name
    try:
        if _measure(path) != (file.size, file.digest):
            raise _broken(f"the file {file.name} is not the one that was written")
        yield from _parse(path, file)
    except (OSError, EOFError, ValueError, zlib.error, msgspec.MsgspecError) as exc:
        raise _broken(f"the file {file.name} cannot be read: {exc}") from exc


class FilesOfJournal:
    """Reads facts from the files of one event, for rows in their order."""

    def __init__(self, directory: str | None, files: Sequence[JournalFile]) -> None:
        self._directory = directory
        self._left = sorted(files, key=lambda file: file.first_seq)
        self._rows: Iterator[FileRow] = iter(())
        self._read: list[FileRow] = []  # the next one is the last
        self._last_seq = 0  # of the file that is being read

    async def find(self, seq: int) -> FileRow:
        """Return a row that comes after those that were asked for before."""
        while True:
            while self._read:
                row = self._read.pop()
                if row.seq == seq:
                    return row
                if row.seq > seq:
                    raise _broken(f"no file has row {seq}")
            self._read = (await asyncio.to_thread(lambda: list(islice(self._rows, _READ_AT_ONCE))))[::-1]
            if self._read:
                continue
            while self._left and self._left[0].last_seq < seq:
                self._left.pop(0)
            if not self._left or self._left[0].first_seq > seq:
                raise _broken(f"no file has row {seq}")
            self._rows = read_rows(self._directory, self._left.pop(0))

    async def complete(self, rows: AsyncIterable[Record]) -> AsyncIterator[tuple[Record, bytes]]:
        """Yield rows of the journal with their facts, from the row itself or from its file."""
        async for row in rows:
            yield row, row["facts"] if row["facts"] is not None else (await self.find(row["seq"])).facts


def remove_unfinished(directory: str) -> None:
    """Remove what a process that was killed has not finished."""
    for path in Path(directory).glob(f"*{_UNFINISHED}"):
        path.unlink()


def _parse(path: Path, file: JournalFile) -> Iterator[FileRow]:
    with gzip.open(path, "rb") as lines:
        heading = msgspec.json.decode(next(lines), type=Heading)
        if (heading.format, heading.first_seq, heading.last_seq) != (FORMAT, file.first_seq, file.last_seq):
            raise _broken(f"the file {file.name} has other rows than it should have")
        before, expected = bytes.fromhex(heading.hash_before), heading.first_seq
        for line in lines:
            seq, at, digest, facts = line.rstrip(b"\n").split(b"\t", 3)
            row = FileRow(
                int(seq), datetime.fromisoformat(at.decode()), bytes.fromhex(digest.decode()), facts
            )
            if row.seq != expected or row.hash != chain(before, facts):
                raise _broken(f"the chain of the file {file.name} breaks at row {row.seq}")
            before, expected = row.hash, expected + 1
            yield row
    if expected != heading.last_seq + 1:
        raise _broken(f"the file {file.name} ends before row {heading.last_seq}")


def _measure(path: Path) -> tuple[int, bytes]:
    """Return the size and the digest of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(_DIGESTED_AT_ONCE):
            digest.update(part)
            size += len(part)
    return size, digest.digest()


def _show(at: datetime) -> bytes:
    return at.isoformat(timespec="microseconds").encode()


def _broken(response: str) -> JournalFileBroken:
    return JournalFileBroken("journal_file", response=response)
