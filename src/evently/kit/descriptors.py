"""How many files and connections this process may have open."""

from __future__ import annotations

import resource
from typing import Final

import structlog

DESCRIPTORS_MAX: Final = 65_536  # where the hard limit says "unlimited"

_log: Final = structlog.get_logger(__name__)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of descriptors to the hard one, also for new child processes; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, DESCRIPTORS_MAX) if hard == resource.RLIM_INFINITY else hard
    if soft == wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as exc:  # macOS has a lower limit of its own
        _log.warning("the limit of descriptors stays", soft=soft, wanted=wanted, cause=repr(exc))
        return soft
    return wanted
