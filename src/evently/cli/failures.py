"""Expected failures of a command: one sentence on standard error and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from rich.console import Console

if TYPE_CHECKING:
    from evently.kit.errors import Trouble

WRONG_USE = 2
TROUBLE = 3
READER_GONE = 141  # as shells say it of a program that SIGPIPE has ended


class Output(Console):
    """Standard output. A reader that has gone is no finding, as the base class would say with status 1."""

    def on_broken_pipe(self) -> None:
        """Raise it again, for `exit_on_failure`."""
        raise BrokenPipeError


@contextmanager
def exit_on_failure() -> Iterator[None]:
    """End the program with a sentence after an expected failure. Bugs keep their traceback."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left of the output goes nowhere; the interpreter would complain about it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)
    except KeyboardInterrupt:
        sys.exit(130)  # the exit code of shells for Ctrl-C
    except Exception as exc:  # an outermost loop: unexpected exceptions are raised again
        code = _code_of(exc)
        if code is None:
            raise
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print("[bold red]evently:[/] ", end="")
        console.print(_sentence(exc), markup=False)
        sys.exit(code)


def _sentence(exc: Exception) -> str:
    """Return the message; for an error that SQLAlchemy wraps, the driver's, which has no link in it."""
    reason: object = getattr(exc, "reason", None)
    if reason and "Trouble" in _names_of(exc):
        from evently.web.edge.problems import sentence_of  # slow, and seldom needed

        return sentence_of(cast("Trouble", exc))
    return str(getattr(exc, "orig", None) or exc).strip()


def _names_of(exc: Exception) -> set[str]:
    return {each.__name__ for each in type(exc).__mro__}


def _code_of(exc: Exception) -> int | None:
    names = _names_of(exc)
    # Compared by name: importing the defining modules would make every command as slow as the slowest.
    if names & {"ConfigError", "Refused"}:
        return WRONG_USE
    if names & {"EmbeddedRefusal", "Trouble", "CannotServe", "OperationalError"}:
        return TROUBLE
    return None
