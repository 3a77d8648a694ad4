"""The sales engine: decides who gets which unit. Nothing else may decide that.

Buyers' commands go through an `Engine` (`await engine.submit(command)`). Organizers' commands about the sale
itself go through `carry_out`, inside the caller's transaction. Both use the same pure rules under the same
lock, and both write the event's journal.

commands, facts, terms   the language: what may be asked, what may have happened, what an organizer sets
rules                    pure decisions; only the engine calls them
engine, store, loading   batches, and what they read and write
outbox                   the journal as a queue for the relay
reads                    what others may look at; decides nothing
replay                   the journal applied again, without a line of the rules
"""

from evently.sales import commands, facts, outbox, reads, replay, terms
from evently.sales.engine import GLANCE_SECONDS, Engine, EngineOptions, Glance, carry_out

__all__ = [
    "GLANCE_SECONDS",
    "Engine",
    "EngineOptions",
    "Glance",
    "carry_out",
    "commands",
    "facts",
    "outbox",
    "reads",
    "replay",
    "terms",
]
