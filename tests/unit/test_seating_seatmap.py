"""The format of a seat map: every fault with its pointer, and one digest for equal maps."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from evently.kit.errors import Invalid
from evently.seating import canonical, decode_map, digest_of, json_schema, parse
from evently.seating.seatmap import FAULTS_MAX

SCHEMA: Final = Path(__file__).parents[2] / "docs" / "seat-map.schema.json"


def content() -> dict[str, Any]:
    """Return a valid map: two sections of two rows of three seats."""
    return {
        "name": "Small hall",
        "focal_point": {"x": 1.0, "y": -3.0},
        "sections": [
            {"name": name, "rows": [_row(name, row, at * 4 + row) for row in range(2)]}
            for at, name in enumerate("AB")
        ],
        "shapes": [
            {
                "kind": "stage",
                "points": [{"x": 0, "y": -3}, {"x": 2, "y": -3}, {"x": 2, "y": -2}],
                "text": "Stage",
            }
        ],
    }


def _row(section: str, row: int, y: float) -> dict[str, Any]:
    return {
        "name": str(row),
        "seats": [{"id": f"{section}{row}{at}", "label": str(at), "x": at * 0.5, "y": y} for at in range(3)],
    }


def faults(change: Callable[[dict[str, Any]], Any]) -> dict[str, str]:
    """Return the faults after a change, by pointer."""
    wrong = content()
    change(wrong)
    with pytest.raises(Invalid) as caught:
        parse(wrong)
    return {error.pointer: error.detail for error in caught.value.errors}


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of the value at one pointer."""

    def change(wrong: Any) -> None:
        *way, last = path.strip("/").split("/")
        for step in way:
            wrong = wrong[int(step)] if isinstance(wrong, list) else wrong[step]
        wrong[int(last) if isinstance(wrong, list) else last] = value

    return change


def many(count: int, x: float = 0.5) -> list[dict[str, Any]]:
    """Return a number of seats."""
    return [{"id": f"m{at}", "label": str(at), "x": at * x, "y": 50} for at in range(count)]


FAULTS: Final = [
    ("/name", "", "/name", "1 to 80 visible characters"),
    ("/name", "\u200b", "/name", "1 to 80 visible characters"),
    ("/name", "x" * 81, "/name", "1 to 80 visible characters"),
    ("/sections", [], "/sections", "1 to 500 items"),
    ("/sections/1/rows", [], "/sections/1/rows", "1 to 500 items"),
    ("/sections/1/rows/0/seats", [], "/sections/1/rows/0/seats", "1 to 500 items"),
    ("/sections/1/rows/0/seats", many(501), "/sections/1/rows/0/seats", "1 to 500 items"),
    ("/sections/1/name", "A", "/sections/1/name", "nother section has the name 'A'"),
    ("/sections/1/name", " ", "/sections/1/name", "1 to 80 visible characters"),
    (
        "/sections/0/rows/1/name",
        "0",
        "/sections/0/rows/1/name",
        "nother row of this section has the name '0'",
    ),
    (
        "/sections/0/rows/1/seats/2/label",
        "0",
        "/sections/0/rows/1/seats/2/label",
        "nother seat of this row has the label '0'",
    ),
    (
        "/sections/0/rows/1/seats/2/label",
        "",
        "/sections/0/rows/1/seats/2/label",
        "1 to 80 visible characters",
    ),
    ("/sections/1/rows/1/seats/2/id", "A00", "/sections/1/rows/1/seats/2/id", "nother seat has the id 'A00'"),
    (
        "/sections/1/rows/1/seats/2/id",
        "x" * 61,
        "/sections/1/rows/1/seats/2/id",
        "1 to 60 visible characters",
    ),
    ("/sections/1/rows/1/seats/2/x", 0.6, "/sections/1/rows/1/seats/2", "verlaps seat 'B11'"),
    ("/sections/1/rows/1/seats/2/x", float("nan"), "/sections/1/rows/1/seats/2", "2,000 m"),
    ("/sections/1/rows/1/seats/2/y", float("inf"), "/sections/1/rows/1/seats/2", "2,000 m"),
    ("/sections/1/rows/1/seats/2/y", 1e308, "/sections/1/rows/1/seats/2", "2,000 m"),
    ("/sections/1/rows/1/seats/2/y", -2000.5, "/sections/1/rows/1/seats/2", "2,000 m"),
    ("/focal_point/x", 1e9, "/focal_point", "2,000 m"),
    ("/shapes/0/points", [{"x": 0, "y": 0}], "/shapes/0/points", "3 to 200 items"),
    ("/shapes/0/points", [{"x": 0, "y": 0}] * 201, "/shapes/0/points", "3 to 200 items"),
    ("/shapes/0", {"kind": "text", "points": []}, "/shapes/0/points", "1 to 200 items"),
    ("/shapes/0/points/1/x", 3000, "/shapes/0/points", "2,000 m"),
    (
        "/sections/0/rows/1/seats/2/label",
        "\t",
        "/sections/0/rows/1/seats/2/label",
        "1 to 80 visible characters",
    ),
    (
        "/sections/0/rows/1/seats/2/label",
        "1\u202e",
        "/sections/0/rows/1/seats/2/label",
        "1 to 80 visible characters",
    ),
    (
        "/sections/0/rows/1/seats/2/label",
        "\u200d",
        "/sections/0/rows/1/seats/2/label",
        "1 to 80 visible characters",
    ),
    (
        "/sections/0/rows/1/seats/2/label",
        "\u3000",
        "/sections/0/rows/1/seats/2/label",
        "1 to 80 visible characters",
    ),
    (
        "/sections/0/rows/0/seats",
        [*many(2), {**many(3)[2], "id": "a\x1b"}],
        "/sections/0/rows/0/seats/2/id",
        "1 to 60 visible characters",
    ),
    ("/shapes/0/text", "x" * 81, "/shapes/0/text", "at most 80 visible characters"),
    ("/shapes/0/text", "St\x07age", "/shapes/0/text", "visible characters"),
    ("/shapes", [{"kind": "text", "points": [{"x": 0, "y": 0}]}] * 501, "/shapes", "at most 500 items"),
]


