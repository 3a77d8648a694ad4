"""A frame of the film: screens with frames around them, a title, and the sentence below."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from film.footage import TerminalLines
from film.script import Scene

WIDTH: Final = 1280
HEIGHT: Final = 720
_BAR: Final = 96  # where sentences stand
_ROOM: Final = HEIGHT - _BAR
_PAPER: Final = "#f6f3ec"
_INK: Final = "#1b1f2a"
_SOFT: Final = "#6a6f7c"
_DARK: Final = "#14161d"
_PHONES: Final = ("phone", "phones")
_FASTER: Final = 1.25  # than life: then it is said
_SENTENCE_SIZE: Final = 23
_SENTENCE_WIDTH: Final = WIDTH - 160
_TYPEFACES: Final = (
    Path(__file__).parent.parent / "src" / "evently" / "tickets" / "vendor" / "instrument-sans"
)
_REGULAR: Final = _TYPEFACES / "InstrumentSans_400Regular.ttf"
_BOLD: Final = _TYPEFACES / "InstrumentSans_700Bold.ttf"
_MONO: Final = "DejaVuSansMono.ttf"
_MONO_BOLD: Final = "DejaVuSansMono-Bold.ttf"
_COLOURS: Final = {
    "default": "#e8e8e4",
    "black": "#5c6370",
    "red": "#f07178",
    "green": "#a5d67b",
    "brown": "#ffcb6b",
    "yellow": "#ffcb6b",
    "blue": "#82aaff",
    "magenta": "#c792ea",
    "cyan": "#89ddff",
    "white": "#ffffff",
}

Content = bytes | TerminalLines
Box = tuple[int, int, int, int]  # left, top, width, height


def draw_frame(
    scene: Scene, screens: dict[str, Content], sentence: str, speed: float, drawing: Path | None
) -> bytes:
    """Return a frame as RGB bytes. `speed`: how much faster than life it is played, said if it matters."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    if scene.layout == "card":
        _card(image, scene, scene.points[: scene.said.index(sentence) + 1])
    elif drawing is not None:
        _place(image, _drawing(drawing), (40, 70, WIDTH - 80, _ROOM - 90))
        _heading(image, scene.title)
    else:
        for (_, content), box in zip(sorted(screens.items()), boxes_of(scene), strict=True):
            _screen(image, content, box)
        if scene.layout in _PHONES:
            _side_title(image, scene)
        else:
            _heading(image, scene.title)
    if speed > _FASTER:
        _say_speed(image, speed, (80, 540, "lm") if scene.layout in _PHONES else (WIDTH - 40, 34, "rm"))
    _say(image, sentence)
    return image.tobytes()


def boxes_of(scene: Scene) -> list[Box]:
    """Return where the screens of a scene stand, in the order of their names."""
    if scene.layout == "phone":
        return [(780, 20, 320, _ROOM - 40)]
    if scene.layout == "phones":
        return [(570, 20, 320, _ROOM - 40), (920, 20, 320, _ROOM - 40)]
    if scene.layout == "terminals":
        return [(60, 62, 1160, 340), (60, 412, 1160, 200)]
    if scene.layout == "terminal":
        return [(60, 70, 1160, _ROOM - 90)]
    return [(180, 60, 920, _ROOM - 70)]


@lru_cache(maxsize=64)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _place(image: Image.Image, picture: Image.Image, box: Box) -> Box:
    """Put a picture into a box, as large as it fits; return where it stands."""
    left, top, width, height = box
    scale = min(width / picture.width, height / picture.height)
    small = picture.resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
    )
    x, y = left + (width - small.width) // 2, top + (height - small.height) // 2
    image.paste(small, (x, y))
    return x, y, small.width, small.height


