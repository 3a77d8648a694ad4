"""The command `doctor`: what is wrong with an installation, and how to mend it. It changes nothing.

    examine()   every finding, each with a sentence, and with a remedy where something is wrong

Nothing is migrated or created. An embedded PostgreSQL that does not run is started for the time of the
questions, if its data directory exists.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from msgspec.structs import replace

from evently import __version__
from evently.cli.serving import running_database_url
from evently.config import Config, ConfigError, read_config
from evently.kit.errors import Trouble

if TYPE_CHECKING:
    from evently.db import Database
    from evently.db.examining import ServerState

Status = Literal["pass", "warn", "fail"]

_GIGABYTE: Final = 10**9
_DISK_PART_MIN: Final = 0.1
_DISK_BYTES_LOST: Final = 500 * 10**6  # PostgreSQL stops when it cannot write
_CONNECTIONS_MIN: Final = 1_000  # a worker with fewer refuses a small crowd
_POSTGRES_MIN: Final = 160_000
_SECONDS_OFF_MAX: Final = 2.0  # db/probing.py: nothing is sold beyond it
_ANSWER_SECONDS_MAX: Final = 10.0  # of a mail server, a gateway, a port
_PER_WORKER: Final = 4  # connections besides lanes and pool: probe, relay, jobs, listener of jobs


class Finding(NamedTuple):
    """One thing that was looked at. `remedy`: what to do, where something is wrong."""

    name: str
    status: Status
    text: str
    remedy: str = ""


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Look at the whole installation that these settings describe."""
    found = [*_examine_versions()]
    try:
        config = read_config(environment)
    except ConfigError as exc:
        remedy = "Correct the setting; docs/configuration.md lists them all."
        return [*found, Finding("Settings", "fail", str(exc), remedy)]
    found += [
        *_examine_settings(config),
        *_examine_extras(config),
        _examine_limits(),
        *_examine_files(config),
        _examine_port(config),
    ]
    with ExitStack() as stack:
        url, finding = _find_database(config, stack)
        found.append(finding)
        if url is not None:
            found += asyncio.run(_examine_services(replace(config, database_url=url), config))
    return found


def _examine_versions() -> Iterator[Finding]:
    python = platform.python_version()
    yield Finding("Versions", "pass", f"Evently {__version__} on Python {python}, {platform.platform()}.")
    missing = []
    for line in importlib.metadata.requires("evently") or ():
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        if "extra ==" in line or ("sys_platform" in line and sys.platform == "win32"):
            continue
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(
            "Packages",
            "fail",
            f"Not installed: {', '.join(missing)}.",
            "Install Evently again, with its dependencies.",
        )


def _examine_settings(config: Config) -> Iterator[Finding]:
    if config.demo:
        yield Finding(
            "Settings",
            "warn",
            "This is the demo: everybody knows the password of its accounts, and reads the mail.",
            "Serve without --demo, from an empty database, before real people come.",
        )
    elif not config.public_url:
        yield Finding(
            "Settings",
            "warn",
            f"Links in e-mails begin with {config.local_url}, and passkeys work only there.",
            "Name the URL that people use in EVENTLY_PUBLIC_URL.",
        )
    elif config.public_url.startswith("http://"):
        yield Finding(
            "Settings",
            "warn",
            f"{config.public_url} is not encrypted: browsers send no passkeys and show no camera there.",
            "Put a proxy with TLS in front, and name its https:// URL in EVENTLY_PUBLIC_URL.",
        )
    else:
        yield Finding("Settings", "pass", f"People reach this installation at {config.public_url}.")


def _examine_extras(config: Config) -> Iterator[Finding]:
    for used, package, extra in (
        (config.gateway == "stripe", "stripe", "stripe"),
        (config.redis_url is not None, "valkey", "redis"),
    ):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            if used:
                yield Finding(
                    "Packages",
                    "fail",
                    f"The package {package} is not installed, and a setting needs it.",
                    f"pip install 'evently[{extra}]'",
                )


def _examine_limits() -> Finding:
    from evently.kit.descriptors import raise_descriptor_limit
    from evently.web.edge.connections import connections_for

    descriptors = raise_descriptor_limit()
    count = connections_for(descriptors)
    text = f"{descriptors:,} open files are allowed: a worker takes {count:,} connections."
    if count >= _CONNECTIONS_MIN:
        return Finding("Limits", "pass", text)
    return Finding(
        "Limits",
        "warn",
        text,
        "Raise the hard limit of open files: LimitNOFILE=65536 of systemd, or ulimit -Hn.",
    )


