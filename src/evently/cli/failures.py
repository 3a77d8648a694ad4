"""What is expected to go wrong, said in one sentence and with an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

WRONG_USE = 2
TROUBLE = 3


@contextmanager
def said_plainly() -> Iterator[None]:
    """End the program with a sentence where the setting or the world is wrong. Bugs keep their traceback."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)  # as shells do
    except Exception as exc:  # an outermost loop: what has no sentence is raised again
        code = _code_of(exc)
        if code is None:
            raise
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print("[bold red]evently:[/] ", end="")
        console.print(_sentence(exc), markup=False)
        sys.exit(code)


def _sentence(exc: Exception) -> str:
    """Return what to say: of what SQLAlchemy wraps, the driver's own words, which do not advertise."""
    return str(getattr(exc, "orig", None) or exc).strip()


def _code_of(exc: Exception) -> int | None:
    names = {each.__name__ for each in type(exc).__mro__}
    # By name: importing the modules that define them would make every command as slow as the slowest.
    if names & {"ConfigError", "Refused"}:
        return WRONG_USE
    if names & {"EmbeddedRefusal", "Trouble", "CannotServe", "OperationalError"}:
        return TROUBLE
    return None
