"""Journals of old events in files: proven there, restored, refused when changed, never half there."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from evently.audit import inspect
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import show_id
from evently.sales.archiving import archive_event, archive_old, list_archivable, restore_event
from evently.sales.journal_files import JournalFile, JournalFileBroken
from evently.sales.reads import get_booking, list_facts_of_booking, list_journal, prove
from tests.db.test_audit import deliver, found, trade
from tests.support.crash_points import CrashingDatabase, CrashPoint, ProcessCrashed
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import database_at
from tests.support.serving import evently

LONG_AGO: Final = timedelta(days=400)


class Old(NamedTuple):
    """An event that ended long ago, its desk, and a database that knows the directory of its journal."""

    desk: SalesDesk
    db: Database
    event: Event
    directory: str

    @property
    def event_id(self) -> UUID:
        return self.event.event_id

    async def archive(self, db: Database | None = None) -> JournalFile | None:
        return await archive_event(db or self.db, self.directory, self.event_id, datetime.now(UTC))

    async def facts(self) -> list[bytes | None]:
        rows = await self.db.fetch(
            "SELECT facts FROM journal WHERE event_id = $1 ORDER BY seq", self.event_id
        )
        return [row["facts"] for row in rows]

    async def journal(self) -> list[Any]:
        """Return the whole journal, as its pages show it."""
        rows, after = [], None
        while True:
            page = await list_journal(self.db, self.event_id, 3, after)
            rows += page.data
            if (after := page.next_cursor) is None:
                return rows


@pytest_asyncio.fixture
async def old(db: Database, tmp_path: Path) -> AsyncIterator[Old]:
    directory = str(tmp_path / "archive")
    async with open_sales_desk(db) as desk, database_at(db.options.url, archive=directory) as archived:
        desk.clock.now = datetime.now(UTC) - LONG_AGO
        event = await trade(desk)
        for row in await db.fetch("SELECT booking_id FROM bookings WHERE state = 'held'"):
            await desk.cancel(await get_booking(db, row["booking_id"]))
        desk.clock.now = datetime.now(UTC)
        await deliver(db, desk.clock)
        yield Old(desk, archived, event, directory)


async def test_it_is_proven_from_the_file(old: Old) -> None:
    before = [await old.journal(), msgspec.json.encode(await prove(old.db, old.event_id))]
    file = await old.archive()
    assert file is not None
    assert set(await old.facts()) == {None}
    assert [await old.journal(), msgspec.json.encode(await prove(old.db, old.event_id))] == before
    findings = await inspect(old.db)
    assert found(findings) == {}
    assert [each.note for each in findings if each.note] == ["The journal of 1 event was read from files."]
    assert await old.archive() is None, "there is nothing left"


async def test_the_file_proves_itself(old: Old) -> None:
    rows = await old.journal()
    file = await old.archive()
    assert file is not None
    content = (Path(old.directory) / file.name).read_bytes()
    assert (len(content), hashlib.sha256(content).digest()) == (file.size, file.digest)
    heading, *lines = gzip.decompress(content).splitlines()
    before = bytes.fromhex(msgspec.json.decode(heading)["hash_before"])
    for line, row in zip(lines, rows, strict=True):
        seq, at, digest, facts = line.split(b"\t")
        before = hashlib.sha256(before + facts).digest()
        assert (int(seq), datetime.fromisoformat(at.decode()), facts) == (row.seq, row.at, row.facts)
        assert digest.decode() == before.hex() == row.hash.hex()


async def test_the_story_of_a_booking_is_told_from_the_file(old: Old) -> None:
    bookings = [row["booking_id"] for row in await old.db.fetch("SELECT booking_id FROM bookings")]
    before = [await list_facts_of_booking(old.db, await get_booking(old.db, each)) for each in bookings]
    await old.archive()
    after = [await list_facts_of_booking(old.db, await get_booking(old.db, each)) for each in bookings]
    assert after == before
    assert all(before)


async def test_the_event_goes_on_after_the_file(old: Old) -> None:
    """A cancellation long after: the next row chains on, and a second file follows the first."""
    first = await old.archive()
    row = await old.db.fetch_row(
        "SELECT booking_id FROM bookings WHERE event_id = $1 AND state = 'confirmed' LIMIT 1", old.event_id
    )
    assert first is not None
    assert row is not None
    await old.desk.cancel(await get_booking(old.db, row["booking_id"]))
    await deliver(old.desk.db, old.desk.clock)
    assert (await old.facts())[-1] is not None
    assert found(await inspect(old.db)) == {}
    assert not (await prove(old.db, old.event_id)).differences
    story = await list_facts_of_booking(old.db, await get_booking(old.db, row["booking_id"]))
    assert [type(fact).__name__ for _, fact in story][-1] == "BookingCancelled"
    second = await old.archive()
    assert second is not None
    assert second.first_seq == first.last_seq + 1
    assert found(await inspect(old.db)) == {}
    assert not (await prove(old.db, old.event_id)).differences


async def test_it_is_restored(old: Old) -> None:
    before = await old.facts()
    await old.archive()
    assert await restore_event(old.db, old.event_id) == len(before)
    assert await old.facts() == before
    assert await old.db.fetch("SELECT FROM journal_files") == []
    assert found(await inspect(old.db)) == {}
    with pytest.raises(Refused):
        await restore_event(old.db, old.event_id)


def _flip(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


def _with_other_facts(content: bytes) -> bytes:
    return gzip.compress(
        gzip.decompress(content).replace(b'"quantity"', b'"quantitz"').replace(b"0", b"1", 1)
    )


@pytest.mark.parametrize("change", [_flip, _with_other_facts, lambda content: content[:-1], lambda _: b""])
async def test_a_changed_file_is_refused(old: Old, change: Any) -> None:
    file = await old.archive()
    assert file is not None
    path = Path(old.directory) / file.name
    path.write_bytes(change(path.read_bytes()))
    findings = await inspect(old.db)
    assert found(findings) == {"I11": 1}
    assert file.name in next(each.examples[0] for each in findings if each.count)
    assert any(file.name in each for each in (await prove(old.db, old.event_id)).differences)
    with pytest.raises(JournalFileBroken):
        await restore_event(old.db, old.event_id)
    assert set(await old.facts()) == {None}, "nothing was restored"


async def test_a_file_that_was_written_again_with_its_digest_is_refused(old: Old) -> None:
    """Who changes the file and what the database knows of it meets the hashes of the rows."""
    file = await old.archive()
    assert file is not None
    path = Path(old.directory) / file.name
    heading, *lines = gzip.decompress(path.read_bytes()).splitlines()
    before = bytes.fromhex(msgspec.json.decode(heading)["hash_before"])
    forged = [heading]
    for line in lines:
        seq, at, _, facts = line.split(b"\t")
        facts = facts.replace(b"1000", b"2000").replace(b"2500", b"3500")
        before = hashlib.sha256(before + facts).digest()
        forged.append(b"\t".join([seq, at, before.hex().encode(), facts]))
    content = gzip.compress(b"\n".join(forged) + b"\n")
    assert forged[1:] != lines, "a price has changed"
    path.write_bytes(content)
    async with old.db.transaction() as tx:
        await tx.execute(
            "UPDATE journal_files SET size = $1, digest = $2", len(content), hashlib.sha256(content).digest()
        )
    assert found(await inspect(old.db))["I11"] > 0
    assert (await prove(old.db, old.event_id)).differences
    with pytest.raises(AssertionError):
        await restore_event(old.db, old.event_id)
    assert set(await old.facts()) == {None}


async def test_a_missing_file_or_directory_is_refused(old: Old) -> None:
    file = await old.archive()
    assert file is not None
    assert found(await inspect(old.desk.db)) == {"I11": 1}, "that database does not know the directory"
    (Path(old.directory) / file.name).unlink()
    assert found(await inspect(old.db)) == {"I11": 1}
    with pytest.raises(JournalFileBroken):
        await old.journal()


async def test_facts_that_no_file_has_are_found(old: Old) -> None:
    async with old.db.transaction() as tx:
        await tx.execute("UPDATE journal SET facts = NULL WHERE event_id = $1 AND seq = 2", old.event_id)
    assert found(await inspect(old.db)) == {"I11": 1}
    assert (await prove(old.db, old.event_id)).differences


POINTS: Final = (
    "open",
    "fsync",
    "replace",
    "fsync of the directory",
    "before a transaction",
    "after its commit",
)


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_leaves_everything_or_nothing(
    old: Old, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await old.journal()
    crash = CrashPoint(1)
    database = old.db
    with monkeypatch.context() as patched:
        if point in ("before a transaction", "after its commit"):
            crash = CrashPoint(1 + POINTS.index(point) - POINTS.index("before a transaction"))
            database = CrashingDatabase(old.db, crash)
        else:
            _crash_in(patched, point, crash)
        with pytest.raises(ProcessCrashed):
            await old.archive(database)
    assert crash.reached
    assert await old.journal() == before
    assert found(await inspect(old.db)) == {}
    everything = point == "after its commit"
    assert (set(await old.facts()) == {None}) == everything
    # The next run does the rest, and leaves nothing unfinished
    await archive_old(old.db.options, timedelta(days=365))
    assert set(await old.facts()) == {None}
    assert await old.journal() == before
    assert len(list(Path(old.directory).iterdir())) == 1


def _crash_in(patched: pytest.MonkeyPatch, point: str, crash: CrashPoint) -> None:
    def failing(*_: Any, **__: Any) -> None:
        crash.pass_point(point)

    if point == "open":
        patched.setattr(gzip, "GzipFile", failing)
    elif point == "replace":
        patched.setattr(Path, "replace", failing)
    else:
        flushed = os.fsync
        left = 1 if point == "fsync" else 2

        def flushing(descriptor: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                crash.pass_point(point)
            flushed(descriptor)

        patched.setattr(os, "fsync", flushing)


async def test_only_old_events_with_nothing_left_to_do_are_archived(old: Old) -> None:
    now = datetime.now(UTC)
    assert await list_archivable(old.db, now - timedelta(days=380)) == [], "it ended 370 days ago"
    assert await list_archivable(old.db, now - timedelta(days=365)) == [old.event_id]
    row = await old.db.fetch_row("SELECT booking_id FROM bookings WHERE state = 'confirmed' LIMIT 1")
    assert row is not None
    await old.desk.cancel(await get_booking(old.db, row["booking_id"]))
    assert await list_archivable(old.db, now - timedelta(days=365)) == [], "it has just changed"
    soon = now + timedelta(days=1)
    assert await list_archivable(old.db, soon) == [], "the change is not delivered"
    await deliver(old.desk.db, old.desk.clock)
    assert await list_archivable(old.db, soon) == [old.event_id]


async def test_the_command_archives_and_restores(old: Old) -> None:
    rows = len(await old.facts())
    settings = {"database_url": old.db.options.url, "archive": old.directory}
    done = evently("archive", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Archived: 1 event, {rows} rows, " in done.stdout
    assert set(await old.facts()) == {None}
    audited = evently("audit", **settings)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "The journal of 1 event was read from files." in audited.stdout
    assert "Archived: 0 events, 0 rows, " in evently("archive", **settings).stdout
    shown = show_id("evt", old.event_id)
    assert (
        f"{rows} rows are in the database again" in evently("archive", "--restore", shown, **settings).stdout
    )
    assert None not in await old.facts()
    again = evently("archive", "--restore", shown, **settings)
    assert again.returncode != 0
    assert "Traceback" not in again.stderr
