"""The catalogue: venues and events, as people read and find them.

What is sold of an event is the till's (`evently.sales`); the verbs that concern both, such as publishing, are
in `evently.organizing`. Must never write a table of the till, and never decide who gets which unit.
"""

from evently.catalogue.browse import EventSearch, Sort, browse, list_events_of_organizer
from evently.catalogue.calendar import calendar_of
from evently.catalogue.checks import (
    CatalogueRefusal,
    Complaints,
    check_event,
    check_times,
    countries,
)
from evently.catalogue.events import (
    delete_event,
    find_events,
    get_event,
    insert_event,
    lock_event,
    mark_cancelled,
    mark_published,
    note_change,
    update_event,
)
from evently.catalogue.local_time import LATEST, Moment, is_within_reach, time_zones
from evently.catalogue.nouns import (
    ADDRESS_CHARACTERS_MAX,
    CITY_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
    URL_CHARACTERS_MAX,
    Category,
    Event,
    EventCard,
    EventChanges,
    EventTerms,
    Seen,
    Venue,
    VenueChanges,
    VenueCopy,
    VenueTerms,
    whichever_version,
)
from evently.catalogue.venues import change_venue, create_venue, get_venue, list_venues, share_venue
from evently.catalogue.words import Search, search_for, slug_of

__all__ = [
    "ADDRESS_CHARACTERS_MAX",
    "CITY_CHARACTERS_MAX",
    "DESCRIPTION_CHARACTERS_MAX",
    "LATEST",
    "NAME_CHARACTERS_MAX",
    "TAGS_MAX",
    "TAG_CHARACTERS_MAX",
    "URL_CHARACTERS_MAX",
    "CatalogueRefusal",
    "Category",
    "Complaints",
    "Event",
    "EventCard",
    "EventChanges",
    "EventSearch",
    "EventTerms",
    "Moment",
    "Search",
    "Seen",
    "Sort",
    "Venue",
    "VenueChanges",
    "VenueCopy",
    "VenueTerms",
    "browse",
    "calendar_of",
    "change_venue",
    "check_event",
    "check_times",
    "countries",
    "create_venue",
    "delete_event",
    "find_events",
    "get_event",
    "get_venue",
    "insert_event",
    "is_within_reach",
    "list_events_of_organizer",
    "list_venues",
    "lock_event",
    "mark_cancelled",
    "mark_published",
    "note_change",
    "search_for",
    "share_venue",
    "slug_of",
    "time_zones",
    "update_event",
    "whichever_version",
]
