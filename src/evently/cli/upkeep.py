"""The commands that do one thing and end: migrate, demo, admin, audit, doctor, backup, archive, ...."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from evently.cli.failures import Output
from evently.cli.serving import any_database, data_directory_of, running_database_url
from evently.config import Config, ConfigError, ignore_libpq_variables


def migrate_database(config: Config) -> None:
    """Migrate the database; an embedded PostgreSQL runs for the duration of the command."""
    from evently.db.migrations import head_revision

    with any_database(config):
        Output(highlight=False).print(f"The database is at revision {head_revision()}.")


def distribute_tables(config: Config, *, dry_run: bool) -> None:
    """Migrate the database and spread the tables of events over its cluster, or print the plan."""
    from evently.db import DatabaseOptions
    from evently.db.distributing import FIRST, distribute

    if config.database_url is None:
        raise ConfigError(
            "The embedded PostgreSQL is one server: name the coordinator of a cluster with "
            "EVENTLY_DATABASE_URL."
        )
    console = Output(highlight=False, soft_wrap=True)
    if not dry_run:
        migrate_database(config)
    options = DatabaseOptions(url=config.database_url, prepared_statements=config.prepared_statements)
    plan = asyncio.run(distribute(options, dry_run=dry_run, show=lambda table: console.print(f"{table} ...")))
    if dry_run:
        for step in plan.steps:
            done = ", done already" if step.is_done else ""
            beside = "" if step.table == FIRST else f" beside {FIRST}"
            console.print(f"{step.table}: by event_id{beside}{done}")
        console.print(f"On the coordinator stay: {', '.join(plan.staying)}.")
        if not plan.is_cluster:
            console.print("The database does not have the extension citus yet.")
    else:
        before = sum(step.is_done for step in plan.steps)
        console.print(
            f"{len(plan.steps)} tables are distributed by event_id, {before} of them already before. Restart "
            "every process that uses the database."
        )


def fill_with_demo(config: Config) -> None:
    """Fill the database with demo data and print the accounts that can log in."""
    from evently.demo import describe_accounts, fill

    with any_database(config) as ready:
        asyncio.run(fill(ready.database_options()))
    Output(highlight=False).print(describe_accounts())


def create_admin(config: Config, email: str, name: str) -> None:
    """Create an administrator and print the password, which is stored as a hash only."""
    from evently.accounts import register_admin

    with any_database(config) as ready:
        password = asyncio.run(register_admin(ready.database_options(), email, name))
    note = (
        f"Password (shown once): {password}"
        if password
        else "The password of the account stays; all its sessions have ended."
    )
    Output(highlight=False).print(f"{email} is an administrator. {note}")


def run_audit(config: Config, event: str | None, *, as_json: bool) -> bool:
    """Audit, print the findings, and return whether all invariants hold."""
    from evently.audit import audit, show
    from evently.db import placement

    with any_database(config) as ready:
        findings = asyncio.run(audit(ready.database_options(), event))
    if as_json:
        json.dump([finding.as_dict() for finding in findings], sys.stdout, indent=2)
        sys.stdout.flush()  # a reader that has gone is noticed before the result is told
    else:
        Output(highlight=False).print(show(findings))
        if placement.is_spread:
            Output(highlight=False).print(
                "No snapshot spans the nodes of a cluster: events with breaches were examined again, until "
                "they did not change meanwhile."
            )
    return all(finding.count == 0 for finding in findings)


def make_backup(config: Config, directory: Path | None, keep: int | None) -> None:
    """Copy the embedded database, while it sells or while it is stopped."""
    from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres, back_up, programs_for_backups, prune

    directory = _backups_of(config, directory)
    programs, data_directory = programs_for_backups(config.pg_bindir), data_directory_of(config)
    with ExitStack() as stack:
        url = running_database_url(config)
        if url is None:
            options = EmbeddedOptions(
                data_directory=data_directory, bin_directory=config.pg_bindir, backups=directory
            )
            url = stack.enter_context(EmbeddedPostgres(options)).url
        place, copy = back_up(url, programs, directory, data_directory)
    console = Output(highlight=False, soft_wrap=True)
    seconds = (copy.completed_at - copy.started_at).total_seconds()
    console.print(f"{place} is a verified copy: {copy.bytes / 1e6:,.0f} MB, {seconds:.1f} seconds.")
    if keep is not None and (removed := prune(programs, directory, keep)):
        console.print(f"{removed} older ones were removed, with the log that only they needed.")


def restore_backup(config: Config, directory: Path | None, at: str | None) -> None:
    """Make a new data directory from a backup, and say which moment it shows."""
    from evently.db.embedded import restore

    directory = _backups_of(config, directory)
    ignore_libpq_variables()
    place, last = restore(directory, config.data, _moment(at), config.pg_bindir)
    shown = f"its last transaction is of {last}" if last else "the log has no later transaction"
    Output(highlight=False, soft_wrap=True).print(
        f"{config.data} was restored from {place}: {shown}.\n"
        f"Next: evently audit --data {config.data}, then serve it, with an empty directory of backups."
    )


def archive_journals(config: Config, days: int, restored: str | None) -> None:
    """Archive the journals of old events, or restore one."""
    from evently.kit.ids import parse_id
    from evently.sales.archiving import archive_old, restore_journal

    if config.archive is None:
        raise ConfigError("Name the directory of archived journals, here or with EVENTLY_ARCHIVE.")
    with any_database(config) as ready:
        options = ready.database_options()
        if restored is not None:
            rows = asyncio.run(restore_journal(options, parse_id("evt", restored)))
            said = f"{rows:,} rows are in the database again. Their files stay: remove them when you like."
        else:
            files = asyncio.run(archive_old(options, timedelta(days=days)))
            size = sum(file.size for file in files) / 1e6
            rows = sum(file.last_seq - file.first_seq + 1 for file in files)
            events = "1 event" if len(files) == 1 else f"{len(files):,} events"
            said = f"Archived: {events}, {rows:,} rows, {size:,.1f} MB in {config.archive}."
    Output(highlight=False, soft_wrap=True).print(said)


def _backups_of(config: Config, directory: Path | None) -> Path:
    """Return the directory of backups that was named."""
    if config.database_url is not None:
        raise ConfigError("This is for the embedded PostgreSQL: back up your own with its own tools.")
    found = directory or config.backups
    if found is None:
        raise ConfigError("Name the directory of backups, here or with EVENTLY_BACKUPS.")
    return found


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ConfigError(f"--at: {text!r} is not a time like 2026-11-29T20:15:00+01:00.") from exc
    if found.tzinfo is None:
        raise ConfigError(f"--at: {text!r} has no time zone; add +01:00, or Z for UTC.")
    return found


def run_doctor(data: Path | None, *, as_json: bool) -> bool:
    """Examine the installation, print the findings, and return whether nothing has failed."""
    from evently.cli.doctor import examine
    from evently.config import environment_for
    from evently.kit.logs import LogOptions, configure_logs

    configure_logs(LogOptions(level="error"))  # and to standard error: what is printed may be JSON
    found = examine(environment_for(**({} if data is None else {"data": str(data)})))
    if as_json:
        json.dump([finding._asdict() for finding in found], sys.stdout, indent=2)
        sys.stdout.flush()
    else:
        console = Output(highlight=False, soft_wrap=True)
        for finding in found:
            sign = {"pass": "ok  ", "warn": "look", "fail": "FAIL"}[finding.status]
            console.print(f"{sign}  {finding.name}: {finding.text}", markup=False)
            if finding.remedy and finding.status != "pass":
                console.print(f"      {finding.remedy}", markup=False)
    return all(finding.status != "fail" for finding in found)


def run_rehearsal(**plan: Any) -> bool:
    """Rehearse with the fields of a `RehearsalPlan`, and return whether the audits found nothing."""
    from evently.rehearsal import RehearsalPlan, rehearse

    return rehearse(RehearsalPlan(**plan))


def describe_api(write: Path | None) -> None:
    """Print the OpenAPI document, or write it beside AsyncAPI and the Postman collection."""
    from evently.web.documentation import asyncapi_json, openapi_json, postman_json

    if write is None:
        sys.stdout.write(openapi_json())
        return
    write.mkdir(parents=True, exist_ok=True)
    (write / "openapi.json").write_text(openapi_json(), encoding="utf-8")
    (write / "asyncapi.json").write_text(asyncapi_json(), encoding="utf-8")
    (write / "postman.json").write_text(postman_json(), encoding="utf-8")
