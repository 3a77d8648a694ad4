"""Sends what changes about an event to everyone who watches it: available tickets by type, states of seats.

Each process has one hub. It reads each change of a watched event once, encodes it once, and writes the same
bytes to every reader. No booking waits for it: it reads the newest journal rows of all watched events in one
statement, four times a second, and none when there is no reader.

hub        the watched events and their readers
nouns      the messages: a snapshot, changes, a ping, the end
frames     a message as it is sent, encoded once

It decides nothing and writes nothing to the database.
"""

from evently.realtime.frames import PING, RECONNECT_SECONDS, Frame, end_frame, reconnect_line
from evently.realtime.hub import DropReason, Hub, HubOptions, Reader, RealtimeRefusal, Watched
from evently.realtime.nouns import (
    Changes,
    End,
    EndReason,
    Ping,
    SeatStates,
    Snapshot,
    TicketTypeAvailability,
    show_types,
)

__all__ = [
    "PING",
    "RECONNECT_SECONDS",
    "Changes",
    "DropReason",
    "End",
    "EndReason",
    "Frame",
    "Hub",
    "HubOptions",
    "Ping",
    "Reader",
    "RealtimeRefusal",
    "SeatStates",
    "Snapshot",
    "TicketTypeAvailability",
    "Watched",
    "end_frame",
    "reconnect_line",
    "show_types",
]
