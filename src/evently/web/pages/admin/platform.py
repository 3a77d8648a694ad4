"""The platform: organizers, events, figures; health, failed jobs, audits; what administrators did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from evently import accounts, analytics, catalogue, jobs
from evently.accounts import acts
from evently.analytics import Range, Scope
from evently.audit import runs
from evently.audit.runs import AuditRefusal
from evently.jobs import JobsRefusal
from evently.kit.errors import Refused
from evently.kit.ids import AuditRunId, OrganizerId, show_id
from evently.kit.money import Money
from evently.sales.reads import list_sale_summaries
from evently.web import administration
from evently.web.administration import read_job_id
from evently.web.checks import describe_health
from evently.web.edge.auth import ADMIN, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.admin.frame import in_utc, read_reason, render_admin
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import organizer_address
from evently.web.pages.rendering import act, safe_next, see_other, show
from evently.web.services import Request

_SHOWN_MAX: Final = 50
Search = Annotated[str, QueryParameter(max_length=254)]
After = Annotated[str, QueryParameter(max_length=500)]
Saved = Annotated[str, QueryParameter(max_length=10)]
Following = Annotated[str, QueryParameter(name="next", max_length=2_000)]
Page = Response[str] | Response[None]


@show("/admin", **policy(ADMIN, rate="heavy"))
async def show_overview(request: Request) -> Response[str]:
    """Return what was sold on the platform, and what is wrong with it now."""
    context = request.context
    report = await analytics.read_report(context.database, Scope(), Range())
    said = await describe_health(context)
    return render_admin(
        request,
        "overview.html",
        report=report,
        revenue=[(each, Money(each.revenue.net_minor(), each.currency)) for each in report.amounts],
        wrong=[each for each in said if each.status != "pass"],
        checks=len(said),
    )


@show("/admin/organizers", **policy(ADMIN))
async def show_organizers(request: Request, q: Search = "", after: After = "") -> Response[str]:
    """Return the organizers, the newest first, or those whose name begins with a text."""
    page = await accounts.organizers.list_organizers(
        request.context.database, q.strip() or None, _SHOWN_MAX, after or None
    )
    found = [(each, in_utc(each.organizer.created_at)) for each in page.data]
    return render_admin(request, "organizers.html", q=q.strip(), found=found, next_page=page.next_cursor)


@show("/admin/organizers/{organizer_id}/open", **policy(ADMIN))
async def ask_why(
    request: Request, organizer_id: FromPath[OrganizerId], following: Following = ""
) -> Response[str]:
    """Ask an administrator why they act for an organizer, before they change something of it."""
    return await _why(request, organizer_id, following, Form([]))


@act("/admin/organizers/{organizer_id}/open", **policy(ADMIN))
async def open_organizer(request: Request, organizer_id: FromPath[OrganizerId]) -> Page:
    """Allow an administrator to change things of an organizer, for an hour."""
    form = await read_form(request)
    reason, errors = read_reason(form)
    if errors:
        return await _why(request, organizer_id, form.text("next"), form, errors)
    await administration.open_organizer(request, organizer_id, reason)
    return see_other(safe_next(form.text("next"), organizer_address(organizer_id)))


@show("/admin/events", **policy(ADMIN))
async def show_events(request: Request, after: After = "") -> Response[str]:
    """Return the events of all organizers, the newest first, drafts too."""
    context = request.context
    page = await catalogue.list_events_of_organizer(
        context.database, list_sale_summaries, None, None, context.clock(), _SHOWN_MAX, after or None
    )
    return render_admin(
        request, "events.html", events=[card.event for card in page.data], next_page=page.next_cursor
    )


@show("/admin/health", **policy(ADMIN))
async def show_health(request: Request) -> Response[str]:
    """Return the health of the platform, a sentence with a dot for each check."""
    return render_admin(request, "health.html", said=await describe_health(request.context))


@show("/admin/jobs", **policy(ADMIN))
async def show_jobs(request: Request, saved: Saved = "", after: After = "") -> Response[str]:
    """Return the jobs whose attempts are used up."""
    return await _jobs(request, done="The job is attempted once more." if saved else "", after=after)


@act("/admin/jobs/{job_id}/retry", **policy(ADMIN))
async def retry_job(request: Request, job_id: FromPath[str]) -> Page:
    """Attempt a failed job once more, with a reason."""
    form = await read_form(request)
    number = read_job_id(job_id)
    reason, errors = read_reason(form)
    if errors:
        return await _jobs(request, form, [FormError(f"reason-{number}", errors[0].text)])
    try:
        await administration.retry_job(request, number, reason)
    except Refused as exc:
        if exc.refusal is not JobsRefusal.JOB_NOT_FAILED:
            raise
        return await _jobs(request, form, [FormError("main", sentence_of(exc))], 409)
    return see_other("/admin/jobs?saved=retried")


@show("/admin/audits", **policy(ADMIN))
async def show_audits(request: Request) -> Response[str]:
    """Return the audits that administrators asked for, and the form that asks for one."""
    return await _audits(request, Form([]))


@act("/admin/audits", **policy(ADMIN))
async def start_audit(request: Request) -> Page:
    """Ask for an audit, with a reason."""
    form = await read_form(request)
    reason, errors = read_reason(form)
    if errors:
        return await _audits(request, form, errors)
    try:
        run_id = await administration.start_audit(request, reason)
    except Refused as exc:
        if exc.refusal is not AuditRefusal.AUDIT_RUNNING:
            raise
        return await _audits(
            request, form, [FormError("reason", sentence_of(exc))], PROBLEMS[exc.refusal].status
        )
    return see_other(f"/admin/audits/{show_id('aud', run_id)}")


@show("/admin/audits/{run_id}", **policy(ADMIN))
async def show_audit(request: Request, run_id: FromPath[AuditRunId]) -> Response[str]:
    """Return an audit with its findings; while it runs, the page looks again by itself."""
    found = await runs.find_run(request.context.database, run_id)
    response = render_admin(
        request,
        "audit.html",
        run=found,
        requested=in_utc(found.requested_at),
        seconds=None
        if found.finished_at is None or found.started_at is None
        else (found.finished_at - found.started_at).total_seconds(),
    )
    if found.state in ("waiting", "running"):
        response.headers["refresh"] = "3"
    return response


@show("/admin/acts", **policy(ADMIN))
async def show_acts(request: Request, after: After = "") -> Response[str]:
    """Return what administrators did, the newest first, and whether it is as it was written."""
    database = request.context.database
    page = await acts.list_acts(database, _SHOWN_MAX, after or None)
    return render_admin(
        request,
        "acts.html",
        acts=[(each, in_utc(each.at)) for each in page.data],
        next_page=page.next_cursor,
        broken=None if after else await acts.find_break(database),
        first=not after,
    )


async def _why(
    request: Request,
    organizer_id: UUID,
    following: str,
    form: Form,
    errors: Sequence[FormError] = (),
) -> Response[str]:
    found = await accounts.organizers.get_organizer(request.context.database, organizer_id)
    return render_admin(
        request,
        "open.html",
        status=422 if errors else 200,
        errors=errors,
        form=form,
        organizer=found,
        address=f"/admin/organizers/{show_id('org', organizer_id)}/open",
        following=following,
    )


async def _jobs(
    request: Request,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    status: int = 422,
    done: str = "",
    after: str = "",
) -> Response[str]:
    page = await jobs.list_failed(request.context.database, _SHOWN_MAX, after or None)
    return render_admin(
        request,
        "jobs.html",
        status=status if errors else 200,
        errors=errors,
        form=form or Form([]),
        jobs=[(each, in_utc(each.failed_at)) for each in page.data],
        next_page=page.next_cursor,
        done=done,
    )


async def _audits(
    request: Request, form: Form, errors: Sequence[FormError] = (), status: int = 422
) -> Response[str]:
    page = await runs.list_runs(request.context.database, _SHOWN_MAX, None)
    return render_admin(
        request,
        "audits.html",
        status=status if errors else 200,
        errors=errors,
        form=form,
        runs=[(each, in_utc(each.requested_at)) for each in page.data],
    )


routes: Final = [
    show_overview,
    show_organizers,
    ask_why,
    open_organizer,
    show_events,
    show_health,
    show_jobs,
    retry_job,
    show_audits,
    start_audit,
    show_audit,
    show_acts,
]
