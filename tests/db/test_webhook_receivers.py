"""The receivers of docs/webhooks.md, as they stand there: each verifies what it gets, and refuses others."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import reference_of
from evently.webhooks import Caller
from evently.webhooks.secrets import sign
from tests.support.mail import deliver
from tests.support.sales_desk import open_sales_desk
from tests.support.webhooks import LOOPBACK, make_webhooks, register, send_all

PAGE: Final = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
NODE: Final = shutil.which("node")
PROGRAMS: Final = {
    "python": [sys.executable, "-c"],
    "js": [NODE or "node", "--input-type=module", "--eval"],
}


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@asynccontextmanager
async def receiving(language: str, secret: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run a receiver as the page shows it; yield the process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *PROGRAMS[language],
        block(language),
        env=os.environ | {"SECRET": secret, "PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield process, f"http://127.0.0.1:{port}/"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "language",
    ["python", pytest.param("js", marks=pytest.mark.skipif(NODE is None, reason="node is not installed"))],
)
async def test_a_receiver_gets_a_booking_once_and_refuses_what_is_not_signed(
    db: Database, language: str
) -> None:
    assert 20 <= len(block(language).splitlines()) <= 40, "thirty lines"
    async with open_sales_desk(db) as desk:
        event = await desk.event()
        await deliver(db, desk.clock)
        webhook, secret = await register(
            db, event.organizer_id, "http://127.0.0.1:1/", desk.clock(), "booking.confirmed"
        )
        async with receiving(language, secret) as (process, address):
            await db.fetch(
                "UPDATE webhooks SET address = $1 WHERE webhook_id = $2", address, webhook.webhook_id
            )
            booking = await desk.book(event)
            await deliver(db, desk.clock)
            sender = make_webhooks(db, utc_now)  # receivers compare the time
            for _ in range(2):
                await send_all(sender)
                await db.fetch("UPDATE webhook_deliveries SET state = 'pending', finished_at = NULL")
            await sender.stop()
            answers = await db.fetch("SELECT status FROM webhook_attempts ORDER BY number")
            assert [row["status"] for row in answers] == [204, 204]
            caller = Caller(LOOPBACK)
            forged = sign([bytes(32)], "whd_forged", utc_now(), "{}")
            assert (await caller.send(address, forged, b"{}")).status == 401
            await caller.close()
            process.kill()
            assert process.stdout is not None
            printed = (await process.stdout.read()).decode()
        assert printed == f"booking.confirmed {reference_of(booking.booking_id)}\n", "once"
