"""The names of seats in price zones and choices."""

from __future__ import annotations

from evently.kit.complaints import Complaints
from evently.organizing.zones import SeatChoice, SeatNames
from evently.seating import canonical
from evently.seating.generate import theatre


def test_a_repeated_name_is_looked_at_once() -> None:
    hall = theatre(300)
    complaints, section = Complaints(), hall.sections[0].name
    found = SeatNames(canonical(hall)).find(
        complaints, "", SeatChoice(sections=(section,) * 100_000, seats=("none", "none"))
    )
    assert [where for where, _ in found] == ["/sections/0"]
    assert [error.pointer for error in complaints.errors] == ["/seats/0"]
