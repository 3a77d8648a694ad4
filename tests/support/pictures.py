"""Files of pictures for tests, made here: nothing is stored in the repository."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

SECRET = b"Home of the photographer"


def draw(width: int = 800, height: int = 600, mode: str = "RGB") -> Image.Image:
    """Return a picture whose upper half is red, and whose lower half is blue."""
    picture = Image.new("RGB", (width, height), (200, 30, 30))
    picture.paste((30, 30, 200), (0, height // 2, width, height))
    return picture.convert(mode)


def encode(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return a picture as a file."""
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def photograph(kind: str = "JPEG", orientation: int = 1, width: int = 800, height: int = 600) -> bytes:
    """Return a photograph that says where it was taken, and which way up it is."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return encode(draw(width, height), kind, exif=exif)


def read(stored: bytes) -> Image.Image:
    """Return what is in a file."""
    return Image.open(io.BytesIO(stored))


def is_red(picture: Image.Image, x: float, y: float) -> bool:
    """Return whether a picture is red at a place, given in parts of its size."""
    found: Any = picture.convert("RGB").getpixel((int(x * picture.width), int(y * picture.height)))
    return bool(found[0] > found[2])
