"""The sales engine: decides who gets which unit. No other package may decide that.

Buyers' commands go through an `Engine` (`await engine.submit(command)`). Organizers' commands about the sale
itself go through `carry_out`, inside the caller's transaction. Both use the same pure rules under the same
lock, and both write the event's journal.

nouns             bookings and their tickets, waitlist entries, transfers, scans
commands          what can be requested, in a module for each domain; outcomes: the answers, refusals too
facts             what can have happened
terms, states     what an organizer sets about a sale; the states of its bookings, tickets, entries, refunds
rules             pure decisions; only batches call them
engine            hands commands to lanes; lanes: the queue, the transaction, the answers
batches           lock, load, decide, write; store and loading: what a batch writes and reads
glances           what a process remembers of a sale, to show it and to refuse what is sold out
leaving           what the claims of a person become who closes the account
erasing           what was sold of a sandbox event is erased
outbox            the journal as a queue for the relay
reads             what other packages read; decides nothing
ticket_code       what a QR code shows and the door reads
replay            the journal applied again, without a line of the rules
"""

from evently.sales import commands, erasing, facts, leaving, outbox, reads, replay, states, terms, ticket_code
from evently.sales.batches import carry_out
from evently.sales.engine import Engine
from evently.sales.glances import GLANCE_SECONDS, Glance
from evently.sales.lanes import EngineOptions

__all__ = [
    "GLANCE_SECONDS",
    "Engine",
    "EngineOptions",
    "Glance",
    "carry_out",
    "commands",
    "erasing",
    "facts",
    "leaving",
    "outbox",
    "reads",
    "replay",
    "states",
    "terms",
    "ticket_code",
]
