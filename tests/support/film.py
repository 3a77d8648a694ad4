"""A film of a QR code, as Chromium's fake camera plays it (YUV4MPEG2)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import segno

WIDTH: Final = 640
HEIGHT: Final = 480
_MODULE: Final = 10  # points
_DARK: Final = 16
_LIGHT: Final = 235
_GREY: Final = 128  # of both colour planes


def write_film(path: Path, codes: list[str], *, frames: int = 10) -> Path:
    """Write a film that shows the codes one after the other, `frames` frames each, ten a second."""
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode()
    colours = bytes([_GREY]) * (WIDTH * HEIGHT // 2)
    pictures = [_draw(code) for code in codes]
    path.write_bytes(head + b"".join((b"FRAME\n" + each + colours) * frames for each in pictures))
    return path


def _draw(code: str) -> bytes:
    matrix = [bytes(row) for row in segno.make(code, error="m", micro=False).matrix]
    side = len(matrix) * _MODULE
    left, top = (WIDTH - side) // 2, (HEIGHT - side) // 2
    assert min(left, top) >= 4 * _MODULE, "a code needs a quiet zone"
    blank = bytes([_LIGHT]) * WIDTH
    picture = [blank] * top
    for row in matrix:
        line = b"".join(bytes([_DARK if dark else _LIGHT]) * _MODULE for dark in row)
        whole = bytes([_LIGHT]) * left + line + bytes([_LIGHT]) * (WIDTH - left - side)
        picture += [whole] * _MODULE
    picture += [blank] * (HEIGHT - top - side)
    return b"".join(picture)
