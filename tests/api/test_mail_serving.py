"""A whole server with a mail server beside it: what the start says, and that e-mails arrive."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.support.box_office import open_box_office
from tests.support.mail import add_person
from tests.support.serving import evently, serving, until
from tests.support.smtp_sink import Sink, open_sink

ROBIN = "robin@evently.example"


@contextmanager
def sink_beside() -> Iterator[Sink]:
    """Run a mail server in a thread of its own."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), list[Sink]()

    async def run() -> None:
        async with open_sink() as sink:
            found.append(sink)
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def test_a_booking_reaches_an_inbox(external_database_url: str) -> None:
    async def book() -> None:
        async with open_box_office(external_database_url) as office:
            robin = await add_person(office.context.database, ROBIN)
            booked = await office.book(await office.open_event(), office.as_person(robin))
            assert booked.status_code == 201

    with (
        sink_beside() as sink,
        serving(
            "--workers",
            "1",
            database_url=external_database_url,
            smtp_url=sink.url,
            mail_from="Evently <tickets@evently.example>",
            public_url="https://tickets.example",
        ) as server,
    ):
        assert f"through {sink.url.removeprefix('smtp://')}" in server.said
        asyncio.run(book())
        until(lambda: len(sink.raw) == 1, "an e-mail", 60)
        (message,) = sink.messages
        assert message["to"] == "Robin Roe <robin@evently.example>"
        assert [part.get_content_type() for part in message.iter_attachments()] == [
            "application/pdf",
            "text/calendar",
        ]
        assert httpx2.get(f"{server.url}/health").json()["checks"]["mail"]["status"] == "pass"
        assert httpx2.get(f"{server.url}/demo/mail").status_code == 404
        assert server.stop() == 0


def test_an_email_waits_for_a_mail_server_that_is_down_and_for_a_restart(external_database_url: str) -> None:
    async def book() -> None:
        async with open_box_office(external_database_url) as office:
            robin = await add_person(office.context.database, ROBIN)
            assert (await office.book(await office.open_event(), office.as_person(robin))).status_code == 201

    settings = {
        "database_url": external_database_url,
        "mail_from": "Evently <tickets@evently.example>",
        "public_url": "https://tickets.example",
    }
    with serving("--workers", "1", smtp_url="smtp://127.0.0.1:1", **settings) as server:
        asyncio.run(book())
        until(lambda: "mail server is down" in server.log(), "an attempt", 60)
        assert server.stop() == 0
    with sink_beside() as sink, serving("--workers", "1", smtp_url=sink.url, **settings) as server:
        until(lambda: len(sink.raw) == 1, "the e-mail", 60)
        assert sink.messages[0]["to"] == "Robin Roe <robin@evently.example>"
        assert server.stop() == 0
        assert len(sink.raw) == 1


def test_the_start_says_that_there_is_no_mail(external_database_url: str) -> None:
    with serving("--workers", "1", database_url=external_database_url) as server:
        assert "no mail server is named (EVENTLY_SMTP_URL)" in server.said
        assert "no mail server" in server.log()
        assert "no contact is named (EVENTLY_PUSH_CONTACT)" in server.said
        assert httpx2.get(f"{server.url}/demo/mail").status_code == 404


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"smtp_url": "smtp://mail.example"}, "needs EVENTLY_MAIL_FROM"),
        ({"smtp_url": "mail.example"}, "EVENTLY_SMTP_URL is not a URL"),
        ({"smtp_url": "smtp://ada:secret@mail.example"}, "without encryption"),
        ({"mail_from": "nobody"}, "is not a sender"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], words: str) -> None:
    ended = evently("migrate", **settings)
    assert ended.returncode == 2
    assert words in " ".join((ended.stderr + ended.stdout).split())
    assert "secret" not in ended.stderr + ended.stdout
    assert os.environ.get("EVENTLY_SMTP_URL") is None
