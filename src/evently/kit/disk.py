"""Files that are complete or missing, also after a power cut."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str) -> None:
    """Write a small file that only its owner can read, and that is complete or missing."""
    descriptor, unfinished = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(unfinished).rename(path)


def flush_directory(directory: Path) -> None:
    """Flush the names of a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
