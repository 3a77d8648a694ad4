"""The nouns of mail: kinds of messages, what each is rendered from, the row of the outbox, the options."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal
from evently.notifications import REQUIRED, Topic

MessageState: TypeAlias = Literal[
    "pending",
    "sent",  # the server has accepted it
    "bounced",  # the server has refused the address for good
    "failed",  # the server has refused the message for good
    "expired",  # not sent while it was of use
    "dropped",  # no longer true, or no longer wanted
]


class MailRefusal(Refusal):
    """Every refusal of this package."""

    NO_ADDRESS = "no-address"
    RESENT_TOO_OFTEN = "resent-too-often"


class KindTerms(msgspec.Struct, frozen=True):
    """How messages of a kind are sent.

    `topic`: None for what a person has just requested. `kept`: how long it is of use, from when it was
    stored; longer than a day, so that it outlives a server that is down. `urgent`: a person waits for it.
    """

    topic: Topic | None
    kept: timedelta
    urgent: bool = False

    @property
    def refusable(self) -> Topic | None:
        """The topic, if people may refuse it."""
        return None if self.topic in REQUIRED else self.topic


_MONEY_KEPT: Final = timedelta(days=4)  # over a long weekend
_NEWS_KEPT: Final = timedelta(days=2)
KINDS: Final[Mapping[str, KindTerms]] = {
    "sign_in_code": KindTerms(None, timedelta(minutes=10), urgent=True),
    "password_reset": KindTerms(None, timedelta(hours=1), urgent=True),
    "already_registered": KindTerms(None, timedelta(hours=1), urgent=True),
    "email_change": KindTerms(None, timedelta(minutes=30), urgent=True),
    "password_changed": KindTerms(None, _MONEY_KEPT),
    "email_changed": KindTerms(None, _MONEY_KEPT),
    "passkey_added": KindTerms(None, _MONEY_KEPT),
    "passkey_removed": KindTerms(None, _MONEY_KEPT),
    "passkey_copied": KindTerms(None, _MONEY_KEPT),
    "member_invited": KindTerms(None, timedelta(days=14)),
    "webhook_paused": KindTerms(None, _MONEY_KEPT),
    "ticket_offered": KindTerms(None, timedelta(days=7), urgent=True),
    "booking_confirmed": KindTerms("tickets", _MONEY_KEPT),
    "payment_failed": KindTerms("tickets", _MONEY_KEPT),
    "booking_cancelled": KindTerms("tickets", _MONEY_KEPT),
    "tickets_cancelled": KindTerms("tickets", _MONEY_KEPT),
    "return_taken": KindTerms("tickets", _MONEY_KEPT),
    "refund_paid": KindTerms("tickets", _MONEY_KEPT),
    "transfer_accepted": KindTerms("tickets", _MONEY_KEPT),
    "transfer_declined": KindTerms("tickets", _MONEY_KEPT),
    "transfer_expired": KindTerms("tickets", _MONEY_KEPT),
    "ticket_received": KindTerms("tickets", _MONEY_KEPT),
    "ticket_given_back": KindTerms("tickets", _MONEY_KEPT),
    "ticket_lost": KindTerms("tickets", _MONEY_KEPT),
    "seats_changed": KindTerms("tickets", _MONEY_KEPT),
    "tickets_resent": KindTerms("tickets", _MONEY_KEPT, urgent=True),
    "event_rescheduled": KindTerms("changes", _NEWS_KEPT),
    "offer_made": KindTerms("waitlist", _NEWS_KEPT, urgent=True),
    "offer_ending": KindTerms("waitlist", _NEWS_KEPT, urgent=True),
    "offer_lapsed": KindTerms("waitlist", _NEWS_KEPT),
    "entry_withdrawn": KindTerms("waitlist", _NEWS_KEPT),
    "event_reminder": KindTerms("reminders", _NEWS_KEPT),
}


class SignInCode(msgspec.Struct, frozen=True, tag="sign_in_code"):
    """A code that signs in, and a link that does the same. `path`: of a page here, with its query."""

    code: str
    path: str


class PasswordReset(msgspec.Struct, frozen=True, tag="password_reset"):
    """A code and a link with which a person chooses a new password. `path`: as in `SignInCode`."""

    code: str
    path: str


class AlreadyRegistered(msgspec.Struct, frozen=True, tag="already_registered"):
    """To the owner of an account whose address was entered to register: the page cannot say it.

    `path`: of the page to sign in.
    """

    path: str


class EmailChange(msgspec.Struct, frozen=True, tag="email_change"):
    """A code with which a person who has logged in changes to this address."""

    code: str


class PasswordChanged(msgspec.Struct, frozen=True, tag="password_changed"):
    """To a person whose password was changed or set."""


class EmailChanged(msgspec.Struct, frozen=True, tag="email_changed"):
    """To the address that an account had. It may be another person's by now: the new one is not in it.

    `path`: of the page here that undoes the change, with its query; empty where nothing does.
    """

    path: str = ""


class PasskeyAdded(msgspec.Struct, frozen=True, tag="passkey_added"):
    """To a person who has one more passkey."""

    name: str


class PasskeyRemoved(msgspec.Struct, frozen=True, tag="passkey_removed"):
    """To a person who has one passkey fewer."""

    name: str


class PasskeyCopied(msgspec.Struct, frozen=True, tag="passkey_copied"):
    """To a person whose passkey exists twice."""

    name: str


class MemberInvited(msgspec.Struct, frozen=True, tag="member_invited"):
    """To the address that an owner invites to an organizer. `role`: in words; `path`: as in `SignInCode`."""

    organizer: str
    inviter: str
    role: str
    path: str


class WebhookPaused(msgspec.Struct, frozen=True, tag="webhook_paused"):
    """To the owners of an organizer whose webhook failed until it was paused. `said`: what came back last.

    `gone`: it answered that it wants no messages any more. `path`: of its page at the desk.
    """

    organizer: str
    endpoint: str
    gone: bool
    said: str
    path: str


class TicketOffered(msgspec.Struct, frozen=True, tag="ticket_offered"):
    """To the address to which a person passes a ticket on. `ticket`: its type and seat, for people."""

    event_id: UUID
    giver: str
    ticket: str
    path: str
    transfer_id: UUID | None = None  # nothing is sent once it has ended


class Notified(msgspec.Struct, frozen=True, tag="notification", omit_defaults=True):
    """What a notification is about: ids only. The rest is read when the message is sent.

    `seq` and `line`: of a cancellation, the place of its fact in the journal.
    """

    event_id: UUID
    booking_id: UUID | None = None
    entry_id: UUID | None = None
    refund_id: UUID | None = None
    seq: int = 0
    line: int = 0


# What a person has just asked for; what is secret in it is deleted
AccountChange: TypeAlias = PasswordChanged | EmailChanged | PasskeyAdded | PasskeyRemoved | PasskeyCopied
Requested: TypeAlias = (
    SignInCode
    | PasswordReset
    | AlreadyRegistered
    | MemberInvited
    | WebhookPaused
    | TicketOffered
    | EmailChange
    | AccountChange
)
Subject: TypeAlias = Requested | Notified


class Message(msgspec.Struct, frozen=True):
    """A message of the outbox that is to be sent. `bounced`: its address has refused an earlier one."""

    message_id: UUID
    kind: str
    person_id: UUID | None
    address: str
    data: Subject
    created_at: datetime
    expires_at: datetime
    attempts: int  # this one included
    bounced: bool


class MailOptions(msgspec.Struct, frozen=True):
    """How mail is sent.

    `server_url`: of the SMTP server; None: nothing is sent. `mailbox`: without a server, messages are
    rendered for the mailbox of the demo. `base_url`: links begin with it.
    """

    server_url: str | None
    sender: str
    base_url: str
    mailbox: bool = False
    connections_max: int = 4


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Subject]] = msgspec.json.Decoder(Subject)


def encode_subject(subject: Subject) -> str:
    """Return a subject as it is stored."""
    return _encoder.encode(subject).decode()


def decode_subject(stored: str) -> Subject:
    """Return a stored subject."""
    return _decoder.decode(stored)
