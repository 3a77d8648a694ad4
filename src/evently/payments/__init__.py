"""Payments: the port to a payment provider, its adapters (demo, stripe, door), and the inbox of notices.

Money is authorised, captured, voided and refunded here; the checkout decides when and for what. This package
must never move money twice for one key, store a card number, or trust a notice that is not signed.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from evently.db import Database
from evently.kit.clock import Clock
from evently.payments.demo import DEMO_PAGE_PATH, DemoCharge, DemoEffect, DemoGateway
from evently.payments.door import DoorGateway
from evently.payments.gateway import (
    ActionNeeded,
    Authorisation,
    Authorised,
    Captured,
    Declined,
    Forged,
    Found,
    Gateway,
    GatewayTrouble,
    Intent,
    Lost,
    Notice,
    NoticeKind,
    NoticePage,
    PaidBack,
    RefundByHand,
    Refunded,
    RefundFailed,
    Refunding,
    RefundWaiting,
    Step,
    Unsettled,
    Voided,
)
from evently.payments.guarded import GatewayDown, Guarded, GuardOptions
from evently.payments.inbox import (
    StoredNotice,
    forget_notices,
    list_pending,
    mark_processed,
    store_notices,
)

__all__ = [
    "DEMO_PAGE_PATH",
    "ActionNeeded",
    "Authorisation",
    "Authorised",
    "Captured",
    "Declined",
    "DemoCharge",
    "DemoEffect",
    "DemoGateway",
    "DoorGateway",
    "Forged",
    "Found",
    "Gateway",
    "GatewayDown",
    "GatewayTrouble",
    "GuardOptions",
    "Guarded",
    "Intent",
    "Lost",
    "Notice",
    "NoticeKind",
    "NoticePage",
    "PaidBack",
    "PaymentOptions",
    "RefundByHand",
    "RefundFailed",
    "RefundWaiting",
    "Refunded",
    "Refunding",
    "Step",
    "StoredNotice",
    "Unsettled",
    "Voided",
    "forget_notices",
    "list_pending",
    "mark_processed",
    "open_gateways",
    "store_notices",
]


class PaymentOptions(msgspec.Struct, frozen=True):
    """The gateway and its settings.

    `demo_page_url`: the URL of the demo gateway's page, without a slash at the end.
    """

    gateway: Literal["demo", "stripe", "door"] | None = None  # None: no new payments
    stripe_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_api_base: str | None = None  # None: Stripe's own
    demo_page_url: str = DEMO_PAGE_PATH
    guard: GuardOptions = GuardOptions()


def open_gateways(options: PaymentOptions, database: Database, clock: Clock) -> dict[str, Guarded]:
    """Return the gateways by name, guarded: the configured one, and the demo gateway for its old payments.

    Raises ValueError when Stripe is configured without its key or secret, or the extra is not installed.
    """
    demo = Guarded(DemoGateway(database, clock, options.demo_page_url), options.guard)
    opened = [demo] if options.gateway in {None, "demo"} else [demo, _open_gateway(options)]
    return {gateway.name: gateway for gateway in opened}


def _open_gateway(options: PaymentOptions) -> Guarded:
    match options.gateway:
        case "door":
            return Guarded(DoorGateway(), options.guard)
        case "stripe":
            try:
                from evently.payments.stripe import StripeGateway  # noqa: PLC0415  # an extra
            except ModuleNotFoundError as exc:
                raise ValueError("Stripe is an extra: pip install 'evently[stripe]'") from exc
            stripe = StripeGateway(options.stripe_key, options.stripe_webhook_secret, options.stripe_api_base)
            return Guarded(stripe, options.guard)
        case _:
            raise AssertionError("the demo gateway needs no settings")
