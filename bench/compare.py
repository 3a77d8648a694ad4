"""The figures of a benchmark as a file that the next benchmark compares itself with.

    write_numbers(benchmark, docs)               docs/benchmarks.json
    committed_numbers(docs)                      those of the last commit that wrote them, or None
    compare(numbers, numbers_of(benchmark))      a row for each figure that both have

Machines differ, and one machine differs from hour to hour. Therefore the earlier figures are scaled by the
yardstick first: the time that one check of a token takes, measured in both benchmarks. What does not depend
on the speed of the machine (ratios, memory, bookings per commit) is compared as it is.

A figure is slower, or faster, when it differs by more than the noise of both benchmarks: the largest distance
of a run from the median, and at least `NOISE_MIN`, because few runs may agree by chance.
"""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec

from bench.results import Benchmark, Curve, scale

FORMAT: Final = 1
FILE: Final = "benchmarks.json"
NOISE_MIN: Final = 0.05  # medians of three runs of one commit differ by this much on a quiet machine


class KeptFigure(msgspec.Struct, frozen=True):
    """A figure: its unit, which direction is better, and the value of each run."""

    unit: str
    better: Literal["more", "less"]
    found: list[float]

    def middle(self) -> float:
        """Return the median of the runs."""
        return median(self.found)

    def noise(self) -> float:
        """Return the largest distance of a run from the median, as a share of it."""
        middle = self.middle()
        if not middle:
            return NOISE_MIN
        return max([NOISE_MIN, *[abs(value - middle) / abs(middle) for value in self.found]])


class KeptCurve(msgspec.Struct, frozen=True):
    """The points of a curve: medians of bookings per second, and of p99 in ms."""

    at: list[int]
    per_second: list[float]
    p99_ms: list[float]


class Numbers(msgspec.Struct, frozen=True):
    """All figures of one benchmark, by name. `token_us` is the yardstick of the machine."""

    format: int
    commit: str
    at: datetime
    token_us: float
    cores: int
    figures: dict[str, KeptFigure]
    curves: dict[str, KeptCurve]


class Compared(msgspec.Struct, frozen=True):
    """A figure of two benchmarks. `scaled`: the earlier one, on the machine of the later one.

    `ratio`: how many times as good the later one is; None where one of them is 0 and less is better, or the
    earlier one is 0.
    """

    name: str
    unit: str
    before: float
    scaled: float
    now: float
    ratio: float | None
    noise: float

    def verdict(self) -> Literal["slower", "faster", ""]:
        """Return in which direction the figure differs by more than the noise of both benchmarks."""
        if self.ratio is None:
            return ""
        if self.ratio < 1 - self.noise:
            return "slower"
        return "faster" if self.ratio > 1 + self.noise else ""


def numbers_of(benchmark: Benchmark) -> Numbers:
    """Return the figures to keep."""
    return Numbers(
        FORMAT,
        benchmark.commit,
        benchmark.at,
        round(benchmark.yardstick(), 2),
        benchmark.cores,
        {
            each.goal.name: KeptFigure(
                each.goal.unit, "more" if each.goal.kind == "at_least" else "less", _rounded(each.found)
            )
            for each in benchmark.figures
        },
        {each.of: _kept(each) for each in benchmark.curves},
    )


def write_numbers(benchmark: Benchmark, docs: Path) -> None:
    """Write the figures as JSON beside the document."""
    text = msgspec.json.format(msgspec.json.encode(numbers_of(benchmark)), indent=1)
    (docs / FILE).write_bytes(text + b"\n")


def committed_numbers(docs: Path) -> Numbers | None:
    """Return the figures in the newest commit, or None where there are none in this format.

    The file in the working tree is not read: it may be of a benchmark that nobody kept.
    """
    shown = subprocess.run(["git", "show", f"HEAD:./{FILE}"], cwd=docs, capture_output=True, check=False)
    return read_numbers(shown.stdout) if shown.returncode == 0 else None


def read_numbers(text: bytes) -> Numbers | None:
    """Return the figures of a file, or None if it has another format."""
    try:
        numbers = msgspec.json.decode(text, type=Numbers)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return numbers if numbers.format == FORMAT else None


def compare(before: Numbers, now: Numbers) -> list[Compared]:
    """Return the figures that both benchmarks have, in the order of the later one."""
    speed = before.token_us / now.token_us
    return [
        _compared(name, before.figures[name], each, speed)
        for name, each in now.figures.items()
        if name in before.figures and before.figures[name].unit == each.unit
    ]


def scaled_curve(before: Numbers, now: Numbers, of: str) -> KeptCurve | None:
    """Return an earlier curve on the machine of the later one, or None if its points are others."""
    early, late = before.curves.get(of), now.curves.get(of)
    if early is None or late is None or early.at != late.at:
        return None
    speed = before.token_us / now.token_us
    return KeptCurve(
        early.at,
        [value * scale("/s", speed) for value in early.per_second],
        [value * scale("ms", speed) for value in early.p99_ms],
    )


def _compared(name: str, before: KeptFigure, now: KeptFigure, speed: float) -> Compared:
    scaled = before.middle() * scale(before.unit, speed)
    found = now.middle()
    over, under = (found, scaled) if now.better == "more" else (scaled, found)
    ratio = over / under if scaled > 0 and under > 0 else None
    return Compared(name, now.unit, before.middle(), scaled, found, ratio, before.noise() + now.noise())


def _kept(curve: Curve) -> KeptCurve:
    return KeptCurve(curve.at, _rounded(curve.per_second()), _rounded(curve.p99()))


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]
