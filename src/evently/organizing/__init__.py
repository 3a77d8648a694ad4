"""What organizers do with their events: one verb each, on the catalogue and on sales, in one transaction.

The shapes of what organizers say are here too, with their limits in the types of their fields; the API
takes them as bodies.

Every verb locks the event's row first and its sale last, so that two organizers take turns and never
deadlock. It returns the event and its sale as it left them, and leaves a new version of the event: the next
editor must have seen it.
"""

from evently.organizing.conditions import (
    ConditionsChanges,
    ConditionsDraft,
    FeesChanges,
    FeesDraft,
    HeldUnitsPerBuyer,
    HoldSeconds,
    HoldsPerBuyer,
    OfferSeconds,
    change_conditions,
)
from evently.organizing.copies import EventCopy, copy_event
from evently.organizing.edits import Added, Edited, get_part, refuse_online_payment, refuse_unpayable
from evently.organizing.events import (
    EventChanges,
    cancel_event,
    change_event,
    create_event,
    delete_event,
    publish_event,
)
from evently.organizing.pictures import forget_unshown_pictures, put_picture, remove_picture
from evently.organizing.pools import NewPool, PoolChanges, add_pool, change_pool, remove_pool
from evently.organizing.promos import (
    AmountOff,
    Code,
    PerBuyerUses,
    Percentage,
    PromoChanges,
    PromoDraft,
    UnitsPerUse,
    Uses,
    add_promo_code,
    change_promo_code,
    draft_of_promo,
    get_promo,
    retire_promo_code,
)
from evently.organizing.publishing import list_obstacles
from evently.organizing.rehearsals import (
    copy_for_rehearsal,
    make_for_rehearsal,
    plain_hall,
    shorten_holds,
)
from evently.organizing.rehearsing import plan_rehearsal
from evently.organizing.seat_blocks import (
    BlockName,
    SeatBlockChanges,
    SeatBlockDraft,
    add_seat_block,
    change_seat_block,
    get_seat_block,
    remove_seat_block,
    seat_ids_of,
)
from evently.organizing.seats import block_seats, paint_seats, put_seating, unblock_seats
from evently.organizing.series import (
    EditedDate,
    NewDates,
    SeriesChanges,
    add_dates,
    cancel_series,
    change_series,
    get_series_owner,
    publish_series,
)
from evently.organizing.terms import NewEvent, SaleTerms
from evently.organizing.ticket_types import (
    AddedTicketType,
    NewTicketType,
    Tax,
    TicketTypeChanges,
    TicketTypeDraft,
    add_ticket_type,
    change_ticket_type,
    retire_ticket_type,
)
from evently.organizing.venues import ChangedVenue, VenueMove, change_venue
from evently.organizing.zones import SeatChoice, SeatingDraft, ZoneDraft, ZoneName, ZonePainting

__all__ = [
    "Added",
    "AddedTicketType",
    "AmountOff",
    "BlockName",
    "ChangedVenue",
    "Code",
    "ConditionsChanges",
    "ConditionsDraft",
    "Edited",
    "EditedDate",
    "EventChanges",
    "EventCopy",
    "FeesChanges",
    "FeesDraft",
    "HeldUnitsPerBuyer",
    "HoldSeconds",
    "HoldsPerBuyer",
    "NewDates",
    "NewEvent",
    "NewPool",
    "NewTicketType",
    "OfferSeconds",
    "PerBuyerUses",
    "Percentage",
    "PoolChanges",
    "PromoChanges",
    "PromoDraft",
    "SaleTerms",
    "SeatBlockChanges",
    "SeatBlockDraft",
    "SeatChoice",
    "SeatingDraft",
    "SeriesChanges",
    "Tax",
    "TicketTypeChanges",
    "TicketTypeDraft",
    "UnitsPerUse",
    "Uses",
    "VenueMove",
    "ZoneDraft",
    "ZoneName",
    "ZonePainting",
    "add_dates",
    "add_pool",
    "add_promo_code",
    "add_seat_block",
    "add_ticket_type",
    "block_seats",
    "cancel_event",
    "cancel_series",
    "change_conditions",
    "change_event",
    "change_pool",
    "change_promo_code",
    "change_seat_block",
    "change_series",
    "change_ticket_type",
    "change_venue",
    "copy_event",
    "copy_for_rehearsal",
    "create_event",
    "delete_event",
    "draft_of_promo",
    "forget_unshown_pictures",
    "get_part",
    "get_promo",
    "get_seat_block",
    "get_series_owner",
    "list_obstacles",
    "make_for_rehearsal",
    "paint_seats",
    "plain_hall",
    "plan_rehearsal",
    "publish_event",
    "publish_series",
    "put_picture",
    "put_seating",
    "refuse_online_payment",
    "refuse_unpayable",
    "remove_picture",
    "remove_pool",
    "remove_seat_block",
    "retire_promo_code",
    "retire_ticket_type",
    "seat_ids_of",
    "shorten_holds",
    "unblock_seats",
]
