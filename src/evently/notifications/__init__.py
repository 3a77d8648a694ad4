"""Notifications: what people are told, and what they have chosen to be told (docs/mail.md).

    notifications.py    messages to people, from facts and by the clock; the list that a person reads
    choices.py          which topics a person wants by which channel

It must never send anything: `evently.mail` does.
"""

from evently.notifications.choices import (
    CHANNELS,
    REQUIRED,
    TOPICS,
    Channel,
    Choice,
    NotificationsRefusal,
    Topic,
    choose,
    list_choices,
)
from evently.notifications.notifications import (
    ENDING_MAX,
    Notification,
    add,
    add_for_bookings,
    add_for_cancelled_tickets,
    add_for_ending_offers,
    add_reminders,
    forget_old,
    forget_person,
    list_notifications,
    mark_read,
    notifications_of,
)

__all__ = [
    "CHANNELS",
    "ENDING_MAX",
    "REQUIRED",
    "TOPICS",
    "Channel",
    "Choice",
    "Notification",
    "NotificationsRefusal",
    "Topic",
    "add",
    "add_for_bookings",
    "add_for_cancelled_tickets",
    "add_for_ending_offers",
    "add_reminders",
    "choose",
    "forget_old",
    "forget_person",
    "list_choices",
    "list_notifications",
    "mark_read",
    "notifications_of",
]
