"""The film: its script, how long each sentence stays, and its subtitles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from film.cutting import Shot, shots_of, write_subtitles
from film.footage import Footage
from film.script import Scene, read_script, reading_seconds
from tests.browser.diagrams import PICTURES

FILM = Path(__file__).parent.parent / "docs" / "film"
MEGABYTES_MAX = 15
SCENE = Scene("story", "phone", "A story.", "Story", ("First this happens.", "Then that."))


def footage_of(*begins: float, end: float) -> Footage:
    footage = Footage()
    footage.add("phone", b"")
    footage.begins, footage.end = list(begins), end
    return footage


def test_every_sentence_has_its_picture_or_its_point() -> None:
    for scene in read_script():
        if scene.pictures:
            assert len(scene.pictures) == len(scene.said)
        if scene.points:
            assert len(scene.points) == len(scene.said)
        assert all((PICTURES / f"{name}.svg").exists() for name in scene.pictures)


def test_what_lasts_longer_than_it_is_read_is_played_faster_and_never_slower() -> None:
    quick, slow = shots_of(SCENE, footage_of(100.0, 100.5, end=190.5), {})
    assert quick.seconds == reading_seconds(quick.sentence)
    assert quick.speed == 1.0, "its last picture stays"
    assert slow.seconds == 9.0, "no faster than ten times"
    assert slow.speed == 10.0


def test_a_card_stays_until_it_is_read() -> None:
    footage = Footage()
    footage.close()
    assert [shot.seconds for shot in shots_of(SCENE, footage, {})] == list(map(reading_seconds, SCENE.said))


def test_a_play_that_forgets_a_sentence_is_no_film() -> None:
    with pytest.raises(ValueError, match="1 sentences were begun, 2 are written"):
        list(shots_of(SCENE, footage_of(100.0, end=110.0), {}))


def test_subtitles_follow_each_other(tmp_path: Path) -> None:
    shots = [Shot(SCENE, "One.", 0, 0, 2.5, None), Shot(SCENE, "Two.", 0, 0, 3600.0, None)]
    write_subtitles(shots, tmp_path / "film.srt")
    assert (tmp_path / "film.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:02,500\nOne.\n\n2\n00:00:02,500 --> 01:00:02,500\nTwo.\n"
    )


def test_the_film_is_of_the_script_and_of_a_fair_length() -> None:
    subtitles = (FILM / "evently.srt").read_text(encoding="utf-8")
    said = [line for line in subtitles.splitlines() if line and not re.match(r"\d+$|\d\d:\d\d:", line)]
    assert said == [sentence for scene in read_script() for sentence in scene.said], "make film"
    minutes = int(re.findall(r"--> 00:(\d\d):", subtitles)[-1])
    assert 5 <= minutes < 7
    assert (FILM / "evently.mp4").stat().st_size <= MEGABYTES_MAX * 1e6
