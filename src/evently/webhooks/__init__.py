"""Webhooks: signed messages to organizers' programs about what happened (docs/webhooks.md).

    messages.py      what messages say: a type for each kind of fact
    storing.py       store the deliveries of facts, in the relay's transaction
    sending.py       Webhooks: sends them, at least once, in order within one event; one for each process
    delivering.py    one call, and what came back
    addresses.py     which addresses may be called
    secrets.py       what messages are signed with
    endpoints.py     the webhooks of an organizer
    log.py           what was sent; sending again, giving up, test messages

It must never call anything inside a transaction, nor an address of a network that is not allowed.
"""

from evently.webhooks import log
from evently.webhooks.delivering import Caller
from evently.webhooks.endpoints import (
    WAITING_MAX,
    Waiting,
    WebhookTerms,
    change_webhook,
    count_waiting,
    get_webhook,
    list_webhooks,
    lock_webhook,
    pause_webhook,
    register,
    remove_webhook,
    resume_webhook,
    rotate_secret,
)
from evently.webhooks.log import count_webhooks, forget_old
from evently.webhooks.messages import ALL_KINDS, KINDS, MESSAGES
from evently.webhooks.nouns import (
    Attempt,
    Delivery,
    DeliveryState,
    PauseReason,
    Webhook,
    WebhookCounts,
    WebhookOptions,
    WebhooksRefusal,
    WholeDelivery,
)
from evently.webhooks.secrets import OVERLAP_HOURS_MAX, find_ending
from evently.webhooks.sending import Webhooks
from evently.webhooks.storing import store

__all__ = [
    "ALL_KINDS",
    "KINDS",
    "MESSAGES",
    "OVERLAP_HOURS_MAX",
    "WAITING_MAX",
    "Attempt",
    "Caller",
    "Delivery",
    "DeliveryState",
    "PauseReason",
    "Waiting",
    "Webhook",
    "WebhookCounts",
    "WebhookOptions",
    "WebhookTerms",
    "Webhooks",
    "WebhooksRefusal",
    "WholeDelivery",
    "change_webhook",
    "count_waiting",
    "count_webhooks",
    "find_ending",
    "forget_old",
    "get_webhook",
    "list_webhooks",
    "lock_webhook",
    "log",
    "pause_webhook",
    "register",
    "remove_webhook",
    "resume_webhook",
    "rotate_secret",
    "store",
]
