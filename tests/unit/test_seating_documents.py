"""The document about seat maps is correct."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from evently.seating import parse

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "seat-maps.md"


def test_the_example_is_a_seat_map() -> None:
    example, *_ = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    kinds = {seat.kind for seat in parse(json.loads(example)).seats()}
    assert kinds == {"standard", "accessible", "companion", "restricted_view"}
