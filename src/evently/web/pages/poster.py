"""A picture for an event without one: drawn from its id, so it is always the same, and no two look alike.

An SVG with plain attributes, which a policy without inline styles allows. Colours come from the palettes
below; each pairs a dark ground with lighter shapes, so a poster looks right in both themes.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import Final
from uuid import UUID

# Ground, and three colours of shapes
_PALETTES: Final = (
    ("#1f2a44", "#e4b363", "#ef6461", "#e8e9eb"),
    ("#0b3d2e", "#b5e48c", "#76c893", "#f1faee"),
    ("#3b1c32", "#f2a65a", "#ee6055", "#ffd97d"),
    ("#14213d", "#fca311", "#8ecae6", "#e5e5e5"),
    ("#2d1e2f", "#c8a6f0", "#ff8a80", "#f7f0f5"),
    ("#12343b", "#e1b382", "#c89666", "#f4e3cf"),
    ("#401f3e", "#faf2a1", "#759fbc", "#e5c3d1"),
    ("#22223b", "#9a8c98", "#f2cc8f", "#81b29a"),
    ("#3a0f12", "#ff7f51", "#ffbf69", "#ffe8d6"),
    ("#0d2b45", "#ffaa5e", "#8d697a", "#ffecd6"),
)
_WIDTH: Final = 640
_HEIGHT: Final = 400


@lru_cache(maxsize=2_000)
def draw_poster(event_id: UUID) -> str:
    """Return the poster of an event: an `<svg>` of about 600 bytes, hidden from screen readers."""
    chance = random.Random(event_id.int)  # noqa: S311  # a picture, no secret
    ground, *colours = chance.choice(_PALETTES)
    chance.shuffle(colours)
    shapes = chance.choice(_DRAWINGS)(chance, colours)
    return (
        f'<svg class="poster" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="xMidYMid slice" '
        f'aria-hidden="true" focusable="false"><path fill="{ground}" d="M0 0h{_WIDTH}v{_HEIGHT}H0z"/>'
        f"{shapes}</svg>"
    )


def _rings(chance: random.Random, colours: list[str]) -> str:
    x, y = chance.randint(0, _WIDTH), chance.choice([-40, _HEIGHT + 40, chance.randint(60, 340)])
    width = chance.choice([18, 26, 34])
    radius, drawn = chance.randint(40, 90), []
    for index in range(7):
        colour = colours[index % len(colours)]
        drawn.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )
        radius += width + chance.choice([10, 22, 46])
    return "".join(drawn)


def _waves(chance: random.Random, colours: list[str]) -> str:
    drawn, top = [], chance.randint(90, 150)
    for index in range(5):
        height = chance.randint(18, 70) * chance.choice([-1, 1])
        quarter = _WIDTH // 4
        path = f"M0 {top}q{quarter} {-height} {2 * quarter} 0t{2 * quarter} 0V{_HEIGHT}H0z"
        opacity = round(0.95 - 0.14 * index, 2)
        drawn.append(f'<path d="{path}" fill="{colours[index % len(colours)]}" opacity="{opacity}"/>')
        top += chance.randint(40, 70)
    return "".join(drawn)


def _rays(chance: random.Random, colours: list[str]) -> str:
    x, y = chance.randint(120, 520), chance.choice([_HEIGHT, 0, _HEIGHT // 2])
    count, turn = chance.choice([10, 14, 18]), chance.random()
    drawn = []
    for index in range(count):
        first, second = (2 * math.pi * (index + turn + part) / count for part in (0, 0.46))
        points = " ".join(
            f"{x + 900 * math.cos(angle):.0f},{y + 900 * math.sin(angle):.0f}" for angle in (first, second)
        )
        drawn.append(f'<polygon points="{x},{y} {points}" fill="{colours[index % 2]}"/>')
    radius = chance.randint(50, 110)
    return "".join(drawn) + f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colours[2]}"/>'


def _mosaic(chance: random.Random, colours: list[str]) -> str:
    side, drawn = 80, []
    for column in range(_WIDTH // side):
        for row in range(_HEIGHT // side):
            x, y, colour = column * side, row * side, chance.choice(colours)
            shape = chance.randint(0, 4)
            if shape == 0:
                drawn.append(
                    f'<path d="M{x} {y}h{side}a{side} {side} 0 0 1-{side} {side}z" fill="{colour}"/>'
                )
            elif shape == 1:
                drawn.append(
                    f'<path d="M{x} {y}v{side}h{side}a{side} {side} 0 0 0-{side}-{side}z" fill="{colour}"/>'
                )
            elif shape == 2:  # noqa: PLR2004  # the third of five: an arc, a leaf, a dot, two gaps
                half = side // 2
                drawn.append(f'<circle cx="{x + half}" cy="{y + half}" r="{half - 8}" fill="{colour}"/>')
    return "".join(drawn)


def _strings(chance: random.Random, colours: list[str]) -> str:
    drawn = []
    for index in range(9):
        start, end = chance.randint(0, _HEIGHT), chance.randint(0, _HEIGHT)
        bend, other = chance.randint(-150, 550), chance.randint(-150, 550)
        path = f"M-20 {start}C200 {bend} 440 {other} 660 {end}"
        width = chance.choice([4, 8, 14, 22])
        colour = colours[index % len(colours)]
        drawn.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
    return "".join(drawn)


_DRAWINGS: Final = (_rings, _waves, _rays, _mosaic, _strings)
