"""Rehearsals of an on-sale: simulated buyers book a copy of an event over real HTTP connections.

    plan         rehearse(): what `evently rehearse` runs
    crowd        the simulated buyers: when each arrives and what each does; pure, from a seed
    buying       the requests of a buyer, and the journal of what the server acknowledged to the buyers
    checks       compares that journal with the bookings that the server has afterwards
    driver       an HTTP client, fast enough to share two cores with the server that it loads
    loops        closed and open loops of requests, for benchmarks
    recording    start, latency and result of each request; percentiles and time lines
    api          the requests of the organizer; server: a temporary server
    report       one HTML file; live: the terminal

A rehearsal uses no internal interface of the server: all requests go over HTTP, as from another machine.
"""

from evently.rehearsal.plan import RehearsalPlan, rehearse
from evently.rehearsal.server import CannotRehearse

__all__ = ["CannotRehearse", "RehearsalPlan", "rehearse"]
