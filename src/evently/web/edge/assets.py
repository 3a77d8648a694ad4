"""Files for browsers: scripts, styles, icons, fonts. Each is compressed once. Nothing comes from other hosts.

The address of a file names the version of all files, `/static/<version>/<name>`, so browsers may keep it for
ever, and a relative address in a style or script names a file of the same version.
"""

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
_SHOWN: Final = (
    ".js",
    ".css",
    ".svg",
    ".png",
    ".txt",
    ".webmanifest",
    ".woff2",
    ".wasm",
    "LICENSE",
    "NOTICE",
)
_COMPRESSED: Final = (".woff2", ".png")  # already, so not again
_MEDIA_TYPES: Final = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}
_VERSION_CHARACTERS: Final = 12


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
    content = _read(name)
    kind = name[name.rfind(".") :]
    media_type = _MEDIA_TYPES.get(kind) or mimetypes.guess_type(name)[0] or "text/plain"
    etag = etag_of(hashlib.sha256(content).hexdigest()[:16])
    if kind in _COMPRESSED:
        return Asset(media_type, etag, {None: content})
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    bodies = {
        None: content,
        "gzip": gzip.compress(content) + gzip.flush(),
        "br": brotli.compress(content, quality=6),
    }
    shown = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    return Asset(shown, etag, bodies)


@cache
def assets_version() -> str:
    """Return the version of all files together: another file, or another content, gives another version."""
    digest = hashlib.sha256()
    for name in sorted(asset_names()):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(_read(name)).digest())
    return digest.hexdigest()[:_VERSION_CHARACTERS]


def asset_address(name: str) -> str:
    """Return the address of a file, which browsers keep for ever."""
    return f"/static/{assets_version()}/{name}"


def _read(name: str) -> bytes:
    return _STATIC.joinpath(*name.split("/")).read_bytes()


def _walk(directory: Traversable, prefix: str) -> list[str]:
    found = []
    for entry in directory.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SHOWN):
            found.append(prefix + entry.name)
    return found