def _examine_files(config: Config) -> Iterator[Finding]:
    yield _examine_disk("Temporary files", Path(tempfile.gettempdir()))
    secrets = [config.apple_certificate, config.apple_key, config.apple_authority, config.google_account]
    for path in filter(None, secrets):
        if not os.access(path, os.R_OK):
            yield Finding(
                "Permissions",
                "fail",
                f"{path} cannot be read.",
                "Name a file that exists, and let the user of the server read it.",
            )
        elif path in (config.apple_key, config.google_account) and path.stat().st_mode & stat.S_IROTH:
            yield Finding("Permissions", "warn", f"Everybody can read the key {path}.", f"chmod 640 {path}")
    if config.archive is not None and not os.access(config.archive, os.R_OK | os.X_OK):
        yield Finding(
            "Permissions",
            "fail",
            f"{config.archive} cannot be read: archived journals are not proven.",
            "Mount the directory of EVENTLY_ARCHIVE, and let the user of the server read it.",
        )
    if config.database_url is None:
        yield from _examine_data(config)


def _examine_data(config: Config) -> Iterator[Finding]:
    from evently.db.embedded import EmbeddedRefusal, reachable_data_directory

    try:
        directory = (
            config.data if config.data != Config().data else reachable_data_directory(config.data)
        ).absolute()
    except EmbeddedRefusal as exc:
        yield Finding("Permissions", "fail", str(exc), "Name another directory in EVENTLY_DATA.")
        return
    existing = next(part for part in (directory, *directory.parents) if part.exists())
    if not os.access(existing, os.W_OK):
        yield Finding(
            "Permissions",
            "fail",
            f"{existing} cannot be written to.",
            f"Let the user of the server own {directory}, or name another directory in EVENTLY_DATA.",
        )
    cluster = directory / "postgres"
    if cluster.exists() and stat.S_IMODE(cluster.stat().st_mode) & 0o027:
        yield Finding(
            "Permissions",
            "fail",
            f"Others can enter {cluster}: PostgreSQL does not start like this.",
            f"chmod -R u=rwX,go= {cluster}",
        )
    yield _examine_disk("Disk", existing)


def _examine_disk(name: str, path: Path) -> Finding:
    usage = shutil.disk_usage(path)
    text = f"{usage.free / _GIGABYTE:,.1f} of {usage.total / _GIGABYTE:,.1f} GB are free at {path}."
    remedy = "Free space, or move the directory to a larger disk; docs/operations.md says what is stored."
    if usage.free < _DISK_BYTES_LOST:
        return Finding(name, "fail", text, remedy)
    if usage.free < usage.total * _DISK_PART_MIN:
        return Finding(name, "warn", text, remedy)
    return Finding(name, "pass", text)


def _examine_port(config: Config) -> Finding:
    """Return who listens on the port: nobody, Evently, or another program."""
    host = "127.0.0.1" if config.host in ("localhost", "0.0.0.0", "::") else config.host  # noqa: S104  # compared
    where = f"{host}:{config.port}"
    try:
        with socket.create_connection((host, config.port), timeout=_ANSWER_SECONDS_MAX):
            pass
    except OSError:
        return Finding("Port", "pass", f"Nothing listens on {where}: evently serve can start.")
    try:
        connection = http.client.HTTPConnection(host, config.port, timeout=_ANSWER_SECONDS_MAX)
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        is_evently = b'"status"' in answer.read(2_000) and answer.getheader("x-request-id") is not None
        connection.close()
    except (OSError, http.client.HTTPException):
        is_evently = False
    if is_evently:
        return Finding("Port", "pass", f"Evently answers on {where}.")
    return Finding(
        "Port",
        "fail",
        f"Another program listens on {where}.",
        "Stop it, or name another port in EVENTLY_PORT.",
    )