@pytest.mark.parametrize(("path", "value", "pointer", "detail"), FAULTS)
def test_faults(path: str, value: Any, pointer: str, detail: str) -> None:
    found = faults(put(path, value))
    assert detail in found.pop(pointer)
    assert found == {}


MALFORMED: Final = [
    ("/sections/0/rows/1/seats/0/x", "0", "/sections/0/rows/1/seats/0/x"),
    ("/sections/0/rows/1/seats/0/kind", "sofa", "/sections/0/rows/1/seats/0/kind"),
    ("/shapes/0/kind", "tree", "/shapes/0/kind"),
    ("/name", 5, "/name"),
    ("/sections", {}, "/sections"),
    ("/sections/0/rows/1/seats/1", None, "/sections/0/rows/1/seats/1"),
    ("/colour", "red", "/colour"),
    ("/sections/1/rows/0/seats/1/price", 5, "/sections/1/rows/0/seats/1/price"),
    ("/sections/1/rows/0/seats/0", {"id": "a", "label": "a", "x": 1}, "/sections/1/rows/0/seats/0/y"),
]


@pytest.mark.parametrize(("path", "value", "pointer"), MALFORMED)
def test_malformed(path: str, value: Any, pointer: str) -> None:
    assert list(faults(put(path, value))) == [pointer]


def test_all_that_is_malformed_is_told_at_once() -> None:
    def change(wrong: dict[str, Any]) -> None:
        for path, value, _ in MALFORMED:
            if path not in ("/sections", "/sections/0/rows/1/seats/1"):
                put(path, value)(wrong)

    assert set(faults(change)) == {
        pointer for path, _, pointer in MALFORMED if path not in ("/sections", "/sections/0/rows/1/seats/1")
    }


@pytest.mark.parametrize("nonsense", [None, [], "map", 5, True])
def test_what_is_no_map_at_all(nonsense: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse(nonsense)
    assert [error.pointer for error in caught.value.errors] == [""]


def test_all_faults_at_once_but_no_more_than_can_be_read() -> None:
    assert set(
        faults(lambda wrong: (put("/name", "")(wrong), put("/sections/1/rows/0/seats", [])(wrong)))
    ) == {
        "/name",
        "/sections/1/rows/0/seats",
    }
    assert (
        len(faults(put("/sections/0/rows/0/seats", [{**each, "x": 0, "y": 90} for each in many(300)])))
        == FAULTS_MAX
    )
    assert len(faults(put("/sections/0/rows/0/seats", [{"id": 1}] * 300))) == FAULTS_MAX


def test_what_is_quoted_is_short() -> None:
    long = "x" * 100_000
    crowd = [{"id": long if at == 0 else f"m{at}", "label": str(at), "x": 0, "y": 50} for at in range(50)]
    found = faults(
        lambda wrong: (
            put("/sections/0/rows/0/seats", crowd)(wrong),
            [put(f"/sections/{at}/name", long)(wrong) for at in (0, 1)],
        )
    )
    assert len(found) > 50
    assert max(map(len, found.values())) < 200


def test_too_many_seats() -> None:
    def change(wrong: dict[str, Any]) -> None:
        rows = [
            {
                "name": str(row),
                "seats": [{**each, "id": f"{row}-{each['id']}", "y": row} for each in many(500)],
            }
            for row in range(201)
        ]
        wrong["sections"] = [{"name": "Everybody", "rows": rows}]

    assert faults(change) == {"/sections": "A map has at most 100,000 seats."}


def test_labels_in_the_scripts_of_the_world() -> None:
    labels = ["７列\u3000Ａ", "می\u200cنشیند", "👩\u200d👧", "Nº\xa01", "Ж-1", "e\u0301"]
    seats = [{**seat, "label": label} for seat, label in zip(many(6), labels, strict=True)]
    right = content()
    put("/sections/0/rows/0/seats", seats)(right)
    assert [seat.label for seat in decode_map(canonical(parse(right))).sections[0].rows[0].seats] == labels
    twice = [{**seat, "label": label} for seat, label in zip(many(2), ["é", "e\u0301"], strict=True)]
    assert faults(put("/sections/0/rows/0/seats", twice)) == {
        "/sections/0/rows/0/seats/1/label": "Another seat of this row has the label 'e\u0301'."
    }


def test_equal_maps_have_one_digest() -> None:
    shuffled = json.loads(json.dumps(content(), sort_keys=True))
    explicit = copy.deepcopy(content())
    explicit["sections"][0]["rows"][0]["seats"][0] |= {"kind": "standard", "x": 0}
    layouts = {canonical(parse(each)) for each in (content(), shuffled, explicit)}
    assert len(layouts) == 1
    assert digest_of(layouts.pop()) == "c4116cbdb029a7e589740b037b8232fe71b380e78ff3404a7ea340ab892c9f7a"


def test_canonical_bytes_decode_to_the_same_map() -> None:
    seat_map = parse(content())
    assert decode_map(canonical(seat_map)) == seat_map
    assert parse(msgspec.json.decode(canonical(seat_map))) == seat_map


def test_the_published_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n", (
        "it is what json_schema returns"
    )
