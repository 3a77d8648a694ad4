from __future__ import annotations

import pytest

from evently.rehearsal.buying import AcknowledgedBooking, ClientJournal, RequestOutcome, classify
from evently.rehearsal.driver import NO_ANSWER, Reply

GET, POST = b"GET / HTTP/1.1", b"POST / HTTP/1.1"
ROOM = b"/v1/events/evt_01m7y4ef72ev2sxmcnxfse27zp/waiting-room/"


@pytest.mark.parametrize(
    ("request_bytes", "answer", "outcome"),
    [
        (GET, Reply(200, (), b"{}"), RequestOutcome.READ),
        (POST, Reply(201, (), b"{}"), RequestOutcome.BOOKED),
        (POST, Reply(201, ((b"Idempotent-Replayed", b"true"),), b"{}"), RequestOutcome.REPLAYED),
        (POST, Reply(200, (), b"{}"), RequestOutcome.CANCELLED),
        (POST, Reply(409, (), b'{"code":"sold-out"}'), RequestOutcome.SOLD_OUT),
        (POST, Reply(409, (), b'{"code":"sale-ended"}'), RequestOutcome.REFUSED),
        (POST, Reply(422, (), b"{}"), RequestOutcome.REFUSED),
        (POST, Reply(429, (), b"{}"), RequestOutcome.BUSY),
        (POST, Reply(503, (), b"{}"), RequestOutcome.BUSY),
        (POST, Reply(500, (), b"{}"), RequestOutcome.FAILED),
        (POST, Reply(302, (), b""), RequestOutcome.FAILED),
        (POST, NO_ANSWER, RequestOutcome.LOST),
        (b"POST " + ROOM + b"entries HTTP/1.1", Reply(201, (), b"{}"), RequestOutcome.ENTERED),
        (b"GET " + ROOM + b"place HTTP/1.1", Reply(200, (), b"{}"), RequestOutcome.POLLED),
        (b"GET " + ROOM + b"place HTTP/1.1", Reply(409, (), b"{}"), RequestOutcome.REFUSED),
    ],
)
def test_what_an_answer_means(request_bytes: bytes, answer: Reply, outcome: RequestOutcome) -> None:
    assert classify(request_bytes, answer) is outcome


def acknowledged(number: int, units: int) -> AcknowledgedBooking:
    return AcknowledgedBooking(f"bkg_{number}", f"per_{number}", "tty_1", units, units * 100)


def test_sold_out_is_when_the_last_place_was_told() -> None:
    journal = ClientJournal()
    journal.record_booking(acknowledged(1, 3), 0.5, 5)
    before = journal.sold_out_at
    journal.record_booking(acknowledged(2, 2), 0.7, 5)
    journal.record_cancellation(journal.bookings["bkg_1"], 0.9)
    journal.record_booking(acknowledged(3, 3), 1.1, 5)
    assert [before, journal.sold_out_at, journal.sold_units] == [None, 0.7, 5]
    assert journal.sales == [(0.5, 3), (0.7, 2), (0.9, -3), (1.1, 3)]


def test_sold_out_is_also_when_nobody_gets_a_single_one_of_any_type() -> None:
    journal = ClientJournal()
    journal.record_sold_out("tty_1", 0.4, 2)
    journal.record_sold_out("tty_1", 0.5, 2)
    before = journal.sold_out_at
    journal.record_sold_out("tty_2", 0.6, 2)
    journal.record_sold_out("tty_2", 0.8, 2)
    assert (before, journal.sold_out_at) == (None, 0.6)
