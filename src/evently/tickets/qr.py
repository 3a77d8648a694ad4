"""A ticket's code as a QR code. Drawing one was measured at 2 ms, so drawn ones are remembered by code."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from html import escape
from typing import Final, NamedTuple

import segno

QUIET_ZONE: Final = 4  # modules around the code (ISO/IEC 18004, 6.3.8)
DRAWN_MAX: Final = 1_000  # codes whose drawings are remembered: 3 KB each
_PIXELS: Final = 8  # the size of a module where nothing else sets the size of the drawing


class CodeDrawing(NamedTuple):
    """The dark modules of a QR code as the path of an SVG, in a square of `side` modules with quiet zone."""

    path: str
    side: int


@lru_cache(maxsize=DRAWN_MAX)
def modules_of_code(code: str) -> CodeDrawing:
    """Return the drawing of a code.

    The error level is M, or a higher one where it fits into as many modules: the codes of tickets get Q. Each
    run of dark modules in a row is one rectangle, so that printers leave no hairlines between modules.
    """
    drawn = segno.make_qr(code, error="m")
    parts = []
    for y, row in enumerate(drawn.matrix, QUIET_ZONE):
        x = 0
        while x < len(row):
            dark = x
            while x < len(row) and row[x]:
                x += 1
            if x > dark:
                parts.append(f"M{dark + QUIET_ZONE} {y}h{x - dark}v1h-{x - dark}z")
            x += 1
    return CodeDrawing("".join(parts), len(drawn.matrix) + 2 * QUIET_ZONE)


def digest_of(content: bytes) -> str:
    """Return a short digest, for the tag of a document."""
    return blake2b(content, digest_size=8).hexdigest()


def qr_svg(code: str, label: str) -> str:
    """Return a QR code as an SVG document that may also stand inside HTML.

    `label` names the ticket and its seat for people who do not see the drawing. Black on white in every
    theme: readers need the contrast.
    """
    path, side = modules_of_code(code)
    pixels = side * _PIXELS
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{pixels}" '
        f'height="{pixels}" role="img" shape-rendering="crispEdges"><title>{escape(label)}</title>'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{path}"/></svg>'
    )
