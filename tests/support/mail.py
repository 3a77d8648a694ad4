"""Mail for tests: without a server, with one in this process, or with the demo's mailbox."""

from __future__ import annotations

from typing import Any

from evently.db import Database
from evently.kit.clock import Clock
from evently.mail import Mail, MailOptions

SECRET = bytes(range(32))
BASE = "https://tickets.example"


def make_mail(db: Database, clock: Clock, *, mailbox: bool = False, **more: Any) -> Mail:
    """Return the mail of a process: off, unless a `transport` is given, or the mailbox shows messages."""
    options = MailOptions(None, "Evently <tickets@evently.example>", BASE, mailbox)
    return Mail(db, options, SECRET, clock, **more)
