"""The command line.

    evently serve      start the server (and PostgreSQL, unless EVENTLY_DATABASE_URL is set)
    evently work       run only background work: the relay, the sweeper, jobs
    evently migrate    update the database schema
    evently demo       fill the database with demo data
    evently admin      manage administrators
    evently audit      recompute counters, money and states, and compare them with the stored ones
    evently backup     copy the embedded database, while it sells
    evently archive    move journals of events that ended long ago to files
    evently restore    make a data directory from a backup, as it was at any moment
    evently doctor     say what is wrong with this installation, and how to mend it
    evently rehearse   rehearse an on-sale with simulated buyers
    evently seatmap    generate, check, import and draw seat maps
    evently openapi    print the OpenAPI description of the API

Exit codes: 0 success; 1 an audit, a rehearsal or a check found a problem; 2 the command or a setting is
wrong; 3 a port, a directory, the database or another server failed. Commands import heavy modules only when
they run, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from cyclopts import App, Parameter
from cyclopts.validators import Number

from evently import __version__
from evently.cli.seatmap import seatmap

if TYPE_CHECKING:
    from evently.config import Config

FOUND_A_PROBLEM: Final = 1

_EPILOGUE: Final = """\
Settings are environment variables that begin with EVENTLY_; docs/configuration.md lists them.

