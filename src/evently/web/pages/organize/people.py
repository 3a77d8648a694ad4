"""Members of an organizer, their roles, invitations by e-mail; and joining with one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final, cast, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import accounts
from evently.accounts import AccountsRefusal, MemberRole
from evently.accounts.members import Member
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import InvitationId, OrganizerId, PersonId
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.organizers import (
    ROLE_WORDS,
    accept_invitation,
    change_member,
    invite,
    remove_member,
    withdraw_invitation,
)
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import OWNERS, open_desk, organizer_address, render_desk
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.services import Request

_ROLES: Final = get_args(MemberRole)
_SHOWN_MAX: Final = 100  # members and invitations on a page
_UTC: Final = ZoneInfo("UTC")
_SAVED: Final = {
    "invited": "The invitation is on its way.",
    "withdrawn": "The invitation is withdrawn: its code does not work any more.",
    "role": "The role is changed.",
    "removed": "This person is no member any more.",
}
Saved = Annotated[str, QueryParameter(max_length=10)]
After = Annotated[str, QueryParameter(max_length=500)]
Code = Annotated[str, QueryParameter(max_length=200)]
Page = Response[str] | Response[None]


@show("/organize/{organizer_id}/people", **policy(organizer("manager")))
async def show_people(
    request: Request, organizer_id: FromPath[OrganizerId], saved: Saved = "", after: After = ""
) -> Response[str]:
    """Return the members of an organizer; its owners also see who is invited, and change both."""
    return await _page(request, organizer_id, done=_SAVED.get(saved, ""), after=after or None)


@act("/organize/{organizer_id}/people", **policy(OWNERS))
async def invite_person(request: Request, organizer_id: FromPath[OrganizerId]) -> Page:
    """Invite an address; where no mail is sent, show the code once."""
    form = await read_form(request)
    role, errors = form.text("role"), list[FormError]()
    if role not in _ROLES:
        errors.append(FormError("role", "Choose what this person may do."))
    email = accounts.people.normalise_email(form.text("email"))
    if wrong := accounts.people.email_errors(email, "/email"):
        errors += errors_of(Invalid(wrong), {"/email": "email"})
    if errors:
        return await _page(request, organizer_id, form=form, errors=errors)
    try:
        _, code = await invite(request, organizer_id, email, cast("MemberRole", role))
    except Refused as exc:
        if exc.refusal not in (AccountsRefusal.ALREADY_MEMBER, AccountsRefusal.LIMIT_REACHED):
            raise
        return await _page(request, organizer_id, form=form, errors=[FormError("email", sentence_of(exc))])
    if request.context.mail.on:
        return see_other(f"{organizer_address(organizer_id)}/people?saved=invited")
    return await _page(request, organizer_id, code=code, invited=email)


@act("/organize/{organizer_id}/people/invitations/{invitation_id}/withdraw", **policy(OWNERS))
async def withdraw(
    request: Request, organizer_id: FromPath[OrganizerId], invitation_id: FromPath[InvitationId]
) -> Page:
    """Withdraw an invitation."""
    try:
        await withdraw_invitation(request, organizer_id, invitation_id)
    except Refused as exc:
        return await _refused(request, organizer_id, exc)
    return see_other(f"{organizer_address(organizer_id)}/people?saved=withdrawn")


@act("/organize/{organizer_id}/people/{person_id}/role", **policy(OWNERS))
async def change_role(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Page:
    """Change the role of a member."""
    form = await read_form(request)
    role = form.text("role")
    if role not in _ROLES:
        return await _page(request, organizer_id, errors=[FormError("main", "Choose one of the roles.")])
    try:
        seen = partial(_check_version, form)
        await change_member(request, organizer_id, person_id, cast("MemberRole", role), seen)
    except Refused as exc:
        return await _refused(request, organizer_id, exc)
    return see_other(f"{organizer_address(organizer_id)}/people?saved=role")


@show("/organize/{organizer_id}/people/{person_id}/remove", **policy(OWNERS))
async def show_removing(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Response[str]:
    """Return the page that says what it means to remove a member."""
    member = await accounts.members.get_member(request.context.database, organizer_id, person_id)
    desk = await open_desk(request, organizer_id)
    return render_desk(request, desk, "remove_member.html", member=member, me=request.actor.id)


@act("/organize/{organizer_id}/people/{person_id}/remove", **policy(OWNERS))
async def remove(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Page:
    """Remove a member."""
    form = await read_form(request)
    try:
        await remove_member(request, organizer_id, person_id, partial(_check_version, form))
    except Refused as exc:
        return await _refused(request, organizer_id, exc)
    if person_id == request.actor.id:
        return see_other("/organize")
    return see_other(f"{organizer_address(organizer_id)}/people?saved=removed")


@show("/organize/join", **policy(SIGNED_IN))
async def show_joining(request: Request, code: Code = "") -> Response[str]:
    """Return the page on which a person accepts an invitation with its code."""
    return await _joining(request, code)


@act("/organize/join", **policy(SIGNED_IN, rate="login"))
async def join(request: Request) -> Page:
    """Make the reader a member."""
    code = (await read_form(request)).text("code")
    if not code:
        return await _joining(request, code, "Enter the code of the invitation.")
    try:
        invitation = await accept_invitation(request, code)
    except Refused as exc:
        if exc.refusal not in (
            AccountsRefusal.INVITATION_INVALID,
            AccountsRefusal.ALREADY_MEMBER,
            AccountsRefusal.LIMIT_REACHED,
        ):
            raise
        return await _joining(request, code, sentence_of(exc), PROBLEMS[exc.refusal].status)
    return see_other(organizer_address(invitation.organizer_id))


def _check_version(form: Form, version: int) -> None:
    if form.text("version") != str(version):
        raise Refused(CommonRefusal.STALE)


async def _refused(request: Request, organizer_id: UUID, exc: Refused) -> Response[str]:
    """Return the page as it is now, with why nothing was done."""
    if exc.refusal is CommonRefusal.STALE:
        text = "Another owner has changed this person meanwhile. Here is what is true now; nothing was done."
    elif exc.refusal is CommonRefusal.NOT_FOUND:
        text = f"{sentence_of(exc)} Nothing was done."
    elif exc.refusal is AccountsRefusal.LAST_OWNER:
        text = "An organizer needs an owner. Make another person an owner first."
    else:
        raise exc
    return await _page(
        request, organizer_id, errors=[FormError("main", text)], status=PROBLEMS[exc.refusal].status
    )


async def _page(
    request: Request,
    organizer_id: UUID,
    *,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    status: int = 422,
    done: str = "",
    code: str = "",
    invited: str = "",
    after: str | None = None,
) -> Response[str]:
    context = request.context
    desk = await open_desk(request, organizer_id)
    page = await accounts.members.list_members(context.database, organizer_id, _SHOWN_MAX, after)
    owns, invitations = desk.role == "owner", []
    if owns:
        found = await accounts.invitations.list_invitations(
            context.database, organizer_id, context.clock(), _SHOWN_MAX, None
        )
        invitations = found.data
    return render_desk(
        request,
        desk,
        "people.html",
        status=status if errors else 200,
        members=sorted(page.data, key=_order),
        next_page=page.next_cursor,
        invitations=[(each, each.expires_at.astimezone(_UTC)) for each in invitations],
        owns=owns,
        me=request.actor.id,
        roles=ROLE_WORDS,
        form=form or Form([]),
        errors=list(errors),
        done=done,
        code=code,
        invited=invited,
        sends=context.mail.on,
    )


def _order(member: Member) -> tuple[int, str]:
    return _ROLES.index(member.role), member.name.casefold()


async def _joining(request: Request, code: str, error: str = "", status: int = 422) -> Response[str]:
    person = await accounts.people.get_person(request.context.database, request.actor.id)
    return render(
        request,
        "organize/join.html",
        status=status if error else 200,
        desk=None,
        event=None,
        code=code,
        errors=[FormError("code", error)] if error else [],
        person=person,
    )


routes: Final = [
    show_people,
    invite_person,
    withdraw,
    change_role,
    show_removing,
    remove,
    show_joining,
    join,
]
