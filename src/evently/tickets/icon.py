"""Evently's icon as PNG, for passes: a white ticket on an indigo square. Drawn here, so no file is needed."""

from __future__ import annotations

import struct
import zlib
from typing import Final

_BACKGROUND: Final = (0x43, 0x38, 0xCA)
_TICKET: Final = (0xFF, 0xFF, 0xFF)
_SAMPLES: Final = 4  # in each direction, for smooth edges
# In parts of the side: the ticket's edges, the radius of its corners, and of the notches at its tear line
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.16, 0.84, 0.29, 0.71
_CORNER: Final = 0.06
_NOTCH: Final = 0.065
_TEAR: Final = 0.62


def icon_png(side: int) -> bytes:
    """Return the icon, `side` pixels wide and high."""
    rows = bytearray()
    for y in range(side):
        rows.append(0)  # no filter
        for x in range(side):
            share = _share(x, y, side)
            rows += bytes(
                round(back + (front - back) * share) for back, front in zip(_BACKGROUND, _TICKET, strict=True)
            )
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)  # 8 bits, RGB
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + _chunk(b"IEND", b"")
    )


def _share(x: int, y: int, side: int) -> float:
    """Return how much of a pixel the ticket covers."""
    steps = [(each + 0.5) / _SAMPLES for each in range(_SAMPLES)]
    inside = sum(_is_ticket((x + dx) / side, (y + dy) / side) for dx in steps for dy in steps)
    return inside / _SAMPLES**2


def _is_ticket(x: float, y: float) -> bool:
    if not (_LEFT <= x <= _RIGHT and _TOP <= y <= _BOTTOM):
        return False
    for edge in (_TOP, _BOTTOM):
        if (x - _TEAR) ** 2 + (y - edge) ** 2 < _NOTCH**2:
            return False
    dx = max(_LEFT + _CORNER - x, x - _RIGHT + _CORNER, 0.0)
    dy = max(_TOP + _CORNER - y, y - _BOTTOM + _CORNER, 0.0)
    return dx * dx + dy * dy <= _CORNER**2


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
