"""The test cards of the demo gateway.

Each card always does one thing. No other number is a card, and no number is stored whole.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# Long enough to see the payment wait, short enough to wait for it
LATE_SECONDS: Final = 5.0


class Card(NamedTuple):
    """A test card."""

    name: str  # stored, and accepted, in place of the number
    number: str
    effect: str  # a predicate: "is declined"
    decline_code: str | None = None


CARDS: Final = (
    Card("succeeds", "4242424242424242", "is authorised and captured"),
    Card("declined", "4000000000000002", "is declined", "card_declined"),
    Card("no-money", "4000000000009995", "is declined: not enough money", "insufficient_funds"),
    Card("expired", "4000000000000069", "is declined: the card has expired", "expired_card"),
    Card("wrong-code", "4000000000000127", "is declined: wrong security code", "wrong_code"),
    Card("asks", "4000002500003155", "asks the buyer, on a page of the gateway"),
    Card("late", "4000000000000077", f"waits for {LATE_SECONDS:g} seconds, then is authorised"),
    Card("answer-lost", "4000000000006668", "is authorised, but the first answer is lost on its way back"),
    Card(
        "request-lost",
        "4000000000006676",
        "loses the first request on its way, and is authorised by the second",
    ),
    Card("capture-fails", "4000000000000341", "is authorised; its capture fails"),
    Card("refund-fails", "4000000000005126", "is captured; its first refund fails, a further attempt works"),
)
_BY_NAME: Final = {card.name: card for card in CARDS} | {card.number: card for card in CARDS}
UNKNOWN: Final = Card("unknown", "", "is declined: no such card", "wrong_number")
PAGE: Final = Card("page", "", "asks the buyer for a card, on a page of the gateway")


def card_of(method: str | None) -> Card:
    """Return a card by its number or name. Spaces and dashes in a number are ignored."""
    if method is None or method == PAGE.name:
        return PAGE
    return _BY_NAME.get(method) or _BY_NAME.get(method.replace(" ", "").replace("-", ""), UNKNOWN)
