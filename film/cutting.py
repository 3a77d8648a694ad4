"""From footage and script to a film: how long each sentence stays, its frames, the subtitles."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from film.footage import Footage
from film.pictures import HEIGHT, WIDTH, draw_frame
from film.script import Scene, reading_seconds

FRAMES_PER_SECOND: Final = 24
_SPEED_MAX: Final = 10.0
_QUALITY: Final = 27  # of x264: lower is better and larger


class Shot(NamedTuple):
    """A sentence and the footage below it, from `begin` to `end` of the camera's clock, in `seconds`."""

    scene: Scene
    sentence: str
    begin: float
    end: float
    seconds: float
    drawing: Path | None

    @property
    def speed(self) -> float:
        """Return how much faster than life it is played; life is never slowed down, but waits at its end."""
        return max(1.0, (self.end - self.begin) / self.seconds)


def shots_of(scene: Scene, footage: Footage, drawings: Mapping[str, Path]) -> Iterator[Shot]:
    """Yield the shots of a scene, one for each sentence. A scene that nobody plays has a still picture."""
    begins = footage.begins if footage.screens else [footage.end] * len(scene.said)
    if len(begins) != len(scene.said):
        raise ValueError(f"{scene.name}: {len(begins)} sentences were begun, {len(scene.said)} are written")
    for number, sentence in enumerate(scene.said):
        begin = begins[number]
        end = begins[number + 1] if number + 1 < len(begins) else footage.end
        seconds = max(reading_seconds(sentence), (end - begin) / _SPEED_MAX)
        drawing = drawings[scene.pictures[number]] if scene.pictures else None
        yield Shot(scene, sentence, begin, max(begin, end), seconds, drawing)


def write_film(shots: Sequence[tuple[Shot, Footage]], film: Path) -> float:
    """Write the film (H.264); return its length in seconds."""
    command = [
        *("ffmpeg", "-y", "-loglevel", "error"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FRAMES_PER_SECOND)),
        *("-i", "-"),
        *("-c:v", "libx264", "-preset", "slow", "-tune", "animation", "-crf", str(_QUALITY)),
        *("-pix_fmt", "yuv420p", "-movflags", "+faststart", str(film)),
    ]
    frames = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:  # noqa: S603  # ours
        assert ffmpeg.stdin is not None
        for shot, footage in shots:
            last_key, frame = None, b""
            for number in range(round(shot.seconds * FRAMES_PER_SECOND)):
                at = min(shot.end, shot.begin + number / FRAMES_PER_SECOND * shot.speed)
                shown = {name: footage.shown(name, at) for name in footage.screens}
                key = tuple(each.at for each in shown.values())
                if key != last_key:
                    screens = {name: each.content for name, each in shown.items()}
                    frame = draw_frame(shot.scene, screens, shot.sentence, shot.speed, shot.drawing)
                    last_key = key
                ffmpeg.stdin.write(frame)
                frames += 1
    if ffmpeg.returncode:
        raise RuntimeError(f"ffmpeg ended with {ffmpeg.returncode}")
    return frames / FRAMES_PER_SECOND


def write_subtitles(shots: Sequence[Shot], path: Path) -> None:
    """Write the sentences as SubRip."""
    lines, at = [], 0.0
    for number, shot in enumerate(shots, 1):
        seconds = round(shot.seconds * FRAMES_PER_SECOND) / FRAMES_PER_SECOND
        lines += [str(number), f"{_moment(at)} --> {_moment(at + seconds)}", shot.sentence, ""]
        at += seconds
    path.write_text("\n".join(lines), encoding="utf-8")


def _moment(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds // 1000 % 60:02}"
        f",{milliseconds % 1000:03}"
    )