def _find_database(config: Config, stack: ExitStack) -> tuple[str | None, Finding]:
    """Return the URL of the database; an embedded one that does not run is started until the stack ends."""
    if config.database_url is not None:
        return config.database_url, Finding("Database", "pass", "EVENTLY_DATABASE_URL names it.")
    from evently.db.embedded import (
        EmbeddedOptions,
        EmbeddedPostgres,
        EmbeddedRefusal,
        reachable_data_directory,
    )

    try:
        if (url := running_database_url(config)) is not None:
            return url, Finding("Database", "pass", "The embedded PostgreSQL runs.")
        directory = config.data if config.data != Config().data else reachable_data_directory(config.data)
        if not (directory / "postgres").exists():
            return None, Finding(
                "Database", "pass", f"There is none yet: evently serve creates it in {directory.absolute()}."
            )
        options = EmbeddedOptions(data_directory=directory, bin_directory=config.pg_bindir)
        started = stack.enter_context(EmbeddedPostgres(options))
    except (EmbeddedRefusal, OSError) as exc:
        return None, Finding("Database", "fail", str(exc), "See docs/operations.md, Troubleshooting.")
    return started.url, Finding("Database", "pass", "The embedded PostgreSQL starts.")


async def _examine_services(config: Config, named: Config) -> list[Finding]:
    """Look at the database, and at the servers that the settings name. `named`: the settings as they are."""
    from evently.db import Database
    from evently.db.examining import describe_server
    from evently.kit.clock import utc_now
    from evently.web.edge.problems import sentence_of

    database = await Database.open(config.database_options())
    try:
        try:
            before = utc_now()
            server = await describe_server(database)
            after = utc_now()
        except Trouble as exc:
            remedy = "Start PostgreSQL, or correct EVENTLY_DATABASE_URL: its host, port, user and password."
            return [
                Finding("Database", "fail", sentence_of(exc), remedy),
                *await _examine_others(named, None),
            ]
        off = (server.now - before - (after - before) / 2).total_seconds()
        allowed = (after - before).total_seconds() / 2
        found = [*_examine_server(config, named, server), _examine_clock(off, allowed)]
        revision = await _examine_revision(database)
        found.append(revision)
        return found + await _examine_others(named, database if revision.status == "pass" else None)
    finally:
        await database.close()


def _examine_server(config: Config, named: Config, server: ServerState) -> Iterator[Finding]:
    if server.version_number < _POSTGRES_MIN:
        yield Finding(
            "Database", "fail", f"PostgreSQL {server.version} is too old.", "Upgrade it to 16 or newer."
        )
    else:
        yield Finding("Database", "pass", f"PostgreSQL {server.version} answers.")
    if server.is_standby:
        yield Finding(
            "Database",
            "fail",
            "The server takes no writes: it is a standby.",
            "Name all hosts in EVENTLY_DATABASE_URL; Evently finds the one that takes writes.",
        )
    off = [
        name.replace("page_", "full_page_")
        for name in ("fsync", "page_writes", "synchronous_commit")
        if getattr(server, name) in ("off", "local")
        and not (name == "synchronous_commit" and server.is_standby)
    ]
    if off:
        yield Finding(
            "Durability",
            "fail",
            f"{', '.join(off)}: off, so a booking that was answered may be lost.",
            "Turn them on in postgresql.conf, and on the role and the database (ALTER ROLE, ALTER DATABASE).",
        )
    if not server.may_create:
        yield Finding(
            "Permissions",
            "fail",
            "The role may not create tables, so it cannot migrate.",
            "Make it the owner of its database: ALTER DATABASE ... OWNER TO ...",
        )
    wanted = config.processes() * (config.lanes + config.pool_connections_max + _PER_WORKER)
    if named.database_url is not None and wanted > server.connections_max:
        yield Finding(
            "Limits",
            "fail",
            f"This machine opens up to {wanted} connections, the server takes {server.connections_max}.",
            "Raise max_connections, or lower EVENTLY_WORKERS or EVENTLY_POOL_CONNECTIONS_MAX.",
        )


def _examine_clock(off: float, allowed: float) -> Finding:
    text = f"The clock of this machine differs from the database's by {abs(off):.3f} seconds."
    if abs(off) - allowed <= _SECONDS_OFF_MAX:
        return Finding("Clock", "pass", text)
    return Finding("Clock", "fail", f"{text} Nothing is sold here.", "Run NTP (chrony) on both machines.")


async def _examine_revision(database: Database) -> Finding:
    from evently.db.revision import newest_revision, stored_revision

    newest, stored = newest_revision(), await stored_revision(database)
    if stored == newest:
        return Finding("Schema", "pass", f"The database has the schema of this version, {stored}.")
    if stored is None:
        return Finding("Schema", "warn", "The database is empty.", "evently migrate, or evently serve.")
    if stored > newest:
        return Finding(
            "Schema",
            "warn",
            f"A newer version has migrated the database to {stored}; this one still sells.",
            "Install the newer version here, too.",
        )
    return Finding(
        "Schema", "fail", f"The database is at {stored}, this version needs {newest}.", "evently migrate"
    )


