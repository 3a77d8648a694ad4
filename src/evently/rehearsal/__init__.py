"""Rehearse an on-sale: simulated buyers rush a copy of an event over real HTTP, and a journal of their own judges what the till did.

    driver       requests over kept-alive connections, lean enough to share two cores with the server it loads
    recording    when each request was sent, how long its answer took, what it was; percentiles and time lines
    crowd        who comes when and wants what: pure, seeded
    buying       what one buyer does, and what the buyers were told
    judgement    what the buyers were told, compared with what the server says it sold
    charts       time lines, bars and rings as SVG; report: one HTML file; live: the terminal
    plan         the verb behind `evently rehearse`

Nothing here is trusted by the product, and nothing here trusts it: everything goes over HTTP, as it would
from somebody else's machine.
"""

from evently.rehearsal.plan import RehearsalPlan, rehearse
from evently.rehearsal.server import CannotRehearse

__all__ = ["CannotRehearse", "RehearsalPlan", "rehearse"]
