"""Letters as text, HTML and headers: whatever people type, nothing breaks out of its place."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evently.mail.envelope import Attachment, compose, is_sender
from evently.mail.letters import COLUMNS_MAX, Letter, Link, columns_of, isolated, to_html, to_text
from evently.mail.nouns import Message, SignInCode
from evently.mail.unsubscribing import Unsubscriptions
from evently.notifications import REQUIRED, TOPICS

NOW = datetime(2027, 5, 20, 18, tzinfo=UTC)
SENDER = "Evently <tickets@evently.example>"
ANY_TEXT = st.text(max_size=300)
HOSTILE = "x\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>"
URL = "https://tickets.example/bookings/bkg_01m8j164cwew8ahr55cg4k2d5g?a=1&b=2"


def letter(text: str, **more: Any) -> Letter:
    """Return a letter that has a text everywhere."""
    return Letter(
        **{
            "subject": text,
            "preview": text,
            "heading": text,
            "paragraphs": (text, text),
            "code": "123456",
            "rows": (("To pay at the door", text), ("Where", "a\nb")),
            "action": Link("Show", URL),
            "notes": (text,),
            "links": (Link("More", URL),),
            "why": text,
            **more,
        }
    )


def message(address: str = "ada@evently.example") -> Message:
    about = SignInCode("123456", "/login")
    return Message(UUID(int=7), "sign_in_code", None, address, about, NOW, NOW, 1, bounced=False)


def parsed(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=default)
    assert isinstance(found, EmailMessage)
    return found


class Elements(HTMLParser):
    """Counts elements, and collects attributes that run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.active += [name for name, _ in attrs if name.startswith("on") or name in ("src", "background")]


def elements(html: str) -> Elements:
    found = Elements()
    found.feed(html)
    return found


