"""The import of pretix's seating plans."""

from __future__ import annotations

from typing import Any

import pytest

from evently.kit.errors import Invalid
from evently.seating.pretix import import_pretix


def plan() -> dict[str, Any]:
    """Return a plan of two zones: one with two rows of the same name, one without a name; seats are 20 pixels apart."""
    area = {"shape": "rectangle", "position": {"x": 0, "y": -80}, "rectangle": {"width": 60, "height": 40}, "text": {"text": "Stage"}}
    first = {"name": "Stalls", "position": {"x": 100, "y": 200}, "rows": [row("a", "1", 0), row("b", "1", 40)], "areas": [area]}
    second = {"position": {"x": 100, "y": 400}, "rows": [row("c", "1", 0, "Cheap")], "areas": []}
    categories = [{"name": "Dear", "color": "#f00"}, {"name": "Cheap", "color": "#0f0"}]
    return {"name": "Hall", "categories": categories, "zones": [first, second], "size": {"width": 600, "height": 600}}


def row(code: str, name: str, y: float, category: str = "Dear") -> dict[str, Any]:
    """Return a row of three seats."""
    seats = [
        {"seat_guid": f"{code}{at}", "seat_number": str(at), "position": {"x": at * 20, "y": 5}, "category": category} for at in range(3)
    ]
    return {"row_number": name, "position": {"x": 10, "y": y}, "seats": seats}


def faults(content: object) -> set[str]:
    """Return where something is wrong."""
    with pytest.raises(Invalid) as caught:
        import_pretix(content)
    return {error.pointer for error in caught.value.errors}


def test_places_add_up_and_are_scaled_to_metres() -> None:
    seat_map, _ = import_pretix(plan())
    scale = 0.55 / 20
    last = seat_map.sections[0].rows[1].seats[2]
    assert (last.x, last.y) == pytest.approx((150 * scale, 245 * scale), abs=0.001)


def test_sections_and_rows_have_names() -> None:
    seat_map, _ = import_pretix(plan())
    assert [section.name for section in seat_map.sections] == ["Stalls", "Zone 2"]
    assert [row.name for row in seat_map.sections[0].rows] == ["1", "1 (2)"]


def test_categories_are_told_by_seat() -> None:
    _, categories = import_pretix(plan())
    assert categories == {"Dear": ["a0", "a1", "a2", "b0", "b1", "b2"], "Cheap": ["c0", "c1", "c2"]}


def test_the_stage_is_what_people_look_at() -> None:
    seat_map, _ = import_pretix(plan())
    (stage,) = seat_map.shapes
    assert (stage.kind, stage.text, len(stage.points)) == ("stage", "Stage", 4)
    assert (seat_map.focal_point.x, seat_map.focal_point.y) == pytest.approx((130 * 0.0275, 140 * 0.0275), abs=0.001)


def test_all_faults_are_told_at_their_places_in_the_plan() -> None:
    wrong = plan()
    wrong["zones"][0]["rows"][0]["seats"][1]["seat_guid"] = 5
    del wrong["zones"][1]["position"]
    assert faults(wrong) == {"/zones/0/rows/0/seats/1/seat_guid", "/zones/1/position"}
    assert faults([]) == {""}
    wrong = plan()
    wrong["zones"][1]["rows"][0]["seats"][0]["seat_guid"] = "a0"
    wrong["zones"][0]["rows"][0]["seats"][1]["seat_number"] = ""
    assert faults(wrong) == {"/zones/1/rows/0/seats/0/seat_guid", "/zones/0/rows/0/seats/1/seat_number"}
    wrong = plan()
    wrong["zones"][1]["rows"][0]["seats"][0]["category"] = "None"
    assert faults(wrong) == {"/zones/1/rows/0/seats/0/category"}
