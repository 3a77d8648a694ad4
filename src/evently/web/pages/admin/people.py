"""People: who has an account; locking it, ending its sessions, changing its role, each with a reason."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from evently import accounts
from evently.accounts import AccountsRefusal, PlatformRole, acts, sessions
from evently.accounts.organizers import list_memberships
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import PersonId, show_id
from evently.web import administration
from evently.web.edge.auth import ADMIN, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.admin.frame import in_utc, read_reason, render_admin
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_SHOWN_MAX: Final = 50
_SAVED: Final = {
    "lock": "The account is locked: its sessions have ended, and nobody can log in with it.",
    "unlock": "The account is unlocked.",
    "sessions": "The sessions have ended.",
    "role": "The role is changed; the person must log in again.",
}
_KNOWN: Final = (AccountsRefusal.LAST_ADMIN, AccountsRefusal.NOT_YOURSELF, CommonRefusal.STALE)
Search = Annotated[str, QueryParameter(max_length=254)]
After = Annotated[str, QueryParameter(max_length=500)]
Saved = Annotated[str, QueryParameter(max_length=10)]
Page = Response[str] | Response[None]


@show("/admin/people", **policy(ADMIN))
async def show_people(request: Request, q: Search = "", after: After = "") -> Response[str]:
    """Return the accounts, the newest first, or those whose name or e-mail begins with a text."""
    page = await accounts.people.list_people(
        request.context.database, q.strip() or None, _SHOWN_MAX, after or None
    )
    people = [(each, in_utc(each.created_at)) for each in page.data]
    return render_admin(request, "people.html", q=q.strip(), people=people, next_page=page.next_cursor)


@show("/admin/people/{person_id}", **policy(ADMIN))
async def show_person(request: Request, person_id: FromPath[PersonId], saved: Saved = "") -> Response[str]:
    """Return an account, and what administrators did about it."""
    return await _page(request, person_id, done=_SAVED.get(saved, ""))


@act("/admin/people/{person_id}/{what}", **policy(ADMIN))
async def change_person(request: Request, person_id: FromPath[PersonId], what: FromPath[str]) -> Page:
    """Lock or unlock an account, end its sessions, or change its role: with a reason."""
    if what not in _SAVED:
        raise Refused(CommonRefusal.NOT_FOUND)
    form = await read_form(request)
    reason, errors = read_reason(form)
    if errors:
        return await _page(request, person_id, form, errors)
    try:
        await _carry_out(request, person_id, what, form, reason)
    except Refused as exc:
        if exc.refusal not in _KNOWN:
            raise
        text = sentence_of(exc)
        if exc.refusal is CommonRefusal.STALE:
            text = "This account has changed meanwhile. Here is what is true now; nothing was done."
        return await _page(
            request, person_id, form, [FormError("reason", text)], PROBLEMS[exc.refusal].status
        )
    return see_other(f"/admin/people/{show_id('per', person_id)}?saved={what}")


async def _carry_out(request: Request, person_id: UUID, what: str, form: Form, reason: str) -> None:
    def seen(version: int) -> None:
        if form.text("version") != str(version):
            raise Refused(CommonRefusal.STALE)

    match what:
        case "lock":
            await administration.lock_account(request, person_id, reason)
        case "unlock":
            await administration.unlock_account(request, person_id, reason)
        case "sessions":
            await administration.end_sessions(request, person_id, reason)
        case "role":
            role: PlatformRole = "admin" if form.text("role") == "admin" else "buyer"
            await administration.change_role(request, person_id, role, reason, seen)


async def _page(
    request: Request,
    person_id: UUID,
    form: Form | None = None,
    errors: list[FormError] | None = None,
    status: int = 422,
    done: str = "",
) -> Response[str]:
    database, now = request.context.database, request.context.clock()
    person = await accounts.people.get_person(database, person_id)
    open_ = await sessions.list_sessions(database, person_id, now)
    memberships = await list_memberships(database, person_id, _SHOWN_MAX, None)
    done_about = await acts.list_acts(database, _SHOWN_MAX, None, subject=show_id("per", person_id))
    return render_admin(
        request,
        "person.html",
        status=status if errors else 200,
        errors=errors or [],
        form=form or Form([]),
        person=person,
        since=in_utc(person.created_at),
        locked=in_utc(person.locked_at),
        sessions=len(open_),
        memberships=memberships.data,
        acts=[(each, in_utc(each.at)) for each in done_about.data],
        me=request.actor.id,
        done=done,
    )


routes: Final = [show_people, show_person, change_person]
