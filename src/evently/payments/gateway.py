"""The port to a payment provider: what is asked of a gateway, and what it may answer.

Outcomes are values: a decline is an answer, no failure. Only the world's failures are raised, as
`GatewayTrouble`. Every call carries a key or belongs to one payment and attempt, so repeating it, with the
same content, is harmless: it takes, gives back and lets go once. Money is in minor units of its currency.
Nothing here knows bookings: ids pass through and come back with notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Trouble

Step: TypeAlias = Literal["authorise", "find", "capture", "void", "refund"]
NoticeKind: TypeAlias = Literal[
    "authorised", "action_needed", "declined", "captured", "voided", "refunded", "refund_failed", "other"
]


class Intent(msgspec.Struct, frozen=True):
    """A wish to take money.

    One `(payment_id, attempt)` always comes with the same content, `expires_at` aside: keys hang on it.

    `method`: how to pay, in the gateway's words (a card number of the demo gateway, a payment method's id at Stripe); None: the buyer is
    asked. `hosted`: on a page of the gateway, which leads to `return_url`. `expires_at`: the end of the hold that it pays for.
    """

    payment_id: UUID
    attempt: int
    event_id: UUID
    booking_id: UUID
    amount_minor: int
    currency: str
    reference: str  # of the booking, as people read it aloud
    description: str  # what is paid for; the buyer sees it
    expires_at: datetime
    method: str | None = None
    return_url: str | None = None
    hosted: bool = False

    def key(self, step: Step) -> str:
        """Return the idempotency key of a step of this attempt."""
        return f"{self.payment_id}:{self.attempt}:{step}"


class Authorised(msgspec.Struct, frozen=True):
    """The money is reserved. `reference` is the gateway's name for it, here and below."""

    reference: str


class Declined(msgspec.Struct, frozen=True):
    """The money will not come this way.

    `code` is stable (`CODES` in declines.py), `message` is for the buyer.
    """

    reference: str | None
    code: str
    message: str


class ActionNeeded(msgspec.Struct, frozen=True):
    """The buyer must do something: open `url`, or hand `client_secret` to the gateway's own script."""

    reference: str
    url: str | None = None
    client_secret: str | None = None


class Unsettled(msgspec.Struct, frozen=True):
    """The gateway does not know yet; `find` will tell, and perhaps a notice before."""

    reference: str


class Captured(msgspec.Struct, frozen=True):
    """The money is taken."""

    reference: str
    amount_minor: int


class Voided(msgspec.Struct, frozen=True):
    """Nothing is reserved any more, and nothing was taken."""

    reference: str


class Lost(msgspec.Struct, frozen=True):
    """The reserved money cannot be taken (expired, let go, refused when it was to be taken), and was not."""

    reference: str
    why: str


class Refunded(msgspec.Struct, frozen=True):
    """The money is on its way back."""

    reference: str
    refund_reference: str


class RefundWaiting(msgspec.Struct, frozen=True):
    """The gateway has not decided on the refund yet; asking again with the same key tells."""

    reference: str
    refund_reference: str


class RefundFailed(msgspec.Struct, frozen=True):
    """The refund was refused and will stay so under this key; another attempt has another key."""

    reference: str
    code: str
    message: str  # for the organizer


class RefundByHand(msgspec.Struct, frozen=True):
    """This gateway moves no money: somebody pays back at the desk."""

    reference: str


Authorisation: TypeAlias = Authorised | Declined | ActionNeeded | Unsettled
Found: TypeAlias = Authorised | Declined | ActionNeeded | Unsettled | Captured | Voided | Lost
Refunding: TypeAlias = Refunded | RefundWaiting | RefundFailed | RefundByHand


class Notice(msgspec.Struct, frozen=True):
    """Something that the gateway tells by itself: late, twice, in any order.

    So it is a hint to ask `find`, never the truth.
    """

    notice_id: str
    kind: NoticeKind
    reference: str
    at: datetime
    payment_id: UUID | None  # None: not one of ours, or the gateway does not say
    raw: str  # the gateway's own word for the kind


class GatewayTrouble(Trouble):
    """The gateway failed or cannot be reached.

    `effect_unknown`: it may have done what was asked; repeat, or ask `find`.
    """

    retry_after_seconds = 5

    def __init__(self, message: str, *, effect_unknown: bool) -> None:
        super().__init__(message)
        self.effect_unknown = effect_unknown


class Forged(Exception):
    """A notice that the gateway did not sign, or signed too long ago."""


class Gateway(Protocol):
    """A payment provider. Each method raises `GatewayTrouble` when the world fails."""

    @property
    def name(self) -> str:
        """What it is called in rows and metrics: `demo`, `stripe`, `door`."""

    async def authorise(self, intent: Intent) -> Authorisation:
        """Reserve the money. Repeated, it answers as before, or with what became of it."""

    async def find(self, intent: Intent, reference: str | None) -> Found | None:
        """Return what became of an attempt; with `reference` None also whether it has arrived at all.

        None: nothing was or is reserved.
        """

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured | Lost:
        """Take the reserved money, once. The amount is at most what was reserved; the rest is let go."""

    async def void(self, reference: str, key: str) -> Voided | Captured:
        """Let go of the reserved money, or stop asking for it.

        `Captured`: too late, it is taken and would have to be refunded.
        """

    async def refund(self, reference: str, amount_minor: int, key: str, refund_id: UUID) -> Refunding:
        """Give back money that was taken, once for each key. Repeated, it tells how far the refund is."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:
        """Return what a request of the gateway says, its signature checked; raises `Forged`.

        Header names are in lower case.
        """

    def storable_method(self, method: str | None) -> str | None:
        """Return what may be kept of a buyer's `method`, good for `Intent.method`: never a whole card number."""

    async def close(self) -> None:
        """Let go of connections."""
