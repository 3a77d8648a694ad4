"""Seat maps as files: made, checked, imported and drawn, without a server or a database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from evently.seating.seatmap import SeatMap

Made = TypeVar("Made")
FOUND_SOMETHING: Final = 1
Out = Annotated[Path | None, Parameter(help="Where it goes; printed unless told.")]

seatmap: Final = App(name="seatmap", help="Seat maps as files.")


@seatmap.command
def generate(hall: Literal["arena", "theatre"], *, seats: int | None = None, out: Out = None) -> None:
    """Make a believable hall of exactly so many seats; 20,000 in an arena and 800 in a theatre unless told."""
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
def check(file: Path) -> None:
    """Say everything that is wrong with a seat map."""
    _read_map(file)


@seatmap.command
def import_pretix(
    file: Path,
    *,
    out: Out = None,
    zones: Annotated[
        Path | None, Parameter(help="Where its categories go, as price zones of an event.")
    ] = None,
) -> None:
    """Make a seat map of a seating plan of pretix."""
    import msgspec

    from evently.seating.pretix import import_pretix as convert
    from evently.seating.seatmap import canonical

    seat_map, choices = _or_faults(convert, _read_json(file))
    _write(canonical(seat_map).decode() + "\n", out)
    if zones is not None:
        _write(msgspec.json.format(msgspec.json.encode(choices)).decode() + "\n", zones, "--zones")


@seatmap.command
def draw(file: Path, *, out: Out = None) -> None:
    """Draw a seat map (SVG)."""
    from evently.seating.drawing import draw as picture_of

    _write(picture_of(_read_map(file)), out)


def _read_map(file: Path) -> SeatMap:
    from evently.seating.seatmap import parse

    return _or_faults(parse, _read_json(file))


def _read_json(file: Path) -> Any:
    import msgspec

    from evently.config import ConfigError

    try:
        return msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as exc:
        raise ConfigError(f"{file}: {exc}") from exc


def _or_faults(convert: Callable[[Any], Made], content: Any) -> Made:
    """Return what becomes of the content, or print its faults and end the program."""
    from evently.kit.errors import Invalid

    try:
        return convert(content)
    except Invalid as exc:
        for error in exc.errors:
            sys.stdout.write(f"{error.pointer or '/'}: {error.detail}\n")
        sys.exit(FOUND_SOMETHING)


def _write(text: str, out: Path | None, option: str = "--out") -> None:
    from evently.config import ConfigError

    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{option}: {exc}") from exc
