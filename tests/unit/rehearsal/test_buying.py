from __future__ import annotations

import pytest

from evently.rehearsal.buying import ClientJournal, Seen, Told, see
from evently.rehearsal.driver import NO_ANSWER, Reply

GET, POST = b"GET / HTTP/1.1", b"POST / HTTP/1.1"


@pytest.mark.parametrize(
    ("request_bytes", "answer", "seen"),
    [
        (GET, Reply(200, (), b"{}"), Seen.LOOKED),
        (POST, Reply(201, (), b"{}"), Seen.BOOKED),
        (POST, Reply(201, ((b"Idempotent-Replayed", b"true"),), b"{}"), Seen.REPLAYED),
        (POST, Reply(200, (), b"{}"), Seen.CANCELLED),
        (POST, Reply(409, (), b'{"code":"sold-out"}'), Seen.SOLD_OUT),
        (POST, Reply(409, (), b'{"code":"sale-ended"}'), Seen.REFUSED),
        (POST, Reply(422, (), b"{}"), Seen.REFUSED),
        (POST, Reply(429, (), b"{}"), Seen.BUSY),
        (POST, Reply(503, (), b"{}"), Seen.BUSY),
        (POST, Reply(500, (), b"{}"), Seen.FAILED),
        (POST, Reply(302, (), b""), Seen.FAILED),
        (POST, NO_ANSWER, Seen.LOST),
    ],
)
def test_what_an_answer_means(request_bytes: bytes, answer: Reply, seen: Seen) -> None:
    assert see(request_bytes, answer) is seen


def told(number: int, units: int) -> Told:
    return Told(f"bkg_{number}", f"per_{number}", "tty_1", units, units * 100)


def test_sold_out_is_when_the_last_place_was_told() -> None:
    journal = ClientJournal()
    journal.add(told(1, 3), 0.5, 5)
    before = journal.sold_out_at
    journal.add(told(2, 2), 0.7, 5)
    journal.take_back(journal.bookings["bkg_1"], 0.9)
    journal.add(told(3, 3), 1.1, 5)
    assert [before, journal.sold_out_at, journal.sold_units] == [None, 0.7, 5]
    assert journal.sales == [(0.5, 3), (0.7, 2), (0.9, -3), (1.1, 3)]


def test_sold_out_is_also_when_nobody_gets_a_single_one_of_any_type() -> None:
    journal = ClientJournal()
    journal.refuse_one("tty_1", 0.4, 2)
    journal.refuse_one("tty_1", 0.5, 2)
    before = journal.sold_out_at
    journal.refuse_one("tty_2", 0.6, 2)
    journal.refuse_one("tty_2", 0.8, 2)
    assert (before, journal.sold_out_at) == (None, 0.6)
