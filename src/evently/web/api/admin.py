"""Administration: people, organizers, failed jobs, health, audits, and what administrators did.

Every change needs a reason, which is written down with it.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Final

import msgspec

from evently import accounts, jobs
from evently.accounts import AccountsRefusal, Person, PlatformRole, acts
from evently.accounts.acts import REASON_CHARACTERS_MAX, Act
from evently.accounts.organizers import ListedOrganizer
from evently.audit import runs
from evently.audit.runs import AuditRefusal, AuditRun, RunState
from evently.jobs import JobsRefusal
from evently.kit.errors import CommonRefusal
from evently.kit.ids import AuditRunId, OrganizerId, PersonId, show_id
from evently.web import administration
from evently.web.administration import read_job_id
from evently.web.checks import Status, describe_health
from evently.web.edge.auth import ADMIN, policy
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, patch, post
from evently.web.services import Request

_TAG: Final = "Administration"
_SEARCH_CHARACTERS_MAX: Final = 254

Reason = Annotated[
    str,
    msgspec.Meta(
        examples=["Asked for by the owner of the account."],
        extra_json_schema={"minLength": 1, "maxLength": REASON_CHARACTERS_MAX},
    ),
]


class UserView(msgspec.Struct, frozen=True):
    """A person's account, as administrators see it.

    After an account is deleted, `email` is null and `name` says that the account was deleted.
    """

    id: Annotated[str, msgspec.Meta(examples=["per_01m7y4ef72ev2sxmcnxfse27zp"])]
    email: str | None
    name: str
    role: PlatformRole
    created_at: datetime
    erased_at: datetime | None
    locked_at: Annotated[datetime | None, msgspec.Meta(examples=[None])]


class RolePatch(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a user. `reason` is written down with them."""

    role: PlatformRole | msgspec.UnsetType = msgspec.UNSET
    reason: Reason | msgspec.UnsetType = msgspec.UNSET


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for those who read later what was done."""

    reason: Reason


class OpenedView(msgspec.Struct, frozen=True):
    """Until when the administrator may change things of the organizer."""

    organizer_id: str
    opened_until: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T10:00:00Z"])]


class EndedView(msgspec.Struct, frozen=True):
    """How many sessions have ended."""

    ended: Annotated[int, msgspec.Meta(examples=[3])]


class AdminOrganizerView(msgspec.Struct, frozen=True):
    """An organizer, as administrators see it."""

    id: Annotated[str, msgspec.Meta(examples=["org_01m7y4ef72ev2sxmcnxfse27zp"])]
    name: Annotated[str, msgspec.Meta(examples=["Klangwerk"])]
    contact_email: Annotated[str, msgspec.Meta(examples=["hello@klangwerk.example"])]
    members: Annotated[int, msgspec.Meta(examples=[4])]
    created_at: datetime


class JobView(msgspec.Struct, frozen=True):
    """A job whose attempts are used up."""

    id: Annotated[int, msgspec.Meta(examples=[1234])]
    task: Annotated[str, msgspec.Meta(examples=["notify_buyers"])]
    arguments: Annotated[
        dict[str, str], msgspec.Meta(examples=[{"event_id": "evt_01m7y4ef72ev2sxmcnxfse27zp"}])
    ]
    attempts: Annotated[int, msgspec.Meta(examples=[12])]
    failed_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:00Z"])]


class HealthSentenceView(msgspec.Struct, frozen=True):
    """A health check as a sentence."""

    name: Annotated[str, msgspec.Meta(examples=["Relay"])]
    status: Annotated[Status, msgspec.Meta(examples=["pass"])]
    text: Annotated[str, msgspec.Meta(examples=["Every fact is delivered."])]


class FindingView(msgspec.Struct, frozen=True):
    """An invariant, and how many breaches of it were found."""

    code: Annotated[str, msgspec.Meta(examples=["I1"])]
    title: Annotated[str, msgspec.Meta(examples=["Capacity: pools that are oversold"])]
    count: Annotated[int, msgspec.Meta(examples=[0])]
    examples: Annotated[list[str], msgspec.Meta(examples=[[]])]


class AuditRunView(msgspec.Struct, frozen=True):
    """An audit. `findings` has every invariant once it is done; `failure` says why there are none."""

    id: Annotated[str, msgspec.Meta(examples=["aud_01m7y4ef72ev2sxmcnxfse27zp"])]
    state: Annotated[RunState, msgspec.Meta(examples=["done"])]
    requested_by: Annotated[str, msgspec.Meta(examples=["per_01m7y4ef72ev2sxmcnxfse27zp"])]
    requested_at: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T09:00:00Z"])]
    started_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:01Z"])]
    finished_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:09Z"])]
    breaches: Annotated[int | None, msgspec.Meta(examples=[0])]
    findings: list[FindingView]
    failure: Annotated[str, msgspec.Meta(examples=[""])]


class ActView(msgspec.Struct, frozen=True):
    """What an administrator did, and why. `subject`: the id of what it is about; empty: the platform."""

    number: Annotated[int, msgspec.Meta(examples=[17])]
    at: datetime
    admin_id: Annotated[str, msgspec.Meta(examples=["per_01m7y4ef72ev2sxmcnxfse27zp"])]
    admin_name: Annotated[str, msgspec.Meta(examples=["Mina Ito"])]
    kind: Annotated[str, msgspec.Meta(examples=["account_locked"])]
    subject: Annotated[str, msgspec.Meta(examples=["per_01m7y4ef72ev2sxmcnxfse27zp"])]
    reason: Annotated[str, msgspec.Meta(examples=["Sells tickets of others."])]


@get(
    "/v1/admin/users",
    operation_id="listUsers",
    summary="List users",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def list_users(
    request: Request,
    q: Annotated[
        str | None,
        QueryParameter(
            max_length=_SEARCH_CHARACTERS_MAX,
            description="Return only users whose e-mail or name begins with this text, ignoring case.",
        ),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[UserView]]:
    """List the accounts of all people, newest first."""
    return paginated(
        request, await accounts.people.list_people(request.context.database, q, limit, after), _show
    )


@get(
    "/v1/admin/users/{person_id}",
    operation_id="getUser",
    summary="Get a user",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def get_user(request: Request, person_id: FromPath[PersonId]) -> Response[UserView] | Response[None]:
    """Return the account of one person."""
    person = await accounts.people.get_person(request.context.database, person_id)
    return not_modified(request, etag_of(person.version)) or _answer(person)


@patch(
    "/v1/admin/users/{person_id}",
    operation_id="editUser",
    summary="Change a user's role",
    description=(
        "Ends the user's sessions, so that the new role applies within a second; the user must log in again. "
        "The platform's last administrator cannot lose the role."
    ),
    tags=[_TAG],
    responses=problems(CommonRefusal.STALE, AccountsRefusal.LAST_ADMIN),
    **policy(ADMIN),
)
async def edit_user(
    request: Request, person_id: FromPath[PersonId], data: JSONBody[RolePatch]
) -> Response[UserView]:
    """Change the platform role of a person and end their sessions."""
    seen = partial(require_if_match, request)
    if data.role is msgspec.UNSET:
        person = await accounts.people.get_person(request.context.database, person_id)
        seen(person.version)
        return _answer(person)
    reason = "" if data.reason is msgspec.UNSET else data.reason
    return _answer(await administration.change_role(request, person_id, data.role, reason, seen))


@post(
    "/v1/admin/users/{person_id}/lock",
    operation_id="lockUser",
    summary="Lock an account",
    description="Ends the person's sessions; nobody can log in with the account until it is unlocked.",
    tags=[_TAG],
    status_code=200,
    responses=problems(AccountsRefusal.LAST_ADMIN, AccountsRefusal.NOT_YOURSELF),
    **policy(ADMIN),
)
async def lock_user(
    request: Request, person_id: FromPath[PersonId], data: JSONBody[ReasonBody]
) -> Response[UserView]:
    """Keep a person from logging in."""
    return _answer(await administration.lock_account(request, person_id, data.reason))


@post(
    "/v1/admin/users/{person_id}/unlock",
    operation_id="unlockUser",
    summary="Unlock an account",
    tags=[_TAG],
    status_code=200,
    responses=problems(),
    **policy(ADMIN),
)
async def unlock_user(
    request: Request, person_id: FromPath[PersonId], data: JSONBody[ReasonBody]
) -> Response[UserView]:
    """Allow a locked person to log in again."""
    return _answer(await administration.unlock_account(request, person_id, data.reason))


@post(
    "/v1/admin/users/{person_id}/end-sessions",
    operation_id="endUserSessions",
    summary="End the sessions of a user",
    description="The person must log in again everywhere, within a second.",
    tags=[_TAG],
    status_code=200,
    responses=problems(),
    **policy(ADMIN),
)
async def end_user_sessions(
    request: Request, person_id: FromPath[PersonId], data: JSONBody[ReasonBody]
) -> Response[EndedView]:
    """End all sessions of a person."""
    return Response(
        EndedView(await administration.end_sessions(request, person_id, data.reason)), headers=NO_STORE
    )


@get(
    "/v1/admin/organizers",
    operation_id="listOrganizers",
    summary="List organizers",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def list_organizers(
    request: Request,
    q: Annotated[
        str | None,
        QueryParameter(
            max_length=_SEARCH_CHARACTERS_MAX,
            description="Return only organizers whose name begins with this text, ignoring case.",
        ),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[AdminOrganizerView]]:
    """List all organizers, newest first."""
    page = await accounts.organizers.list_organizers(request.context.database, q, limit, after)
    return paginated(request, page, _show_organizer)


@post(
    "/v1/admin/organizers/{organizer_id}/open",
    operation_id="openOrganizer",
    summary="Say why you act for an organizer",
    description=(
        "Administrators read everything of an organizer that they do not belong to. They change something of "
        "it only after saying why: the reason is written down among the acts, and holds for an hour."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(),
    **policy(ADMIN),
)
async def open_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[ReasonBody]
) -> Response[OpenedView]:
    """Allow the caller to change things of an organizer, for an hour."""
    until = await administration.open_organizer(request, organizer_id, data.reason)
    return Response(OpenedView(show_id("org", organizer_id), until), headers=NO_STORE)


@get(
    "/v1/admin/health",
    operation_id="describeHealth",
    summary="Say how the platform is",
    description="Every health check of this process and of what it stands on, as a sentence, in one page.",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def show_health(request: Request) -> Response[PageView[HealthSentenceView]]:
    """Return the health of the platform in sentences."""
    said = [HealthSentenceView(*each) for each in await describe_health(request.context)]
    return Response(PageView(said, None), headers=NO_STORE)


@get(
    "/v1/admin/jobs",
    operation_id="listFailedJobs",
    summary="List failed jobs",
    description="Jobs whose attempts are used up, the newest first.",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def list_failed_jobs(
    request: Request, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[JobView]]:
    """List the jobs that have failed for good."""
    page = await jobs.list_failed(request.context.database, limit, after)
    return paginated(request, page, lambda job: JobView(*msgspec.structs.astuple(job)))


@post(
    "/v1/admin/jobs/{job_id}/retry",
    operation_id="retryJob",
    summary="Attempt a failed job once more",
    tags=[_TAG],
    status_code=204,
    responses=problems(JobsRefusal.JOB_NOT_FAILED),
    **policy(ADMIN),
)
async def retry_job(request: Request, job_id: FromPath[str], data: JSONBody[ReasonBody]) -> Response[None]:
    """Attempt a failed job once more."""
    await administration.retry_job(request, read_job_id(job_id), data.reason)
    return Response(None, headers=NO_STORE)


@post(
    "/v1/admin/audits",
    operation_id="startAudit",
    summary="Audit the database",
    description=(
        "Recomputes every invariant from the journals, in a process of its own. One audit runs at a time; "
        "get it to see whether it is done."
    ),
    tags=[_TAG],
    status_code=201,
    responses=problems(AuditRefusal.AUDIT_RUNNING),
    **policy(ADMIN),
)
async def start_audit(request: Request, data: JSONBody[ReasonBody]) -> Response[AuditRunView]:
    """Ask for an audit."""
    run_id = await administration.start_audit(request, data.reason)
    found = await runs.find_run(request.context.database, run_id)
    location = f"/v1/admin/audits/{show_id('aud', run_id)}"
    return Response(_show_run(found), status_code=201, headers={"location": location, **NO_STORE})


@get(
    "/v1/admin/audits",
    operation_id="listAudits",
    summary="List audits",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def list_audits(
    request: Request, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[AuditRunView]]:
    """List the audits that administrators asked for, newest first."""
    return paginated(request, await runs.list_runs(request.context.database, limit, after), _show_run)


@get(
    "/v1/admin/audits/{run_id}",
    operation_id="getAudit",
    summary="Get an audit",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def get_audit(request: Request, run_id: FromPath[AuditRunId]) -> Response[AuditRunView]:
    """Return an audit with its findings."""
    return Response(_show_run(await runs.find_run(request.context.database, run_id)), headers=NO_STORE)


@get(
    "/v1/admin/acts",
    operation_id="listActs",
    summary="List what administrators did",
    description="With who, when and why, the newest first. Acts are written down and never change.",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def list_acts(
    request: Request,
    subject: Annotated[
        str | None,
        QueryParameter(
            max_length=60, description="Return only acts about the person or organizer with this id."
        ),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[ActView]]:
    """List the acts of administrators."""
    page = await acts.list_acts(request.context.database, limit, after, subject=subject)
    return paginated(request, page, _show_act)


def _show_organizer(listed: ListedOrganizer) -> AdminOrganizerView:
    found = listed.organizer
    return AdminOrganizerView(
        show_id("org", found.organizer_id), found.name, found.contact_email, listed.members, found.created_at
    )


def _show_run(run: AuditRun) -> AuditRunView:
    return AuditRunView(
        id=show_id("aud", run.run_id),
        state=run.state,
        requested_by=show_id("per", run.requested_by),
        requested_at=run.requested_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        breaches=run.breaches if run.state == "done" else None,
        findings=[FindingView(each.code, each.title, each.count, each.examples) for each in run.findings],
        failure=run.failure,
    )


def _show_act(act: Act) -> ActView:
    return ActView(
        act.number,
        act.at,
        show_id("per", act.admin_id),
        act.admin_name,
        act.kind,
        act.subject,
        act.reason,
    )


def _answer(person: Person) -> Response[UserView]:
    return Response(_show(person), headers={"etag": etag_of(person.version), **NO_STORE})


def _show(person: Person) -> UserView:
    return UserView(
        show_id("per", person.person_id),
        person.email,
        person.name,
        person.role,
        person.created_at,
        person.erased_at,
        person.locked_at,
    )


routes: Final = [
    list_users,
    get_user,
    edit_user,
    lock_user,
    unlock_user,
    end_user_sessions,
    list_organizers,
    open_organizer,
    show_health,
    list_failed_jobs,
    retry_job,
    start_audit,
    list_audits,
    get_audit,
    list_acts,
]
