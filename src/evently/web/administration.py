"""What administrators do, for the API and the pages alike: each act is written down with its reason.

An act and what it does are one transaction: neither is there without the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from evently import accounts, jobs
from evently.accounts import AccountsRefusal, Person, PlatformRole, acts
from evently.accounts.organizers import get_organizer
from evently.audit import runs
from evently.jobs import JobsRefusal
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import show_id
from evently.web.services import Request

_JOB_DIGITS_MAX: Final = 18  # fits into a bigint
_log: Final = structlog.get_logger(__name__)


async def change_role(
    request: Request, person_id: UUID, role: PlatformRole, reason: str, seen: Callable[[int], None]
) -> Person:
    """Change the platform role of a person, and end their sessions. Refuses `last-admin`, `invalid`."""
    context, reason = request.context, _checked(reason)
    async with context.database.transaction() as tx:
        person = await accounts.people.lock_with_admins(tx, person_id)
        seen(person.version)
        if role == person.role:
            return person
        person = await accounts.people.change_role(tx, person, role)
        ended = await accounts.end_all_sessions(tx, person_id, context.clock())
        kind: acts.ActKind = "made_admin" if role == "admin" else "made_buyer"
        await acts.record(tx, request.actor.id, kind, show_id("per", person_id), reason, context.clock())
    context.accounts.revocations.add(ended)
    _note(request, "role changed", person_id=person_id, role=role)
    return person


async def lock_account(request: Request, person_id: UUID, reason: str) -> Person:
    """Keep a person from logging in; end the sessions. Refuses `not-yourself`, `last-admin`, `invalid`."""
    context, reason = request.context, _checked(reason)
    if person_id == request.actor.id:
        raise Refused(AccountsRefusal.NOT_YOURSELF)
    now = context.clock()
    async with context.database.transaction() as tx:
        person = await accounts.people.lock_with_admins(tx, person_id)
        if person.locked_at is not None:
            return person
        person = await accounts.people.lock_account(tx, person, now)
        ended = await accounts.end_all_sessions(tx, person_id, now)
        await acts.record(tx, request.actor.id, "account_locked", show_id("per", person_id), reason, now)
    context.accounts.revocations.add(ended)
    _note(request, "account locked", person_id=person_id)
    return person


async def unlock_account(request: Request, person_id: UUID, reason: str) -> Person:
    """Allow a locked person to log in again. Refuses `invalid`."""
    context, reason = request.context, _checked(reason)
    async with context.database.transaction() as tx:
        person = await accounts.people.lock_with_admins(tx, person_id)
        if person.locked_at is None:
            return person
        person = await accounts.people.unlock_account(tx, person)
        await acts.record(
            tx, request.actor.id, "account_unlocked", show_id("per", person_id), reason, context.clock()
        )
    _note(request, "account unlocked", person_id=person_id)
    return person


async def end_sessions(request: Request, person_id: UUID, reason: str) -> int:
    """End all sessions of a person; return how many there were. Refuses `invalid`."""
    context, reason = request.context, _checked(reason)
    now = context.clock()
    async with context.database.transaction() as tx:
        await accounts.people.lock_person(tx, person_id)
        ended = await accounts.end_all_sessions(tx, person_id, now)
        await acts.record(tx, request.actor.id, "sessions_ended", show_id("per", person_id), reason, now)
    context.accounts.revocations.add(ended)
    _note(request, "sessions ended", person_id=person_id)
    return len(ended)


async def retry_job(request: Request, job_id: int, reason: str) -> None:
    """Attempt a failed job once more. Refuses `job-not-failed`, `invalid`."""
    context, reason = request.context, _checked(reason)
    now = context.clock()
    async with context.database.transaction() as tx:
        await jobs.retry(tx, job_id, now)
        await acts.record(tx, request.actor.id, "job_retried", f"job {job_id}", reason, now)
    _note(request, "job retried", job_id=job_id)


async def start_audit(request: Request, reason: str) -> UUID:
    """Ask for an audit of the whole database; return its id. Refuses `audit-running`, `invalid`."""
    context, reason = request.context, _checked(reason)
    now = context.clock()
    async with context.database.transaction() as tx:
        # Acts take turns, so that of two administrators at the same moment one gets the audit
        await acts.record(tx, request.actor.id, "audit_started", "", reason, now)
        run_id = await runs.request_run(tx, request.actor.id, now)
    _note(request, "audit requested", run_id=run_id)
    return run_id


async def open_organizer(request: Request, organizer_id: UUID, reason: str) -> datetime:
    """Allow an administrator to change things of an organizer, for an hour; return its end.

    Refuses `not-found` and `invalid`.
    """
    context, reason = request.context, _checked(reason)
    now = context.clock()
    organizer = await get_organizer(context.database, organizer_id)
    async with context.database.transaction() as tx:
        subject = show_id("org", organizer.organizer_id)
        await acts.record(tx, request.actor.id, "desk_opened", subject, reason, now)
    _note(request, "desk opened", organizer_id=organizer_id)
    return now + acts.DESK_OPEN


def read_job_id(text: str) -> int:
    """Return the number of a job. Refuses `job-not-failed` for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _JOB_DIGITS_MAX):
        raise Refused(JobsRefusal.JOB_NOT_FAILED)
    return int(text)


def _checked(reason: str) -> str:
    reason, errors = acts.check_reason(reason, "/reason")
    if errors:
        raise Invalid(errors)
    return reason


def _note(request: Request, message: str, **about: object) -> None:
    _log.info(message, actor_id=str(request.actor.id), **{name: str(value) for name, value in about.items()})
