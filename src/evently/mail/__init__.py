"""E-mail: the outbox, the words, the server (docs/mail.md).

    add, add_for_notifications    store messages in the caller's transaction
    resend_tickets                stores the tickets of a booking once more
    TicketMailReader              what became of the message with the tickets of a booking
    Mail                          sends them, at least once; one for each process
    nouns.py                      kinds of messages and how long each is of use
    reading.py, writing.py        what a message is about when it is sent, and its words
    letters.py, envelope.py       one layout as HTML and text; headers and attachments
    smtp.py                       the server and its answers

It must never send inside a transaction, nor delay a booking.
"""

from evently.mail.envelope import Attachment, is_sender
from evently.mail.files import Files
from evently.mail.nouns import (
    KINDS,
    AccountChange,
    AlreadyRegistered,
    EmailChange,
    EmailChanged,
    MailOptions,
    MailRefusal,
    MemberInvited,
    PasskeyAdded,
    PasskeyCopied,
    PasskeyRemoved,
    PasswordChanged,
    PasswordReset,
    SignInCode,
    TicketOffered,
    WebhookPaused,
)
from evently.mail.outbox import (
    Bounce,
    TicketMail,
    TicketMailReader,
    add,
    add_for_notifications,
    add_ticket_offers,
    expire,
    find_bounce,
    forget_old,
    forget_person,
    list_resent,
    oldest_due,
    resend_tickets,
)
from evently.mail.sending import Mail
from evently.mail.smtp import MailTrouble, Smtp, read_server

__all__ = [
    "KINDS",
    "AccountChange",
    "AlreadyRegistered",
    "Attachment",
    "Bounce",
    "EmailChange",
    "EmailChanged",
    "Files",
    "Mail",
    "MailOptions",
    "MailRefusal",
    "MailTrouble",
    "MemberInvited",
    "PasskeyAdded",
    "PasskeyCopied",
    "PasskeyRemoved",
    "PasswordChanged",
    "PasswordReset",
    "SignInCode",
    "Smtp",
    "TicketMail",
    "TicketMailReader",
    "TicketOffered",
    "WebhookPaused",
    "add",
    "add_for_notifications",
    "add_ticket_offers",
    "expire",
    "find_bounce",
    "forget_old",
    "forget_person",
    "is_sender",
    "list_resent",
    "oldest_due",
    "read_server",
    "resend_tickets",
]