async def _examine_others(config: Config, database: Database | None) -> list[Finding]:
    """Look at the servers that the settings name, and at what waits in the database."""
    found = [await _examine_mail(config), await _examine_rates(config)]
    if database is not None:
        found += [await _examine_gateway(config, database), *await _examine_waiting(config, database)]
    return [each for each in found if each is not None]


async def _examine_mail(config: Config) -> Finding | None:
    from evently.mail import MailTrouble, Smtp, read_server

    if config.smtp_url is None:
        if config.demo:
            return None
        return Finding(
            "E-mail",
            "warn",
            "No mail server is named: nothing is offered that needs e-mail, such as codes for the log-in.",
            "Name one in EVENTLY_SMTP_URL, and a sender in EVENTLY_MAIL_FROM.",
        )
    smtp = Smtp(read_server(config.smtp_url), 1, command_seconds_max=_ANSWER_SECONDS_MAX)
    try:
        await smtp.check()
    except MailTrouble as exc:
        remedy = "Correct EVENTLY_SMTP_URL, or let this machine reach the server, whose log says more."
        return Finding("E-mail", "fail", f"The mail server cannot be used: {exc}.", remedy)
    return Finding("E-mail", "pass", f"The mail server {smtp.shown} answers, and takes this log-in.")


async def _examine_rates(config: Config) -> Finding | None:
    if config.redis_url is None:
        return None
    from limits.storage import storage_from_string

    scheme, _, rest = config.redis_url.partition("://")
    try:
        storage = storage_from_string(f"async+{scheme}://{rest}", implementation="valkey")
        async with asyncio.timeout(_ANSWER_SECONDS_MAX):
            answers = await cast("Awaitable[bool]", storage.check())
    except Exception:  # noqa: BLE001  # whatever the extra, the library and the network raise
        answers = False
    if answers:
        return Finding("Rates", "pass", "Valkey or Redis counts the rates of all machines.")
    remedy = "Start it, or correct EVENTLY_REDIS_URL; until then each process counts rates for itself."
    return Finding("Rates", "warn", "Valkey or Redis does not answer.", remedy)


async def _examine_gateway(config: Config, database: Database) -> Finding:
    from evently.kit.clock import utc_now
    from evently.payments import GatewayTrouble, open_gateways

    name = config.gateway
    if name is None:
        return Finding(
            "Payments",
            "warn",
            "No gateway is named: nothing is sold that is paid online.",
            "Name one in EVENTLY_GATEWAY, or sell at the door and for free.",
        )
    if name == "demo":
        remedy = "Name another one in EVENTLY_GATEWAY before real people come."
        return Finding(
            "Payments", "pass" if config.demo else "warn", "The demo gateway takes no real money.", remedy
        )
    try:
        gateway = open_gateways(config.payment_options(), database, utc_now)[name]
        await gateway.list_notices(utc_now(), None)
        await gateway.close()
    except (GatewayTrouble, Trouble, ValueError) as exc:
        remedy = "Correct EVENTLY_STRIPE_KEY, or let this machine reach the gateway (docs/payments.md)."
        return Finding("Payments", "fail", f"The gateway {name} cannot be used: {exc}.", remedy)
    return Finding("Payments", "pass", f"The gateway {name} answers, and takes the key.")


async def _examine_waiting(config: Config, database: Database) -> Iterator[Finding]:
    from evently import jobs, mail, sales
    from evently.kit.clock import utc_now

    now = utc_now()
    found = []
    late = {
        "Relay": (await sales.outbox.oldest_undelivered(database), "Facts wait", 300),
        "E-mail": (await mail.oldest_due(database) if config.smtp_url else None, "E-mails wait", 300),
    }
    for name, (since, what, most) in late.items():
        if since is not None and (now - since).total_seconds() > most:
            seconds = (now - since).total_seconds()
            remedy = "Run evently serve, or evently work: they do it. If one runs, its log says what fails."
            found.append(Finding(name, "warn", f"{what} for {seconds:,.0f} seconds.", remedy))
    failed = (await jobs.count_jobs(database, now)).failed
    if failed:
        remedy = "Read why at /admin, mend it, and retry them there."
        found.append(Finding("Jobs", "warn", f"{failed:,} jobs have failed for good.", remedy))
    return iter(found or [Finding("Work", "pass", "No fact, e-mail or job is late.")])
