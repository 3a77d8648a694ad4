"""The import of seating plans of pretix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from evently.kit.errors import Invalid
from evently.seating import Plan, SeatMap, canonical, check
from evently.seating.drawing import draw
from evently.seating.pretix import PIXEL, SPACING, ZoneChoice, import_pretix
from evently.seating.pretix_format import PIXELS_MAX
from evently.seating.seatmap import FAULTS_MAX, METRES_MAX

SCALE: Final = SPACING / 20


def plan() -> dict[str, Any]:
    """Return a plan of two zones: one has two rows of one name, one has no name. Seats are 20 px apart."""
    stage = area("rectangle", {"x": 0, "y": -80}, {"width": 60, "height": 40}, text("Stage", 30, 20))
    first = {
        "name": "Stalls",
        "position": {"x": 100, "y": 200},
        "rows": [row("a", "1", 0), row("b", "1", 40)],
        "areas": [stage],
    }
    second = {"position": {"x": 100, "y": 400}, "rows": [row("c", "1", 0, "Cheap")], "areas": []}
    categories = [{"name": "Dear", "color": "#f00"}, {"name": "Cheap", "color": "#0f0"}]
    return {
        "name": "Hall",
        "categories": categories,
        "zones": [first, second],
        "size": {"width": 600, "height": 600},
    }


def row(code: str, name: str, y: float, category: str = "Dear") -> dict[str, Any]:
    """Return a row of three seats, with all fields that the editor writes."""
    seats = [
        {
            "seat_guid": f"{code}{at}",
            "seat_number": str(at),
            "position": {"x": at * 20, "y": 5},
            "category": category,
            "uuid": f"5b1d0f0e-0000-4000-8000-{code}{at}",
            "radius": 9,
            "start_direction": None,
        }
        for at in range(3)
    ]
    shown = {
        "row_number_position": "both",
        "row_label": None,
        "seat_label": "Seat %s",
        "uuid": f"6c2e1f1f-0000-4000-8000-{code}",
    }
    return {"row_number": name, "position": {"x": 10, "y": y}, "seats": seats, **shown}


def text(words: str, x: float = 0, y: float = 0) -> dict[str, Any]:
    """Return a text and its position."""
    return {"text": words, "position": {"x": x, "y": y}, "color": "#333", "size": 16}


def area(
    shape: str,
    position: dict[str, float],
    size: Any,
    words: dict[str, Any] | None = None,
    rotation: float = 0,
) -> dict[str, Any]:
    """Return an area with a form."""
    drawn = {shape: size} | ({} if words is None else {"text": words})
    return {
        "shape": shape,
        "color": "#eee",
        "border_color": "#999",
        "position": position,
        "rotation": rotation,
        **drawn,
    }


def with_area(*areas: dict[str, Any]) -> SeatMap:
    """Return the map of the plan with other areas, in a zone at (100, 200)."""
    changed = plan()
    changed["zones"][0]["areas"] = list(areas)
    return import_pretix(changed)[0]


def corners(seat_map: SeatMap) -> list[tuple[float, float]]:
    """Return the points of the only shape, in pixels from the zone."""
    (shape,) = seat_map.shapes
    return [(round(point.x / SCALE - 100, 0), round(point.y / SCALE - 200, 0)) for point in shape.points]


def faults(content: object) -> dict[str, str]:
    """Return the faults by pointer."""
    with pytest.raises(Invalid) as caught:
        import_pretix(content)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_places_add_up_and_are_scaled_to_metres() -> None:
    seat_map, _ = import_pretix(plan())
    last = seat_map.sections[0].rows[1].seats[2]
    assert (last.x, last.y) == pytest.approx((150 * SCALE, 245 * SCALE), abs=0.001)
    assert check(seat_map) == []


def test_sections_and_rows_have_names() -> None:
    nameless = plan()
    nameless["zones"][1]["rows"][0]["row_number"] = " "
    seat_map, _ = import_pretix(nameless)
    assert [section.name for section in seat_map.sections] == ["Stalls", "Zone 2"]
    assert [[each.name for each in section.rows] for section in seat_map.sections] == [["1", "1 (2)"], ["1"]]


def test_where_no_seat_has_a_neighbour_a_seat_is_as_wide_as_pretix_draws_it() -> None:
    lonely = plan()
    for zone in lonely["zones"]:
        for each in zone["rows"]:
            del each["seats"][1:]
    seat_map, _ = import_pretix(lonely)
    assert seat_map.sections[1].rows[0].seats[0].x == pytest.approx(110 * PIXEL)


def placed(*places: tuple[float, float], code: str = "s") -> dict[str, Any]:
    """Return a row of seats at these positions, in this order."""
    made = row(code, "1", 0)
    made["seats"] = [
        {"seat_guid": f"{code}{n}", "seat_number": str(n), "position": {"x": x, "y": y}, "category": ""}
        for n, (x, y) in enumerate(places, start=1)
    ]
    return made


def test_a_table_that_is_listed_across_is_as_wide_as_it_is() -> None:
    small = plan()
    small["zones"] = [{"position": {"x": 0, "y": 0}, "rows": [placed((0, 0), (60, 0), (0, 25), (60, 25))]}]
    seats = list(import_pretix(small)[0].seats())
    assert sorted({seat.x for seat in seats}) == pytest.approx([10 * 0.022, 70 * 0.022], abs=0.001)
    assert seats[0].y - seats[-1].y in (pytest.approx(0.55), pytest.approx(-0.55))


def test_a_hundred_and_twenty_tables() -> None:
    """A plan as a script makes it: tables of eight, an empty category, areas with an empty text."""
    tables = plan()
    eight = [(x, y) for y in (0, 25, 50, 75) for x in (0, 60)]
    tables["categories"] += [{"name": ""}]
    tables["zones"] = [
        {
            "name": f"Table {n}",
            "position": {"x": n % 12 * 150, "y": n // 12 * 180},
            "rows": [placed(*eight, code=f"t{n}-")],
            "areas": [area("rectangle", {"x": 10, "y": 0}, {"width": 40, "height": 75}, text(""))],
        }
        for n in range(120)
    ]
    seat_map, _ = import_pretix(tables)
    assert check(seat_map) == []
    by_label = {seat.label: seat for seat in seat_map.sections[0].rows[0].seats}
    assert by_label["2"].x - by_label["1"].x == pytest.approx(1.32, abs=0.01)
    assert by_label["3"].y - by_label["1"].y == pytest.approx(0.55, abs=0.01)


def test_a_row_numbered_from_its_middle_goes_from_end_to_end() -> None:
    middle = plan()
    middle["zones"] = [{"position": {"x": 0, "y": 0}, "rows": [placed((50, 0), (75, 0), (25, 0), (100, 0))]}]
    (only,) = import_pretix(middle)[0].sections[0].rows
    assert [seat.label for seat in only.seats] == ["3", "1", "2", "4"]
    assert only.seats[1].x - only.seats[0].x == pytest.approx(0.55)


def test_two_rows_of_one_number_print_it() -> None:
    two = plan()
    rows = [placed((0, 0), (25, 0), code="a"), placed((0, 50), (25, 50), code="b")]
    for seat, number in zip(rows[1]["seats"], ("3", "4"), strict=True):
        seat["seat_number"] = number
    two["zones"] = [{"name": "Parkett", "position": {"x": 0, "y": 0}, "rows": rows}]
    made = Plan.of(canonical(import_pretix(two)[0]))
    assert made.rows == [("Parkett", "1"), ("Parkett", "1 (2)")]
    assert [made.label(n) for n in (1, 2)] == ["Parkett, row 1, seat 2", "Parkett, row 1, seat 3"]
    rows[1]["seats"][0]["seat_number"] = "1"
    assert Plan.of(canonical(import_pretix(two)[0])).label(2) == "Parkett, row 1 (2), seat 1"


# Areas ------------------------------------------------------------------------------------------------------


def test_a_rectangle_turns_clockwise_about_its_upper_left_corner() -> None:
    assert corners(with_area(area("rectangle", {"x": 50, "y": 60}, {"width": 30, "height": 10}))) == [
        (50, 60),
        (80, 60),
        (80, 70),
        (50, 70),
    ]
    turned = with_area(area("rectangle", {"x": 50, "y": 60}, {"width": 30, "height": 10}, rotation=90))
    assert corners(turned) == [
        (50, 60),
        (50, 90),
        (40, 90),
        (40, 60),
    ]  # y grows downwards: right becomes down


def test_a_circle_and_an_ellipse_are_about_their_middle() -> None:
    round_about = corners(with_area(area("circle", {"x": 50, "y": 60}, {"radius": 20})))
    assert (min(round_about), max(round_about)) == ((30, 60), (70, 60))
    oval = {"radius": {"x": 40, "y": 10}}
    across = corners(with_area(area("ellipse", {"x": 50, "y": 60}, oval)))
    assert {(10, 60), (90, 60), (50, 50), (50, 70)} <= set(across)
    upright = corners(with_area(area("ellipse", {"x": 50, "y": 60}, oval, rotation=90)))
    assert {(50, 20), (50, 100), (40, 60), (60, 60)} <= set(upright)


def test_the_corners_of_a_polygon_are_from_its_position() -> None:
    points = [{"x": 0, "y": 0}, {"x": 30, "y": -10}, {"x": 20, "y": 40}]
    assert corners(with_area(area("polygon", {"x": 50, "y": 60}, {"points": points}))) == [
        (50, 60),
        (80, 50),
        (70, 100),
    ]
    assert with_area(area("polygon", {"x": 50, "y": 60}, {"points": points[:2]})).shapes == ()


def test_a_text_turns_with_its_area() -> None:
    (alone,) = (
        seat_map := with_area(area("text", {"x": 50, "y": 60}, text("Bar\n and  food", 10, 0), rotation=90))
    ).shapes
    assert (alone.kind, alone.text) == ("text", "Bar and food")
    assert corners(seat_map) == [(50, 70)]
    assert with_area(area("text", {"x": 0, "y": 0}, text(" "))).shapes == ()


def test_what_is_written_in_the_middle_is_of_the_area_and_anything_else_stands_where_it_was() -> None:
    (inside,) = with_area(area("circle", {"x": 50, "y": 60}, {"radius": 20}, text("Table"))).shapes
    assert (inside.kind, inside.text) == ("area", "Table")
    floor, words = with_area(
        area("rectangle", {"x": 50, "y": 60}, {"width": 300, "height": 90}, text("Floor", 40, 80))
    ).shapes
    assert (floor.kind, floor.text, words.kind, words.text) == ("area", "", "text", "Floor")
    assert (words.points[0].x, words.points[0].y) == pytest.approx((190 * SCALE, 340 * SCALE), abs=0.001)


def test_an_area_without_a_form_is_what_is_written_on_it() -> None:
    (words,) = with_area({"position": {"x": 5, "y": 5}, "text": text("Entrance")}).shapes
    assert (words.kind, words.text) == ("text", "Entrance")
    assert with_area({}).shapes == ()


@pytest.mark.parametrize(
    "name", ["Stage", "MAIN STAGE", "Hauptbühne", "Orchester / Bühne", "La scène", "Leinwand"]
)
def test_the_stage_is_what_people_look_at(name: str) -> None:
    drawn = plan()
    drawn["zones"][0]["areas"][0]["text"]["text"] = name
    seat_map, _ = import_pretix(drawn)
    (stage,) = seat_map.shapes
    assert (stage.kind, stage.text, len(stage.points)) == ("stage", name, 4)
    assert (seat_map.focal_point.x, seat_map.focal_point.y) == pytest.approx(
        (130 * SCALE, 140 * SCALE), abs=0.001
    )


def test_where_no_area_is_a_stage_they_look_at_the_word_or_else_to_the_front() -> None:
    word = with_area(area("text", {"x": 40, "y": -90}, text("Stage"))).focal_point
    assert (word.x, word.y) == pytest.approx((140 * SCALE, 110 * SCALE), abs=0.001)
    front = with_area(
        area("rectangle", {"x": 0, "y": -80}, {"width": 60, "height": 40}, text("Backstage", 30, 20))
    ).focal_point
    assert (front.x, front.y) == pytest.approx((130 * SCALE, 205 * SCALE), abs=0.001)


def test_a_plan_of_every_form_can_be_drawn() -> None:
    forms = [
        area("ellipse", {"x": 20, "y": 130}, {"radius": {"x": 40, "y": 15}}, text("Floor"), 30),
        area(
            "polygon",
            {"x": 0, "y": 150},
            {"points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]},
            text("<Bar>", -5, 3),
        ),
    ]
    assert "&lt;Bar&gt;" in draw(with_area(*forms))


# Categories -------------------------------------------------------------------------------------------------


def test_categories_are_told_as_zones_are_named() -> None:
    assert import_pretix(plan())[1] == [
        ZoneChoice("Dear", ("Stalls",), (), ()),
        ZoneChoice("Cheap", ("Zone 2",), (), ()),
    ]
    mixed = plan()
    mixed["categories"].append({"name": "Nobody"})
    mixed["zones"][0]["rows"][1]["seats"][2]["category"] = "Cheap"
    mixed["zones"][0]["rows"][1]["seats"][0]["category"] = ""  # the default of the editor: not sold
    assert import_pretix(mixed)[1] == [
        ZoneChoice("Dear", (), ("Stalls/1",), ("b1",)),
        ZoneChoice("Cheap", ("Zone 2",), (), ("b2",)),
    ]


def test_rows_that_would_be_called_the_same_are_told_seat_by_seat() -> None:
    same = plan()
    same["zones"][0] |= {"name": "A", "rows": [row("a", "B/C", 0), row("d", "D", 40, "Cheap")]}
    same["zones"][1] |= {"name": "A/B", "rows": [row("c", "C", 0, "Cheap"), row("e", "E", 40)]}
    dear, cheap = import_pretix(same)[1]
    assert (dear.rows, dear.seats) == (("A/B/E",), ("a0", "a1", "a2"))
    assert (cheap.rows, cheap.seats) == (("A/D",), ("c0", "c1", "c2"))


# Faults -----------------------------------------------------------------------------------------------------

SEAT: Final = "/zones/0/rows/0/seats/1"
FAULTS: Final[list[tuple[str, Any, str, str]]] = [
    ("/name", "", "/name", "1 to 80 visible characters"),
    ("/zones", [], "/zones", "1 to 500 items"),
    ("/zones/0/name", "x" * 81, "/zones/0/name", "1 to 80 visible characters"),
    ("/zones/0/rows/0/seats", [], "/zones/0/rows/0/seats", "1 to 500 items"),
    ("/zones/0/rows/0/row_number", "\x07", "/zones/0/rows/0/row_number", "1 to 80 visible characters"),
    (f"{SEAT}/seat_guid", "", f"{SEAT}/seat_guid", "1 to 60 visible characters"),
    (f"{SEAT}/seat_guid", 5, f"{SEAT}/seat_guid", "Expected `str`"),
    (f"{SEAT}/seat_guid", "a0", f"{SEAT}/seat_guid", "nother seat has the id 'a0'"),
    (f"{SEAT}/seat_number", "", f"{SEAT}/seat_number", "1 to 80 visible characters"),
    (f"{SEAT}/seat_number", "0", f"{SEAT}/seat_number", "nother seat of this row has the label '0'"),
    (f"{SEAT}/category", "None", f"{SEAT}/category", "category 'None' does not exist"),
    (f"{SEAT}/category", None, f"{SEAT}/category", "Expected `str`"),
    (f"{SEAT}/position", {"x": 1, "y": 5}, SEAT, "verlaps seat 'a0'"),
    (f"{SEAT}/position", {"x": 1e308, "y": 5}, f"{SEAT}/position", f"{PIXELS_MAX:,} pixels"),
    (f"{SEAT}/position", {"x": 900_000, "y": 5}, SEAT, f"{METRES_MAX:,.0f} m"),
    (f"{SEAT}/position/x", float("nan"), f"{SEAT}/position", f"{PIXELS_MAX:,} pixels"),
    (f"{SEAT}/position", {"y": 5}, f"{SEAT}/position/x", "Missing"),
    ("/zones/0/rows/0/position/y", float("-inf"), "/zones/0/rows/0/position", f"{PIXELS_MAX:,} pixels"),
    ("/zones/0/position", {"x": 2e6, "y": 0}, "/zones/0/position", f"{PIXELS_MAX:,} pixels"),
    ("/zones/0/areas/0/position/x", 1e308, "/zones/0/areas/0/position", f"{PIXELS_MAX:,} pixels"),
    ("/zones/0/areas/0/rectangle", {"width": 1e308, "height": 1}, "/zones/0/areas/0", f"{METRES_MAX:,.0f} m"),
    ("/zones/0/areas/0/rectangle", {"width": 1}, "/zones/0/areas/0/rectangle/height", "Missing"),
    ("/zones/0/areas/0/shape", "circle", "/zones/0/areas/0/circle", "Missing"),
    ("/zones/0/areas/0/shape", "star", "/zones/0/areas/0/shape", "'star'"),
    ("/zones/0/areas/0/rotation", "north", "/zones/0/areas/0/rotation", "Expected `float`"),
    (
        "/zones/0/areas/0/text/text",
        "Stage " * 20,
        "/zones/0/areas/0/text/text",
        "at most 80 visible characters",
    ),
    ("/zones/0/areas/0/text/text", "Stage\x07", "/zones/0/areas/0/text/text", "visible characters"),
    ("/zones/0/areas", [{"text": text("Bar")}] * 501, "/zones", "at most 500 areas and texts"),
    (
        "/zones/0/areas",
        [area("circle", {"x": 0, "y": 0}, {"radius": 5}, text("Bar", 90, 90))] * 251,
        "/zones",
        "at most 500 areas and texts",
    ),
    (
        "/zones/0/areas",
        [area("polygon", {"x": 0, "y": 0}, {"points": [{"x": 0, "y": 0}] * 201})],
        "/zones/0/areas/0/polygon/points",
        "200 items",
    ),
    ("/zones/1/rows", [{"row_number": "1", "seats": []}] * 501, "/zones/1/rows", "at most 500 items"),
    ("/zones", [{"position": {"x": 0, "y": 0}, "rows": []}] * 501, "/zones", "at most 500 items"),
    ("/categories", [{"name": "Dear"}] * 501, "/categories", "at most 500 items"),
]


def put(content: Any, path: str, value: Any) -> None:
    """Change the value at one pointer."""
    *way, last = path.strip("/").split("/")
    for step in way:
        content = content[int(step)] if isinstance(content, list) else content[step]
    content[int(last) if isinstance(content, list) else last] = value


@pytest.mark.parametrize(("path", "value", "pointer", "detail"), FAULTS)
def test_faults_are_told_at_their_places_in_the_plan(
    path: str, value: Any, pointer: str, detail: str
) -> None:
    wrong = plan()
    put(wrong, path, value)
    found = faults(wrong)
    assert detail in found.pop(pointer)
    assert found == {}


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        (
            lambda wrong: [seat.pop("seat_guid") for seat in wrong["zones"][1]["rows"][0]["seats"]],
            {"/zones/1/rows/0/seats/{}/seat_guid"},
        ),
        (lambda wrong: wrong["zones"][1].pop("position"), {"/zones/1/position"}),
        (
            lambda wrong: [wrong.pop(name) for name in ("name", "categories", "zones")],
            {"/name", "/categories", "/zones"},
        ),
    ],
)
def test_what_is_missing_is_told_at_once(change: Callable[[Any], Any], pointers: set[str]) -> None:
    wrong = plan()
    change(wrong)
    assert set(faults(wrong)) == {pointer.format(at) for pointer in pointers for at in range(3)}


@pytest.mark.parametrize("nonsense", [None, [], "plan", 5, True])
def test_what_is_no_plan_at_all(nonsense: Any) -> None:
    assert list(faults(nonsense)) == [""]


def test_no_more_is_told_than_can_be_read_and_too_many_seats_are_not_looked_at() -> None:
    wrong = plan()
    wrong["zones"][0]["rows"][0]["seats"] = [{}] * 300
    assert len(faults(wrong)) == FAULTS_MAX
    wrong = plan()
    wrong["zones"][0]["rows"] = [
        {**row("a", "1", 0, "None"), "seats": row("a", "1", 0, "None")["seats"] * 200}
    ] * 200
    assert faults(wrong) == {"/zones": "A map has at most 100,000 seats."}