def _screen(image: Image.Image, content: Content, box: Box) -> None:
    if isinstance(content, bytes):
        with Image.open(io.BytesIO(content)) as picture:
            x, y, width, height = _place(image, picture.convert("RGB"), box)
        ImageDraw.Draw(image).rounded_rectangle(
            (x - 5, y - 5, x + width + 4, y + height + 4), radius=10, outline=_INK, width=5
        )
    else:
        _terminal(image, content, box)


def _terminal(image: Image.Image, lines: TerminalLines, box: Box) -> None:
    left, top, width, height = box
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((left, top, left + width, top + height), radius=10, fill=_DARK)
    columns = sum(len(run.text) for run in lines[0])
    size = int(min((width - 36) / columns / 0.602, (height - 28) / len(lines) / 1.18))
    step, line_height = _font(_MONO, size).getlength("M"), size * 1.18
    for number, runs in enumerate(lines):
        x = left + 18.0
        for run in runs:
            if run.text.strip():
                font = _font(_MONO_BOLD if run.bold else _MONO, size)
                colour = _COLOURS.get(run.colour.removeprefix("bright"), f"#{run.colour}")
                draw.text((x, top + 14 + number * line_height), run.text, font=font, fill=colour)
            x += step * len(run.text)


@lru_cache(maxsize=8)
def _drawing(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _card(image: Image.Image, scene: Scene, points: Sequence[str]) -> None:
    """Draw a title with a subtitle, and the points that were made so far; the last one stands out."""
    draw = ImageDraw.Draw(image)
    title_y = 130 if scene.points else 270
    draw.text((WIDTH // 2, title_y), scene.title, font=_font(str(_BOLD), 84), fill=_INK, anchor="mm")
    for number, line in enumerate(_lines(scene.subtitle, _font(str(_REGULAR), 30), 800)):
        place = (WIDTH // 2, title_y + 96 + 42 * number)
        draw.text(place, line, font=_font(str(_REGULAR), 30), fill=_SOFT, anchor="mm")
    top = title_y + (210 if scene.subtitle else 120)
    for number, point in enumerate(points):
        is_last = number == len(points) - 1
        font = _font(str(_BOLD if is_last else _REGULAR), 34)
        place = (WIDTH // 2, top + 66 * number)
        draw.text(place, point, font=font, fill=_INK if is_last else _SOFT, anchor="mm")


def _heading(image: Image.Image, title: str) -> None:
    ImageDraw.Draw(image).text((40, 34), title, font=_font(str(_BOLD), 30), fill=_INK, anchor="lm")


def _side_title(image: Image.Image, scene: Scene) -> None:
    draw, width = ImageDraw.Draw(image), 480
    lines = _lines(scene.title, _font(str(_BOLD), 56), width)
    for number, line in enumerate(lines):
        draw.text((80, 200 + 66 * number), line, font=_font(str(_BOLD), 56), fill=_INK, anchor="lm")
    for number, line in enumerate(_lines(scene.shown, _font(str(_REGULAR), 24), width - 40)):
        place = (80, 196 + 66 * len(lines) + 34 * number)
        draw.text(place, line, font=_font(str(_REGULAR), 24), fill=_SOFT, anchor="lm")


def _say_speed(image: Image.Image, speed: float, place: tuple[int, int, str]) -> None:
    x, y, anchor = place
    text = f"played {speed:.1f} times as fast"
    ImageDraw.Draw(image).text((x, y), text, font=_font(str(_REGULAR), 20), fill=_SOFT, anchor=anchor)


def _say(image: Image.Image, sentence: str) -> None:
    draw, font = ImageDraw.Draw(image), _font(str(_REGULAR), _SENTENCE_SIZE)
    draw.rectangle((0, _ROOM, WIDTH, HEIGHT), fill=_DARK)
    lines = _lines(sentence, font, _SENTENCE_WIDTH)
    first = _ROOM + _BAR / 2 - (len(lines) - 1) * 17
    for number, line in enumerate(lines):
        draw.text((WIDTH // 2, first + 34 * number), line, font=font, fill="#ffffff", anchor="mm")


def _lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
