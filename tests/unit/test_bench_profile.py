"""How samples of a profile are counted."""

from __future__ import annotations

import pytest

from bench.profile import OTHER, Profiled, count_parts, describe, part_of

ROOT = "<module> (<string>:1);Server.run (uvicorn/server.py:86)"


@pytest.mark.parametrize(
    ("frames", "part"),
    [
        ((), OTHER),
        (("data_received (evently/web/edge/protocol.py:152)",), "server library: uvicorn, httptools"),
        (
            (
                "run_asgi (uvicorn/protocols/http/httptools_impl.py:422)",
                "find (evently/web/edge/clients.py:90)",
            ),
            "edge: routing, limits, checking, logging, metrics",
        ),
        (
            ("process (evently/sales/batches.py:109)", "fetch (asyncpg/connection.py:717)"),
            "statements: parameters, rows, driver",
        ),
        (
            ("decide (evently/sales/rules/booking.py:50)", "sorted (heapq.py:10)"),
            "deciding: lanes, rules, journal",
        ),
        (
            ("run (evently/reactions/relay.py:80)", "fetch (asyncpg/connection.py:717)"),
            "relay, and what follows a sale",
        ),
    ],
)
def test_a_sample_belongs_to_the_deepest_part(frames: tuple[str, ...], part: str) -> None:
    assert part_of(";".join([ROOT, *frames])) == part


def test_samples_are_counted_and_shown() -> None:
    counted = count_parts(
        [f"{ROOT} 30", f"{ROOT};verify_access (evently/accounts/tokens.py:120) 60", f"{ROOT} 10"]
    )
    assert counted == {OTHER: 40, "identification: tokens and sessions": 60}

    found = Profiled(
        "bookings", 5_000.0, 200.0, 100, {OTHER: 80.0, "identification: tokens and sessions": 120.0}
    )
    text = describe([found], {"Processor": "two cores", "Memory": "24 GB"})

    assert "| **server, us for each** | **200** |" in text
    assert text.index("identification") < text.index(OTHER)
    assert "| identification: tokens and sessions | 120 |" in text
