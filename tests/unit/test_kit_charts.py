from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.kit.charts import (
    Bar,
    Mark,
    Series,
    bar_chart,
    line_chart,
    ring_chart,
    show_number,
    standalone,
    ticks,
)


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (37, [0, 10, 20, 30, 40]),
        (5000, [0, 2000, 4000, 6000]),
        (0.02, [0, 0.005, 0.01, 0.015, 0.02]),
    ],
)
def test_ticks_are_round(highest: float, expected: list[float]) -> None:
    assert ticks(highest) == pytest.approx(expected)


@given(st.floats(1e-6, 1e9))
def test_ticks_reach_the_highest_and_are_few(highest: float) -> None:
    found = ticks(highest)
    assert found[0] == 0
    assert found[-1] >= highest * 0.999
    assert 2 <= len(found) <= 6


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (12345.6, "12,346"), (99.96, "100.0"), (3.4, "3.4"), (0.25, "0.25"), (7.0, "7")],
)
def test_numbers_for_people(value: float, shown: str) -> None:
    assert show_number(value) == shown


def test_lines_have_a_point_for_each_value_and_names_are_escaped() -> None:
    chart = ET.fromstring(  # noqa: S314  # our own text
        line_chart(
            "a & b",
            [0.0, 1.0, 2.0],
            [Series("<x>", "blue", [1.0, 5.0, 2.0], area=True), Series("y", "red", [0.0, 0.0, 0.0])],
            marks=[Mark(1.5, "now")],
        )
    )
    curves = chart.findall(".//polyline")
    assert [len(curve.attrib["points"].split()) for curve in curves] == [3, 3]
    assert len(chart.findall("polygon")) == 1
    texts = [text.text for text in chart.iter("text")]
    assert {"<x>", "y", "now"} <= set(texts)
    assert chart.attrib["aria-label"] == "a & b"
    hovers = [rect for rect in chart.iter("rect") if rect.get("class") == "hover"]
    assert len(hovers) == 3
    assert "<x>: 5" in (hovers[1].findtext("title") or "")


def test_everything_stays_inside_the_drawing() -> None:
    chart = ET.fromstring(line_chart("t", [0.0, 10.0], [Series("a", "blue", [0.0, 1e6])]))  # noqa: S314  # our own text
    _, _, width, height = map(float, chart.attrib["viewBox"].split())
    for curve in chart.iter("polyline"):
        for point in curve.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_points_of_a_logarithmic_axis_are_equally_far_apart_and_labelled() -> None:
    chart = ET.fromstring(  # noqa: S314  # our own text
        line_chart("t", [1.0, 4.0, 16.0], [Series("a", "blue", [1.0, 2.0, 3.0])], unit="", doubling=True)
    )
    (curve,) = chart.iter("polyline")
    first, second, third = (float(point.split(",")[0]) for point in curve.attrib["points"].split())
    assert third - second == pytest.approx(second - first)
    assert {"1", "4", "16"} <= {text.text for text in chart.iter("text")}


def test_charts_of_nothing() -> None:
    for chart in (
        line_chart("t", [], []),
        line_chart("t", [0.0], [Series("a", "blue", [0.0])]),
        line_chart("t", [1.0], [Series("a", "blue", [0.0])], doubling=True),
        bar_chart("t", []),
        ring_chart("t", [], "0", "none"),
    ):
        assert ET.fromstring(chart).tag == "svg"  # noqa: S314  # our own text


def test_bars_are_as_long_as_their_values() -> None:
    chart = ET.fromstring(bar_chart("t", [Bar("a", 100.0), Bar("b", 50.0, note="half"), Bar("c", 0.0)]))  # noqa: S314  # our own text
    lengths = [float(rect.attrib["width"]) for rect in chart.iter("rect")]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=0.2)
    assert lengths[2] == 0


def test_a_ring_has_an_arc_for_each_part() -> None:
    chart = ET.fromstring(ring_chart("t", [Bar("a", 3.0), Bar("b", 1.0)], "4", "all"))  # noqa: S314  # our own text
    arcs = [circle.findtext("title") for circle in chart.iter("circle")]
    assert arcs == ["a: 3 (75.0%)", "b: 1 (25.0%)"]


def test_a_chart_as_a_file_brings_its_colours() -> None:
    file = standalone(bar_chart("t", [Bar("a", 1.0)]))
    chart = ET.fromstring(file)  # noqa: S314  # our own text
    assert chart.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme" in file
