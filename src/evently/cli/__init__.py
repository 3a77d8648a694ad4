"""The command line.

    evently serve      answer requests (and run PostgreSQL, unless EVENTLY_DATABASE_URL names one)
    evently work       only what runs in the background: the relay, the sweeper, jobs
    evently migrate    bring the database to this version's schema
    evently demo       fill the database with a believable demo
    evently admin      make an administrator
    evently audit      recompute everything and compare
    evently rehearse   rehearse an on-sale with simulated buyers
    evently seatmap    make, check, import and draw seat maps
    evently openapi    print the API's description

Exit codes: 0 done; 1 an audit, a rehearsal or a check found something; 2 the command or a setting is wrong; 3
the world failed (a port, a directory, the database). Nothing heavy is imported before a command needs it, so
that `--help` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import App, Parameter

from evently import __version__
from evently.cli.seatmap import seatmap

if TYPE_CHECKING:
    from evently.config import Config

FOUND_SOMETHING: Final = 1
WRONG_USE: Final = 2
TROUBLE: Final = 3

_EPILOGUE: Final = """\
Settings are environment variables, EVENTLY_...; docs/configuration.md lists them.
Exit codes: 0 done; 1 an audit, a rehearsal or a check found something; 2 the command or a setting is wrong; 3 the world failed.
"""

app: Final = App(
    name="evently",
    version=__version__,
    help="Ticketing that stays correct and quick when everybody wants the same tickets.",
    help_epilogue=_EPILOGUE,
)
admin: Final = App(name="admin", help="Administrators of the platform.")
app.command(admin)
app.command(seatmap)


@app.command
def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    data: Path | None = None,
    demo: bool = False,
) -> None:
    """Answer requests, until told to stop.

    Parameters
    ----------
    host
        Address to listen on; 127.0.0.1 unless told.
    port
        Port to listen on; 0 takes a free one.
    workers
        Processes that answer requests; one for each core, four at the most, unless told.
    data
        Directory of the embedded PostgreSQL.
    demo
        Fill an empty database with the demo first.
    """
    from evently.cli.serving import serve as run

    run(_config(host=host, port=port, workers=workers, data=data), demo=demo)


@app.command
def work(*, data: Path | None = None) -> None:
    """Run only what runs in the background, for machines that answer no requests.

    Parameters
    ----------
    data
        Directory of the embedded PostgreSQL.
    """
    from evently.cli.serving import work as run

    run(_config(data=data))


@app.command
def migrate(*, data: Path | None = None) -> None:
    """Bring the database to this version's schema.

    Parameters
    ----------
    data
        Directory of the embedded PostgreSQL.
    """
    from evently.cli.upkeep import migrate_database

    migrate_database(_config(data=data))


@app.command
def demo(*, data: Path | None = None) -> None:
    """Fill the database with a believable demo; a second time changes nothing.

    Parameters
    ----------
    data
        Directory of the embedded PostgreSQL.
    """
    from evently.cli.upkeep import fill_with_demo

    fill_with_demo(_config(data=data))


@admin.command
def create(email: str, *, name: str = "Administrator", data: Path | None = None) -> None:
    """Make an administrator and print the password, once.

    Parameters
    ----------
    email
        To log in with.
    name
        What to call them.
    data
        Directory of the embedded PostgreSQL.
    """
    from evently.cli.upkeep import create_admin

    create_admin(_config(data=data), email, name)


@app.command
def audit(*, event: str | None = None, json: bool = False, data: Path | None = None) -> None:
    """Recompute everything from rows and from the journal and compare; safe while tickets are being sold.

    Parameters
    ----------
    event
        Only this event, evt_...
    json
        For programs.
    data
        Directory of the embedded PostgreSQL.
    """
    from evently.cli.upkeep import run_audit

    if not run_audit(_config(data=data), event, as_json=json):
        sys.exit(FOUND_SOMETHING)


@app.command
def rehearse(
    *,
    buyers: Annotated[int, Parameter(help="How many people want tickets.")] = 5_000,
    places: Annotated[
        int | None, Parameter(help="How many places there are; 1000, or as many as the event has.")
    ] = None,
    url: Annotated[str | None, Parameter(help="A server that runs already; an own one unless told.")] = None,
    event: Annotated[
        str | None, Parameter(help="The event to copy, evt_...; a fresh one unless told.")
    ] = None,
    organizer: Annotated[
        str | None, Parameter(help="Whose fresh event it is, org_...; needed where the token is of several.")
    ] = None,
    token: Annotated[
        str | None,
        Parameter(help="Of an organizer's manager, or its API key; with --url.", env_var="EVENTLY_TOKEN"),
    ] = None,
    workers: Annotated[int, Parameter(help="Processes of the own server.")] = 1,
    seats: Annotated[
        Literal["best", "random"] | None,
        Parameter(help="Assigned seating: the best available seats, or such as buyers name at random."),
    ] = None,
    hold_seconds: Annotated[
        int | None, Parameter(help="Tickets are paid online, and held for so long; at the door unless told.")
    ] = None,
    abandon: Annotated[
        float, Parameter(help="Share of buyers who hold tickets and never pay, 0 to 1.")
    ] = 0.0,
    report: Annotated[Path, Parameter(help="Where the report goes.")] = Path("rehearsal.html"),
    seed: Annotated[int, Parameter(help="The same seed, the same crowd.")] = 1,
) -> None:
    """Rehearse an on-sale: a crowd books, retries, gives up and cancels over real connections; then everything is audited."""
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
        report=report,
        seed=seed,
    ):
        sys.exit(FOUND_SOMETHING)


@app.command
def openapi(*, write: Path | None = None) -> None:
    """Print the API's description (OpenAPI 3.1).

    Parameters
    ----------
    write
        Write openapi.json and the Postman collection into this directory instead.
    """
    from evently.cli.upkeep import describe_api

    describe_api(write)


def main() -> None:
    """Run a command; what is expected to go wrong is said in a sentence, without a traceback."""
    from evently.cli.failures import said_plainly

    with said_plainly():
        app()


def _config(**given: object) -> Config:
    """Return the settings, with what the command line says instead of the environment."""
    from evently.config import PREFIX, ConfigError, environment_for, read_config

    told = {name: str(value) for name, value in given.items() if value is not None}
    try:
        return read_config(environment_for(**told))
    except ConfigError as exc:
        words = str(exc)
        for name in told:
            words = words.replace(PREFIX + name.upper(), f"--{name}")
        raise ConfigError(words) from exc
