"""What organizers do with their events: one verb each, on the catalogue and the till together, in the caller's transaction.

Every verb takes the event's row first and its sale last, so that two organizers take turns and never wait for each other in a circle. It
leaves a new version of the event behind, which is what the next editor must have seen.
"""

from evently.organizing.events import cancel_event, change_event, create_event, delete_event, publish_event
from evently.organizing.parts import add_pool, add_ticket_type, change_pool, change_ticket_type, remove_pool, retire_ticket_type
from evently.organizing.rehearsals import copy_for_rehearsal, make_for_rehearsal
from evently.organizing.terms import (
    PER_BUYER_MAX,
    POSITION_MAX,
    TICKET_TYPE_DESCRIPTION_MAX,
    TICKET_TYPES_AT_ONCE_MAX,
    NewPool,
    NewTicketType,
    PoolChanges,
    SaleTerms,
    TicketTypeChanges,
    TicketTypeDraft,
    WindowChanges,
)

__all__ = [
    "PER_BUYER_MAX",
    "POSITION_MAX",
    "TICKET_TYPES_AT_ONCE_MAX",
    "TICKET_TYPE_DESCRIPTION_MAX",
    "NewPool",
    "NewTicketType",
    "PoolChanges",
    "SaleTerms",
    "TicketTypeChanges",
    "TicketTypeDraft",
    "WindowChanges",
    "add_pool",
    "add_ticket_type",
    "cancel_event",
    "change_event",
    "change_pool",
    "change_ticket_type",
    "copy_for_rehearsal",
    "create_event",
    "delete_event",
    "make_for_rehearsal",
    "publish_event",
    "remove_pool",
    "retire_ticket_type",
]
