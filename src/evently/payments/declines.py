"""Why a payment was declined: stable codes, and a message for the buyer.

A message never says that a bank suspects fraud.
"""

from __future__ import annotations

from typing import Final

from evently.payments.gateway import Declined

DECLINED: Final = "card_declined"
CODES: Final = {
    DECLINED: "Your bank declined the payment. Try another card, or ask your bank.",
    "insufficient_funds": "There is not enough money on this card.",
    "expired_card": "This card has expired.",
    "wrong_number": "This card number is not right.",
    "wrong_code": "The security code of the card is not right.",
    "not_supported": "This card does not support this kind of payment, or this currency.",
    "try_again": "Your bank could not answer. Try again in a moment.",
    "not_confirmed": "The payment was not confirmed with your bank.",
    "abandoned": "The payment was not finished in time.",
    "amount_too_small": "The amount is too small to be paid online. Ask the organizer.",
    "amount_too_large": "The amount is too large to be paid online. Book fewer tickets at once.",
    "amount_not_taken": "This amount cannot be paid online. Ask the organizer.",
    "currency_not_taken": "This currency cannot be paid online. Ask the organizer.",
    "not_accepted": "This way of paying is not accepted. Choose another one.",
}


def declined(reference: str | None, code: str) -> Declined:
    """Return a decline with the message of its code."""
    return Declined(reference, code, CODES[code])