@given(ANY_TEXT, ANY_TEXT)
@example(HOSTILE, HOSTILE)
@example("=?utf-8?q?=0d=0aBcc:_eve@evil.example?=", 'Eve" <eve@evil.example>, "x')
@example("\u2028\x85\x00\x7f", "\x00\x1b[31m")
@settings(max_examples=150, deadline=None)
def test_no_text_adds_a_header_or_a_recipient(text: str, name: str) -> None:
    raw = compose(
        message(),
        letter(text, unsubscribe=Link("No more", URL), reply_to=Link(text, "office@b.example")),
        name=name,
        sender=SENDER,
        now=NOW,
    )
    found = parsed(raw)
    assert sorted(found.keys()) == [
        "Auto-Submitted",
        "Content-Language",
        "Content-Type",
        "Date",
        "From",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "MIME-Version",
        "Message-ID",
        "Reply-To",
        "Subject",
        "To",
    ]
    (to,) = found["to"].addresses
    assert to.addr_spec == "ada@evently.example"
    (reply_to,) = found["reply-to"].addresses
    assert reply_to.addr_spec == "office@b.example"
    assert [str(part.get_content_type()) for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


@given(ANY_TEXT)
@example(HOSTILE)
@example("]]> --> </mj-text></mj-column><mj-raw><img src=x onerror=alert(1)></mj-raw>")
@example("{{ letter }} {% raw %} &nbsp; &amp;lt;")
@settings(max_examples=150, deadline=None)
def test_no_text_becomes_markup(text: str) -> None:
    harmless, found = elements(to_html(letter("x"))), elements(to_html(letter(text)))
    breaks = [name for name in found.names if name != "br"]
    assert breaks == [name for name in harmless.names if name != "br"]
    assert found.active == []


@given(st.text(max_size=400))
@example("日本語のとても長い題名" * 20)
@example("Donaudampfschifffahrtsgesellschaftskapitän" * 5)
@settings(max_examples=150, deadline=None)
def test_the_text_has_72_columns_and_whole_links(text: str) -> None:
    lines = to_text(letter(text)).split("\n")
    assert [line for line in lines if columns_of(line) > COLUMNS_MAX and "://" not in line] == []
    assert lines.count(URL) == 2
    assert "    123456" in lines


def test_the_text_says_everything_that_the_html_says() -> None:
    told = letter("Hello", unsubscribe=Link("No more", "https://tickets.example/unsubscribe/x"))
    text = to_text(told)
    body = to_html(told).partition("<body")[2]
    for words in re.sub(r"<!--.*?-->|<[^>]+>", "\n", f"<body{body}", flags=re.DOTALL).split("\n"):
        if words.strip() and not words.strip().startswith(("Evently", "If the button does nothing")):
            assert words.strip().replace("&amp;", "&") in text


def test_the_html_loads_nothing_and_knows_the_dark() -> None:
    html = to_html(letter("x"))
    assert html.startswith('<!doctype html><html lang="en"')
    assert "@import" not in html
    assert "url(" not in html
    assert set(re.findall(r'(?:href|src)="([^"]+)"', html)) == {URL.replace("&", "&amp;")}
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="color-scheme" content="light dark"' in html


def test_a_name_from_right_to_left_keeps_its_place() -> None:
    assert isolated("ערב ג'אז") == "\u2068ערב ג'אז\u2069"
    assert isolated("Jazz") == "Jazz"
    found = parsed(compose(message(), letter(isolated("ערב")), name="משה כהן", sender=SENDER, now=NOW))
    assert found["subject"] == "\u2068ערב\u2069"
    assert found["to"].addresses[0].display_name == "משה כהן"


@pytest.mark.parametrize("address", ["jürgen@evently.example", "用户@xn--fsqu00a.example"])
def test_an_address_beyond_ascii_is_written_as_it_is(address: str) -> None:
    raw = compose(message(address), letter("x"), name="Jürgen", sender=SENDER, now=NOW)
    assert f"<{address}>".encode() in raw


def test_attachments_come_as_files() -> None:
    files = (
        Attachment("your tickets", "tickets-7K3M.pdf", "application/pdf", b"%PDF\r\n\x00\xff"),
        Attachment("a calendar", "event.ics", "text/calendar", b"BEGIN:VCALENDAR\r\n"),
    )
    raw = compose(message(), letter("x"), name="", sender=SENDER, now=NOW, attachments=files)
    found = list(parsed(raw).iter_attachments())
    assert [part.get_filename() for part in found] == ["tickets-7K3M.pdf", "event.ics"]
    assert [part.get_content_type() for part in found] == ["application/pdf", "text/calendar"]
    assert [part.get_payload(decode=True) for part in found] == [file.content for file in files]
    assert raw.isascii()


def test_a_message_keeps_its_id_however_often_it_is_made() -> None:
    made = [parsed(compose(message(), letter(text), name="", sender=SENDER, now=NOW)) for text in ("a", "b")]
    assert made[0]["message-id"] == made[1]["message-id"]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("Evently <tickets@evently.example>", True),
        ("tickets@evently.example", True),
        ('"Evently, the shop" <tickets@evently.example>', True),
        ("Evently", False),
        ("a@b.example, c@d.example", False),
        ("Evently <tickets@evently.example>\nBcc: x@y.example", False),
        ("Evently <jürgen@evently.example>", False),
    ],
)
def test_what_is_a_sender(text: str, valid: bool) -> None:  # noqa: FBT001
    assert is_sender(text) is valid


def test_a_token_refuses_one_topic_of_one_person() -> None:
    tokens, others = Unsubscriptions(bytes(32)), Unsubscriptions(bytes(range(32)))
    person = UUID(int=5)
    for topic in TOPICS:
        token = tokens.token_of(person, topic)
        assert tokens.read(token) == (None if topic in REQUIRED else (person, topic))
        assert others.read(token) is None
    token = tokens.token_of(person, "waitlist")
    for wrong in (token[:-1], token + "0", token.replace("waitlist", "changes"), "", ".", "é", "x" * 500):
        assert tokens.read(wrong) is None
