"""The words of messages about an account: what was changed, when, and what to do if it was another person.

Nothing in them helps a reader who is not the owner: no code but the one that proves a new address, no link
with a secret.
"""

from __future__ import annotations

from datetime import UTC

from evently.mail.letters import Letter, Link, isolated, plain
from evently.mail.nouns import (
    AccountChange,
    EmailChange,
    EmailChanged,
    MemberInvited,
    Message,
    PasskeyAdded,
    PasskeyCopied,
    PasskeyRemoved,
    PasswordChanged,
    WebhookPaused,
)
from evently.mail.phrases import MONTHS


def write_email_change(message: Message, about: EmailChange, base_url: str) -> Letter:
    """Write the code with which a person changes to a new address."""
    code = plain(about.code)
    return Letter(
        subject=f"{code} is your code for a new e-mail address",
        preview="Enter it in the window in which you changed your address.",
        heading="Confirm your new address",
        paragraphs=("Enter this code in the window in which you changed your address.",),
        code=code,
        notes=(
            "It is valid for 30 minutes, and only once. Until then your address stays what it is.",
            "If it was not you, ignore this message: without the code, nothing happens.",
            "Nobody from Evently ever asks you for this code.",
        ),
        why=f"You get this because {message.address} was entered at {base_url}.",
    )


def write_invitation(message: Message, about: MemberInvited, base_url: str) -> Letter:
    """Write to the address that an owner invites to an organizer."""
    inviter, organizer = isolated(about.inviter), isolated(about.organizer)
    return Letter(
        subject=f"{plain(about.inviter)} invites you to {plain(about.organizer)}",
        preview=f"Join {plain(about.organizer)} as {about.role}.",
        heading=f"Join {organizer}",
        paragraphs=(f"{inviter} invites you to work with {organizer}, as {about.role}.",),
        rows=(("Accept until", _day(message)),),
        action=Link("Accept the invitation", base_url + about.path),
        notes=(
            "Log in with this address, or make an account with it: the invitation is for this address alone.",
            "If you do not know them, ignore this message: nothing happens.",
        ),
        why=f"You get this because {inviter} entered {message.address} at {base_url}.",
    )


def write_webhook_paused(message: Message, about: WebhookPaused, base_url: str) -> Letter:
    """Write to an owner of an organizer whose webhook failed for days."""
    organizer = isolated(about.organizer)
    what = (
        "It answered that it wants no messages any more (410)."
        if about.gone
        else "For three days, a message did not arrive there, however often it was tried."
    )
    return Letter(
        subject=f"A webhook of {plain(about.organizer)} is paused",
        preview="Your program gets no messages until you resume the webhook.",
        heading="A webhook is paused",
        paragraphs=(
            f"{what} So {organizer} sends nothing to it any more.",
            "What happens meanwhile waits for 30 days. Resume the webhook, and your program gets it.",
        ),
        rows=(
            ("Address", plain(about.endpoint)),
            ("What came back last", plain(about.said)[:200] or "nothing"),
            ("When", _moment(message)),
        ),
        action=Link("Open the webhook", base_url + about.path),
        why=f"You get this because you are an owner of {organizer} at {base_url}.",
    )


def write_account_change(message: Message, about: AccountChange, base_url: str) -> Letter:
    """Write what was changed about an account."""
    account: Link | None = Link("Open my account", f"{base_url}/me")
    forgot, belongs = f"{base_url}/forgot", "belongs"
    if_not_you = (
        f"If it was not you, choose a new password at {forgot} at once: that logs everybody out. "
        "Then look through your account for what you do not know."
    )
    match about:
        case PasswordChanged():
            heading, text = "Your password was changed", "You are logged out in all other places."
        case PasskeyAdded(name=name):
            heading = "A passkey was added to your account"
            text = f"“{isolated(name)}” can log in to your account from now on."
            if_not_you = (
                f"If it was not you, remove it in your account, and choose a new password at {forgot}: that "
                "logs everybody out."
            )
        case PasskeyRemoved(name=name):
            heading = "A passkey was removed from your account"
            text = f"“{isolated(name)}” cannot log in any more. You may delete it on its device, too."
        case PasskeyCopied(name=name):
            heading = "One of your passkeys may have been copied"
            text = (
                f"“{isolated(name)}” was used with a count that had been used before. That happens when a "
                "key that should have no copy has one. So it cannot log in any more."
            )
            if_not_you = (
                "Remove it in your account, and add a new one. A code by e-mail or your password log you in "
                "as before."
            )
        case EmailChanged(path=path):
            heading = "Your e-mail address was changed"
            text = "Your account has another address now. This is the last message to this one."
            account, belongs = None, "belonged"
            if_not_you = "If it was not you, answer this message at once."
            if path:
                account = Link("It was not me", f"{base_url}{path}")
                if_not_you = (
                    "If it was not you, take the change back within 7 days: your account gets this address "
                    "again, and everybody is logged out. If it was you, do nothing."
                )
    return Letter(
        subject=heading,
        preview=text,
        heading=heading,
        paragraphs=(text,),
        rows=(("When", _moment(message)),),
        action=account,
        notes=(if_not_you,),
        why=f"You get this because {message.address} {belongs} to an account at {base_url}.",
    )


def _day(message: Message) -> str:
    at = message.expires_at.astimezone(UTC)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}"


def _moment(message: Message) -> str:
    at = message.created_at.astimezone(UTC)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"
