"""What organizers do with their events: one verb each, on the catalogue and the till together, in the caller's transaction.

Every verb takes the event's row first and its sale last, so that two organizers take turns and never wait for
each other in a circle. It leaves a new version of the event behind, which is what the next editor must have
seen.
"""

from evently.organizing.conditions import (
    HOURS_BEFORE_MAX,
    ONLINE,
    ConditionsChanges,
    FeesChanges,
    changed_conditions,
)
from evently.organizing.edits import Added, Edited
from evently.organizing.events import cancel_event, change_event, create_event, delete_event, publish_event
from evently.organizing.parts import (
    add_pool,
    add_ticket_type,
    change_conditions,
    change_pool,
    change_ticket_type,
    remove_pool,
    retire_ticket_type,
)
from evently.organizing.promos import (
    AMOUNT_OFF_MINOR_MAX,
    USES_MAX,
    PromoChanges,
    PromoDraft,
    add_promo_code,
    change_promo_code,
    draft_of_promo,
    retire_promo_code,
)
from evently.organizing.rehearsals import copy_for_rehearsal, make_for_rehearsal, plain_hall
from evently.organizing.seats import block_seats, put_seating, unblock_seats
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
from evently.organizing.zones import SeatChoice, SeatingDraft, ZoneDraft

__all__ = [
    "AMOUNT_OFF_MINOR_MAX",
    "HOURS_BEFORE_MAX",
    "ONLINE",
    "PER_BUYER_MAX",
    "POSITION_MAX",
    "TICKET_TYPES_AT_ONCE_MAX",
    "TICKET_TYPE_DESCRIPTION_MAX",
    "USES_MAX",
    "Added",
    "ConditionsChanges",
    "Edited",
    "FeesChanges",
    "NewPool",
    "NewTicketType",
    "PoolChanges",
    "PromoChanges",
    "PromoDraft",
    "SaleTerms",
    "SeatChoice",
    "SeatingDraft",
    "TicketTypeChanges",
    "TicketTypeDraft",
    "WindowChanges",
    "ZoneDraft",
    "add_pool",
    "add_promo_code",
    "add_ticket_type",
    "block_seats",
    "cancel_event",
    "change_conditions",
    "change_event",
    "change_pool",
    "change_promo_code",
    "change_ticket_type",
    "changed_conditions",
    "copy_for_rehearsal",
    "create_event",
    "delete_event",
    "draft_of_promo",
    "make_for_rehearsal",
    "plain_hall",
    "publish_event",
    "put_seating",
    "remove_pool",
    "retire_promo_code",
    "retire_ticket_type",
    "unblock_seats",
]