Exit codes: 0 success; 1 an audit, a rehearsal or a check found a problem; 2 the command or a setting is
wrong; 3 a port, a directory, the database or another server failed.
"""
_DataDirectory: TypeAlias = Annotated[
    Path | None, Parameter(help="Data directory of the embedded PostgreSQL.")
]
_Abandon: TypeAlias = Annotated[
    float, Parameter(help="Share of buyers, 0 to 1, who hold tickets and never pay.")
]
_WaitingRoom: TypeAlias = Annotated[
    bool,
    Parameter(
        help="Rehearse twice with the same buyers, without and with a waiting room, and compare.", negative=""
    ),
]
_PerMinute: TypeAlias = Annotated[
    int, Parameter(help="With --waiting-room: people that are admitted in a minute, at most.")
]
_OpensAfter: TypeAlias = Annotated[
    int, Parameter(help="With --waiting-room: seconds in which buyers enter it, before the sale begins.")
]

app: Final = App(
    name="evently",
    version=__version__,
    help="Ticketing platform that stays correct and fast when everybody wants the same tickets.",
    help_epilogue=_EPILOGUE,
)
admin: Final = App(name="admin", help="Manage administrators of the platform.")
app.command(admin)
app.command(seatmap)


@app.command
def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    data: _DataDirectory = None,
    demo: bool = False,
) -> None:
    """Start the server; Ctrl-C or SIGTERM stops it.

    Parameters
    ----------
    host
        Address to listen on; the default is 127.0.0.1.
    port
        Port to listen on; the default is 8000, and 0 picks a free port.
    workers
        Number of worker processes; the default is one per processor core, at most four.
    demo
        Fill an empty database with demo data first.
    """
    from evently.cli.serving import serve as run

    run(_config(host=host, port=port, workers=workers, data=data), demo=demo)


@app.command
def work(*, data: _DataDirectory = None) -> None:
    """Run only background work, on a machine that serves no requests."""
    from evently.cli.serving import work as run

    run(_config(data=data))


@app.command
def migrate(*, distribute: bool = False, dry_run: bool = False, data: _DataDirectory = None) -> None:
    """Update the database schema to this version of Evently.

    Parameters
    ----------
    distribute
        Then spread the tables of events over the nodes of a cluster (Citus); stop selling while it runs.
    dry_run
        Print what --distribute would do, and change nothing.
    """
    from evently.cli.upkeep import distribute_tables, migrate_database

    config = _config(data=data)
    if distribute or dry_run:
        distribute_tables(config, dry_run=dry_run)
    else:
        migrate_database(config)


@app.command
def demo(*, data: _DataDirectory = None) -> None:
    """Fill the database with demo data; running it again changes nothing."""
    from evently.cli.upkeep import fill_with_demo

    fill_with_demo(_config(data=data))


@admin.command
def create(email: str, *, name: str = "Administrator", data: _DataDirectory = None) -> None:
    """Create an administrator and print the password, or make an existing account one.

    Parameters
    ----------
    email
        E-mail address of the account.
    name
        Name of the person.
    """
    from evently.cli.upkeep import create_admin

    create_admin(_config(data=data), email, name)


@app.command
def audit(*, event: str | None = None, json: bool = False, data: _DataDirectory = None) -> None:
    """Check all invariants of the database; safe while tickets are being sold.

    Counters, money and states are recomputed from the rows and from the journal, and compared with the stored
    ones.

    Parameters
    ----------
    event
        Id of an event (evt_...); the default is all events.
    json
        Print JSON instead of a table.
    """
    from evently.cli.upkeep import run_audit

    if not run_audit(_config(data=data), event, as_json=json):
        sys.exit(FOUND_A_PROBLEM)


@app.command
def backup(
    directory: Path | None = None,
    *,
    keep: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    data: _DataDirectory = None,
) -> None:
    """Copy the embedded database, while tickets are being sold or while it is stopped, and verify the copy.

    Parameters
    ----------
    directory
        Directory of backups; the default is EVENTLY_BACKUPS, where `serve` archives the log.
    keep
        Keep this many copies, and remove older ones with the log that only they needed.
    """
    from evently.cli.upkeep import make_backup

    make_backup(_config(data=data), directory, keep)


@app.command
def archive(
    directory: Path | None = None,
    *,
    days: Annotated[int, Parameter(validator=Number(gte=30))] = 365,
    restore: str | None = None,
    data: _DataDirectory = None,
) -> None:
    """Move the facts of journals to files: of events that ended long ago and have not changed since.

    The proof, the audit and the story of a booking read them there. Safe while tickets are being sold.

    Parameters
    ----------
    directory
        Directory of archived journals; the default is EVENTLY_ARCHIVE, which every process needs.
    days
        Archive what ended, and changed for the last time, this many days ago.
    restore
        Id of an event (evt_...) whose journal is read back into the database; the file stays.
    """
    from evently.cli.upkeep import archive_journals

    archive_journals(_config(data=data, archive=directory), days, restore)


@app.command
def restore(
    directory: Path | None = None,
    *,
    data: Annotated[Path, Parameter(help="New data directory, which is missing or empty.")],
    at: str | None = None,
) -> None:
    """Make a data directory from a backup; the running server and the backups stay as they are.

    Parameters
    ----------
    directory
        Directory of backups; the default is EVENTLY_BACKUPS.
    at
        The moment to restore, such as 2026-11-29T20:15:00+01:00; the default is the end of the log.
    """
    from evently.cli.upkeep import restore_backup

    restore_backup(_config(data=data), directory, at)


@app.command
def doctor(*, json: bool = False, data: _DataDirectory = None) -> None:
    """Say what is wrong with this installation, and how to mend it. It changes nothing.

    It looks at versions, settings, limits, files and permissions, the disk, the port, the database and its
    clock, the mail server, the payment gateway, and at work that is late.

    Parameters
    ----------
    json
        Print JSON instead of text.
    """
    from evently.cli.upkeep import run_doctor

    if not run_doctor(data, as_json=json):
        sys.exit(FOUND_A_PROBLEM)


@app.command
def rehearse(
    *,
    buyers: Annotated[int, Parameter(help="Number of simulated buyers.")] = 5_000,
    places: Annotated[
        int | None,
        Parameter(help="Capacity of the event; the default is 1000, or the capacity of the copied event."),
    ] = None,
    url: Annotated[
        str | None, Parameter(help="URL of a running server; by default a temporary server is started.")
    ] = None,
    event: Annotated[
        str | None, Parameter(help="Id of the event to copy (evt_...); by default a new event is made.")
    ] = None,
    organizer: Annotated[
        str | None,
        Parameter(help="Organizer of the new event (org_...); needed if the token belongs to several."),
    ] = None,
    token: Annotated[
        str | None,
        Parameter(
            help="Access token of an organizer's manager, or an API key; needed with --url.",
            env_var="EVENTLY_TOKEN",
        ),
    ] = None,
    workers: Annotated[int, Parameter(help="Number of worker processes of the temporary server.")] = 1,
    seats: Annotated[
        Literal["best", "random"] | None,
        Parameter(help="Sell numbered seats: the server picks the best ones, or buyers choose at random."),
    ] = None,
    hold_seconds: Annotated[
        int | None,
        Parameter(help="Buyers pay online within this time; by default tickets are paid on site."),
    ] = None,
    abandon: _Abandon = 0.0,
    waiting_room: _WaitingRoom = False,
    per_minute: _PerMinute = 600,
    opens_after: _OpensAfter = 10,
    report: Annotated[Path, Parameter(help="File for the HTML report.")] = Path("rehearsal.html"),
    seed: Annotated[
        int, Parameter(help="Seed of the random buyers; the same seed makes the same crowd.")
    ] = 1,
) -> None:
    """Rehearse an on-sale with simulated buyers, then audit the result.

    Buyers book, retry, give up and cancel over real connections, on a copy of an event or on a new one.
    """
    from evently.cli.upkeep import run_rehearsal

    if not run_rehearsal(
        buyers=buyers,
        places=places,
        url=url,
        event=event,
        organizer=organizer,
        token=token,
        workers=workers,
        seats=seats,
        hold_seconds=hold_seconds,
        abandon=abandon,
        waiting_room=waiting_room,
        per_minute=per_minute,
        opens_after=opens_after,
        report=report,
        seed=seed,
    ):
        sys.exit(FOUND_A_PROBLEM)


@app.command
def openapi(*, write: Path | None = None) -> None:
    """Print the OpenAPI 3.1 description of the API.

    Parameters
    ----------
    write
        Directory in which to write openapi.json and a Postman collection, instead of printing.
    """
    from evently.cli.upkeep import describe_api

    describe_api(write)


def main() -> None:
    """Run a command; expected failures end with one sentence instead of a traceback."""
    from evently.cli.failures import exit_on_failure

    _open_standard_streams()
    with exit_on_failure():
        app()


def _open_standard_streams() -> None:
    """Open the null device for each closed standard stream; a socket would get its number otherwise."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _config(**options: object) -> Config:
    """Return the settings; options of the command line take precedence over the environment."""
    from evently.config import PREFIX, ConfigError, environment_for, read_config

    given = {name: str(value) for name, value in options.items() if value is not None}
    try:
        return read_config(environment_for(**given))
    except ConfigError as exc:
        message = str(exc)
        for name in given:
            message = message.replace(PREFIX + name.upper(), f"--{name}")
        raise ConfigError(message) from exc
