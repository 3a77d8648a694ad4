"""The watch over the event loop."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

import evently
from evently.web.edge.pauses import LoopPauses

# What takes longer than the loop may be held, for the largest map, body or document that is allowed
LONG: Final = {
    "SeatNames",
    "_divide",
    "_encode_layout",
    "_map_of",
    "_metrics_text",
    "_packed",
    "_plan_of_packed",
    "arena",
    "canonical",
    "plain_hall",
    "check_zones",
    "decode_as",
    "decode_long",
    "decode_map",
    "describe",
    "import_plan",
    "load_long",
    "theatre",
    "zlib.compress",
    "zlib.decompress",
}
SOURCES: Final = Path(evently.__file__).parent
# They serve nobody else while they compute
ALONE: Final = {"audit", "cli", "demo", "rehearsal"}


async def test_the_longest_pause_of_the_loop_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own: a busy machine holds the loop, too."""
    pauses, now = LoopPauses(), [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    with capture_logs() as logged:
        for held in (0.04, 0.2, 0.1):
            now[0] += await pauses.step() + held
            await pauses.step()
    assert [line["event"] for line in logged] == ["the event loop was held"]
    assert logged[0]["longest_milliseconds"] == 200


@pytest.mark.parametrize("module", [str(path.relative_to(SOURCES)) for path in sorted(SOURCES.rglob("*.py"))])
def test_long_computations_leave_the_loop(module: str) -> None:
    if module.partition("/")[0] in ALONE:
        return
    tree = ast.parse((SOURCES / module).read_text("utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            called = {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
            # It decodes short bodies itself
            called -= {"decode_as"} if function.name == "decode_body" else set()
            assert not called & LONG, f"{function.name} holds the loop: call it with asyncio.to_thread"


def test_the_list_of_long_computations_is_not_out_of_date() -> None:
    source = "".join(path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
    assert not [name for name in LONG if f"{name}(" not in source and f"{name}, " not in source]
