"""The port to a payment provider: the calls of a gateway, and their possible answers.

Outcomes are values: a decline is an answer, not a failure. Only failures of the gateway or the network are
raised, as `GatewayTrouble`. Each call carries a key, or belongs to one payment and attempt. So repeating it
with the same content is harmless: it authorises, captures, voids and refunds once. Money is in minor units of
its currency. The port knows no bookings: it passes their ids to the gateway, and notices bring them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.denominations import Denomination
from evently.kit.errors import Trouble

Step: TypeAlias = Literal["authorise", "find", "capture", "void", "refund", "paid_back", "notices"]
NoticeKind: TypeAlias = Literal[
    "authorised", "action_needed", "declined", "captured", "voided", "refunded", "refund_failed", "other"
]


class Intent(msgspec.Struct, frozen=True):
    """A request to take money for a booking.

    One `(payment_id, attempt)` always has the same content, except `expires_at`: the keys depend on it.

    `method`: a card number of the demo gateway, or the id of a payment method at Stripe; None: the gateway
    asks the buyer. `hosted`: on a page of the gateway, which returns the buyer to `return_url`. `expires_at`:
    the end of the hold that is paid for.
    """

    payment_id: UUID
    attempt: int
    event_id: UUID
    booking_id: UUID
    amount_minor: int
    currency: str
    reference: str  # of the booking, as people read it
    description: str  # what is paid for; the buyer sees it
    expires_at: datetime
    method: str | None = None
    return_url: str | None = None
    hosted: bool = False

    def key(self, step: Step) -> str:
        """Return the idempotency key of a step of this attempt."""
        return f"{self.payment_id}:{self.attempt}:{step}"


class Authorised(msgspec.Struct, frozen=True):
    """The money is reserved. `reference` is the gateway's id of the payment, in all answers."""

    reference: str


class Declined(msgspec.Struct, frozen=True):
    """The payment was refused, and no money is reserved.

    `code` is stable (`CODES` in declines.py), `message` is for the buyer.
    """

    reference: str | None
    code: str
    message: str


class ActionNeeded(msgspec.Struct, frozen=True):
    """The buyer must act: open `url`, or give `client_secret` to the gateway's own script."""

    reference: str
    url: str | None = None
    client_secret: str | None = None


class Unsettled(msgspec.Struct, frozen=True):
    """The gateway has not decided yet. `find` returns the decision, and a notice may come before."""

    reference: str


class Captured(msgspec.Struct, frozen=True):
    """The money was captured. `card_digits`: the last four of the card, where the gateway tells them."""

    reference: str
    amount_minor: int
    card_digits: str | None = None


class Voided(msgspec.Struct, frozen=True):
    """No money is reserved any more, and none was captured."""

    reference: str


class Lost(msgspec.Struct, frozen=True):
    """The reserved money cannot be captured: it expired, was voided, or the capture was refused."""

    reference: str
    why: str


class Refunded(msgspec.Struct, frozen=True):
    """The money is on its way back."""

    reference: str
    refund_reference: str


class RefundWaiting(msgspec.Struct, frozen=True):
    """The gateway has not decided on the refund yet; the same call with the same key returns the decision."""

    reference: str
    refund_reference: str


class RefundFailed(msgspec.Struct, frozen=True):
    """The refund was refused for good under this key; another attempt has another key."""

    reference: str
    code: str
    message: str  # for the organizer


class RefundByHand(msgspec.Struct, frozen=True):
    """This gateway moves no money: a person pays back on site."""

    reference: str


Authorisation: TypeAlias = Authorised | Declined | ActionNeeded | Unsettled
Found: TypeAlias = Authorised | Declined | ActionNeeded | Unsettled | Captured | Voided | Lost
Refunding: TypeAlias = Refunded | RefundWaiting | RefundFailed | RefundByHand


class Notice(msgspec.Struct, frozen=True):
    """A message that the gateway sends by itself: late, twice, in any order.

    So it is only a hint to ask `find`.
    """

    notice_id: str
    kind: NoticeKind
    reference: str
    at: datetime
    payment_id: UUID | None  # None: another installation's payment, or the gateway does not send it
    raw: str  # the gateway's own name of the kind


class NoticePage(msgspec.Struct, frozen=True):
    """A page of notices. `after`: what the next page comes after; None: this is the last one."""

    notices: list[Notice]
    after: str | None


class PaidBack(msgspec.Struct, frozen=True):
    """Captured money that was paid back. `key`: that of our call; None: by another hand.

    `reference`: the gateway's id of the refund or dispute.
    """

    amount_minor: int
    key: str | None
    reference: str
    kind: Literal["refund", "dispute"] = "refund"


class GatewayTrouble(Trouble):
    """The gateway failed or cannot be reached.

    `effect_unknown`: it may have carried out the call; repeat the call, or ask `find`.
    """

    retry_after_seconds = 5

    def __init__(self, message: str, *, effect_unknown: bool) -> None:
        super().__init__(response=message)
        self.effect_unknown = effect_unknown


class Forged(Exception):
    """A notice that the gateway did not sign, or signed too long ago."""


class Gateway(Protocol):
    """A payment provider. Each method raises `GatewayTrouble` when the gateway or the network fails.

    Amounts are in minor units of ISO 4217; a gateway with other units converts them at this port, both ways.
    """

    @property
    def name(self) -> str:
        """The name in rows and metrics: `demo`, `stripe`, `door`."""

    def denomination(self, currency: str) -> Denomination:
        """Return how this gateway writes and limits amounts of a currency."""

    async def authorise(self, intent: Intent) -> Authorisation:
        """Reserve the money. Repeated, it returns the first answer, or the present state of the payment."""

    async def find(self, intent: Intent, reference: str | None) -> Found | None:
        """Return the state of an attempt. Without a `reference`, the gateway may not know the attempt.

        None: no money is or was reserved.
        """

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured | Lost:
        """Capture reserved money, once. The amount is at most what was reserved; the rest is voided.

        The answer has the last digits of the card, if there is one and the gateway tells them.
        """

    async def void(self, reference: str, key: str) -> Voided | Captured:
        """Void the reserved money, or abandon an attempt that has not reserved any.

        `Captured`: it is too late, the money would have to be refunded.
        """

    async def refund(
        self, reference: str, amount_minor: int, key: str, refund_id: UUID, *, of_rest: bool = False
    ) -> Refunding:
        """Pay back captured money, once for each key. Repeated, it returns the state of the refund.

        `of_rest`: a call with this key and a larger amount was refused, because others had paid back a part.
        """

    async def list_paid_back(self, reference: str) -> list[PaidBack]:
        """Return what was paid back of captured money: refunds that have not failed, and disputes."""

    async def list_notices(self, since: datetime, after: str | None) -> NoticePage:
        """Return a page of the notices about money that was paid back since an instant, or came back.

        They have the ids that they were sent with, if they were sent.
        """

    async def find_payment_id(self, reference: str) -> UUID | None:
        """Return our id of the payment behind a reference in a notice, if the gateway stores it."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:
        """Check the signature of a webhook request and return its notices; raises `Forged`.

        Header names are in lower case.
        """

    def storable_method(self, method: str | None) -> str | None:
        """Return a buyer's `method` as it may be stored and used in `Intent`: never a whole card number."""

    async def close(self) -> None:
        """Close the connections."""
