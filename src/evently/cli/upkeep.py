"""The commands that do one thing and end: migrate, demo, admin, audit, rehearse, openapi."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from evently.cli.serving import any_database
from evently.config import Config


def migrate_database(config: Config) -> None:
    """Migrate the database; an embedded PostgreSQL runs for the duration of the command."""
    from evently.db.migrations import head_revision

    with any_database(config):
        Console(highlight=False).print(f"The database is at revision {head_revision()}.")


def fill_with_demo(config: Config) -> None:
    """Fill the database with demo data and print the accounts that can log in."""
    from evently.demo import describe_accounts, fill

    with any_database(config) as ready:
        asyncio.run(fill(ready.database_options()))
    Console(highlight=False).print(describe_accounts())


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
    Console(highlight=False).print(f"{email} is an administrator. {note}")


def run_audit(config: Config, event: str | None, *, as_json: bool) -> bool:
    """Audit, print the findings, and return whether all invariants hold."""
    from evently.audit import audit, show

    with any_database(config) as ready:
        findings = asyncio.run(audit(ready.database_options(), event))
    if as_json:
        json.dump([finding.as_dict() for finding in findings], sys.stdout, indent=2)
    else:
        Console(highlight=False).print(show(findings))
    return all(finding.count == 0 for finding in findings)


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
