"""From the bytes of a file to the pictures that are stored: decoded, turned upright, made smaller, encoded.

Whatever the file is: JPEG, PNG or WebP of one frame becomes three pictures, and everything else is refused.
The size is read from the header before anything is decoded, so a small file cannot ask for much memory. A
JPEG is decoded at a half, a quarter or an eighth where that is enough. Pillow decodes outside of the
interpreter's lock, in one thread of the process.
"""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Final, NamedTuple

from PIL import Image, ImageCms, ImageOps

from evently.kit.errors import Busy, Refusal, Refused

PIXELS_MAX: Final = 24_000_000  # of a phone; with transparency, 100 MB when decoded
SIDE_PIXELS_MAX: Final = 12_000  # a panorama
SIDE_PIXELS_MIN: Final = 200  # smaller ones are a blur on every page
SMALL_WIDTH: Final = 640  # in a list, on a screen with two dots for each point
WIDE_WIDTH: Final = 1_600  # on its own page
SHARED_WIDTH: Final = 1_200  # what other sites show with a link (Open Graph)
_WAITING_MAX: Final = 8  # for the thread, each with a file of megabytes: some seconds of work
_DIGEST_BYTES: Final = 16
_QUALITY: Final = 82
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
# What Pillow and its codecs raise for broken files, and for those made to break them; their warnings, too
_BROKEN: Final = (
    OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError,
    MemoryError, AssertionError, RuntimeError, struct.error,
    zlib.error, Warning,
)  # fmt: skip
_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_thread: Final = ThreadPoolExecutor(1, "uploads")
_waiting: list[object] = []


class PicturesRefusal(Refusal):
    """Every refusal of this package."""

    UNUSABLE = "unusable-picture"
    TOO_MANY = "too-many-pictures"


class MadePicture(NamedTuple):
    """A picture to be stored. `digest`: of the shared one; `width` and `height` are those of the wide one."""

    digest: str
    width: int
    height: int
    small: bytes  # WebP
    wide: bytes  # WebP
    shared: bytes  # JPEG


async def make_picture(sent: bytes, media_type: str = "") -> MadePicture:
    """Return the pictures made of a file, in a thread. `media_type`: what it is said to be, if that is known.

    Refuses `unusable-picture`.
    """
    if len(_waiting) >= _WAITING_MAX:
        raise Busy("pictures")
    turn = object()
    _waiting.append(turn)
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread, make_now, sent, media_type)
    finally:
        _waiting.remove(turn)


def make_now(sent: bytes, media_type: str = "") -> MadePicture:
    """Return the pictures made of a file. Refuses `unusable-picture`."""
    try:
        with Image.open(io.BytesIO(sent), formats=_FORMATS) as opened:
            _check(opened, media_type)
            return _encode(_decode(opened))
    except _BOMBS as exc:
        raise _too_many_pixels() from exc
    except _BROKEN as exc:
        raise Refused(PicturesRefusal.UNUSABLE, "broken") from exc


def _check(opened: Image.Image, media_type: str) -> None:
    """Refuse what the header says already."""
    width, height = opened.size
    if media_type and media_type != Image.MIME[opened.format or ""]:
        raise Refused(PicturesRefusal.UNUSABLE, "another_type", media_type=media_type)
    if getattr(opened, "n_frames", 1) > 1:
        raise Refused(PicturesRefusal.UNUSABLE, "animated")
    if width * height > PIXELS_MAX or max(width, height) > SIDE_PIXELS_MAX:
        raise _too_many_pixels()
    if min(width, height) < SIDE_PIXELS_MIN:
        raise Refused(PicturesRefusal.UNUSABLE, "too_small", pixels_min=SIDE_PIXELS_MIN)


def _too_many_pixels() -> Refused:
    return Refused(
        PicturesRefusal.UNUSABLE,
        "too_large",
        megapixels_max=PIXELS_MAX // 1_000_000,
        pixels_max=SIDE_PIXELS_MAX,
    )


def _decode(opened: Image.Image) -> Image.Image:
    """Return the picture upright, at most as wide and high as the wide one, in sRGB on white."""
    image = opened if opened.mode != "P" else opened.convert("RGBA")
    image.thumbnail((WIDE_WIDTH, WIDE_WIDTH), Image.Resampling.LANCZOS)  # a JPEG is not decoded whole
    image = _in_srgb(ImageOps.exif_transpose(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return a picture in the colours of the web; one whose profile cannot be read stays as it is."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return image
    try:
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        found = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
            outputMode=mode,
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if found is None else found


def _encode(image: Image.Image) -> MadePicture:
    shared = _save(_narrowed(image, SHARED_WIDTH), "JPEG", optimize=True, progressive=True)
    return MadePicture(
        blake2b(shared, digest_size=_DIGEST_BYTES).hexdigest(),
        *image.size,
        _save(_narrowed(image, SMALL_WIDTH), "WEBP", method=4),
        _save(image, "WEBP", method=4),
        shared,
    )


def _narrowed(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    return image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an encoded picture; without `exif`, `icc_profile` and the like, because none is named."""
    plain = Image.new("RGB", image.size)
    plain.paste(image)
    written = io.BytesIO()
    plain.save(written, kind, quality=_QUALITY, **options)
    return written.getvalue()
