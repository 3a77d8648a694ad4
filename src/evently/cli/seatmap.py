"""The commands for seat map files: generate, check, import, draw. They need no server and no database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from evently.seating.seatmap import SeatMap

Made = TypeVar("Made")
FOUND_A_PROBLEM: Final = 1
Out = Annotated[Path | None, Parameter(help="File to write; by default the result is printed.")]
SeatMapFile = Annotated[Path, Parameter(help="Seat map (JSON).")]

seatmap: Final = App(name="seatmap", help="Generate, check, import and draw seat map files.")


@seatmap.command
def generate(
    hall: Annotated[Literal["arena", "theatre"], Parameter(help="Kind of hall.")],
    *,
    seats: Annotated[
        int | None, Parameter(help="Exact number of seats; by default 20,000 in an arena, 800 in a theatre.")
    ] = None,
    out: Out = None,
) -> None:
    """Generate the seat map of a realistic hall."""
    from evently.seating.generate import arena, theatre
    from evently.seating.seatmap import canonical

    make = {"arena": arena, "theatre": theatre}[hall]
    from evently.config import ConfigError

    try:
        made = make() if seats is None else make(seats)
    except ValueError as exc:
        raise ConfigError(f"--seats: {exc}") from exc
    _write(canonical(made).decode() + "\n", out)


@seatmap.command
def check(file: SeatMapFile) -> None:
    """Check a seat map and print all its errors."""
    _read_map(file)


@seatmap.command
def import_pretix(
    file: Annotated[Path, Parameter(help="Seating plan of pretix (JSON).")],
    *,
    out: Out = None,
    zones: Annotated[
        Path | None, Parameter(help="File for the plan's categories, as price zones of an event.")
    ] = None,
) -> None:
    """Convert a seating plan of pretix into a seat map."""
    import msgspec

    from evently.seating.pretix import import_pretix as convert
    from evently.seating.seatmap import canonical

    seat_map, choices = _or_faults(convert, _read_json(file))
    _write(canonical(seat_map).decode() + "\n", out)
    if zones is not None:
        _write(msgspec.json.format(msgspec.json.encode(choices)).decode() + "\n", zones, "--zones")


@seatmap.command
def draw(file: SeatMapFile, *, out: Out = None) -> None:
    """Draw a seat map as SVG."""
    from evently.seating.drawing import draw as picture_of

    _write(picture_of(_read_map(file)), out)


def _read_map(file: Path) -> SeatMap:
    from evently.seating.seatmap import parse

    return _or_faults(parse, _read_json(file))


def _read_json(file: Path) -> Any:
    import msgspec

    from evently.config import ConfigError

    try:
        return msgspec.json.decode(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, msgspec.DecodeError) as exc:
        raise ConfigError(f"{file}: {exc}") from exc


def _or_faults(convert: Callable[[Any], Made], content: Any) -> Made:
    """Return the converted content, or print its errors and end the program."""
    from evently.kit.errors import Invalid

    try:
        return convert(content)
    except Invalid as exc:
        for error in exc.errors:
            sys.stdout.write(f"{error.pointer or '/'}: {error.detail}\n")
        sys.exit(FOUND_A_PROBLEM)


def _write(text: str, out: Path | None, option: str = "--out") -> None:
    from evently.config import ConfigError

    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{option}: {exc}") from exc
