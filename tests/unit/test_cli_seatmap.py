"""`evently seatmap`: halls as files, and what is wrong with them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from evently.cli.seatmap import check, draw, generate, import_pretix
from evently.config import ConfigError
from evently.seating import Plan
from evently.seating.generate import arena, theatre
from evently.seating.seatmap import SeatMap, canonical
from evently.seating.seatmap import check as faults_of
from tests.unit.test_seating_pretix import plan


@pytest.mark.parametrize(
    "made",
    [arena(), arena(2_000), arena(60_000), theatre(), theatre(200), theatre(3_000)],
    ids=lambda made: made.name,
)
def test_a_generated_hall_is_sound(made: SeatMap) -> None:
    assert faults_of(made) == []
    plan = Plan.of(canonical(made))
    assert plan.size == sum(1 for _ in made.seats())
    assert set(plan.kinds) >= {"standard", "accessible", "companion"}
    assert len(set(plan.ids)) == plan.size


def test_twenty_thousand_seats_are_one_command(tmp_path: Path) -> None:
    file = tmp_path / "hall.json"
    generate("arena", seats=20_000, out=file)
    content = file.read_bytes()
    assert len(content) < 2_000_000
    assert Plan.of(content.strip()).size == 20_000
    generate("arena", seats=20_000, out=tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == content
    check(file)
    picture = tmp_path / "hall.svg"
    draw(file, out=picture)
    assert ET.fromstring(picture.read_text(encoding="utf-8")).tag.endswith("svg")  # noqa: S314  # drawn a moment ago


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate("theatre", seats=200, out=tmp_path / "hall.json")
    hall = json.loads((tmp_path / "hall.json").read_text(encoding="utf-8"))
    row = hall["sections"][0]["rows"][0]["seats"]
    row[1]["label"] = row[0]["label"]
    (tmp_path / "hall.json").write_text(json.dumps(hall), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        check(tmp_path / "hall.json")
    assert ended.value.code == 1
    assert capsys.readouterr().out.startswith("/sections/0/rows/0/seats/1/label: Another seat")


def test_wrong_use_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--seats: "):
        generate("theatre", seats=7)
    with pytest.raises(ConfigError, match="No such file"):
        check(tmp_path / "nothing.json")
    with pytest.raises(ConfigError, match="--out: "):
        generate("theatre", out=tmp_path)


def test_a_plan_of_pretix_becomes_a_hall_and_its_zones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, hall, zones = (tmp_path / name for name in ("plan.json", "hall.json", "zones.json"))
    given.write_text(json.dumps(plan()), encoding="utf-8")
    import_pretix(given, out=hall, zones=zones)
    check(hall)
    assert [(zone["name"], zone["sections"]) for zone in json.loads(zones.read_text(encoding="utf-8"))] == [
        ("Dear", ["Stalls"]),
        ("Cheap", ["Zone 2"]),
    ]
    with pytest.raises(ConfigError, match="--zones: "):
        import_pretix(given, out=hall, zones=tmp_path)
    given.write_text(json.dumps({**plan(), "zones": 5}), encoding="utf-8")
    with pytest.raises(SystemExit):
        import_pretix(given)
    assert capsys.readouterr().out.startswith("/zones: ")
