"""The script: scenes, what they show, and the sentences that are said."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

Layout = Literal["card", "phone", "phones", "terminal", "terminals", "desktop", "pictures"]

SCRIPT: Final = Path(__file__).with_name("script.toml")
_CHARACTERS_PER_SECOND: Final = 15.0  # that people read, with a look at the picture
_SECONDS_MIN: Final = 2.5


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scene. `pictures`, diagrams of the documents, and `points`, lines of a card: one a sentence."""

    name: str
    layout: Layout
    shown: str
    title: str
    said: tuple[str, ...]
    subtitle: str = ""
    pictures: tuple[str, ...] = ()
    points: tuple[str, ...] = ()


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All scenes."""

    scene: tuple[Scene, ...]


def read_script() -> tuple[Scene, ...]:
    """Return the scenes in their order."""
    return msgspec.toml.decode(SCRIPT.read_bytes(), type=Script).scene


def reading_seconds(sentence: str) -> float:
    """Return how long a sentence stays at least."""
    return max(_SECONDS_MIN, 1.0 + len(sentence) / _CHARACTERS_PER_SECOND)
