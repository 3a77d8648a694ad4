"""A notice is stored once, in whatever order and however often it comes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from evently.db import Database
from evently.kit.ids import new_id
from evently.payments import Notice, forget_notices, list_pending, mark_processed, store_notices

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_notice(notice_id: str) -> Notice:
    return Notice(notice_id, "captured", "pi_1", NOW, new_id(), "payment_intent.succeeded")


async def store(db: Database, notice: Notice) -> bool:
    async with db.transaction() as tx:
        return bool(await store_notices(tx, "stripe", [notice], b"{}", NOW))


async def test_a_notice_is_stored_once(db: Database) -> None:
    notices = [a_notice("evt_2"), a_notice("evt_1"), a_notice("evt_2")]
    async with db.transaction() as tx:
        assert await store_notices(tx, "stripe", notices[:2], b"{}", NOW) == notices[:2]
        assert await store_notices(tx, "stripe", [notices[2]], b"{}", NOW) == []
        assert await store_notices(tx, "other", [notices[2]], b"{}", NOW) == [notices[2]]
    assert [(each.gateway, each.notice_id) for each in await list_pending(db)] == [
        ("other", "evt_2"),
        ("stripe", "evt_1"),
        ("stripe", "evt_2"),
    ]
    assert (await list_pending(db))[1].payment_id == notices[1].payment_id


async def test_the_same_notice_at_once_is_new_to_one(db: Database) -> None:
    answers = await asyncio.gather(*[store(db, a_notice("evt_1")) for _ in range(6)])
    assert sorted(answers) == [False] * 5 + [True]


async def test_what_is_handled_is_not_listed_and_forgotten_later(db: Database) -> None:
    for notice_id in ("evt_1", "evt_2"):
        await store(db, a_notice(notice_id))
    async with db.transaction() as tx:
        await mark_processed(tx, "stripe", ["evt_1", "evt_9"], NOW)
        await mark_processed(tx, "stripe", ["evt_1"], NOW + timedelta(days=1))
    assert [notice.notice_id for notice in await list_pending(db)] == ["evt_2"]
    assert await store(db, a_notice("evt_1")) is False  # it comes again, and is known
    for days, left in ((90, 2), (91, 1)):
        async with db.transaction() as tx:
            await forget_notices(tx, NOW + timedelta(days=days, seconds=-1 if days == 90 else 0))
        assert await db.fetch_value("SELECT count(*) FROM payment_notices") == left
