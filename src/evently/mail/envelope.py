"""A letter as the bytes of an e-mail (RFC 5322): headers, text, HTML, attachments.

No header can be injected: whatever is not printable is a space before it becomes a header, and nothing is
read as an encoded word. The Message-ID is made from the id of the message, so a repeated message is
recognised as the same.
"""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Final

import msgspec

from evently.accounts import people
from evently.kit.ids import show_id
from evently.mail.letters import Letter, plain, to_html, to_text
from evently.mail.nouns import Message

NAME_CHARACTERS_MAX: Final = 80  # of a person's name beside the address
# 7 bits: no server on the way has to change the message
_POLICY: Final = SMTP.clone(cte_type="7bit")
_POLICY_UTF8: Final = SMTPUTF8.clone(cte_type="7bit")


class Attachment(msgspec.Struct, frozen=True):
    """A file. `words`: what it is, for the text of the message. `media_type`: as in `text/calendar`."""

    words: str
    filename: str
    media_type: str
    content: bytes


def address_of(sender: str) -> str:
    """Return the address of a sender such as `Evently <tickets@evently.example>`."""
    return parseaddr(sender)[1]


def is_sender(text: str) -> bool:
    """Return whether a text names a sender: an address in ASCII, with or without a name before it."""
    name, address = parseaddr(text)
    return (
        address.isascii()
        and not people.email_errors(people.normalise_email(address), "")
        and text.strip() in (address, f"<{address}>", f"{name} <{address}>", f'"{name}" <{address}>')
    )


def is_beyond_ascii(address: str) -> bool:
    """Return whether only a server with SMTPUTF8 (RFC 6531) can deliver to an address."""
    return not address.isascii()


def compose(
    message: Message,
    letter: Letter,
    *,
    name: str,
    sender: str,
    now: datetime,
    attachments: tuple[Attachment, ...] = (),
) -> bytes:
    """Return the bytes of a message. `name`: of the person, or empty."""
    utf8 = is_beyond_ascii(message.address)
    made = EmailMessage(policy=_POLICY_UTF8 if utf8 else _POLICY)
    sender_name, sender_address = parseaddr(sender)
    made["From"] = _mailbox(sender_name, sender_address)
    made["To"] = _mailbox(name, message.address)
    if letter.reply_to is not None:
        made["Reply-To"] = _mailbox(letter.reply_to.words, letter.reply_to.url)
    made["Subject"] = _in_header(letter.subject)
    made["Date"] = format_datetime(now)
    made["Message-ID"] = message_id(message, sender_address)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    if letter.unsubscribe is not None:
        made["List-Unsubscribe"] = f"<{letter.unsubscribe.url}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    made.set_content(to_text(letter))
    made.add_alternative(to_html(letter), subtype="html")
    for each in attachments:
        kind, _, subtype = each.media_type.partition("/")
        made.add_attachment(each.content, maintype=kind, subtype=subtype, filename=each.filename)
    made["Content-Language"] = "en"
    return made.as_bytes()


def message_id(message: Message, sender_address: str) -> str:
    """Return the Message-ID: the same, however often the message is sent."""
    return f"<{show_id('msg', message.message_id)}@{sender_address.rpartition('@')[2]}>"


def _in_header(text: str) -> str:
    """Return a text as a header has it: on one line, and without encoded words (RFC 2047).

    The library decodes them in what it is given, and with them a line break and another header.
    """
    return plain(text).replace("=?", "=\u200b?")


def _mailbox(name: str, address: str) -> Address | str:
    shown = _in_header(name)[:NAME_CHARACTERS_MAX].strip()
    local, _, domain = address.rpartition("@")
    return Address(display_name=shown, username=local, domain=domain)
