"""Files for browsers: scripts, styles, icons. Each is compressed once. Nothing is loaded from other hosts."""

from __future__ import annotations

import hashlib
import mimetypes
import zlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

import brotli

from evently.web.edge.conditional import etag_of

_STATIC: Final = files("evently.web").joinpath("static")
_SHOWN: Final = (".js", ".css", ".svg", ".txt", "LICENSE", "NOTICE")


class Asset(NamedTuple):
    """A file for browsers, plain and compressed."""

    media_type: str
    etag: str
    bodies: dict[str | None, bytes]  # by coding


@cache
def asset_names() -> frozenset[str]:
    """Return the names of the files that may be sent."""
    return frozenset(_walk(_STATIC, ""))


@cache
def load_asset(name: str) -> Asset:
    """Return a file. It is read and compressed at the first request for it."""
    content = _STATIC.joinpath(*name.split("/")).read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "text/plain"
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    bodies = {
        None: content,
        "gzip": gzip.compress(content) + gzip.flush(),
        "br": brotli.compress(content, quality=6),
    }
    shown = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    return Asset(shown, etag_of(hashlib.sha256(content).hexdigest()[:16]), bodies)


def _walk(directory: Traversable, prefix: str) -> list[str]:
    found = []
    for entry in directory.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SHOWN):
            found.append(prefix + entry.name)
    return found
