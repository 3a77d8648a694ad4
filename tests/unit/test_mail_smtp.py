"""The mail server's answers, in real SMTP: what is accepted, refused, put off; connections that break."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from evently.mail.smtp import MESSAGES_MAX, MailTrouble, Smtp, is_bounce, read_server
from tests.support.smtp_sink import Sink, open_sink

SENDER = "tickets@evently.example"
ADA = "ada@evently.example"
RAW = b"Subject: Tickets\r\nMessage-ID: <a@evently.example>\r\n\r\n.a line with a dot\r\n"


@asynccontextmanager
async def connected(sink: Sink, connections_max: int = 2, seconds: float = 5.0) -> AsyncIterator[Smtp]:
    smtp = Smtp(read_server(sink.url), connections_max, command_seconds_max=seconds)
    try:
        yield smtp
    finally:
        await smtp.stop()


async def test_a_message_arrives_as_it_was_sent() -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        answer = await smtp.send(SENDER, ADA, RAW)
        assert (answer.result, answer.text) == ("accepted", "250 2.0.0 Queued")
        assert (sink.senders, sink.addresses, sink.raw) == ([SENDER], [ADA], [RAW])


async def test_one_connection_is_kept_and_closed_when_idle() -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        for _ in range(3):
            await smtp.send(SENDER, ADA, RAW)
        assert sink.connections == 1
        await smtp.close_idle()
        assert sink.open_at_once == 1
        await smtp.close_idle(0)
        async with asyncio.timeout(60):
            while sink.open_at_once:
                await asyncio.sleep(0.01)
        await smtp.send(SENDER, ADA, RAW)
        assert sink.connections == 2


async def test_many_messages_share_few_connections() -> None:
    async with open_sink() as sink, connected(sink, connections_max=3) as smtp:
        sink.slow_seconds = 0.02
        answers = await asyncio.gather(*[smtp.send(SENDER, f"a{n}@b.example", RAW) for n in range(12)])
        assert {answer.result for answer in answers} == {"accepted"}
        assert sink.open_at_most == 3
        assert len(sink.raw) == 12


async def test_a_connection_is_renewed_after_many_messages() -> None:
    async with open_sink() as sink, connected(sink, connections_max=1) as smtp:
        for _ in range(MESSAGES_MAX + 1):
            await smtp.send(SENDER, ADA, RAW)
        assert (sink.connections, len(sink.raw)) == (2, MESSAGES_MAX + 1)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("550 5.1.1 No such user", "bounced"),
        ("550 No such user", "bounced"),
        ("553 5.1.3 Bad address", "bounced"),
        ("550 5.2.1 Mailbox disabled", "bounced"),
        ("552 5.2.2 Mailbox full", "later"),
        ("552 Mailbox full", "later"),
        ("554 5.7.1 Relay access denied", "later"),
        ("550 5.4.1 No route", "later"),
        ("450 4.2.1 Try later", "later"),
        ("452 4.2.2 Mailbox full", "later"),
    ],
)
async def test_what_the_server_says_about_an_address(answer: str, result: str) -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        sink.on_rcpt = lambda address: answer if address == ADA else None
        found = await smtp.send(SENDER, ADA, RAW)
        assert (found.result, found.text) == (result, answer)
        assert (await smtp.send(SENDER, "bob@evently.example", RAW)).result == "accepted"
        assert (sink.connections, len(sink.raw)) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "result"), [("554 5.6.0 Spam", "refused"), ("451 4.3.0 No space", "later")]
)
async def test_what_the_server_says_about_a_message(answer: str, result: str) -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        sink.on_data = lambda address: answer if address == ADA else None
        assert (await smtp.send(SENDER, ADA, RAW)).result == result
        assert (await smtp.send(SENDER, "bob@evently.example", RAW)).result == "accepted"


@pytest.mark.parametrize("answer", ["550 5.7.1 Not your domain", "451 4.7.1 Greylisted"])
async def test_a_refused_sender_is_no_fault_of_the_message(answer: str) -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        sink.on_mail = lambda _: answer
        with pytest.raises(MailTrouble, match=answer[:3]):
            await smtp.send(SENDER, ADA, RAW)
        sink.on_mail = None
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"


async def test_a_server_that_is_not_there_is_trouble() -> None:
    async with open_sink() as sink:
        url = sink.url
    smtp = Smtp(read_server(url), 1)
    with pytest.raises(MailTrouble):
        await smtp.send(SENDER, ADA, RAW)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_that_breaks_in_the_middle_leaves_the_message_for_later(when: str) -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        sink.close_in_data = when
        assert (await smtp.send(SENDER, ADA, RAW)).result == "later"
        sink.close_in_data = None
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        assert len(sink.raw) == (2 if when == "after" else 1)


async def test_a_kept_connection_that_the_server_has_closed_is_replaced() -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        sink.hang_up()
        async with asyncio.timeout(60):
            while sink.open_at_once:
                await asyncio.sleep(0.01)
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        assert (sink.connections, len(sink.raw)) == (2, 2)


async def test_a_server_that_closes_with_421_is_asked_again_on_a_new_connection() -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        answers = iter(["421 4.3.2 Shutting down"])
        sink.on_mail = lambda _: next(answers, None)
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        assert sink.connections == 2


async def test_a_slow_server_is_not_waited_for() -> None:
    async with open_sink() as sink, connected(sink, seconds=0.2) as smtp:
        sink.slow_seconds = 3
        assert (await smtp.send(SENDER, ADA, RAW)).result == "later"
        sink.slow_seconds = 0
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"


async def test_a_login_is_needed_and_a_wrong_one_is_trouble() -> None:
    async with open_sink(user="ada", password="let me/in") as sink:
        url = sink.url.replace("let me/in", "let%20me%2Fin")
        smtp = Smtp(read_server(url), 1)
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        await smtp.stop()
        wrong = Smtp(read_server(url.replace("let%20me", "x")), 1)
        with pytest.raises(MailTrouble, match="535"):
            await wrong.send(SENDER, ADA, RAW)


@pytest.mark.parametrize(
    ("address", "arrived"),
    [
        ("ada@b.example>\r\nRCPT TO:<eve@b.example", ["ada@b.example"]),
        ("a b@c.example", []),
        ("ada@b\x00.c", []),
    ],
)
async def test_no_address_is_a_command(address: str, arrived: list[str]) -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        answer = await smtp.send(SENDER, address, RAW)
        assert (answer.result, sink.addresses) == ("accepted" if arrived else "refused", arrived)
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"


@pytest.fixture(scope="session")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server and of a client that trusts it alone."""
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl makes the certificate of this test")
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_an_encrypted_server_must_be_the_right_one(
    scheme: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, trusting = contexts
    options: dict[str, Any] = {"ssl": server} if scheme == "smtps" else {"tls_context": server}
    async with open_sink(**options) as sink:
        url = sink.url.replace("smtp://", f"{scheme}://")
        smtp = Smtp(read_server(url), 1, tls=trusting, command_seconds_max=5)
        assert (await smtp.send(SENDER, ADA, RAW)).result == "accepted"
        await smtp.stop()
        strict = Smtp(read_server(url), 1, command_seconds_max=5)  # knows the certificates of the world
        with pytest.raises(MailTrouble, match="certificate"):
            await strict.send(SENDER, ADA, RAW)
        assert len(sink.raw) == 1


async def test_a_server_that_cannot_encrypt_gets_nothing() -> None:
    async with open_sink() as sink:
        smtp = Smtp(read_server(sink.url.replace("smtp://", "smtp+starttls://")), 1, command_seconds_max=5)
        with pytest.raises(MailTrouble, match="STARTTLS"):
            await smtp.send(SENDER, ADA, RAW)
        assert sink.raw == []


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    async with open_sink() as sink, connected(sink) as smtp:
        assert (await smtp.send(SENDER, "jürgen@evently.example", RAW)).result == "accepted"
        assert sink.addresses == ["jürgen@evently.example"]


@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://mail.example", "mail.example", 25, "none"),
        ("smtp+starttls://ada:p%40ss@mail.example", "mail.example", 587, "starttls"),
        ("smtps://ada:p%40ss@mail.example", "mail.example", 465, "tls"),
        ("smtp://ada:p%40ss@127.0.0.1:2525", "127.0.0.1", 2525, "none"),
        ("smtp://[::1]:2525", "::1", 2525, "none"),
    ],
)
def test_the_url_of_a_server(url: str, host: str, port: int, security: str) -> None:
    server = read_server(url)
    assert (server.host, server.port, server.security) == (host, port, security)
    assert server.password in (None, "p@ss")
    assert "p@ss" not in server.shown


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://mail.example/x",
        "smtp://ada:secret@mail.example",  # in clear over a network
        "smtp://mail.example:x",
    ],
)
def test_what_is_no_url_of_a_server(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|password|[Pp]ort"):
        read_server(url)


def test_a_bounce_is_about_the_address() -> None:
    assert is_bounce(550, "5.1.10 null MX")
    assert not is_bounce(550, "5.7.1 blocked")
    assert not is_bounce(450, "5.1.1 said a liar")
