"""Payments: the port to a payment provider, its three adapters (demo, stripe, door), and the inbox of what providers tell by themselves.

Money is reserved, taken, let go and given back here, and nowhere is decided what for: that is checkout. It must never move money twice
for one key, keep a card number, or believe a notice that is not signed.
"""

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
    RefundByHand,
    Refunded,
    RefundFailed,
    Refunding,
    RefundWaiting,
    Step,
    Voided,
    Waiting,
)

__all__ = [
    "ActionNeeded",
    "Authorisation",
    "Authorised",
    "Captured",
    "Declined",
    "Forged",
    "Found",
    "Gateway",
    "GatewayTrouble",
    "Intent",
    "Lost",
    "Notice",
    "NoticeKind",
    "RefundByHand",
    "RefundFailed",
    "RefundWaiting",
    "Refunded",
    "Refunding",
    "Step",
    "Voided",
    "Waiting",
]
