"""Web push: short messages to the devices of people (docs/push.md).

    devices.py                    the devices that a person has turned on
    add_for_notifications         store messages in the caller's transaction
    Push                          sends them, at least once; one for each process
    encrypting.py                 the message for one device alone, and the proof of who sends it
    endpoints.py                  which addresses may be called
    delivering.py                 a push service and its answers

It must never send inside a transaction, nor call an address that is not public.
"""

from evently.push.delivering import PushServices
from evently.push.devices import (
    DEVICES_MAX,
    Device,
    NewDevice,
    add_device,
    forget_ended,
    forget_person,
    list_devices,
    remove_device,
)
from evently.push.encrypting import is_key, public_text, read_key
from evently.push.endpoints import is_contact
from evently.push.nouns import PushOptions
from evently.push.outbox import add_for_notifications, expire, forget_old, oldest_due
from evently.push.sending import Push

__all__ = [
    "DEVICES_MAX",
    "Device",
    "NewDevice",
    "Push",
    "PushOptions",
    "PushServices",
    "add_device",
    "add_for_notifications",
    "expire",
    "forget_ended",
    "forget_old",
    "forget_person",
    "is_contact",
    "is_key",
    "list_devices",
    "oldest_due",
    "public_text",
    "read_key",
    "remove_device",
]
