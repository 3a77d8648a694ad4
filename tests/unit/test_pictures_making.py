"""What becomes of a file that is uploaded: upright, small, without what cameras add; or a refusal."""

from __future__ import annotations

import random
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image, ImageCms

from evently.kit.errors import Refused
from evently.pictures.making import PIXELS_MAX, SIDE_PIXELS_MAX, make_now
from tests.support.pictures import SECRET, draw, encode, is_red, photograph, read


def reason_of(sent: bytes, media_type: str = "") -> str:
    with pytest.raises(Refused) as refused:
        make_now(sent, media_type)
    assert refused.value.refusal.value == "unusable-picture"
    return refused.value.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_three_pictures_are_made_without_what_cameras_add(kind: str) -> None:
    sent = photograph(kind, width=2_400, height=1_800)
    assert SECRET in sent
    made = make_now(sent, f"image/{kind.lower()}")
    assert (made.width, made.height) == (1_600, 1_200)
    for stored, form, size in (
        (made.small, "WEBP", (640, 480)),
        (made.wide, "WEBP", (1_600, 1_200)),
        (made.shared, "JPEG", (1_200, 900)),
    ):
        picture = read(stored)
        assert (picture.format, picture.size) == (form, size)
        assert not picture.getexif()
        assert not {"exif", "icc_profile", "xmp", "comment"} & set(picture.info)
        assert SECRET not in stored
        assert is_red(picture, 0.5, 0.2)
        assert not is_red(picture, 0.5, 0.8)
    assert make_now(sent) == made, "the same file is the same picture"


def test_a_photograph_is_turned_upright() -> None:
    # 6: the camera was turned; what is on the left of the file is at the top
    made = make_now(photograph(orientation=6, width=800, height=400))
    assert (made.width, made.height) == (400, 800)
    picture = read(made.wide)
    assert is_red(picture, 0.8, 0.5)
    assert not is_red(picture, 0.2, 0.5)


def test_a_small_picture_is_not_made_larger() -> None:
    made = make_now(encode(draw(300, 200), "PNG"))
    assert [read(each).size for each in (made.small, made.wide, made.shared)] == [(300, 200)] * 3


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_kind_of_colours_becomes_ordinary(mode: str) -> None:
    picture = draw(mode="L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = picture.convert("I").point(lambda value: value * 257).convert("I;16")
    made = make_now(encode(picture, "PNG"))
    assert read(made.shared).mode == "RGB"
    cmyk = make_now(encode(draw(mode="CMYK")))
    assert is_red(read(cmyk.shared), 0.5, 0.2)


def test_what_is_transparent_becomes_white() -> None:
    made = make_now(encode(Image.new("RGBA", (300, 300), (10, 10, 10, 0)), "PNG"))
    assert read(made.shared).getpixel((150, 150)) == (255, 255, 255)


def test_a_profile_of_colours_is_applied_and_a_broken_one_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for stored in (profile, b"no profile"):
        made = make_now(encode(draw(), icc_profile=stored))
        assert is_red(read(made.shared), 0.5, 0.2)
        assert "icc_profile" not in read(made.shared).info


# Refused ----------------------------------------------------------------------------------------------------


def png_of(width: int, height: int) -> bytes:
    """Return a file of some bytes that says it is this large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\x00" * 1_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (50_000, 50_000),
        (2**31 - 1, 2**31 - 1),
        (10_000, 10_000),
        (PIXELS_MAX // 4_000 + 1, 4_000),
        (SIDE_PIXELS_MAX + 1, 300),
    ],
)
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    assert reason_of(png_of(width, height)) == "too_large"


def test_what_is_no_picture_is_refused() -> None:
    gif = encode(draw(), "GIF")
    frames: Any = [draw(mode="RGB"), draw(300, 300).resize((800, 600))]
    moving = {
        kind: encode(frames[0], kind, save_all=True, append_images=[frames[1].rotate(90)])
        for kind in ("WEBP", "PNG")
    }
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400"><script>alert(1)</script></svg>'
    page = b"<!doctype html><title>No picture</title>"
    for sent in (
        b"",
        b"text",
        gif,
        svg,
        page,
        encode(draw(), "TIFF"),
        encode(draw(), "BMP"),
        b"\xff\xd8\xff",
    ):
        assert reason_of(sent) == "broken", sent[:20]
    assert {reason_of(sent) for sent in moving.values()} == {"animated"}
    assert reason_of(encode(draw(199, 400))) == "too_small"
    assert reason_of(encode(draw(), "PNG"), "image/jpeg") == "another_type"
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = photograph(kind)
        assert reason_of(whole[: len(whole) // 2]) == "broken", kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_changed_bytes_make_a_picture_or_a_refusal(kind: str) -> None:
    chance = random.Random(kind)
    sent = photograph(kind, width=240, height=220)
    for _ in range(60):
        changed = bytearray(sent)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(min(len(changed), chance.choice((64, 512, len(changed)))))
            changed[at] = chance.randrange(256)
        if chance.random() < 0.2:
            at = chance.randrange(len(changed))
            del changed[at : at + chance.randrange(1, 64)]
        with suppress(Refused):
            made = make_now(bytes(changed))
            for stored in (made.small, made.wide, made.shared):
                read(stored).load()
                assert SECRET not in stored
