"""Check-in: who comes in at the door of an event, and what the organizer allows there.

    find_settings, put_settings   gates and their ticket types, times, re-entry
    scan_tickets                  scans, decided under the lock of the sale; a repeated scan is harmless
    undo_scan                     a check-in was a mistake
    DoorReader                    what scans need to read, for all requests of a process together
    list_own_scans                what a device or a person has let in, to undo it
    find_check_ins                when and where tickets were used
    list_scans, find_tickets      what happened at the door, newest first; tickets by a name or a reference
    count_check_ins, count_door   how many are inside; what happened by gate and by minute
    read_list, ListSigner         the signed list with which a device decides without a network
    create_scanner, enrol_scanner a device that may scan for one event; list_scanners, revoke_scanner

The engine decides (sales/rules/check_ins.py). This package reads codes, tells the engine what the organizer
allows at a gate, and finds the names that people at the door want to see.
"""

from evently.checkin.counters import DoorCounts, GateCount, MinuteCount, count_conflicts, count_door
from evently.checkin.lists import ListSigner, SignedList, digest_code, read_list
from evently.checkin.reading import DoorReader
from evently.checkin.scanners import (
    ENROLMENT_SECONDS,
    SCANNERS_MAX,
    CheckinRefusal,
    NewScanner,
    Scanner,
    create_scanner,
    enrol_scanner,
    find_enrolment,
    find_scanner,
    forget_event,
    list_scanners,
    revoke_scanner,
)
from evently.checkin.scans import (
    CODE_CHARACTERS_MAX,
    GATES_MAX,
    REASON_CHARACTERS_MAX,
    SCANS_MAX,
    TICKETS_MAX,
    Attempt,
    CheckInSettings,
    CheckInTerms,
    Counts,
    Gate,
    Holder,
    OwnScan,
    RecordedScan,
    Undone,
    VoidCode,
    VoidCodeReason,
    count_check_ins,
    find_check_ins,
    find_holders,
    find_last_edit,
    find_scanned_by,
    find_settings,
    find_tickets,
    find_undone,
    find_void_codes,
    list_own_scans,
    list_scans,
    put_settings,
    scan_tickets,
    undo_scan,
)

__all__ = [
    "CODE_CHARACTERS_MAX",
    "ENROLMENT_SECONDS",
    "GATES_MAX",
    "REASON_CHARACTERS_MAX",
    "SCANNERS_MAX",
    "SCANS_MAX",
    "TICKETS_MAX",
    "Attempt",
    "CheckInSettings",
    "CheckInTerms",
    "CheckinRefusal",
    "Counts",
    "DoorCounts",
    "DoorReader",
    "Gate",
    "GateCount",
    "Holder",
    "ListSigner",
    "MinuteCount",
    "NewScanner",
    "OwnScan",
    "RecordedScan",
    "Scanner",
    "SignedList",
    "Undone",
    "VoidCode",
    "VoidCodeReason",
    "count_check_ins",
    "count_conflicts",
    "count_door",
    "create_scanner",
    "digest_code",
    "enrol_scanner",
    "find_check_ins",
    "find_enrolment",
    "find_holders",
    "find_last_edit",
    "find_scanned_by",
    "find_scanner",
    "find_settings",
    "find_tickets",
    "find_undone",
    "find_void_codes",
    "forget_event",
    "list_own_scans",
    "list_scanners",
    "list_scans",
    "put_settings",
    "read_list",
    "revoke_scanner",
    "scan_tickets",
    "undo_scan",
]
