"""The sales engine: decides who gets which unit. No other package may decide that.

Buyers' commands go through an `Engine` (`await engine.submit(command)`). Organizers' commands about the sale
itself go through `carry_out`, inside the caller's transaction. Both use the same pure rules under the same
lock, and both write the event's journal.

commands, facts   what can be requested, and what can have happened
terms, states     what an organizer sets about a sale; the states of its bookings, tickets, entries, refunds
rules             pure decisions; only the engine calls them
engine            lanes and batches; store and loading: what a batch writes and reads
leaving           what the claims of a person become who closes the account
outbox            the journal as a queue for the relay
reads             what other packages read; decides nothing
ticket_code       what a QR code shows and the door reads
replay            the journal applied again, without a line of the rules
"""

from evently.sales import commands, facts, leaving, outbox, reads, replay, states, terms, ticket_code
from evently.sales.engine import GLANCE_SECONDS, Engine, EngineOptions, Glance, carry_out

__all__ = [
    "GLANCE_SECONDS",
    "Engine",
    "EngineOptions",
    "Glance",
    "carry_out",
    "commands",
    "facts",
    "leaving",
    "outbox",
    "reads",
    "replay",
    "states",
    "terms",
    "ticket_code",
]
